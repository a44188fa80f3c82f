"""The smallest app: both features are enabled, in the account and Region of the CLI's credentials."""

from aws_cdk import App, Stack

from centralized_root_access import CentralizedRootAccess

app = App()
CentralizedRootAccess(Stack(app, "OrganizationBootstrap"), "RootAccess")
app.synth()
