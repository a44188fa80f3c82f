"""The history of full audits: what changed, the message about it, since when none finds any. Pure."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING

from aws_calls.notices import Notice
from common.next_step import NextStep
from common.untrusted import ACCOUNT_ID, excerpt, printable

from ..messages import enumeration, quantity
from ..model.codec import DecodingError, decode
from ..model.report_schema import Change, ChangeType, ItemType, Outcome, Report, RootFree
from .management_root_user import (
    OWN,
    credentials_in_words,
    management_credentials,
    management_result,
)
from .summary import (
    credentials_of,
    is_audited,
    item_counts,
    minute,
    summary,
    types_without_list,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from ..model.report_schema import AccountResult

# Allowed clock skew between two functions.
_MAX_CLOCK_DIFFERENCE = timedelta(minutes=5)
_FIRST_AUDIT = "Root credentials: first full audit"
_NOT_COMPARED = "Root credentials: full audit without a comparison"
_PUBLISHED_AGAIN = "Root credentials: full audit, published again"

_READ = NextStep(what="Read the report", command="centralized-root-access report --open")
# The subjects, the worst first; of anything else it only says that it changed.
_WORST = {
    ChangeType.CREDENTIALS_APPEARED: "Root credentials appeared",
    ChangeType.CREDENTIALS_NO_LONGER_ACCEPTED: "Root credentials no longer accepted",
    ChangeType.EMAIL_OUTSIDE: "Root e-mail addresses outside of the domains",
    ChangeType.NO_LONGER_AUDITED: "Root credentials no longer audited",
    ChangeType.CREDENTIALS_ACCEPTED: "Root credentials accepted",
}
# A new acceptance ends the alarm: by a deployment, or because an account was moved into a unit.
_ACCEPTANCE = {
    (Outcome.ACCEPTED, Outcome.HAS_CREDENTIALS): ChangeType.CREDENTIALS_NO_LONGER_ACCEPTED,
    (Outcome.HAS_CREDENTIALS, Outcome.ACCEPTED): ChangeType.CREDENTIALS_ACCEPTED,
}
# Changes that the reason in the account's row explains.
_WITH_REASON = (
    ChangeType.CREDENTIALS_NO_LONGER_ACCEPTED,
    ChangeType.NO_LONGER_AUDITED,
    ChangeType.CREDENTIALS_ACCEPTED,
)
# An audit with other outcomes does not know that no member has root credentials.
_COMPLETE = frozenset({Outcome.CLEAN, Outcome.SKIPPED, Outcome.PROTECTED, Outcome.UNPROTECTED})
_MAX_REASON_CHARACTERS = 400
# SNS takes 256 KB; what people read is far shorter.
_MAX_MESSAGE_BYTES = 7900


class NotComparableError(Exception):
    """The earlier audit cannot be compared. The message repeats nothing of its content."""


class Publication(Enum):
    """What is published of a full audit: metrics, findings, a notice and the latest report."""

    COMPARED = auto()
    """All of it, with what has changed since the latest audit."""
    NOT_COMPARED = auto()
    """All of it, without a comparison."""
    WITHHELD = auto()
    """Nothing: the latest audit counts."""


def publication_of(report: Report, *, latest: Report | None) -> Publication:
    """Return what is published of a full audit: the one rule for audits that overlap.

    For example, two audits begin at noon. The first one reads an account before it gets a password
    and the second one after that. Whichever ends first, only the second one may say what it found:
    the first one would end the alarm.

    Args:
        report: The full audit.
        latest: The latest one that was published; None if there is none that can be read.
    """
    # A redrive of the same run repeats what it has published.
    if latest is None or latest.run_id == report.run_id:
        return Publication.COMPARED
    if latest.published_at is None or latest.published_at <= report.started_at:
        return Publication.COMPARED
    # Each of the two may have read an account before the other one did.
    if Outcome.HAS_CREDENTIALS in report.totals:
        return Publication.NOT_COMPARED
    return Publication.WITHHELD


def parse_previous_audit(data: bytes, *, current: Report, now: datetime) -> Report:
    """Return the audit before the current one.

    Args:
        data: What is stored as the latest full audit.
        current: The newer audit.
        now: The time in UTC.

    Raises:
        NotComparableError: It is damaged, of another organization, or from the future.
    """
    try:
        previous = decode(Report, data)
    except DecodingError as error:
        raise NotComparableError(str(error)) from error
    if previous.organization_id != current.organization_id:
        raise NotComparableError("This report is of another organization.")
    # No later audit could be published.
    if previous.published_at and previous.published_at > now + _MAX_CLOCK_DIFFERENCE:
        raise NotComparableError("This report is from the future.")
    # These get into the notice, beside its commands.
    account_ids = [result.account_id for result in previous.results]
    account_ids += [change.account_id for change in previous.changes or ()]
    if not all(map(ACCOUNT_ID.fullmatch, account_ids)):
        raise NotComparableError("This report has an ID that is not an account's.")
    return previous


def changes(previous: Report, current: Report) -> tuple[Change, ...]:
    """Return the differences between two full audits of an organization, by type, then by account ID.

    An account that was not audited has neither gained nor lost anything: that is not known.
    """
    before = {result.account_id: result for result in previous.results}
    after = {result.account_id: result for result in current.results}
    found = [
        change
        for account_id in before.keys() | after.keys()
        for change in _account_changes(account_id, before.get(account_id), after.get(account_id))
    ]
    order = list(ChangeType)
    return tuple(sorted(found, key=lambda change: (order.index(change.type), change.account_id)))


def with_history(report: Report, *, previous: Report | None) -> Report:
    """Return a full audit with what has changed since the one before, and since when none finds any.

    Args:
        report: The full audit.
        previous: The latest full audit before it; None if there is none that can be compared.
    """
    report = dataclasses.replace(report, root_free=_root_free(report, previous=previous))
    if previous is None:
        return report
    if previous.run_id == report.run_id:
        # Its report is written once more, and still has what changed since the one before.
        return dataclasses.replace(
            report,
            changes=previous.changes,
            changes_since=previous.changes_since,
            published_at=previous.published_at,
        )
    return dataclasses.replace(
        report, changes=changes(previous, report), changes_since=previous.started_at
    )


def _root_free(report: Report, *, previous: Report | None) -> RootFree | None:
    if not _has_none(report):
        return None
    before = RootFree(since=report.started_at)
    gap = timedelta()
    if previous is not None:
        if previous.run_id == report.run_id:
            # Its report is written once more, of the same results unless one was altered since.
            return previous.root_free if previous.totals == report.totals else None
        # The claim of the audit before counts only if its own rows do not contradict it.
        if previous.root_free is not None and _has_none(previous):
            before = previous.root_free
            gap = report.finished_at - previous.started_at
    is_incomplete = not _COMPLETE.issuperset(report.totals)
    return RootFree(
        since=before.since,
        audits=before.audits + 1,
        longest_gap=max(before.longest_gap, math.ceil(gap.total_seconds())),
        incomplete_audits=before.incomplete_audits + is_incomplete,
    )


def _has_none(report: Report) -> bool:
    """Return whether an audit found no root credentials, and an account without any."""
    return Outcome.HAS_CREDENTIALS not in report.totals and Outcome.CLEAN in report.totals


def notice(report: Report, *, previous: Report | None, problem: str | None) -> Notice | None:
    """Return the notice about a full audit; None if there is nothing new.

    Args:
        report: The full audit, with its history.
        previous: The one before; None if there is none that can be compared.
        problem: Why it cannot be compared; None if it can, or if there is none.
    """
    if previous is None:
        subject, what = _FIRST_AUDIT, "first full audit"
        if problem is not None:
            subject, what = _NOT_COMPARED, f"full audit, without a comparison. {problem}"
        message = audit_message(report, what)
    else:
        found = report.changes or ()
        own = _management_change(previous, report)
        if found or own is not None:
            subject = _subject(found, own)
            message = change_message(found, report, previous=previous, own=own)
        elif previous.run_id == report.run_id:
            # Its first notice may not have been sent.
            subject, what = _PUBLISHED_AGAIN, "full audit, published again"
            message = audit_message(report, what)
        else:
            return None
    return Notice(
        subject=subject,
        message=message,
        thread=f"{report.organization_id}-root-credentials",
        next_steps=(_READ, *report.next_steps),
        runbook="Accounts with root credentials",
    )


def _management_change(previous: Report, current: Report) -> ChangeType | None:
    """Return what changed at the management account's root user."""
    had, has = _management_types(previous), _management_types(current)
    if had == has:
        return None
    # Report lost and regained access too, or a change behind it goes unnoticed.
    if has is None:
        return ChangeType.NO_LONGER_AUDITED
    if had is None:
        return ChangeType.AUDITED_AGAIN
    if has - had - {ItemType.MFA_DEVICE}:
        return ChangeType.CREDENTIALS_APPEARED
    return ChangeType.CREDENTIALS_DISAPPEARED


