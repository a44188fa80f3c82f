"""What a person has to know before a plan is executed. What others chose in it is raw. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..messages import quantity
from ..model.report_schema import AccountResult, Item, Outcome, Report, Task
from .risk import RECENT, is_recent
from .words import minute, words_of

# A sentence has no more mailboxes, names and reasons.
_MAX_NAMED_MAILBOXES = 5
_MAX_REASONS = 3


def warnings_before_execution(report: Report) -> list[str]:
    """Return what a person has to know before a plan is executed: what it gives, and to whom."""
    warnings = [in_use_warning(report), accepted_warning(report), *_accepted_reasons(report)]
    planned = [result for result in report.results if result.outcome is Outcome.PLANNED]
    if report.until is not None:
        # Only a recovery has an end.
        warnings.append(f"The recovery is to be closed by {minute(report.until)}.")
    if report.open_hours is not None:
        hours = quantity(report.open_hours, "hour")
        warnings.append(f"The recovery is to be closed within {hours} of its execution.")
    if report.task is Task.RECOVER and len(planned) > _MAX_NAMED_MAILBOXES:
        warnings.append("Anyone who reads the e-mail address of an account can become root in it.")
    elif report.task is Task.RECOVER:
        warnings += map(_mailbox_warning, planned)
    if report.sets_policy:
        # The message of an item says what the new policy allows and denies.
        items = [item for result in planned for item in result.items]
        warnings += [item.message or "" for item in items]
    warnings.append(words_of(report).warning)
    return [warning for warning in warnings if warning]


def in_use_warning(report: Report) -> str:
    """Return what a plan lists although it is in use; nothing if it lists nothing such."""
    last_uses = [
        item.credential.last_used_at
        for result in report.results
        for item in result.items
        if item.outcome is Outcome.PLANNED
        and item.credential is not None
        and item.credential.last_used_at is not None
        and is_recent(item.credential.last_used_at, report.finished_at)
    ]
    if not last_uses:
        return ""
    days = (report.finished_at - max(last_uses)).days
    last = {0: "today", 1: "yesterday"}.get(days, f"{days} days ago")
    used = f"was used in the last {RECENT.days} days ({last})."
    if len(last_uses) > 1:
        used = f"were used in the last {RECENT.days} days (the last one {last})."
    return f"Of the credentials, {len(last_uses):,} {used}"


def accepted_warning(report: Report) -> str:
    """Return how much a plan lists although it is accepted; nothing if there is none."""
    accepted = len(_accepted_items(report))
    if not accepted:
        return ""
    are = "is" if accepted == 1 else "are"
    return f"Of the credentials, {accepted:,} {are} accepted."


def _accepted_reasons(report: Report) -> list[str]:
    """Return why what a plan lists is accepted: a few sentences, of which others chose a part."""
    # The accounts of a unit have one reason.
    reasons = list(dict.fromkeys(item.message or "" for item in _accepted_items(report)))
    left_out = len(reasons) - _MAX_REASONS
    if left_out > 0:
        reasons[_MAX_REASONS:] = [f"There are {left_out:,} more reasons."]
    return reasons


def _accepted_items(report: Report) -> Sequence[Item]:
    """Return what a plan lists although it is accepted."""
    return [
        item
        for result in report.results
        for item in result.items
        if item.accepted and item.outcome is Outcome.PLANNED
    ]


def _mailbox_warning(result: AccountResult) -> str:
    """Return who can become root in an account whose root user's password may be reset."""
    email = result.email or "the e-mail address of its root user, which is not known,"
    return f"Anyone who reads {email} can become root in {result.account_id}."
