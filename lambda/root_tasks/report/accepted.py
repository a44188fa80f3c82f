"""Root credentials that stay on purpose: no alarm in an audit, and left out of a plan. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from common.untrusted import ACCOUNT_ID

from ..messages import (
    ACCEPTANCE_UNKNOWN,
    ACCEPTANCE_UNREAD,
    MFA_LEFT_OUT,
    NOT_KNOWN_WHICH_IS_ACCEPTED,
)
from ..model.report_schema import AccountResult, Item, ItemType, Outcome
from ..model.run_documents import AcceptedCredentials
from ..tasks.outcomes import account_finding
from .facts import credentials_of, types_without_list
from .words import item_counts, minute

# What is said until the end, and after it, by whether a recovery brought the credentials.
_WORDS = {
    False: ("Accepted until", "No longer accepted after"),
    True: ("Recovered until", "Recovery overdue since"),
}


def is_accepted_in_part(result: AccountResult) -> bool:
    """Return whether an audit found credentials in an account of which only some are accepted."""
    reason = result.reason or ""
    return result.outcome is Outcome.HAS_CREDENTIALS and any(
        during in reason for during, _ in _WORDS.values()
    )


def with_acceptance(
    result: AccountResult,
    accepted: Mapping[str, AcceptedCredentials],
    recovered: Mapping[str, AcceptedCredentials],
    *,
    unit_path: str | None,
    at: datetime,
    named: bool = False,
) -> AccountResult:
    """Return a result that says which of the account's root credentials are accepted, and why.

    In an audit the outcome becomes *accepted* if all of them are. A plan to delete them leaves out
    those that are accepted, unless it names the account: then it lists them, and marks them.

    For example, the account has a password and a key, and its key is accepted. An audit reports
    *has credentials*, not accepted: 1 password. A plan of all accounts lists the password alone.

    Args:
        result: The result.
        accepted: What the stack accepts, by the ID of an account or of an organizational unit.
        recovered: What recoveries brought, by the ID of the account.
        unit_path: The IDs of the units that the account is in, from the root down; None if not
            known.
        at: When the run started.
        named: Whether the input of a plan names the account itself.
    """
    # The type of each credential. Only the items of a plan to delete credentials have details.
    types_found = [item.type for item in result.items if item.credential is not None]
    is_audit = result.outcome is Outcome.HAS_CREDENTIALS
    if is_audit:
        types_found = [type_ for type_, _ in credentials_of(result)]

    # The account's own entry comes first, then that of its nearest unit. What a recovery brought
    # is about what these leave.
    ids = [result.account_id, *reversed((unit_path or "").split("/"))]
    of_stack = next((accepted[id_] for id_ in ids if id_ in accepted), None)
    entries = list(filter(None, [of_stack, recovered.get(result.account_id)]))
    why, notes = _why_accepted(entries, types_found, at=at)
    # If the units are not known, the account may be in one in which some are accepted.
    unknown: set[ItemType] = set()
    if of_stack is None and unit_path is None:
        unknown = _types_in_units(accepted).intersection(types_found) - why.keys()

    # One of each type is accepted. A type that could not be listed may have more than one.
    one_each = Counter(why.keys() - types_without_list(result))
    not_accepted = Counter(types_found) - one_each
    if why and not_accepted:
        notes.append(f"Not accepted: {item_counts(not_accepted)}.")
    # An audit accepts an account as a whole; a plan leaves out credential by credential.
    if is_audit:
        if why and not not_accepted:
            result = replace(result, outcome=Outcome.ACCEPTED)
        if unknown:
            notes.append(ACCEPTANCE_UNKNOWN)
    else:
        if not named and not not_accepted.keys().isdisjoint(why):
            notes.append(NOT_KNOWN_WHICH_IS_ACCEPTED)
        result = _plan_with_acceptance(result, why, unknown, named=named)
    return _with_note(result, " ".join(notes))


def _why_accepted(
    entries: Iterable[AcceptedCredentials], types_found: Collection[ItemType], *, at: datetime
) -> tuple[dict[ItemType, str], list[str]]:
    """Return why credentials of an account are accepted, by their types, and what to note of it.

    Args:
        entries: What is accepted in the account, in this order: each is about the types that those
            before it leave.
        types_found: The types of the root user's credentials.
        at: When the run started.
    """
    why: dict[ItemType, str] = {}
    notes = []
    for entry in entries:
        types = set(entry.types) - why.keys()
        if types.isdisjoint(types_found):
            continue
        # Such as "Accepted until" and "No longer accepted after"; a recovery has other words.
        during, after = _WORDS[entry.recovered]
        until = f"{entry.until}: {entry.reason.rstrip('.')}."
        if is_over(entry, at):
            notes.append(f"{after} {until}")
        else:
            notes.append(f"{during} {until}")
            why |= dict.fromkeys(types, notes[-1])
    return why, notes


def _plan_with_acceptance(
    result: AccountResult, why: Mapping[ItemType, str], unknown: Iterable[ItemType], *, named: bool
) -> AccountResult:
    """Return the result of a plan without what is accepted or may be, or with marks.

    Args:
        result: The result.
        why: Why credentials are accepted, by their types.
        unknown: The types of which it is not known whether they are.
        named: Whether the input names the account itself: then what is accepted is marked.
    """
    # The outcome and the message of what is left out, by its type.
    left_out = dict.fromkeys(unknown, (Outcome.INACCESSIBLE, ACCEPTANCE_UNREAD))
    if not named:
        left_out |= {type_: (Outcome.ACCEPTED, text) for type_, text in why.items()}
    items = [_item_with_acceptance(item, why, left_out) for item in result.items]
    if not left_out:
        return replace(result, items=tuple(items))
    # As in the plan itself, no MFA device is deactivated while a credential stays that it protects.
    if any(_stays(item) and item.type is not ItemType.MFA_DEVICE for item in items):
        items = [
            replace(item, outcome=Outcome.SKIPPED, message=MFA_LEFT_OUT)
            if item.type is ItemType.MFA_DEVICE and not _stays(item)
            else item
            for item in items
        ]
    # An account with anything planned is planned; the reason is about what is not.
    finding = account_finding(result.account_id, items)
    outcome_of_account = Outcome.PLANNED
    if all(map(_stays, items)):
        outcome_of_account = finding.outcome
    return replace(result, outcome=outcome_of_account, reason=finding.reason, items=finding.items)


def is_over(entry: AcceptedCredentials, at: datetime) -> bool:
    """Return whether what is accepted is no longer accepted at a time."""
    # The end is a day or a minute, as text: 2027-03-31, or 2027-03-31 20:00 UTC.
    return minute(at)[: len(entry.until)] > entry.until


def _types_in_units(accepted: Mapping[str, AcceptedCredentials]) -> set[ItemType]:
    """Return the types of credentials that are accepted in a unit, whichever that is."""
    types: set[ItemType] = set()
    for target_id, entry in accepted.items():
        if not ACCOUNT_ID.fullmatch(target_id):
            types.update(entry.types)
    return types


def _item_with_acceptance(
    item: Item, why: Mapping[ItemType, str], left_out: Mapping[ItemType, tuple[Outcome, str]]
) -> Item:
    """Return an item of a plan, left out, or planned and marked if it is accepted all the same."""
    if item.type in left_out:
        outcome, message = left_out[item.type]
        return replace(item, outcome=outcome, message=message)
    if item.type not in why:
        return item
    # The input names its account.
    message = " ".join(filter(None, [why[item.type], item.message]))
    return replace(item, accepted=True, message=message)


def _stays(item: Item) -> bool:
    """Return whether the execution of a plan leaves an item as it is."""
    return item.outcome is not Outcome.PLANNED


def _with_note(result: AccountResult, note: str) -> AccountResult:
    """Return a result whose reason begins with a note, which may be empty."""
    # If everything of the account is left out, the reason of its items is this note already.
    if result.reason == note:
        return result
    return replace(result, reason=" ".join(filter(None, [note, result.reason])) or None)
