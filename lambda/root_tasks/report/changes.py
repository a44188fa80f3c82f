"""The differences between two full audits, the message about them, and the trend. Pure."""

from __future__ import annotations

import dataclasses
import shlex
from collections import Counter
from typing import TYPE_CHECKING

from aws_calls.notices import NextStep, Notice
from aws_calls.text import printable

from ..messages import quantity
from ..model.codec import DecodingError, decode, encode_in_pieces
from ..model.report import AuditTotals, Change, ChangeType, ItemType, Outcome, Report, Task
from .management_account import credentials_in_words, management_credentials, management_result
from .summary import credentials_of, enumeration, is_audited, item_counts, minute, summary, types_without_list

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from ..model.report import AccountResult

_FIRST_AUDIT = "Root credentials: first full audit"
_NOT_COMPARED = "Root credentials: full audit without a comparison"

_READ = NextStep(what="Read the report", command="centralized-root-access report --open")
# SNS takes 256 KB; what people read is far shorter.
_MAX_MESSAGE_BYTES = 7900
# How many full audits the trend has.
_MAX_TREND = 12
# JSON takes up to 40 times its size in memory as it is parsed: what is far larger than the new report could
# fill the function's memory, so that no audit would have a report any more.
_MAX_TIMES_LARGER = 4
_ALWAYS_PARSED_BYTES = 10_000_000


class NotComparableError(Exception):
    """Raised for an earlier audit that cannot be compared. Its message repeats nothing of its content."""


def parse_previous_audit(data: bytes, *, current: Report) -> Report:
    """Return the audit before the current one.

    Args:
        data: What is stored as the latest full audit.
        current: The newer audit.

    Raises:
        NotComparableError: It is damaged, too large, or not a full audit of the same organization.
    """
    if len(data) > _ALWAYS_PARSED_BYTES:
        size = sum(map(len, encode_in_pieces(current)))
        if len(data) > _MAX_TIMES_LARGER * size:
            raise NotComparableError("This report is far larger than the new one.")
    try:
        # No change has a name.
        previous = decode(Report, data, omit=("name", "email", "organizationalUnit"))
    except DecodingError as error:
        raise NotComparableError(str(error)) from error
    if not previous.full or previous.task is not Task.AUDIT:
        raise NotComparableError("This report is not a full audit.")
    if previous.organization_id != current.organization_id:
        raise NotComparableError("This report is of another organization.")
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
    """Return a full audit with what has changed since the one before it, and with the trend.

    Args:
        report: The full audit.
        previous: The latest full audit so far; None where there is none that can be compared.
    """
    found: tuple[Change, ...] | None = None
    if previous is not None and is_same_run(previous, report):
        # Written before, by an earlier attempt: the comparison stays what it was.
        found = previous.changes
    elif previous is not None and previous.started_at <= report.started_at:
        found = changes(previous, report)
    earlier = () if previous is None else previous.trend
    before = [
        audit for audit in earlier if audit.started_at <= report.started_at and audit.run_id != report.run_id
    ]
    last = sorted(before, key=lambda audit: audit.started_at)[1 - _MAX_TREND :]
    return dataclasses.replace(report, changes=found, trend=(*last, _totals(report)))


def is_same_run(one: Report, other: Report) -> bool:
    """Return whether two reports are of one run."""
    return (one.run_id, one.started_at) == (other.run_id, other.started_at)


def _totals(report: Report) -> AuditTotals:
    totals = report.totals
    return AuditTotals(
        run_id=report.run_id,
        started_at=report.started_at,
        accounts=len(report.results),
        accounts_with_credentials=totals.get(Outcome.HAS_CREDENTIALS, 0),
        accounts_inaccessible=totals.get(Outcome.INACCESSIBLE, 0),
    )


def notice(report: Report, *, previous: Report | None, problem: str | None) -> Notice | None:
    """Return the notice about a full audit; None where there is nothing new.

    Args:
        report: The full audit, with its history.
        previous: The one before; None where there is none that can be compared.
        problem: Why it cannot be compared; None where it can, or there is none.
    """
    if previous is None:
        subject = _FIRST_AUDIT if problem is None else _NOT_COMPARED
        return _notice(report, subject=subject, message=first_audit_message(report, problem=problem))
    # What is the latest report already has been sent before it was written.
    if is_same_run(previous, report):
        return None
    found = report.changes or ()
    accounts = [quantity(len({change.account_id for change in found}), "account")] if found else []
    # Also where it could not be read before, or now: otherwise nobody would learn what that hides.
    if management_credentials(previous) != management_credentials(report):
        accounts.append("the management account")
    if not accounts:
        return None
    subject = f"Root credentials changed: {enumeration(accounts)}"
    return _notice(report, subject=subject, message=change_message(found, report))


