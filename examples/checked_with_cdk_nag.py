"""In an app that cdk-nag 3 checks: what the AwsSolutions rules find here, acknowledged with the reasons.

`pip install cdk-nag`; this library does not need it. What is acknowledged is named as narrowly as cdk-nag
can: this finding, for this value, in this role.
"""

from aws_cdk import Acknowledgment, App, Stack, Validations
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

from centralized_root_access import CentralizedRootAccess


def acknowledge_wildcard(role: IConstruct, resource: str, reason: str) -> None:
    """Acknowledges that the role's policy names a resource with a wildcard."""
    Validations.of(role.node.find_child("DefaultPolicy")).acknowledge(
        Acknowledgment(id=f"AwsSolutions::AwsSolutions-IAM5[Resource::{resource}]", reason=reason)
    )


app = App()
stack = Stack(app, "OrganizationBootstrap")
root_access = CentralizedRootAccess(stack, "RootAccess", delegated_administrators=["222222222222"])
Validations.of(app).add_plugins(AwsSolutionsChecks(app))

role = root_access.node.find_child("Role")
acknowledge_wildcard(role, "*", "Calls for the whole organization: AWS has no resource to limit them to.")
acknowledge_wildcard(
    role,
    "arn:<AWS::Partition>:organizations::<AWS::AccountId>:account/o-*/*",
    "The list of delegated administrators can change; only this organization has these accounts.",
)
acknowledge_wildcard(
    root_access.node.find_child("ProviderRole"),
    # The function's logical id, as cdk-nag tells it: another construct id gives another one.
    "<RootAccessFunction30D88B3A.Arn>:*",
    "CDK's Provider framework invokes its one function, at whatever version.",
)
app.synth()
