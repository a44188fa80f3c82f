"""The notice about a full audit: what has changed, the worst first. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from aws_calls.notices import Notice
from common.next_step import NextStep
from common.untrusted import excerpt, printable

from ..messages import enumeration, quantity
from ..model.report_schema import AccountResult, Change, ChangeType, ItemType, Outcome, Report
from .facts import credentials_of, is_audited
from .management_root_user import (
    OWN,
    credentials_in_words,
    management_credentials,
    management_result,
)
from .next_steps import next_steps
from .summary import summary
from .words import credential_counts, details_of_change, minute

_FIRST_AUDIT = "Root credentials: first full audit"
_NOT_COMPARED = "Root credentials: full audit without a comparison"
_PUBLISHED_AGAIN = "Root credentials: full audit, published again"
_NOTHING_AUDITED = "Root credentials: no account could be audited"

_READ = NextStep(what="Read the report", command="centralized-root-access report --open")
# The subjects, the worst first; of anything else it only says that it changed.
_WORST = {
    ChangeType.CREDENTIALS_APPEARED: "Root credentials appeared",
    ChangeType.CREDENTIALS_NO_LONGER_ACCEPTED: "Root credentials no longer accepted",
    ChangeType.JOINED: "Root credentials in accounts that joined",
    ChangeType.AUDITED_AGAIN: "Root credentials audited again",
    ChangeType.NO_LONGER_AUDITED: "Root credentials no longer audited",
    ChangeType.CREDENTIALS_ACCEPTED: "Root credentials accepted",
}
# The subjects if all changes are of one type and none is bad.
_NOTHING_ELSE = {
    ChangeType.CREDENTIALS_DISAPPEARED: "Root credentials disappeared",
    ChangeType.AUDITED_AGAIN: _WORST[ChangeType.AUDITED_AGAIN],
    ChangeType.NO_LONGER_AUDITED: _WORST[ChangeType.NO_LONGER_AUDITED],
}
_MAX_REASON_CHARACTERS = 400
# SNS takes 256 KB; what people read is far shorter.
_MAX_MESSAGE_BYTES = 7900


def audit_notice(report: Report, *, previous: Report | None, problem: str | None) -> Notice | None:
    """Return the notice about a full audit; None if there is nothing new.

    Args:
        report: The full audit, with its history.
        previous: The one before; None if there is none that can be compared.
        problem: Why it cannot be compared, or only in part; None if it can, or if there is none.
    """
    found = report.changes or ()
    is_blind = Outcome.INACCESSIBLE in report.totals and not any(map(is_audited, report.results))
    own_change = None if previous is None else _management_change(previous, report)
    if previous is not None and (found or own_change is not None):
        subject = _subject(found, own_change, report)
        message = change_message(
            found, report, previous=previous, own_change=own_change, problem=problem
        )
    elif previous is None and problem is not None:
        subject = _NOT_COMPARED
        message = audit_message(report, "full audit, without a comparison", problem=problem)
    elif previous is None:
        subject, message = _FIRST_AUDIT, audit_message(report, "first full audit")
    elif previous.run_id == report.run_id:
        # A redrive: its first notice may not have been sent.
        subject = _PUBLISHED_AGAIN
        message = audit_message(report, "full audit, published again", problem=problem)
    else:
        return None
    runbook = "Accounts with root credentials"
    if is_blind:
        runbook = "Inaccessible accounts"
    if is_blind and previous is None:
        subject = _NOTHING_AUDITED
    return Notice(
        subject=subject,
        message=message,
        thread=f"{report.organization_id}-root-credentials",
        next_steps=[_READ, *next_steps(report)],
        runbook=runbook,
    )


def _management_change(previous: Report, current: Report) -> ChangeType | None:
    """Return what changed at the management account's root user; None if nothing did.

    The changes of a report are those of member accounts, which have no outcome *unprotected*.
    """
    had, has = _management_types(previous), _management_types(current)
    if had == has:
        return None
    # If it could not be read, nobody knows what changed meanwhile: that is a change as well.
    if has is None:
        return ChangeType.NO_LONGER_AUDITED
    if had is None:
        return ChangeType.AUDITED_AGAIN
    if has - had - {ItemType.MFA_DEVICE}:
        # A new MFA device protects the root user.
        return ChangeType.CREDENTIALS_APPEARED
    return ChangeType.CREDENTIALS_DISAPPEARED


def _management_types(report: Report) -> set[ItemType] | None:
    """Return the types of what the management account's root user has; None if not known."""
    own = management_result(report)
    if own is None or own.credentials is None:
        return None
    return {type_ for type_, _ in credentials_of(own)}


