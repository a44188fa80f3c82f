"""The candidates, and the states of the organization that they start from."""

from __future__ import annotations

from enum import StrEnum
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
    PROVIDER = "a bare Provider"


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


def add_provider(stack: Stack) -> None:
    """Add the minimum of a Python custom resource: a Provider and a function without an asset."""
    from aws_cdk import CustomResource
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk.custom_resources import Provider

    function = lambda_.Function(
        stack,
        "Function",
        runtime=lambda_.Runtime.PYTHON_3_14,
        handler="index.on_event",
        code=lambda_.Code.from_inline("def on_event(event, context): ..."),
    )
    provider = Provider(stack, "Provider", on_event_handler=function)
    CustomResource(stack, "Resource", service_token=provider.service_token)


BUILDERS: Mapping[Candidate | Yardstick, Callable[[Stack], None]] = {
    Candidate.CONSTRUCT: add_construct,
    Candidate.CUSTOM_RESOURCES: add_custom_resources,
    Yardstick.EMPTY: add_placeholder,
    Yardstick.PROVIDER: add_provider,
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
