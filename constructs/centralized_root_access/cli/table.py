"""A report as the rows of a table: what a person decides by, an item a row."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from root_tasks.model.report import ItemType, Outcome
from root_tasks.report.summary import by_attention, item_counts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from root_tasks.model.report import (
        AccessKey,
        AccountResult,
        CredentialDetails,
        Item,
        Report,
        RootCredentials,
    )

_WITHOUT_ROWS = frozenset({Outcome.CLEAN})


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row. Somebody else chose the texts.

    Attributes:
        outcome: How the task ended in the account, or for this item.
        account_id: The account; empty in its second row and those after it.
        name: Its name.
        organizational_unit: Where it is in the organization.
        what: The item, or why there is none.
        last_use: When it was last used.
    """

    outcome: Outcome
    account_id: str = ""
    name: str = ""
    organizational_unit: str = ""
    what: str = ""
    last_use: str = ""


def rows(report: Report) -> Iterator[Row]:
    """Yield the rows of a report, by attention. A clean account has none: the summary counts it."""
    for result in by_attention(report.results):
        if result.outcome in _WITHOUT_ROWS:
            continue
        lines = list(_lines(result, now=report.finished_at)) or [(result.outcome, "", "")]
        for place, (outcome, what, last_use) in enumerate(lines):
            account = (
                {
                    "account_id": result.account_id,
                    "name": result.name or "",
                    "organizational_unit": result.organizational_unit or "",
                }
                if place == 0
                else {}
            )
            yield Row(outcome=outcome, what=what, last_use=last_use, **account)


def _lines(result: AccountResult, *, now: datetime) -> Iterator[tuple[Outcome, str, str]]:
    if result.credentials is not None:
        for what, last_use in _credential_lines(result.credentials, now=now):
            yield result.outcome, what, last_use
    for item in result.items:
        yield item.outcome, _item_text(item), _item_use(item, now=now)
    # Where there are items, they say it themselves.
    if notes := " ".join(filter(None, (result.reason, result.hint))):
        yield result.outcome, notes, ""


def _credential_lines(has: RootCredentials, *, now: datetime) -> Iterator[tuple[str, str]]:
    if has.password:
        yield "password", _last_use(has.password_last_used_at, now, unread=has.password_last_use_unread)
    for key in has.access_keys or ():
        yield f"access key {key.access_key_id}, {key.status}", _use_of_key(key, now)
    counts = Counter(
        {
            ItemType.SIGNING_CERTIFICATE: len(has.signing_certificates or ()),
            ItemType.MFA_DEVICE: len(has.mfa_devices or ()),
        }
    )
    if others := item_counts(counts):
        yield others, ""
    unlisted = {
        ItemType.ACCESS_KEY: has.access_keys,
        ItemType.SIGNING_CERTIFICATE: has.signing_certificates,
        ItemType.MFA_DEVICE: has.mfa_devices,
    }
    for type_, listed in unlisted.items():
        if listed is None:
            yield f"{type_} that could not be listed", "unknown"


def _item_text(item: Item) -> str:
    details = item.credential
    facts = [" ".join(filter(None, (item.type, _short(item.id))))]
    if item.region:
        facts.append(item.region)
    if details is not None and details.status:
        facts.append(details.status)
    if details is not None and details.created_at is not None:
        facts.append(f"created {details.created_at:%Y-%m-%d}")
    text = ", ".join(facts)
    return f"{text}: {item.message}" if item.message else text


def _short(id_: str | None) -> str | None:
    """Return an ARN without what the row says anyway: the service, the account."""
    return re.split("[:/]", id_)[-1] if id_ is not None and id_.startswith("arn:") else id_


def _item_use(item: Item, *, now: datetime) -> str:
    details = item.credential
    if details is None or item.type not in (ItemType.PASSWORD, ItemType.ACCESS_KEY):
        return ""
    return _use_with_service(details, now)


def _use_of_key(key: AccessKey, now: datetime) -> str:
    return _use_with_service(key, now)


def _use_with_service(used: AccessKey | CredentialDetails, now: datetime) -> str:
    words = _last_use(used.last_used_at, now, unread=used.last_use_unread)
    return f"{words}, {used.last_used_service}" if used.last_used_at and used.last_used_service else words


def _last_use(moment: datetime | None, now: datetime, *, unread: bool) -> str:
    if unread:
        return "unknown"
    if moment is None:
        return "never"
    days = (now - moment).days
    ago = "today" if days < 1 else "1 day ago" if days == 1 else f"{days:,} days ago"
    return f"{moment:%Y-%m-%d} ({ago})"
