"""Policies of the organization, as the guardrails and alarms create them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from aws_cdk import Annotations, Aws, Names, Stack
from aws_cdk import aws_organizations as organizations

from .stack_order import StackOrder

if TYPE_CHECKING:
    from constructs import Construct

# AWS's limit is 128, and the rest of the name is added.
_MAX_NAME_CHARACTERS = 100


class OrganizationPolicyType(StrEnum):
    """A type of policy, by AWS's name."""

    SERVICE_CONTROL = "SERVICE_CONTROL_POLICY"
    RESOURCE_CONTROL = "RESOURCE_CONTROL_POLICY"


def create_policy(
    scope: Construct,
    id: str,
    *,
    type: OrganizationPolicyType,
    description: str,
    document: Mapping[str, Any],
    target_ids: Sequence[str],
    part: str = "",
) -> organizations.CfnPolicy:
    """Create a policy, and attach it to its targets, if it has any.

    Its name is unique among the stacks of an account. It is without the account's ID, which would
    make it unique in the organization, but would also rename the policies that are already
    deployed.

    Args:
        scope: The construct that has the policy.
        id: The policy's id.
        type: The policy's type.
        description: Its description, without the stack.
        document: The policy.
        target_ids: What it is attached to.
        part: What tells its name from those of the construct's other policies, for example
            ``Members-``.
    """
    name = Names.unique_resource_name(scope, separator="-", max_length=_MAX_NAME_CHARACTERS)
    # Unknown at synth, and CloudFormation's own error does not say what to do.
    Annotations.of(scope).add_info(
        f"The policy needs its type, {type}, to be enabled in the organization. If the "
        "deployment fails with PolicyTypeNotEnabledException, run in the management account: aws "
        f"organizations enable-policy-type --policy-type {type} --root-id <the id that aws "
        "organizations list-roots returns>"
    )
    policy = organizations.CfnPolicy(
        scope,
        id,
        type=type,
        # A stack may be in several Regions.
        name=f"{name}-{part}{Stack.of(scope).region}",
        # As the stack is called when it is deployed: a plain template has no name of its own.
        description=f"{description} From the CloudFormation stack {Aws.STACK_NAME}.",
        content=document,
        target_ids=list(target_ids),
    )
    # Organizations refuses changes that are made at the same time.
    StackOrder.of(scope).add_policy(policy)
    return policy
