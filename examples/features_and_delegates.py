"""Features and delegated administrators: what is listed is enabled, anything else is disabled.

RootSessions is disabled. CDK warns of that at synth, which is acknowledged here with its reason.
Besides the management account, the security team's alone may audit, delete and recover root
credentials: another account that is registered for IAM is deregistered.
"""

from aws_cdk import Annotations, App, Environment, Stack

from centralized_root_access import CentralizedRootAccess, RootAccessFeature

MANAGEMENT = "111111111111"
SECURITY = "222222222222"

app = App()
stack = Stack(app, "OrganizationBootstrap", env=Environment(account=MANAGEMENT, region="us-east-1"))
root_access = CentralizedRootAccess(
    stack,
    "RootAccess",
    features=[RootAccessFeature.ROOT_CREDENTIALS_MANAGEMENT],
    delegated_administrators=[SECURITY],
)
Annotations.of(root_access).acknowledge_warning(
    "centralized-root-access:disablesRootSessions", "No one unlocks policies as root: decision 12."
)
app.synth()