def _notice(report: Report, *, subject: str, message: str) -> Notice:
    return Notice(
        subject=subject,
        message=message,
        thread=f"{report.organization_id}-root-credentials",
        next_steps=_next_steps(report),
        runbook="accounts-with-root-credentials",
    )


def _next_steps(report: Report) -> tuple[NextStep, ...]:
    # Somebody may have chosen a name of which a shell or a chat would take a part for more than text.
    if Outcome.HAS_CREDENTIALS in report.totals and shlex.quote(report.run_id) == report.run_id:
        command = f"centralized-root-access plan delete --from-report {report.run_id}"
        return _READ, NextStep(what="Plan what to delete", command=command)
    return (_READ,)


def change_message(found: Sequence[Change], report: Report) -> str:
    """Return the changes as plain text of under 8 KB: account IDs, no names and no e-mail addresses.

    Args:
        found: What `changes` returned.
        report: The newer of the two audits.
    """
    text = _heading(report, "changes since the last full audit")
    if not found:
        return f"{text}\nNothing changed in the member accounts.\n"
    return _message_of(text, list(_lines(found)))


def first_audit_message(report: Report, *, problem: str | None = None) -> str:
    """Return the accounts with credentials as plain text of under 8 KB, like `change_message`.

    Args:
        report: The first full audit, or one that cannot be compared with the audit before.
        problem: Why it cannot be compared; None where it is the first one.
    """
    lines = [
        f"  {result.account_id}{_details(_all_of(ChangeType.JOINED, result))}\n"
        for result in report.results
        if result.outcome is Outcome.HAS_CREDENTIALS
    ]
    what = "first full audit" if problem is None else f"full audit, without a comparison. {problem}"
    heading = _heading(report, what.removesuffix("."))
    return _message_of(f"{heading}\n" if lines else heading, lines)


def _heading(report: Report, what: str) -> str:
    return (
        f"Root credentials in organization {report.organization_id}: {what}.\n"
        f"{summary(report)}\n"
        f"{_management_line(report)}"
        f"Audited {minute(report.started_at)}, run {printable(report.run_id)}.\n"
    )


def _management_line(report: Report) -> str:
    """Return a line about the management account's root user; nothing where the run was not there."""
    result = management_result(report)
    if result is None:
        return ""
    if result.credentials is None:
        return "What the management account's root user has could not be read: the report says why.\n"
    return f"The management account's root user has {credentials_in_words(result.credentials)}.\n"


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
    elif before is None:
        yield _all_of(ChangeType.JOINED, after)
    elif is_audited(before) and is_audited(after):
        # Of what one of them could not list, only the existence can be compared.
        unlisted = types_without_list(before) | types_without_list(after)
        had, has = _comparable_credentials(before, unlisted), _comparable_credentials(after, unlisted)
        for type_, credentials in (
            (ChangeType.CREDENTIALS_APPEARED, has - had),
            (ChangeType.CREDENTIALS_DISAPPEARED, had - has),
        ):
            if credentials:
                yield Change(type=type_, account_id=account_id, credentials=_types(credentials))
    elif is_audited(before):
        yield _all_of(ChangeType.NO_LONGER_AUDITED, after)
    elif is_audited(after):
        yield _all_of(ChangeType.AUDITED_AGAIN, after)


def _comparable_credentials(
    result: AccountResult, unlisted: Collection[ItemType]
) -> set[tuple[ItemType, str | None]]:
    return {(type_, None if type_ in unlisted else id_) for type_, id_ in credentials_of(result)}


def _all_of(type_: ChangeType, result: AccountResult) -> Change:
    audited = is_audited(result)
    credentials = _types(credentials_of(result)) if audited else ()
    return Change(type=type_, account_id=result.account_id, credentials=credentials, audited=audited)


def _types(credentials: Iterable[tuple[ItemType, str | None]]) -> tuple[ItemType, ...]:
    counts = Counter(type_ for type_, _ in credentials)
    return tuple(type_ for type_ in ItemType for _ in range(counts[type_]))


def _lines(found: Sequence[Change]) -> Iterator[str]:
    """Yield a line for each change, the first of its type under a heading."""
    for type_ in ChangeType:
        of_type = [change for change in found if change.type is type_]
        for position, change in enumerate(of_type):
            heading = "" if position else f"\n{type_.capitalize()} ({len(of_type):,})\n"
            yield f"{heading}  {change.account_id}{_details(change)}\n"


def _details(change: Change) -> str:
    if change.credentials:
        return f": {item_counts(Counter(change.credentials))}"
    if change.type is ChangeType.JOINED and not change.audited:
        return ": not audited"
    if change.type in (ChangeType.JOINED, ChangeType.AUDITED_AGAIN):
        return ": no credentials"
    return ""
