"""Fixes for policies that deny root sessions: a statement to replace, or one to add."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from root_tasks.model.task import ASSUME_ROOT

from .documents import Policy, Statement
from .evaluate import Cause, Decision
from .policy_text import lowercase
from .session_calls import SessionOpener
from .verdicts import AccountVerdict

_NULL, _ASSUMED_ROOT = "Null", "aws:AssumedRoot"
_ARN_NOT_LIKE, _PRINCIPAL_ARN = "ArnNotLike", "aws:PrincipalArn"
_TASK_POLICY_ARN = "sts:taskpolicyarn"
# The path of the roles that RootTasks creates, if no other one is chosen.
_PATH = "/centralized-root-access/"
# Control Tower's names for the policies of its controls, and the Sid of AWS-GR_RESTRICT_ROOT_USER
# in them, whose parameter exempts root sessions:
# https://docs.aws.amazon.com/controlcatalog/latest/APIReference/API_ControlParameter.html
_CONTROL_TOWER_PREFIX = "aws-guardrails-"
_RESTRICT_ROOT_USER_SID = "GRRESTRICTROOTUSER"


class Keep(StrEnum):
    """The reason for which a statement that denies root sessions is not to be edited.

    Its lines say so to people, and what to do instead.
    """

    ON_PURPOSE = (
        "It denies root sessions on purpose. Detach the policy from these accounts, or exempt them."
    )
    LISTS_ROLES = (
        "Only the roles that it lists may open root sessions. Use RootTasks, or list your role as "
        "well: RootSessionGuardrail takes it in session_roles."
    )
    CONTROL = (
        "Control Tower manages it: do not edit the policy. Change or disable the control instead."
    )
    # AWS's command takes this parameter as JSON only.
    CONTROL_WITH_EXEMPTION = (
        "Control Tower manages it: do not edit the policy, because AWS updates no control whose "
        "policy was edited.\n"
        "Instead, set the parameter ExemptAssumeRoot of the control AWS-GR_RESTRICT_ROOT_USER on "
        "each OU that has it. `aws controltower list-enabled-controls` shows each ARN:\n"
        "  aws controltower update-enabled-control --enabled-control-identifier ARN "
        """--parameters '[{"key":"ExemptAssumeRoot","value":true}]'\n"""
        "If the control has other parameters, such as ExemptedPrincipalArns, add them there."
    )


@dataclass(frozen=True, kw_only=True)
class StatementFix:
    """A fix that lets root sessions through in spite of a denial.

    Attributes:
        cause: The cause of the denial, in one of its accounts.
        account_ids: Its accounts.
        statement: The present statement; None if an Allow is missing.
        suggested: The statement to replace it with, or to add; None if it is to be kept.
        keep: Why the present statement is to be kept; None if it is not.
    """

    cause: Cause
    account_ids: tuple[str, ...]
    statement: dict[str, Any] | None
    suggested: dict[str, Any] | None
    keep: Keep | None = None


@dataclass(frozen=True, kw_only=True)
class _DeniedCall:
    """A call that is denied in an account, and one of the causes."""

    account_id: str
    action: str
    cause: Cause

    @property
    def fix_key(self) -> tuple[object, ...]:
        """What the denials that one fix removes have in common.

        It is a statement, wherever it is attached, or a level without an Allow.
        """
        if self.cause.policy is None or self.cause.statement is None:
            # Calls in root sessions and the call that opens them need two statements: no one
            # condition is met by both.
            return self.cause.level.target_id, self.action == ASSUME_ROOT
        return self.cause.policy.policy_id, self.cause.statement.number


def find_fixes(accounts: Iterable[AccountVerdict], opener: SessionOpener) -> Iterator[StatementFix]:
    """Yield what would fix each denial, once for all accounts that it is in.

    Args:
        accounts: The accounts.
        opener: The role that opens root sessions.
    """
    roles = _role_patterns(opener)
    by_fix: dict[object, list[_DeniedCall]] = {}
    for denied_call in _denied_calls(accounts):
        by_fix.setdefault(denied_call.fix_key, []).append(denied_call)
    for denied_calls in by_fix.values():
        yield _fix_of(denied_calls, roles)


def _fix_of(calls: Sequence[_DeniedCall], roles: Sequence[str]) -> StatementFix:
    """Return what fixes the denials of one statement, or of one level without an Allow.

    Args:
        calls: The denied calls, which have the same fix.
        roles: The ARNs of the roles that open root sessions, or patterns of them.
    """
    cause = calls[0].cause
    actions = {call.action for call in calls}
    current, keep = None, None
    if cause.policy is None or cause.statement is None:
        suggested: dict[str, Any] | None = _missing_allow(actions, roles)
    else:
        current = _as_written(cause.policy, cause.statement)
        keep = _reason_to_keep(cause.policy, cause.statement, actions)
        suggested = None
        if keep is None:
            suggested = _statement_with_exemption(current, actions, roles)
    return StatementFix(
        cause=cause,
        account_ids=tuple(sorted({call.account_id for call in calls})),
        statement=current,
        suggested=suggested,
        keep=keep,
    )


def _denied_calls(accounts: Iterable[AccountVerdict]) -> Iterator[_DeniedCall]:
    """Yield each denied call of each account, once for each of its causes."""
    for account in accounts:
        for denial in account.causes:
            if denial.decision is Decision.DENIED:
                for action in denial.calls:
                    yield _DeniedCall(
                        account_id=account.account.account_id, action=action, cause=denial.cause
                    )


def _role_patterns(opener: SessionOpener) -> list[str]:
    """Return the ARNs of the roles that open root sessions.

    Roles on the default path become one pattern, such as
    arn:aws:iam::111111111111:role/centralized-root-access/*, which later roles match as well.
    """
    if not opener.principal_arns:
        return [f"arn:*:iam::{opener.account_id}:role{_PATH}*"]
    patterns = []
    for arn in opener.principal_arns:
        before, path, _ = arn.partition(_PATH)
        patterns.append(f"{before}{path}*" if path else arn)
    # Each once, in their order.
    return list(dict.fromkeys(patterns))


def _missing_allow(actions: set[str], roles: Sequence[str]) -> dict[str, Any]:
    """Return a statement that allows calls: those in root sessions, or the one that opens them."""
    # Only calls in a root session have the key.
    condition: dict[str, Any] = {_NULL: {_ASSUMED_ROOT: "false"}}
    if ASSUME_ROOT in actions:
        condition = {"ArnLike": {_PRINCIPAL_ARN: roles}}
    return {"Effect": "Allow", "Action": sorted(actions), "Resource": "*", "Condition": condition}


def _as_written(policy: Policy, statement: Statement) -> dict[str, Any]:
    """Return a statement as the policy's document has it."""
    listed = json.loads(policy.content)["Statement"]
    if not isinstance(listed, list):
        # The only statement need not be in a list.
        listed = [listed]
    written: dict[str, Any] = listed[statement.number - 1]
    return written


def _reason_to_keep(policy: Policy, statement: Statement, actions: set[str]) -> Keep | None:
    """Return why a statement is not to be edited; None if it may be."""
    if policy.name.startswith(_CONTROL_TOWER_PREFIX):
        if statement.sid == _RESTRICT_ROOT_USER_SID:
            return Keep.CONTROL_WITH_EXEMPTION
        return Keep.CONTROL
    # Of other statements the conditions tell whether their author knew of root sessions.
    keys = {lowercase(condition.key) for condition in statement.conditions}
    only_opening = actions == {ASSUME_ROOT}
    if only_opening and any(
        "Not" in condition.operator_name and lowercase(condition.key) == lowercase(_PRINCIPAL_ARN)
        for condition in statement.conditions
    ):
        return Keep.LISTS_ROLES
    # It tells root sessions apart by their tasks.
    if _TASK_POLICY_ARN in keys:
        return Keep.ON_PURPOSE
    # AssumeRoot itself is not a call in a root session, so it never has this key.
    if lowercase(_ASSUMED_ROOT) in keys and not only_opening:
        return Keep.ON_PURPOSE
    return None


def _statement_with_exemption(
    statement: Mapping[str, Any], actions: set[str], roles: Sequence[str]
) -> dict[str, Any]:
    """Return a Deny statement that spares root sessions.

    Args:
        statement: The statement.
        actions: The calls that it denies: those in the sessions, or the one that opens them.
        roles: The ARNs of the roles that open them.
    """
    condition = dict(statement.get("Condition", {}))
    # The statement then denies only calls that lack the key, which those in root sessions have.
    if actions != {ASSUME_ROOT}:
        condition[_NULL] = {**condition.get(_NULL, {}), _ASSUMED_ROOT: "true"}
    if ASSUME_ROOT in actions:
        spared = condition.get(_ARN_NOT_LIKE, {})
        arns = spared.get(_PRINCIPAL_ARN, [])
        if not isinstance(arns, list):
            arns = [arns]
        condition[_ARN_NOT_LIKE] = {**spared, _PRINCIPAL_ARN: arns + list(roles)}
    return {**statement, "Condition": condition}
