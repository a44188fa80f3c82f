"""The smallest app: it enables both features, in the account of the CLI's credentials."""

from aws_cdk import App, Stack

from centralized_root_access import CentralizedRootAccess

app = App()
CentralizedRootAccess(Stack(app, "OrganizationBootstrap"), "RootAccess")
app.synth()
