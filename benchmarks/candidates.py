"""The candidates, and the states of the organization that they start from."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_cdk import Stack

    from local_aws.emulation import Organization

PRINCIPAL = "iam.amazonaws.com"


class Candidate(StrEnum):
    """The ways to enable centralized root access."""

    CONSTRUCT = "this construct"
    CUSTOM_RESOURCES = "three AwsCustomResources"
    COMMAND_LINE = "the CLI's calls"


class Yardstick(StrEnum):
    """Stacks to compare the synthesis with."""

    EMPTY = "an empty stack"
    FUNCTION = "a bare function"


class State(StrEnum):
    """The organization before a run."""

    FRESH = "a fresh organization"
    ENABLED = "already enabled"


# What an administrator types: the three calls that enable it, and one that shows the result.
COMMANDS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("organizations", "enable_aws_service_access", {"ServicePrincipal": PRINCIPAL}),
    ("iam", "enable_organizations_root_credentials_management", {}),
    ("iam", "enable_organizations_root_sessions", {}),
    ("iam", "list_organizations_features", {}),
)


def add_construct(stack: Stack) -> None:
    """Add this construct to a stack."""
    # Not at the top: the import is part of the time that a synthesis takes.
    from centralized_root_access import CentralizedRootAccess

    CentralizedRootAccess(stack, "RootAccess")


def add_custom_resources(stack: Stack) -> None:
    """Add one AwsCustomResource for each of the three calls, each dependent on the one before."""
    from aws_cdk import custom_resources

    previous = None
    for id, service, action, parameters in (
        ("TrustedAccess", "Organizations", "enableAWSServiceAccess", {"ServicePrincipal": PRINCIPAL}),
        ("RootCredentialsManagement", "IAM", "enableOrganizationsRootCredentialsManagement", None),
        ("RootSessions", "IAM", "enableOrganizationsRootSessions", None),
    ):
        resource = custom_resources.AwsCustomResource(
            stack,
            id,
            install_latest_aws_sdk=False,
            on_update=custom_resources.AwsSdkCall(
                service=service,
                action=action,
                parameters=parameters,
                physical_resource_id=custom_resources.PhysicalResourceId.of(id),
            ),
            policy=custom_resources.AwsCustomResourcePolicy.from_sdk_calls(
                resources=custom_resources.AwsCustomResourcePolicy.ANY_RESOURCE
            ),
        )
        if previous is not None:
            resource.node.add_dependency(previous)
        previous = resource


def add_placeholder(stack: Stack) -> None:
    """Add the one resource without which CloudFormation refuses a stack."""
    from aws_cdk import CfnWaitConditionHandle

    CfnWaitConditionHandle(stack, "Placeholder")


def add_function(stack: Stack) -> None:
    """Add the least that is a custom resource with Python code of its own, all in the CDK's lowest layer."""
    from aws_cdk import CustomResource
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk.aws_s3_assets import Asset

    role = iam.CfnRole(
        stack,
        "Role",
        assume_role_policy_document={
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        },
    )
    code = Asset(stack, "Code", path=str(Path(__file__).parents[1] / "lambda" / "aws_calls"))
    function = lambda_.CfnFunction(
        stack,
        "Function",
        runtime="python3.14",
        handler="calls.call",
        code=lambda_.CfnFunction.CodeProperty(s3_bucket=code.s3_bucket_name, s3_key=code.s3_object_key),
        role=role.attr_arn,
    )
    CustomResource(stack, "Resource", service_token=function.attr_arn)


BUILDERS: Mapping[Candidate | Yardstick, Callable[[Stack], None]] = {
    Candidate.CONSTRUCT: add_construct,
    Candidate.CUSTOM_RESOURCES: add_custom_resources,
    Yardstick.EMPTY: add_placeholder,
    Yardstick.FUNCTION: add_function,
}


def reset_to(state: State, organization: Organization, *, latency: float) -> None:
    """Reset the organization to a state, without calls, and set the latency.

    Args:
        state: The state.
        organization: The organization.
        latency: How many seconds each AWS call takes from then on.
    """
    organization.reset()
    if state is State.ENABLED:
        organization.client("organizations").enable_aws_service_access(ServicePrincipal=PRINCIPAL)
        organization.client("iam").enable_organizations_root_credentials_management()
        organization.client("iam").enable_organizations_root_sessions()
        organization.clear_calls()
    organization.set_latency(latency)
