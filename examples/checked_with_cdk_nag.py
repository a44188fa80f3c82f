"""An app that cdk-nag 3 checks: each finding of the AwsSolutions rules is acknowledged with its reason.

`pip install cdk-nag`; this library does not need it. Each acknowledgment is as narrow as cdk-nag allows: one
finding, for one value, in one role.
"""

from aws_cdk import Acknowledgment, App, Stack, Validations
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

from centralized_root_access import CentralizedRootAccess


def acknowledge_wildcard(role: IConstruct, resource: str, reason: str) -> None:
    """Acknowledge that the role's policy names a resource with a wildcard."""
    Validations.of(role.node.find_child("DefaultPolicy")).acknowledge(
        Acknowledgment(id=f"AwsSolutions::AwsSolutions-IAM5[Resource::{resource}]", reason=reason)
    )


app = App()
stack = Stack(app, "OrganizationBootstrap")
root_access = CentralizedRootAccess(stack, "RootAccess", delegated_administrators=["222222222222"])
Validations.of(app).add_plugins(AwsSolutionsChecks(app))

role = root_access.node.find_child("Role")
acknowledge_wildcard(role, "*", "Organization-wide calls: AWS has no resource to limit them to.")
acknowledge_wildcard(
    role,
    "arn:<AWS::Partition>:organizations::<AWS::AccountId>:account/o-*/*",
    "The list of delegated administrators can change. Only this organization has these accounts.",
)
acknowledge_wildcard(
    root_access.node.find_child("ProviderRole"),
    # cdk-nag names the function by its logical id, which depends on the construct's id.
    "<RootAccessFunction30D88B3A.Arn>:*",
    "CDK's Provider framework invokes its one function, in any version.",
)
app.synth()
