"""Root credentials that stay on purpose: no alarm in an audit, and left out of a plan. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
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


def with_acceptance(
    result: AccountResult,
    accepted: Mapping[str, AcceptedCredentials],
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
        accepted: What is accepted, by the ID of an account or of an organizational unit.
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

    # The account's own entry comes first, then that of its nearest unit.
    ids = [result.account_id, *reversed((unit_path or "").split("/"))]
    entry = next((accepted[id_] for id_ in ids if id_ in accepted), None)
    if entry is None:
        # Nothing of it is accepted if its units are known, or no unit's entry has such a type.
        types_accepted_in_units = _types_in_units(accepted)
        if unit_path is not None or types_accepted_in_units.isdisjoint(types_found):
            return result
        # The account may be in a unit in which they are accepted.
        if is_audit or named:
            return _with_note(result, ACCEPTANCE_UNKNOWN)
        return _with_items_left_out(
            result, types_accepted_in_units, Outcome.INACCESSIBLE, ACCEPTANCE_UNREAD
        )
    if set(entry.types).isdisjoint(types_found):
        return result
    return _with_entry(result, entry, types_found, at=at, named=named)


def _with_entry(
    result: AccountResult,
    entry: AcceptedCredentials,
    types_found: Sequence[ItemType],
    *,
    at: datetime,
    named: bool,
) -> AccountResult:
    """Return a result that says what of the account is accepted by an entry, and until when.

    Args:
        result: The result.
        entry: What is accepted in the account.
        types_found: The type of each credential of the root user, of which the entry has some.
        at: When the run started.
        named: Whether the input of a plan names the account itself.
    """
    # Such as "Accepted until" and "No longer accepted after"; a recovery has other words.
    during, after = _WORDS[entry.recovered]
    until = f"{entry.until}: {entry.reason.rstrip('.')}."
    # The end is a day or a minute, as text: 2027-03-31, or 2027-03-31 20:00 UTC.
    if minute(at)[: len(entry.until)] > entry.until:
        return _with_note(result, f"{after} {until}")

    # One of each listed type is accepted. A type that could not be listed may have more than one.
    one_each = Counter(set(entry.types) - types_without_list(result))
    not_accepted = Counter(types_found) - one_each
    why = f"{during} {until}"
    note = why
    if not_accepted:
        note += f" Not accepted: {item_counts(not_accepted)}."
    # An audit accepts an account as a whole; a plan leaves out credential by credential.
    if result.outcome is Outcome.HAS_CREDENTIALS:
        if not not_accepted:
            result = replace(result, outcome=Outcome.ACCEPTED)
    elif named:
        items = [_marked_if_accepted(item, entry.types, why) for item in result.items]
        result = replace(result, items=tuple(items))
    else:
        result = _with_items_left_out(result, entry.types, Outcome.ACCEPTED, why)
        if not not_accepted.keys().isdisjoint(entry.types):
            note += f" {NOT_KNOWN_WHICH_IS_ACCEPTED}"
    return _with_note(result, note)


def _types_in_units(accepted: Mapping[str, AcceptedCredentials]) -> set[ItemType]:
    """Return the types of credentials that are accepted in a unit, whichever that is."""
    types: set[ItemType] = set()
    for target_id, entry in accepted.items():
        if not ACCOUNT_ID.fullmatch(target_id):
            types.update(entry.types)
    return types


def _marked_if_accepted(item: Item, types: Collection[ItemType], why: str) -> Item:
    """Return an item of a plan that names its account: planned, and marked if it is accepted."""
    if item.type not in types:
        return item
    message = f"{why} {item.message}" if item.message else why
    return replace(item, accepted=True, message=message)


def _with_items_left_out(
    result: AccountResult, types: Collection[ItemType], outcome: Outcome, why: str
) -> AccountResult:
    """Return the result of a plan in which credentials of some types are left out, and why."""
    items = [
        replace(item, outcome=outcome, message=why) if item.type in types else item
        for item in result.items
    ]
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


def _stays(item: Item) -> bool:
    """Return whether the execution of a plan leaves an item as it is."""
    return item.outcome is not Outcome.PLANNED


def _with_note(result: AccountResult, note: str) -> AccountResult:
    """Return a result whose reason begins with a note."""
    # If everything of the account is left out, the reason of its items is this note already.
    if result.reason is None or result.reason == note:
        return replace(result, reason=note)
    return replace(result, reason=f"{note} {result.reason}")
