"""The texts of policies of buckets and queues: what is given, and what an approver reads. Pure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any

from common.json_text import pretty_json, refuse_constant, unique_keys

from ..messages import enumeration

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
# One key of each pair is in every statement.
_REQUIRED = (("Principal", "NotPrincipal"), ("Action", "NotAction"))
_EFFECTS = {"Allow": "allows", "Deny": "denies"}


def policy_text(value: object) -> str:
    """Return the text of a policy that is given as JSON or as its text.

    Raises:
        ValueError: It is not JSON, its meaning is ambiguous, or AWS would refuse it as a policy of
            a bucket or a queue.
    """
    # Keys that are there twice are ambiguous: which one counts is up to the parser.
    try:
        text = value
        if not isinstance(text, str):
            text = json.dumps(value, allow_nan=False)
        document = json.loads(text, object_pairs_hook=unique_keys, parse_constant=refuse_constant)
    except RecursionError as error:
        raise ValueError(str(error)) from error
    if not isinstance(document, dict) or not all(map(_is_complete, _statements(document))):
        raise ValueError('each statement of an object needs "Effect", "Principal" and "Action"')
    return text


def difference(old: str | None, new: str | None) -> str:
    """Return all lines of two policies, each with its sign; nothing if both mean the same.

    Args:
        old: The policy that is there; None if there is none.
        new: The policy that is set; None if none is.
    """
    # With all lines as context: an approver sees both policies whole.
    old_lines, new_lines = _lines(old), _lines(new)
    lines = list(difflib.unified_diff(old_lines, new_lines, n=len(old_lines), lineterm=""))
    # The three lines of its head are about files.
    return "\n".join(lines[3:])


def effect_on_everyone(policy: str) -> str:
    """Return whom a policy allows or denies if that is not limited to principals that it names.

    For example "The new policy allows everyone.", because of `"Principal": "*"`. The empty text
    means that each statement names its principals.
    """
    clauses = set()
    for statement in _statements(json.loads(policy)):
        whom = _everyone_in_words(statement)
        if whom is not None:
            clauses.add(f"{_EFFECTS[statement['Effect']]} {whom}")
    if not clauses:
        return ""
    return f"The new policy {enumeration(sorted(clauses))}."


def _lines(policy: str | None) -> list[str]:
    """Return the lines of a policy as an approver reads it; none if there is no policy."""
    if policy is None:
        return []
    return pretty_json(policy).split("\n")


def _statements(document: dict[str, Any]) -> Iterator[Any]:
    """Yield the statements of a policy: one may stand without a list."""
    statements = document.get("Statement", [])
    if not isinstance(statements, list):
        statements = [statements]
    yield from statements


def _is_complete(statement: object) -> bool:
    """Return whether a statement has an effect, a principal and an action."""
    if not isinstance(statement, dict) or statement.get("Effect") not in list(_EFFECTS):
        return False
    # One key of each pair: Principal or NotPrincipal, and Action or NotAction.
    return all(any(key in statement for key in keys) for keys in _REQUIRED)


def _is_everyone(principal: object) -> bool:
    """Return whether a Principal is "*", {"AWS": "*"} or {"AWS": ["*", ...]}."""
    accounts = principal
    if isinstance(principal, dict):
        accounts = principal.get("AWS")
    return accounts == "*" or (isinstance(accounts, list) and "*" in accounts)


def _everyone_in_words(statement: dict[str, Any]) -> str | None:
    """Return whom a statement is about, such as "everyone"; None if it names its principals."""
    whom = None
    if "NotPrincipal" in statement:
        whom = "everyone whom it does not name"
    elif _is_everyone(statement["Principal"]):
        whom = "everyone"
    if whom is not None and statement.get("Condition"):
        whom += " who meets a condition"
    return whom
