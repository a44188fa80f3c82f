"""The texts of policies of buckets and queues: what is given, and what an approver reads. Pure."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from common.json_text import pretty_json, refuse_constant, unique_keys

from ..messages import enumeration, quantity

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
# One key of each pair is in every statement.
_REQUIRED = (("Principal", "NotPrincipal"), ("Action", "NotAction"))
_EFFECTS = {"Allow": "allows", "Deny": "denies"}
# What an approver judges as a whole in the lines of `pretty_json`: a statement, in a list or
# without one, and each other line.
_PART = re.compile(
    r"""^[ ]{4}\{\n(?:[ ]{6}.*\n)*[ ]{4}\},?$"""
    r"""|^[ ]{2}"Statement":[ ]\{\n(?:[ ]{4}.*\n)*[ ]{2}\},?$"""
    r"""|^.*$""",
    re.MULTILINE,
)
# The account of a principal: it is the account's ID or an ARN.
_ACCOUNT_OF_PRINCIPAL = re.compile(r"(?:arn:[^:]*:[^:]*:[^:]*:)?([0-9]{12})(?::.*)?")
# A sentence names no more accounts, actions and resources of a statement.
_MAX_NAMED = 3


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

    A statement is compared as a whole: one that is not in the old policy is new with all its lines.

    Args:
        old: The policy that is there; None if there is none.
        new: The policy that is set; None if none is.
    """
    old_parts, new_parts = _parts(old), _parts(new)
    if old_parts == new_parts:
        return ""
    matcher = difflib.SequenceMatcher(
        a=list(map(_without_comma, old_parts)), b=list(map(_without_comma, new_parts))
    )
    # With the lines that stay: an approver sees both policies whole.
    lines: list[str] = []
    for tag, old_first, old_end, new_first, new_end in matcher.get_opcodes():
        if tag == "equal":
            lines += _signed(" ", new_parts[new_first:new_end])
        else:
            lines += _signed("-", old_parts[old_first:old_end])
            lines += _signed("+", new_parts[new_first:new_end])
    return "\n".join(lines)


def effect_of(policy: str, *, account_id: str) -> str:
    """Return whom a policy allows or denies beyond principals of its own account.

    For example "The new policy allows everyone.", because of `"Principal": "*"`. The empty text
    means that each statement names its principals, and allows only those of the account.

    Args:
        policy: The policy.
        account_id: The account of the bucket or queue.
    """
    clauses = set()
    given = []
    for statement in _statements(json.loads(policy)):
        whom = _everyone_in_words(statement)
        if whom is not None:
            clauses.add(f"{_EFFECTS[statement['Effect']]} {whom}")
        others = _other_accounts(statement, account_id)
        if others:
            given.append(_given_in_words(statement, others))
    sentences = []
    if clauses:
        sentences.append(f"The new policy {enumeration(sorted(clauses))}.")
    return " ".join(sentences + given)


def _parts(policy: str | None) -> list[str]:
    """Return a policy as an approver reads it, in parts of whole lines; none without a policy."""
    if policy is None:
        return []
    return _PART.findall(pretty_json(policy))


def _without_comma(part: str) -> str:
    """Return a part without the comma after it, which depends on the next part."""
    return part.removesuffix(",")


def _signed(sign: str, parts: Iterable[str]) -> Iterator[str]:
    """Yield each line of some parts with a sign before it."""
    for part in parts:
        for line in part.split("\n"):
            yield sign + line


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


def _other_accounts(statement: dict[str, Any], account_id: str) -> list[str]:
    """Return the accounts that a statement allows something to, but for one account."""
    principals = statement.get("Principal")
    if statement["Effect"] != "Allow" or not isinstance(principals, dict):
        return []
    found = set()
    for named in principals.values():
        for principal in _listed(named):
            match = _ACCOUNT_OF_PRINCIPAL.fullmatch(principal)
            if match is not None:
                found.add(match[1])
    return sorted(found - {account_id})


def _given_in_words(statement: dict[str, Any], account_ids: Sequence[str]) -> str:
    """Return what a statement gives to accounts, such as "The new policy gives 999999999999 …"."""
    actions = _few(_listed(statement.get("Action")), "action")
    if "NotAction" in statement:
        actions = f"every action but {_few(_listed(statement['NotAction']), 'action')}"
    resources = _few(_listed(statement.get("Resource")), "resource")
    sentence = f"The new policy gives {_few(account_ids, 'account')} {actions}"
    if resources:
        sentence += f" on {resources}"
    if statement.get("Condition"):
        sentence += ", if a condition is met"
    return f"{sentence}."


def _listed(value: object) -> list[str]:
    """Return the texts of a member of a statement, where one text may stand without a list."""
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]


def _few(names: Sequence[str], noun: str) -> str:
    """Return a few names, or the number of many, such as "7 actions"."""
    if len(names) > _MAX_NAMED:
        return quantity(len(names), noun)
    return enumeration(names)
