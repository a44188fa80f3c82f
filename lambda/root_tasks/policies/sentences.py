"""Denials by policies in sentences: which statement denies a call, where it is, and how to fix it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.untrusted import excerpt
from scp.calls import ASSUME_ROOT

from ..messages import quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scp.evaluate import Cause

_MAX_STATEMENT_CHARACTERS = 100
# AWS's limit for a policy's name.
_MAX_NAME_CHARACTERS = 128
_MAX_CAUSES = 3
_EXEMPT_ROOT_SESSIONS = (
    'To exempt root sessions, add the condition "Null": {"aws:AssumedRoot": "true"} to the statement.'
)
_EXEMPT_ROLES = (
    "To exempt the roles that open root sessions, add their ARNs to the statement, here with the default "
    'role_path: "ArnNotLike": {"aws:PrincipalArn": ["arn:*:iam::*:role/centralized-root-access/*"]}.'
)
_ALLOW_IT = "Allow it there, at least in root sessions."
_ALLOW_ROLES = "Allow it there, at least to the roles that open root sessions."
_DENIED_ON_PURPOSE = (
    "{} statement denies root sessions on purpose. Detach its policy from this account, or exempt it."
)
_PREFLIGHT_SHOWS = "The command `centralized-root-access preflight` shows the statement and its change."


def denial_reason(causes: Sequence[Cause], *, action: str) -> str:
    """Return which policies deny a call, and where they are attached."""
    sentences = [denial_cause(cause, action=action) for cause in causes[:_MAX_CAUSES]]
    more = len(causes) - len(sentences)
    if more:
        sentences.append(f"There {'is' if more == 1 else 'are'} {quantity(more, 'more reason')}.")
    return " ".join(sentences)


def denial_cause(cause: Cause, *, action: str) -> str:
    """Return which policy denies a call, and where it is attached. People chose the names."""
    policies = cause.policy_type.in_words
    # An account's name belongs in its own row only: findings and functions that make changes get this, too.
    is_account = cause.level.target_id.isdigit()
    place = _name_and_id("" if is_account else cause.level.name, cause.level.target_id)
    attached = f", attached to {place}," if place else ""
    if cause.policy is None:
        return f"No {policies} attached to {place} allows {action}."
    name = f"The {policies} {_name_and_id(cause.policy.name, cause.policy.policy_id)}"
    if cause.statement is None:
        return f"{name}{attached} denies {action}; which of its statements does is unknown."
    statement = cause.statement.sid or f"number {cause.statement.number}"
    statement = excerpt(statement, _MAX_STATEMENT_CHARACTERS)
    return f"{name}, statement {statement}{attached or ','} denies {action}."


def root_user_note(causes: Sequence[Cause]) -> str:
    """Return that a root user could do nothing with a recovered password, and by which policies."""
    denied = denial_reason(causes, action="every action of the root user")
    return f"After it signs in, the root user could do nothing. {denied} Exempt this account first."


def denial_hint(causes: Sequence[Cause], *, action: str) -> str:
    """Return what would end a denial by policies."""
    opens = action == ASSUME_ROOT
    exempt, allow = (_EXEMPT_ROLES, _ALLOW_ROLES) if opens else (_EXEMPT_ROOT_SESSIONS, _ALLOW_IT)
    on_purpose = [
        not opens and cause.statement is not None and cause.statement.is_about_root_sessions
        for cause in causes
        if cause.policy is not None
    ]
    changes = ["" if all(on_purpose) else exempt, allow if len(on_purpose) < len(causes) else ""]
    # If none of the statements is known to deny the call, the command shows none.
    shown = any(cause.policy is None or cause.statement or cause.policy.problem for cause in causes)
    sentences = [*changes, _PREFLIGHT_SHOWS if shown else ""] if any(changes) else []
    if any(on_purpose):
        sentences.append(_DENIED_ON_PURPOSE.format("Another" if any(changes) else "The"))
    return " ".join(filter(None, sentences))


def _name_and_id(name: str, id_: str) -> str:
    return f"{excerpt(name, _MAX_NAME_CHARACTERS)} ({id_})" if name else id_
