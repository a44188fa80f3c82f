"""What is different between two full audits, and the message that tells it. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ..model.report import ItemType
from .summary import counted, credentials_of, looked_at, minute, summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..model.report import AccountResult, Report

# SNS takes 256 KB; what people read is far shorter.
_LONGEST_MESSAGE = 7900


class ChangeType(StrEnum):
    """What can be different in an account from one full audit to the next; what matters most comes first."""

    CREDENTIALS_APPEARED = "Credentials appeared"
    NO_LONGER_LOOKED_AT = "Looked at before, not any more"
    JOINED = "Joined the organization"
    LOOKED_AT_AGAIN = "Not looked at before, now it was"
    CREDENTIALS_DISAPPEARED = "Credentials disappeared"
    LEFT = "Left the organization"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change in one account.

    Attributes:
        type: what changed.
        account_id: where. Neither its name nor its e-mail is told.
        credentials: those that appeared or disappeared; of an account that joined or is looked at again,
            those that it has.
        looked_at: whether the newer audit looked at the account.
    """

    type: ChangeType
    account_id: str
    credentials: tuple[ItemType, ...] = ()
    looked_at: bool = True


def changes(previous: Report, current: Report) -> tuple[Change, ...]:
    """Returns what is different between two full audits of an organization: by type, then by account id.

    An account that was not looked at has neither gained nor lost anything: that is not known.

    Raises:
        ValueError: one of them is no full audit, or they are of two organizations.
    """
    if not (previous.full and current.full) or previous.organization_id != current.organization_id:
        raise ValueError("Changes are told between two full audits of the same organization.")
    before = {result.account_id: result for result in previous.results}
    after = {result.account_id: result for result in current.results}
    found = [
        *(
            Change(type=ChangeType.LEFT, account_id=account_id, looked_at=False)
            for account_id in before.keys() - after.keys()
        ),
        *(_whole(ChangeType.JOINED, after[account_id]) for account_id in after.keys() - before.keys()),
    ]
    for account_id in after.keys() & before.keys():
        found.extend(_changed(before[account_id], after[account_id]))
    order = list(ChangeType)
    return tuple(sorted(found, key=lambda change: (order.index(change.type), change.account_id)))


def change_message(changed: Sequence[Change], report: Report) -> str:
    """Returns what changed as plain text of under 8 KB: account ids, no names and no e-mails.

    Args:
        changed: what `changes` found.
        report: the newer of the two audits.
    """
    text = (
        f"Root credentials in organization {report.organization_id}: changes since the last full audit.\n"
        f"{summary(report)}\n"
        f"Audited {minute(report.started_at)}, run {report.run_id}.\n"
    )
    if not changed:
        return f"{text}\nNothing changed.\n"
    for told, line in enumerate(_lines(changed)):
        if len((text + line).encode()) > _LONGEST_MESSAGE:
            return f"{text}\nand {len(changed) - told:,} more. The report of the run has every account.\n"
        text += line
    return text


def _changed(before: AccountResult, after: AccountResult) -> Iterator[Change]:
    account_id = after.account_id
    if not looked_at(after):
        if looked_at(before):
            yield Change(type=ChangeType.NO_LONGER_LOOKED_AT, account_id=account_id, looked_at=False)
        return
    if not looked_at(before):
        yield _whole(ChangeType.LOOKED_AT_AGAIN, after)
        return
    had, has = set(credentials_of(before)), set(credentials_of(after))
    if has - had:
        yield Change(
            type=ChangeType.CREDENTIALS_APPEARED, account_id=account_id, credentials=_types(has - had)
        )
    if had - has:
        yield Change(
            type=ChangeType.CREDENTIALS_DISAPPEARED, account_id=account_id, credentials=_types(had - has)
        )


def _whole(type_: ChangeType, result: AccountResult) -> Change:
    seen = looked_at(result)
    credentials = _types(credentials_of(result)) if seen else ()
    return Change(type=type_, account_id=result.account_id, credentials=credentials, looked_at=seen)


def _types(credentials: Iterable[tuple[ItemType, str]]) -> tuple[ItemType, ...]:
    counts = Counter(type_ for type_, _ in credentials)
    return tuple(type_ for type_ in ItemType for _ in range(counts[type_]))


def _lines(changed: Sequence[Change]) -> Iterator[str]:
    """One line a change, the first of its type under a heading."""
    for type_ in ChangeType:
        of_type = [change for change in changed if change.type is type_]
        for position, change in enumerate(of_type):
            heading = "" if position else f"\n{type_} ({len(of_type):,})\n"
            yield f"{heading}  {change.account_id}{_with(change)}\n"


def _with(change: Change) -> str:
    if change.credentials:
        return f": {counted(Counter(change.credentials))}"
    if change.type is ChangeType.JOINED and not change.looked_at:
        return ": not looked at"
    if change.type in (ChangeType.JOINED, ChangeType.LOOKED_AT_AGAIN):
        return ": no credentials"
    return ""
