"""The RootUserGuardrail construct: a service control policy that denies root users every action."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from aws_cdk import Annotations, Stack, Token
from constructs import Construct

from ..base.arguments import (
    parse_account_ids,
    parse_targets,
    require_bool,
    require_region_with_root_access,
)
from ..base.organization_policies import OrganizationPolicyType, create_policy

# The description of the policy.
ROOT_USER_DENIAL = (
    "Denies every action to root users of member accounts, "
    "but not in sessions opened with AssumeRoot."
)


class RootUserGuardrail(Construct):
    """A guardrail that denies root users of member accounts every action that a policy can deny.

    It is a service control policy by AWS's own pattern. A root user can still sign in, but do
    almost nothing; root sessions, such as those of :class:`RootTasks`, stay allowed. The
    management account's root user is not affected: no service control policy applies to that
    account.

    **The stack is deployed in the organization's management account, or in one that may manage
    policies by the organization's delegation policy.** Service control policies must be enabled in
    the organization: otherwise the deployment fails with ``PolicyTypeNotEnabledException``.
    Removing a target, the construct or the stack detaches the policy.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html

    Example::

        RootUserGuardrail(stack, "RootUserGuardrail", targets=["ou-a1b2-c3d4e5f6"])

    Args:
        scope: The stack, or a construct in it.
        id: The construct's id, which is part of the policy's name.
        targets: The IDs of the organizational units and accounts that the policy is attached to. A
            token, such as the ID of a unit of the same app, is not checked, and adds the warning
            ``centralized-root-access:guardrailTargetUnknown``.
        exempt_accounts: Account IDs of 12 digits, on or under the targets, whose root users are not
            denied anything. Default: none.
        allow_organization_root: True to let ``targets`` list the organization's root, which is
            every member account at once. Default: refused.

    Attributes:
        policy_id: The ID of the policy; a token.
        policy_arn: The ARN of the policy, which AWS names when the policy denies a call; a token.
        policy_name: The name of the policy, which has to be unique in the organization. Among the
            stacks of one account it is unique. If two accounts have stacks of the same name, give
            one of the stacks another name, or its construct another id.

    Raises:
        ValueError: An argument is malformed; no target is listed; the organization's root is listed
            without the argument for it; or the stack is in a China Region.
        TypeError: An argument has another type, such as an iterator.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        targets: Iterable[str],
        exempt_accounts: Iterable[str] = (),
        allow_organization_root: bool = False,
    ) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        require_bool("allow_organization_root", allow_organization_root)
        attached_to = parse_targets(
            targets, allow_organization_root=allow_organization_root, stack=stack
        )
        # A list that an app computes can be empty by accident.
        if not attached_to:
            raise ValueError(
                "targets is empty: the guardrail would protect nothing. List the ID of an "
                "organizational unit, for example."
            )
        exempt = parse_account_ids("exempt_accounts", exempt_accounts)
        require_region_with_root_access(self)
        # parse_targets refuses the organization's root, but cannot see it in a token.
        if not allow_organization_root and any(map(Token.is_unresolved, attached_to)):
            Annotations.of(self).add_warning_v2(
                "centralized-root-access:guardrailTargetUnknown",
                "targets contains a token: whether it is the organization's root, and so every "
                "member account, is not known before the deployment.",
            )

        policy = create_policy(
            self,
            "Policy",
            type=OrganizationPolicyType.SERVICE_CONTROL,
            description=ROOT_USER_DENIAL,
            document=root_user_denial(exempt),
            target_ids=attached_to,
        )
        self.policy_id: str = policy.attr_id
        self.policy_arn: str = policy.attr_arn
        self.policy_name: str = policy.name


def root_user_denial(exempt_accounts: Sequence[str] = ()) -> dict[str, Any]:
    """Return AWS's pattern of a policy that denies root users everything, but not root sessions.

    Only calls in a root session have the key ``aws:AssumedRoot``.
    """
    condition: dict[str, Any] = {
        # The partition is a wildcard, so that the text is the same in each.
        "ArnLike": {"aws:PrincipalArn": "arn:*:iam::*:root"},
        "Null": {"aws:AssumedRoot": "true"},
    }
    if exempt_accounts:
        condition["StringNotEquals"] = {"aws:PrincipalAccount": list(exempt_accounts)}
    statement = {
        "Sid": "DenyRootUsers",
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": condition,
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