def _management_types(report: Report) -> set[ItemType] | None:
    """Return the types of credentials that the management account's root user has; None if not known."""
    own = management_result(report)
    return (
        None
        if own is None or own.credentials is None
        else {type_ for type_, _ in credentials_of(own)}
    )


def _subject(found: Sequence[Change], own: ChangeType | None) -> str:
    """Return the subject: what is worst, and where that happened."""
    for type_, words in _WORST.items():
        concerned = [change for change in found if _kind(change) is type_]
        is_own = own is type_
        if concerned or is_own:
            return f"{words}: {_places(concerned, own=is_own)}"
    disappeared = own is None and all(
        change.type is ChangeType.CREDENTIALS_DISAPPEARED for change in found
    )
    words = "Root credentials disappeared" if disappeared else "Root credentials changed"
    return f"{words}: {_places(found, own=own is not None)}"


def _kind(change: Change) -> ChangeType:
    """Return what a reader takes a change for: what an account brings with it has appeared."""
    is_new = change.type in (ChangeType.JOINED, ChangeType.AUDITED_AGAIN) and change.credentials
    return ChangeType.CREDENTIALS_APPEARED if is_new else change.type


def _places(found: Iterable[Change], *, own: bool) -> str:
    accounts = len({change.account_id for change in found})
    parts = (
        quantity(accounts, "account") if accounts else "",
        "the management account" if own else "",
    )
    return enumeration(list(filter(None, parts)))


