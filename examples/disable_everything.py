"""Both features are disabled and every delegated administrator deregistered, on purpose.

CDK warns of both at synth. Deploy this before you remove the construct: removing it changes
nothing. Trusted access stays enabled: other IAM features may use it. If none does, this disables
it:

    aws organizations disable-aws-service-access --service-principal iam.amazonaws.com
"""

from aws_cdk import App, Stack

from centralized_root_access import CentralizedRootAccess

app = App()
stack = Stack(app, "OrganizationBootstrap")
CentralizedRootAccess(stack, "RootAccess", features=[], delegated_administrators=[])
app.synth()
