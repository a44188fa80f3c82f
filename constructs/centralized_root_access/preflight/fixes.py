"""Fixes for policies that deny root sessions: a statement to replace, or one to add."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from root_tasks.model.task import ASSUME_ROOT

from .evaluate import Decision
from .policy_text import lowercase

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .calls import SessionOpener
    from .evaluate import Cause
    from .verdicts import AccountVerdict

_NULL, _ASSUMED_ROOT = "Null", "aws:AssumedRoot"
_ARN_NOT_LIKE, _PRINCIPAL_ARN = "ArnNotLike", "aws:PrincipalArn"
_TASK_POLICY_ARN = "sts:taskpolicyarn"
# The path of the roles that RootTasks creates, if no other one is chosen.
_PATH = "/centralized-root-access/"


@dataclass(frozen=True, kw_only=True)
class StatementFix:
    """A fix that lets root sessions through in spite of a denial.

    Attributes:
        cause: The cause of the denial, in one of its accounts.
        account_ids: Its accounts.
        statement: The present statement; None if an Allow is missing.
        suggested: The statement as it would let root sessions through; None if it denies them on
            purpose.
        lists_roles: Whether it lists the only roles that may open root sessions.
    """

    cause: Cause
    account_ids: tuple[str, ...]
    statement: dict[str, Any] | None
    suggested: dict[str, Any] | None
    lists_roles: bool = False


def find_fixes(accounts: Iterable[AccountVerdict], opener: SessionOpener) -> Iterator[StatementFix]:
    """Yield what would fix each denial, once for all accounts that it is in.

    Args:
        accounts: The accounts.
        opener: The role that opens root sessions.
    """
    roles = _patterns(opener)
    by_place: dict[object, list[tuple[str, Cause, str]]] = {}
    for account in accounts:
        for denial in account.causes:
            for action in denial.calls if denial.decision is Decision.DENIED else ():
                key = _statement_key(denial.cause, action)
                by_place.setdefault(key, []).append(
                    (account.account.account_id, denial.cause, action)
                )
    for denied in by_place.values():
        account_ids = tuple(sorted({account_id for account_id, _, _ in denied}))
        yield _fix(denied[0][1], {action for _, _, action in denied}, account_ids, roles)


def _patterns(opener: SessionOpener) -> list[str]:
    """Return the ARNs of the roles that open root sessions; one pattern for those on the default path."""
    arns = opener.principal_arns or (f"arn:*:iam::{opener.account_id}:role{_PATH}*",)
    return [
        *dict.fromkeys(
            f"{arn.partition(_PATH)[0]}{_PATH}*" if _PATH in arn else arn for arn in arns
        )
    ]


def _statement_key(cause: Cause, action: str) -> tuple[object, ...]:
    """Return what one fix is about: a statement, wherever it is attached, or a level without an Allow."""
    if cause.policy is None or cause.statement is None:
        # No one condition is met by root sessions and by the roles that open them.
        return cause.level.target_id, action == ASSUME_ROOT
    return cause.policy.policy_id, cause.statement.number


def _fix(
    cause: Cause, actions: set[str], account_ids: tuple[str, ...], roles: list[str]
) -> StatementFix:
    """Return what fixes the denials of one statement, or by one level."""
    policy, statement = cause.policy, cause.statement
    if policy is None or statement is None:
        condition: dict[str, Any] = {_NULL: {_ASSUMED_ROOT: "false"}}
        if ASSUME_ROOT in actions:
            condition = {"ArnLike": {_PRINCIPAL_ARN: roles}}
        allow = {
            "Effect": "Allow",
            "Action": sorted(actions),
            "Resource": "*",
            "Condition": condition,
        }
        return StatementFix(cause=cause, account_ids=account_ids, statement=None, suggested=allow)
    listed = json.loads(policy.content)["Statement"]
    current = listed[statement.number - 1] if isinstance(listed, list) else listed
    keys = [
        (condition.operator_name, lowercase(condition.key)) for condition in statement.conditions
    ]
    lists_roles = actions == {ASSUME_ROOT} and any(
        "Not" in operator and key == lowercase(_PRINCIPAL_ARN) for operator, key in keys
    )
    # What is denied on purpose stays. AssumeRoot is not a call in a root session.
    on_purpose = (
        lists_roles
        or any(key == _TASK_POLICY_ARN for _, key in keys)
        or (actions != {ASSUME_ROOT} and any(key == lowercase(_ASSUMED_ROOT) for _, key in keys))
    )
    suggested = None if on_purpose else statement_with_exemption(current, actions, roles)
    return StatementFix(
        cause=cause,
        account_ids=account_ids,
        statement=current,
        suggested=suggested,
        lists_roles=lists_roles,
    )


def statement_with_exemption(
    statement: Mapping[str, Any], actions: set[str], roles: list[str]
) -> dict[str, Any]:
    """Return a Deny statement that spares root sessions.

    Args:
        statement: The statement.
        actions: The calls that it denies: those in the sessions, or the one that opens them.
        roles: The ARNs of the roles that open them.
    """
    condition = dict(statement.get("Condition", {}))
    if actions != {ASSUME_ROOT}:
        condition[_NULL] = {**condition.get(_NULL, {}), _ASSUMED_ROOT: "true"}
    if ASSUME_ROOT in actions:
        arns = condition.get(_ARN_NOT_LIKE, {}).get(_PRINCIPAL_ARN, [])
        exempt = [*(arns if isinstance(arns, list) else [arns]), *roles]
        condition[_ARN_NOT_LIKE] = {**condition.get(_ARN_NOT_LIKE, {}), _PRINCIPAL_ARN: exempt}
    return {**statement, "Condition": condition}