def change_message(
    found: Sequence[Change], report: Report, *, previous: Report, own: ChangeType | None = None
) -> str:
    """Return the changes as plain text of under 8 KB: account IDs, no names and no e-mail addresses.

    Args:
        found: What `changes` returned.
        report: The newer of the two audits.
        previous: The other one.
        own: What changed at the management account's root user.
    """
    since = minute(report.changes_since or previous.started_at)
    text = _heading(report, f"changes since the full audit of {since}")
    if own is not None:
        had = management_credentials(previous)
        before = f"had {credentials_in_words(had)}" if had else "was not looked at"
        text += f"\nBefore, {OWN[0].lower()}{OWN[1:]} {before}.\n"
    if not found:
        return f"{text}\nNothing changed in the member accounts.\n"
    reasons = {result.account_id: result.reason for result in report.results}
    return _message_of(text, list(_lines(found, reasons)))


def audit_message(report: Report, what: str) -> str:
    """Return the accounts with credentials as plain text of under 8 KB, like `change_message`.

    Args:
        report: A full audit.
        what: What it is, such as "first full audit".
    """
    lines = [
        f"  {result.account_id}{_details(_all_of(ChangeType.JOINED, result))}\n"
        for result in report.results
        if result.outcome is Outcome.HAS_CREDENTIALS
    ]
    heading = _heading(report, what.removesuffix("."))
    return _message_of(f"{heading}\n" if lines else heading, lines)


