"""The RootUserGuardrail construct: a service control policy that keeps root users from being used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_cdk import Annotations, Names, Stack, Token
from aws_cdk import aws_organizations as organizations
from constructs import Construct

from ._arguments import parse_exempt_accounts, parse_targets, require_bool, require_partition

if TYPE_CHECKING:
    from collections.abc import Iterable

_POLICY_TYPE = "SERVICE_CONTROL_POLICY"
_SID = "DenyRootUsers"
# AWS's limit since May 2026.
_MAX_POLICY_CHARACTERS = 10_240
# AWS's limit is 128, and the Region is added.
_MAX_NAME_CHARACTERS = 100


class RootUserGuardrail(Construct):
    """A guardrail that denies every action to the root users of member accounts, but not to root sessions.

    It is a service control policy after AWS's own pattern. A root user can still sign in, and then do
    nothing; sessions opened with AssumeRoot, such as those of :class:`RootTasks`, are exempt. The management
    account's root user is not affected: no service control policy applies to that account.

    **The stack is deployed in the organization's management account, or in one that may manage policies by
    the organization's delegation policy.** Service control policies must be enabled in the organization:
    otherwise the deployment fails with ``PolicyTypeNotEnabledException``. Removing a target, the construct or
    the stack detaches the policy.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html

    Example::

        RootUserGuardrail(stack, "RootUserGuardrail", targets=["ou-a1b2-c3d4e5f6"])

    Args:
        scope: The stack, or a construct in it.
        id: The construct's id, which is part of the policy's name.
        targets: The IDs of the organizational units and accounts that the policy is attached to. A token,
            such as the ID of a unit of the same app, is not checked, and adds the warning
            ``centralized-root-access:guardrailTargetUnknown``.
        exempt_accounts: Account IDs of 12 digits, on or under the targets, whose root users are not denied
            anything. Default: none.
        allow_organization_root: Whether ``targets`` may list the organization's root, which is every member
            account at once. Default: refused.

    Attributes:
        policy_id: The ID of the policy; a token.
        policy_arn: The ARN of the policy, which AWS names when the policy denies a call; a token.
        policy_name: The name of the policy, which has to be unique in the organization. It is so among the
            stacks of one account; a stack of another account needs another name, or the construct another id.

    Raises:
        ValueError: No target is listed, an ID is malformed, an account is both a target and exempt, the
            organization's root is listed without the argument for it, the policy would be longer than AWS
            allows, or the stack is in a China Region, if its ``env`` has the Region.
        TypeError: An argument has another type. An iterator is not a list: it could be used up.
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
        attached_to = parse_targets(targets, allow_organization_root=allow_organization_root, stack=stack)
        exempt = parse_exempt_accounts(exempt_accounts, targets=attached_to)
        document = _document(exempt)
        _require_policy_size(document, exempt_accounts=len(exempt))
        require_partition(self)
        self._annotate(stack, attached_to, allow_organization_root=allow_organization_root)

        # The construct's path makes it unique in the account and the Region; a stack may be in several. The
        # account's ID would make it unique in the organization, and rename the policies that are deployed.
        name = Names.unique_resource_name(self, separator="-", max_length=_MAX_NAME_CHARACTERS)
        self.policy_name = f"{name}-{stack.region}"
        policy = organizations.CfnPolicy(
            self,
            "Policy",
            type=_POLICY_TYPE,
            name=self.policy_name,
            description=(
                "Denies every action to root users of member accounts, but not in sessions opened with "
                f"AssumeRoot. From the CloudFormation stack {stack.stack_name}."
            ),
            content=document,
            target_ids=attached_to,
        )
        self.policy_id: str = policy.attr_id
        self.policy_arn: str = policy.attr_arn

    def _annotate(self, stack: Stack, targets: list[str], *, allow_organization_root: bool) -> None:
        annotations = Annotations.of(self)
        unknown = [target for target in targets if Token.is_unresolved(target)]
        if unknown and not allow_organization_root:
            annotations.add_warning_v2(
                "centralized-root-access:guardrailTargetUnknown",
                "targets contains a token: whether it is the organization's root, and so every member "
                "account, is not known before the deployment.",
            )
        if stack.account in targets and not Token.is_unresolved(stack.account):
            annotations.add_warning_v2(
                "centralized-root-access:guardrailOnOwnAccount",
                f"targets lists {stack.account}, the account of this stack. If it is the management account, "
                "the guardrail does nothing there: no service control policy applies to it.",
            )
        # Nobody can know it at synth, and CloudFormation's error does not say what to do.
        annotations.add_info(
            "The guardrail needs service control policies to be enabled in the organization. If the "
            "deployment fails with PolicyTypeNotEnabledException, run in the management account: aws "
            f"organizations enable-policy-type --policy-type {_POLICY_TYPE} --root-id <the id that aws "
            "organizations list-roots returns>"
        )


def _document(exempt_accounts: list[str]) -> dict[str, Any]:
    """Return AWS's pattern: a root user's own calls have no aws:AssumedRoot, a root session's have it."""
    condition: dict[str, Any] = {
        # The partition is a wildcard, so that the text is the same in each.
        "ArnLike": {"aws:PrincipalArn": "arn:*:iam::*:root"},
        "Null": {"aws:AssumedRoot": "true"},
    }
    if exempt_accounts:
        condition["StringNotEquals"] = {"aws:PrincipalAccount": exempt_accounts}
    statement = {"Sid": _SID, "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _require_policy_size(document: dict[str, Any], *, exempt_accounts: int) -> None:
    # CloudFormation writes the text: at most with a space after each comma and colon.
    characters = len(json.dumps(document))
    if characters > _MAX_POLICY_CHARACTERS:
        raise ValueError(
            f"exempt_accounts lists {exempt_accounts} accounts, with which the policy has {characters} "
            f"characters; AWS allows {_MAX_POLICY_CHARACTERS}. Leave organizational units out of targets "
            "instead."
        )
