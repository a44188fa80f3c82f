"""Policies of the organization: how the guardrails and alarms create them, and their limits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_cdk import Annotations, Names, Stack
from aws_cdk import aws_organizations as organizations

from ..base.stack_order import StackOrder
from ..base.tokens import longest_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from constructs import Construct

# AWS's limit is 128, and the rest of the name is added.
_MAX_NAME_CHARACTERS = 100
# AWS's limits, by the type of policy; that of service control policies since May 2026:
# https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
_MAX_CHARACTERS = {"SERVICE_CONTROL_POLICY": 10_240, "RESOURCE_CONTROL_POLICY": 5_120}


@dataclass(frozen=True, kw_only=True)
class OrganizationPolicyType:
    """A type of policy.

    Attributes:
        name: AWS's name of the type.
        words: The type in a sentence.
    """

    name: str
    words: str


SERVICE_CONTROL = OrganizationPolicyType(
    name="SERVICE_CONTROL_POLICY", words="service control policies"
)
RESOURCE_CONTROL = OrganizationPolicyType(
    name="RESOURCE_CONTROL_POLICY", words="resource control policies"
)


def policy_name(scope: Construct, *, part: str = "") -> str:
    """Return a policy's name, which is unique among the stacks of an account.

    The account's ID would make it unique in the organization, and rename the policies that are
    deployed.
    """
    name = Names.unique_resource_name(scope, separator="-", max_length=_MAX_NAME_CHARACTERS)
    # A stack may be in several Regions.
    return f"{name}-{part}{Stack.of(scope).region}"


def require_policy_length(
    scope: Construct,
    document: Mapping[str, Any],
    *,
    type: OrganizationPolicyType,
    listed: str,
    remedy: str,
) -> None:
    """Refuse a policy that is longer than AWS allows.

    Args:
        scope: The construct that has the policy.
        document: The policy.
        type: The policy's type.
        listed: What the argument lists that may make it too long.
        remedy: What to do instead.

    Raises:
        ValueError: It is longer.
    """
    # CloudFormation writes the text: at most with a space after each comma and colon.
    characters = len(json.dumps(longest_value(Stack.of(scope).resolve(document))))
    maximum = _MAX_CHARACTERS[type.name]
    if characters > maximum:
        raise ValueError(
            f"{listed}, with which the policy has {characters} characters; "
            f"AWS allows {maximum}. {remedy}"
        )


def create_policy(
    scope: Construct,
    id: str,
    *,
    type: OrganizationPolicyType,
    name: str,
    description: str,
    document: Mapping[str, Any],
    target_ids: Sequence[str],
) -> organizations.CfnPolicy:
    """Create a policy, and attach it to its targets, if it has any.

    Args:
        scope: The construct that has the policy.
        id: The policy's id.
        type: The policy's type.
        name: The policy's name.
        description: Its description, without the stack.
        document: The policy.
        target_ids: What it is attached to.
    """
    # Unknown at synth, and CloudFormation's own error does not say what to do.
    Annotations.of(scope).add_info(
        f"The policy needs {type.words} to be enabled in the organization. If the "
        "deployment fails with PolicyTypeNotEnabledException, run in the management account: aws "
        f"organizations enable-policy-type --policy-type {type.name} --root-id <the id that aws "
        "organizations list-roots returns>"
    )
    policy = organizations.CfnPolicy(
        scope,
        id,
        type=type.name,
        name=name,
        description=f"{description} From the CloudFormation stack {Stack.of(scope).stack_name}.",
        content=document,
        target_ids=list(target_ids),
    )
    # Organizations refuses changes that are made at the same time.
    StackOrder.of(scope).add_policy(policy)
    return policy