def _heading(report: Report, what: str) -> str:
    return (
        f"Root credentials in organization {report.organization_id}: {what}.\n"
        f"{summary(report)}\n"
        f"Audited {minute(report.started_at)}, run {printable(report.run_id)}.\n"
    )


def _message_of(text: str, lines: Sequence[str]) -> str:
    for number, line in enumerate(lines):
        if len((text + line).encode()) > _MAX_MESSAGE_BYTES:
            return f"{text}\nand {len(lines) - number:,} more. The report of the run has every account.\n"
        text += line
    return text


def _account_changes(
    account_id: str, before: AccountResult | None, after: AccountResult | None
) -> Iterator[Change]:
    if after is None:
        yield Change(type=ChangeType.LEFT, account_id=account_id, audited=False)
        return
    if before is None:
        yield _all_of(ChangeType.JOINED, after)
    elif is_audited(before) and is_audited(after):
        # If one of the audits could not list a type, only its existence can be compared.
        unlisted = types_without_list(before) | types_without_list(after)
        had, has = (
            _comparable_credentials(before, unlisted),
            _comparable_credentials(after, unlisted),
        )
        for type_, credentials in (
            (ChangeType.CREDENTIALS_APPEARED, has - had),
            (ChangeType.CREDENTIALS_DISAPPEARED, had - has),
        ):
            if credentials:
                yield Change(type=type_, account_id=account_id, credentials=_types(credentials))
        if acceptance := _ACCEPTANCE.get((before.outcome, after.outcome)):
            yield _all_of(acceptance, after)
    elif is_audited(before):
        yield _all_of(ChangeType.NO_LONGER_AUDITED, after)
    elif is_audited(after):
        yield _all_of(ChangeType.AUDITED_AGAIN, after)
    if after.email_outside and not (before and before.email_outside):
        yield _all_of(ChangeType.EMAIL_OUTSIDE, after)


def _comparable_credentials(
    result: AccountResult, unlisted: Collection[ItemType]
) -> set[tuple[ItemType, str | None]]:
    return {(type_, None if type_ in unlisted else id_) for type_, id_ in credentials_of(result)}


def _all_of(type_: ChangeType, result: AccountResult) -> Change:
    audited = is_audited(result)
    credentials = _types(credentials_of(result)) if audited else ()
    return Change(
        type=type_, account_id=result.account_id, credentials=credentials, audited=audited
    )


def _types(credentials: Iterable[tuple[ItemType, str | None]]) -> tuple[ItemType, ...]:
    counts = Counter(type_ for type_, _ in credentials)
    return tuple(type_ for type_ in ItemType for _ in range(counts[type_]))


def _lines(found: Sequence[Change], reasons: Mapping[str, str | None]) -> Iterator[str]:
    """Yield a line for each change, the first of its type under a heading."""
    for type_ in ChangeType:
        of_type = [change for change in found if change.type is type_]
        for position, change in enumerate(of_type):
            heading = "" if position else f"\n{type_.words.capitalize()} ({len(of_type):,})\n"
            why = reasons.get(change.account_id) if type_ in _WITH_REASON else None
            details = _details(change)
            if why:
                details += f"{'.' if details else ':'} {excerpt(why, _MAX_REASON_CHARACTERS)}"
            yield f"{heading}  {change.account_id}{details}\n"


def _details(change: Change) -> str:
    if change.credentials:
        return f": {item_counts(Counter(change.credentials))}"
    if change.type is ChangeType.JOINED and not change.audited:
        return ": not audited"
    if change.type in (ChangeType.JOINED, ChangeType.AUDITED_AGAIN):
        return ": no credentials"
    return ""
