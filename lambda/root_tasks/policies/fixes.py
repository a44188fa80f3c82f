"""What would let root sessions through where policies deny them: a statement to replace, or one to add."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scp.calls import ASSUME_ROOT
from scp.documents import PolicyType, parse_policy
from scp.evaluate import Decision

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from scp.documents import Policy
    from scp.evaluate import Cause

    from .verdicts import AccountVerdict, DenialCause

_NULL, _ASSUMED_ROOT = "Null", "aws:AssumedRoot"
_ARN_NOT_LIKE, _PRINCIPAL_ARN = "ArnNotLike", "aws:PrincipalArn"
# The path of the roles that RootTasks creates, if no other one is chosen.
_SESSION_ROLES = "arn:*:iam::*:role/centralized-root-access/*"
# AWS's limits for a policy of each type.
MAX_CHARACTERS = {PolicyType.SERVICE_CONTROL_POLICY: 10_240, PolicyType.RESOURCE_CONTROL_POLICY: 5120}


@dataclass(frozen=True, kw_only=True)
class StatementFix:
    """What would let root sessions through in spite of a denial.

    Attributes:
        denial: The denial, in one of its accounts.
        account_ids: Its accounts.
        statement: The statement as it is; None if an Allow is missing.
        suggested: The statement as it would let root sessions through; None if it cannot.
        excess_characters: How many characters too long for AWS the policy would be with it, and with the
            fixes before this one; 0 if it fits.
    """

    denial: DenialCause
    account_ids: tuple[str, ...]
    statement: dict[str, Any] | None
    suggested: dict[str, Any] | None
    excess_characters: int = 0


def find_fixes(accounts: Iterable[AccountVerdict]) -> Iterator[StatementFix]:
    """Yield what would fix each denial, once for all accounts that it is in."""
    by_place: dict[object, list[tuple[str, DenialCause]]] = {}
    for account in accounts:
        for denial in account.causes:
            if denial.decision is Decision.DENIED:
                key = _statement_key(denial.cause)
                by_place.setdefault(key, []).append((account.account.account_id, denial))
    documents: dict[str, _Document] = {}
    for denied in by_place.values():
        account_ids = tuple(sorted({account_id for account_id, _ in denied}))
        yield _fix([denial for _, denial in denied], account_ids, documents)


def _statement_key(cause: Cause) -> tuple[str, ...]:
    """Return what one fix is about: a statement, wherever it is attached, or a level without an Allow."""
    if cause.policy is None or cause.statement is None:
        return (cause.level.target_id,)
    return cause.policy.policy_id, str(cause.statement.number)


def _fix(
    denied: Sequence[DenialCause], account_ids: tuple[str, ...], documents: dict[str, _Document]
) -> StatementFix:
    """Return what fixes the denials of one statement, or by one level.

    Args:
        denied: The denials.
        account_ids: Their accounts.
        documents: The documents of policies with the fixes so far, by the policies' IDs.
    """
    denial = denied[0]
    policy, statement = denial.cause.policy, denial.cause.statement
    if policy is None or statement is None:
        allow = {
            "Effect": "Allow",
            "Action": sorted({call for denial in denied for call in denial.calls}),
            "Resource": "*",
            "Condition": {_NULL: {_ASSUMED_ROOT: "false"}},
        }
        return StatementFix(denial=denial, account_ids=account_ids, statement=None, suggested=allow)
    if policy.policy_id not in documents:
        documents[policy.policy_id] = _Document(policy)
    document = documents[policy.policy_id]
    current = document.statements[statement.number - 1]
    policy_type = denial.cause.policy_type
    actions = {action for denial in denied for action in denial.calls}
    suggested = statement_with_exemption(current, actions=actions, policy_type=policy_type)
    excess = 0
    if suggested is not None:
        document.length += character_count(suggested) - character_count(current)
        excess = max(0, document.length - MAX_CHARACTERS[policy_type])
    return StatementFix(
        denial=denial,
        account_ids=account_ids,
        statement=current,
        suggested=suggested,
        excess_characters=excess,
    )


class _Document:
    """The document of a policy, and how long it is with the fixes so far."""

    def __init__(self, policy: Policy) -> None:
        content = json.loads(policy.content)
        listed = content["Statement"]
        self.statements: list[dict[str, Any]] = listed if isinstance(listed, list) else [listed]
        self.length = character_count(content)


def character_count(content: object) -> int:
    """Return how many characters JSON has for AWS: white space can be left out."""
    return len(json.dumps(content, ensure_ascii=False, separators=(",", ":")))


def statement_with_exemption(
    statement: Mapping[str, Any],
    *,
    actions: Collection[str],
    policy_type: PolicyType = PolicyType.SERVICE_CONTROL_POLICY,
) -> dict[str, Any] | None:
    """Return a Deny statement that spares root sessions; None if it denies them on purpose.

    Args:
        statement: The statement.
        actions: The calls that it denies: those in the sessions, or the one that opens them.
        policy_type: The type of its policy.
    """
    condition = dict(statement.get("Condition", {}))
    if set(actions) != {ASSUME_ROOT}:
        condition[_NULL] = {**condition.get(_NULL, {}), _ASSUMED_ROOT: "true"}
    if ASSUME_ROOT in actions:
        arns = condition.get(_ARN_NOT_LIKE, {}).get(_PRINCIPAL_ARN, [])
        exempt = [*(arns if isinstance(arns, list) else [arns]), _SESSION_ROLES]
        condition[_ARN_NOT_LIKE] = {**condition.get(_ARN_NOT_LIKE, {}), _PRINCIPAL_ARN: exempt}
    suggested = {**statement, "Condition": condition}
    parsed, parsed_suggestion = (_parse(text, policy_type) for text in (statement, suggested))
    on_purpose = any(statement.is_about_root_sessions for statement in parsed.statements)
    # Never a text that AWS would refuse.
    return None if on_purpose or parsed.problem or parsed_suggestion.problem else suggested


def _parse(statement: Mapping[str, Any], policy_type: PolicyType) -> Policy:
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return parse_policy(document, policy_id="", name="", policy_type=policy_type)
