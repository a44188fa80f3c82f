"""The notice about a full audit: what has changed, the worst first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from aws_calls.notices import Notice
from common.next_step import NextStep
from common.untrusted import excerpt, printable

from ..messages import enumeration, quantity
from ..model.report_schema import AccountResult, Change, ChangeType, ItemType, Outcome, Report
from .changes import all_of
from .management_root_user import (
    OWN,
    credentials_in_words,
    management_credentials,
    management_result,
)
from .next_steps import next_steps
from .summary import credentials_of, details_of_change, minute, summary

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
# Changes that the reason in the account's row explains.
_WITH_REASON = (
    ChangeType.CREDENTIALS_NO_LONGER_ACCEPTED,
    ChangeType.NO_LONGER_AUDITED,
    ChangeType.CREDENTIALS_ACCEPTED,
)
_MAX_REASON_CHARACTERS = 400
# SNS takes 256 KB; what people read is far shorter.
_MAX_MESSAGE_BYTES = 7900


def audit_notice(report: Report, *, previous: Report | None, problem: str | None) -> Notice | None:
    """Return the notice about a full audit; None if there is nothing new.

    Args:
        report: The full audit, with its history.
        previous: The one before; None if there is none that can be compared.
        problem: Why it cannot be compared; None if it can, or if there is none.
    """
    found = report.changes or ()
    own = None if previous is None else _management_change(previous, report)
    if previous is not None and (found or own is not None):
        subject = _subject(found, own)
        message = change_message(found, report, previous=previous, own=own)
    elif problem is not None:
        subject = _NOT_COMPARED
        message = audit_message(report, f"full audit, without a comparison. {problem}")
    elif previous is None:
        subject, message = _FIRST_AUDIT, audit_message(report, "first full audit")
    elif previous.run_id == report.run_id:
        # A redrive: its first notice may not have been sent.
        subject, message = _PUBLISHED_AGAIN, audit_message(report, "full audit, published again")
    else:
        return None
    return Notice(
        subject=subject,
        message=message,
        thread=f"{report.organization_id}-root-credentials",
        next_steps=[_READ, *next_steps(report)],
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
    """Return the types of what the management account's root user has; None if not known."""
    own = management_result(report)
    if own is None or own.credentials is None:
        return None
    return {type_ for type_, _ in credentials_of(own)}


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
    if change.type in (ChangeType.JOINED, ChangeType.AUDITED_AGAIN) and change.credentials:
        return ChangeType.CREDENTIALS_APPEARED
    return change.type


def _places(found: Iterable[Change], *, own: bool) -> str:
    places = []
    accounts = len({change.account_id for change in found})
    if accounts:
        places.append(quantity(accounts, "account"))
    if own:
        places.append("the management account")
    return enumeration(places)


def change_message(
    found: Sequence[Change], report: Report, *, previous: Report, own: ChangeType | None = None
) -> str:
    """Return the changes as plain text of under 8 KB, with account IDs, but without names.

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
    return _message_of(text, list(_lines(found, report)))


def audit_message(report: Report, what: str) -> str:
    """Return the accounts with credentials as plain text of under 8 KB, like `change_message`.

    Args:
        report: A full audit.
        what: What it is, such as "first full audit".
    """
    lines = [
        f"  {result.account_id}{details_of_change(all_of(ChangeType.JOINED, result))}\n"
        for result in report.results
        if result.outcome is Outcome.HAS_CREDENTIALS
    ]
    heading = _heading(report, what.removesuffix("."))
    return _message_of(f"{heading}\n" if lines else heading, lines)


def _heading(report: Report, what: str) -> str:
    reason = ""
    if report.reason is not None:
        reason = f"Reason: {printable(report.reason)}\n"
    return (
        f"Root credentials in organization {report.organization_id}: {what}.\n"
        f"{summary(report)}\n"
        f"Audited {minute(report.started_at)}, run {printable(report.run_id)}.\n{reason}"
    )


def _message_of(text: str, lines: Sequence[str]) -> str:
    """Return a text with as many lines as there is room for."""
    for number, line in enumerate(lines):
        if len((text + line).encode()) > _MAX_MESSAGE_BYTES:
            left_out = len(lines) - number
            return f"{text}\nand {left_out:,} more. The report of the run has every account.\n"
        text += line
    return text


def _lines(found: Sequence[Change], report: Report) -> Iterator[str]:
    """Yield a line for each change, the first of its type under a heading."""
    results = {result.account_id: result for result in report.results}
    for type_ in ChangeType:
        of_type = [change for change in found if change.type is type_]
        heading = f"\n{type_.words.capitalize()} ({len(of_type):,})\n"
        for change in of_type:
            details = details_of_change(change)
            result = results.get(change.account_id)
            if result is not None and result.reason and _is_explained(change, result):
                separator = "." if details else ":"
                details += f"{separator} {excerpt(result.reason, _MAX_REASON_CHARACTERS)}"
            yield f"{heading}  {change.account_id}{details}\n"
            heading = ""


def _is_explained(change: Change, result: AccountResult) -> bool:
    """Return whether the reason in an account's row is about a change."""
    return change.type in _WITH_REASON or result.outcome is Outcome.ACCEPTED
