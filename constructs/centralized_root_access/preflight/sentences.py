"""Denials by policies in sentences: which statement denies a call, where it is, and how to fix it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.untrusted import excerpt

if TYPE_CHECKING:
    from .evaluate import Cause

_MAX_STATEMENT_CHARACTERS = 100
# AWS's limit for a policy's name.
_MAX_NAME_CHARACTERS = 128


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


def _name_and_id(name: str, id_: str) -> str:
    return f"{excerpt(name, _MAX_NAME_CHARACTERS)} ({id_})" if name else id_
