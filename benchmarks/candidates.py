"""What is compared, and the states that an organization is in before."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_cdk import Stack

    from local_aws.emulation import Organization

PRINCIPAL = "iam.amazonaws.com"


class Candidate(StrEnum):
    """The ways to turn centralized root access on."""

    CONSTRUCT = "this construct"
    CUSTOM_RESOURCES = "three AwsCustomResources"
    COMMAND_LINE = "the CLI's calls"


class Yardstick(StrEnum):
    """Stacks to measure synthesis by."""

    EMPTY = "an empty stack"
    PROVIDER = "a bare Provider"


class State(StrEnum):
    """What the organization is before."""

    FRESH = "a fresh organization"
    ALL_ON = "all on already"


# What an administrator types: the three switches, and a look at the result.
COMMANDS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("organizations", "enable_aws_service_access", {"ServicePrincipal": PRINCIPAL}),
    ("iam", "enable_organizations_root_credentials_management", {}),
    ("iam", "enable_organizations_root_sessions", {}),
    ("iam", "list_organizations_features", {}),
)


def with_construct(stack: Stack) -> None:
    """Builds this construct."""
    # Here, for what is imported is a part of the time that synthesis takes.
    from centralized_root_access import CentralizedRootAccess

    CentralizedRootAccess(stack, "RootAccess")


def with_custom_resources(stack: Stack) -> None:
    """Builds one AwsCustomResource for each of the three calls, in a row."""
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


def with_nothing(stack: Stack) -> None:
    """Builds as little as a stack may have."""
    from aws_cdk import CfnWaitConditionHandle

    CfnWaitConditionHandle(stack, "Nothing")


def with_provider(stack: Stack) -> None:
    """Builds the least that a Python custom resource takes: a Provider and a function without an asset."""
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
    Candidate.CONSTRUCT: with_construct,
    Candidate.CUSTOM_RESOURCES: with_custom_resources,
    Yardstick.EMPTY: with_nothing,
    Yardstick.PROVIDER: with_provider,
}


def bring_about(state: State, organization: Organization, *, latency: float) -> None:
    """Puts the organization into a state, forgets the calls, and sets how long each call takes.

    Args:
        state: the state.
        organization: the organization.
        latency: seconds for each AWS call from then on.
    """
    organization.reset()
    if state is State.ALL_ON:
        organization.client("organizations").enable_aws_service_access(ServicePrincipal=PRINCIPAL)
        organization.client("iam").enable_organizations_root_credentials_management()
        organization.client("iam").enable_organizations_root_sessions()
        organization.clear_calls()
    organization.set_latency(latency)
