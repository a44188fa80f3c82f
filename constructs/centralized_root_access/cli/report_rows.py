"""The rows of a report in a terminal: one for each item, with what one decides by. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from root_tasks.messages import quantity
from root_tasks.model.report import ItemType, Outcome
from root_tasks.report.summary import credentials_of, item_counts, types_without_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from root_tasks.model.report import AccessKey, AccountResult, CredentialDetails, Item, RootCredentials

_UNKNOWN_USE = "last use unknown"


@dataclass(frozen=True, kw_only=True)
class ReportRow:
    """One row of a report: what a person decides by. Somebody else chose the texts.

    Attributes:
        outcome: How the task ended in the account, or for this item.
        account_id: The account; empty in its second row and those after it.
        name: Its name.
        organizational_unit: Where it is in the organization.
        what: The item, with what one decides by.
        reason: Why it ended so, or what to know about it.
    """

    outcome: Outcome
    account_id: str = ""
    name: str = ""
    organizational_unit: str = ""
    what: str = ""
    reason: str = ""


def rows_of(results: Iterable[AccountResult], *, now: datetime, each_whole: bool) -> Iterator[ReportRow]:
    """Yield the rows of accounts.

    Args:
        results: Their results.
        now: When the run ended.
        each_whole: Whether each row names its account, not only the first one.
    """
    for result in results:
        rows = list(_rows_of_account(result, now=now)) or [ReportRow(outcome=result.outcome)]
        for place, row in enumerate(rows):
            yield _with_account(row, result) if each_whole or not place else row


def _with_account(row: ReportRow, result: AccountResult) -> ReportRow:
    return replace(
        row,
        account_id=result.account_id,
        name=result.name or "",
        organizational_unit=result.organizational_unit or "",
    )


def _rows_of_account(result: AccountResult, *, now: datetime) -> Iterator[ReportRow]:
    if result.credentials is not None:
        for what in _credential_lines(result, result.credentials, now=now):
            yield ReportRow(outcome=result.outcome, what=what)
    for item in result.items:
        what = ", ".join(filter(None, (_item_text(item), _item_use(item, now=now))))
        yield ReportRow(outcome=item.outcome, what=what, reason=item.message or "")
    said = [item.message for item in result.items]
    # What an item says already is not said again.
    reasons = (None if result.reason in said else result.reason, result.hint)
    if reason := " ".join(filter(None, reasons)):
        yield ReportRow(outcome=result.outcome, reason=reason)


def _credential_lines(result: AccountResult, has: RootCredentials, *, now: datetime) -> Iterator[str]:
    if has.password:
        used = _last_use(has.password_last_used_at, now, unread=has.password_last_use_unread)
        yield f"password, {used}"
    for key in has.access_keys or ():
        yield f"access key {key.access_key_id}, {key.status}, {_use_with_service(key, now)}"
    unlisted = types_without_list(result)
    # Of these, the number says it all.
    counted = {ItemType.SIGNING_CERTIFICATE, ItemType.MFA_DEVICE} - unlisted
    if others := item_counts(Counter(type_ for type_, _ in credentials_of(result) if type_ in counted)):
        yield others
    for type_ in ItemType:
        if type_ in unlisted:
            yield f"{type_} that could not be listed, {_UNKNOWN_USE}"


def _item_text(item: Item) -> str:
    details = item.credential
    facts = [" ".join(filter(None, (item.type, _short(item.id))))]
    if item.region:
        facts.append(item.region)
    if details is not None and details.status:
        facts.append(details.status)
    if details is not None and details.created_at is not None:
        facts.append(f"created {details.created_at:%Y-%m-%d}")
    return ", ".join(facts)


def _short(id_: str | None) -> str | None:
    """Return an ARN without what the row says anyway: the service, the account."""
    return re.split("[:/]", id_)[-1] if id_ is not None and id_.startswith("arn:") else id_


def _item_use(item: Item, *, now: datetime) -> str:
    details = item.credential
    if details is None or item.type not in (ItemType.PASSWORD, ItemType.ACCESS_KEY):
        return ""
    return _use_with_service(details, now)


def _use_with_service(used: AccessKey | CredentialDetails, now: datetime) -> str:
    words = _last_use(used.last_used_at, now, unread=used.last_use_unread)
    return f"{words}, {used.last_used_service}" if used.last_used_at and used.last_used_service else words


def _last_use(moment: datetime | None, now: datetime, *, unread: bool) -> str:
    if unread:
        return _UNKNOWN_USE
    if moment is None:
        return "never used"
    days = (now - moment).days
    ago = "today" if days < 1 else f"{quantity(days, 'day')} ago"
    return f"used {moment:%Y-%m-%d} ({ago})"