def _subject(found: Sequence[Change], own_change: ChangeType | None, report: Report) -> str:
    """Return the subject: what is worst, and where that happened.

    For example, "Root credentials appeared: 2 accounts and the management account".

    Args:
        found: The changes of member accounts.
        own_change: What changed at the management account's root user; None if nothing did.
        report: The newer of the two audits.
    """
    skipped = {each.account_id for each in report.results if each.outcome is Outcome.SKIPPED}
    for type_, words in _WORST.items():
        of_type = [
            change for change in found if change.type is type_ and _is_bad(change, skipped=skipped)
        ]
        is_own = own_change is type_
        if of_type or is_own:
            return f"{words}: {_places(of_type, is_own=is_own)}"
    words = "Root credentials changed"
    types = {change.type for change in found}
    if own_change is None and len(types) == 1:
        words = _NOTHING_ELSE.get(types.pop(), words)
    return f"{words}: {_places(found, is_own=own_change is not None)}"


def _is_bad(change: Change, *, skipped: Collection[str]) -> bool:
    """Return whether a change deserves the subject that its type has.

    Args:
        change: The change.
        skipped: The accounts that are skipped now, such as closed ones.
    """
    if change.type in (ChangeType.JOINED, ChangeType.AUDITED_AGAIN):
        return bool(change.credentials)
    return change.type is not ChangeType.NO_LONGER_AUDITED or change.account_id not in skipped


def _places(found: Iterable[Change], *, is_own: bool) -> str:
    """Return where something changed, such as "2 accounts and the management account"."""
    places = []
    accounts = len({change.account_id for change in found})
    if accounts:
        places.append(quantity(accounts, "account"))
    if is_own:
        places.append("the management account")
    return enumeration(places)


def change_message(
    found: Sequence[Change],
    report: Report,
    *,
    previous: Report,
    own_change: ChangeType | None = None,
    problem: str | None = None,
) -> str:
    """Return the changes as plain text of under 8 KB, with account IDs, but without names.

    Args:
        found: What `changes` returned.
        report: The newer of the two audits.
        previous: The other one.
        own_change: What changed at the management account's root user.
        problem: Why the two can be compared only in part; None if they can.
    """
    since = minute(report.changes_since or previous.started_at)
    text = _heading(report, f"changes since the full audit of {since}", problem)
    if own_change is not None:
        had = management_credentials(previous)
        # OWN is "The management account's root user": inside a sentence it has a small letter.
        before = f"had {credentials_in_words(had)}" if had else "was not looked at"
        text += f"\nBefore, {OWN[0].lower()}{OWN[1:]} {before}.\n"
    if not found:
        return f"{text}\nNothing changed in the member accounts.\n"
    return _text_with_lines(text, list(_lines(found, report)))


def audit_message(report: Report, what: str, *, problem: str | None = None) -> str:
    """Return the accounts with credentials as plain text of under 8 KB, like `change_message`.

    Args:
        report: A full audit.
        what: What it is, such as "first full audit".
        problem: Why it is not compared; None if it is, or if there is no other one.
    """
    lines = [
        f"  {result.account_id}: {credential_counts([result])}{_reason(result, '.')}\n"
        for result in report.results
        if result.outcome is Outcome.HAS_CREDENTIALS
    ]
    heading = _heading(report, what, problem)
    if lines:
        heading += "\n"
    return _text_with_lines(heading, lines)


def _heading(report: Report, what: str, problem: str | None) -> str:
    """Return the first lines of a message: what it is about, the summary, and which run it was."""
    about = f"{what}. {problem}" if problem else f"{what}."
    reason = ""
    if report.reason is not None:
        reason = f"Reason: {printable(report.reason)}\n"
    return (
        f"Root credentials in organization {report.organization_id}: {about}\n"
        f"{summary(report)}\n"
        f"Audited {minute(report.started_at)}, run {printable(report.run_id)}.\n{reason}"
    )


def _text_with_lines(text: str, lines: Sequence[str]) -> str:
    """Return a text with as many lines as there is room for, and the number of those left out."""
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
        # Before the first line of the type only.
        heading = f"\n{type_.words.capitalize()} ({len(of_type):,})\n"
        listed = of_type
        if type_ is ChangeType.AUDITED_AGAIN:
            listed = [change for change in of_type if change.credentials]
        for change in listed:
            details = details_of_change(change)
            result = results.get(change.account_id)
            if result is not None and _is_explained(change, result):
                details += _reason(result, "." if details else ":")
            yield f"{heading}  {change.account_id}{details}\n"
            heading = ""
        clean = len(of_type) - len(listed)
        if clean:
            yield f"{heading}  {quantity(clean, 'account')} without credentials\n"


def _is_explained(change: Change, result: AccountResult) -> bool:
    """Return whether the reason in an account's row is about a change.

    It says why the account was not audited, or until when and why its credentials are accepted.
    """
    is_good = change.type is ChangeType.CREDENTIALS_DISAPPEARED
    return not is_good or result.outcome is Outcome.ACCEPTED


def _reason(result: AccountResult, separator: str) -> str:
    """Return the reason in an account's row as the end of a line; nothing if there is none."""
    if not result.reason:
        return ""
    return f"{separator} {excerpt(result.reason, _MAX_REASON_CHARACTERS)}"
