"""Features and delegated administrators chosen: what is listed is on, what is not listed is switched off.

RootSessions stays off. The security team's account may audit, delete and recover root credentials, and no
other account may: one that is registered for IAM and not listed here is deregistered.
"""

from aws_cdk import App, Environment, Stack

from centralized_root_access import CentralizedRootAccess, RootAccessFeature

MANAGEMENT = "111111111111"
SECURITY = "222222222222"

app = App()
stack = Stack(app, "OrganizationBootstrap", env=Environment(account=MANAGEMENT, region="us-east-1"))
CentralizedRootAccess(
    stack,
    "RootAccess",
    features=[RootAccessFeature.ROOT_CREDENTIALS_MANAGEMENT],
    delegated_administrators=[SECURITY],
)
app.synth()
