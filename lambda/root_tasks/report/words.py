"""The words of a report: its title, its times, and what accounts have. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from common.untrusted import excerpt

from ..messages import enumeration, quantity
from ..model.report_schema import (
    AccountResult,
    Change,
    ChangeType,
    ItemType,
    PlanSelection,
    Report,
    Task,
)
from ..tasks import DEFINITIONS
from ..tasks.task_definition import TaskWords
from .facts import credentials_of, is_plan, types_without_list

# Who stated nothing when a plan was made or executed.
UNKNOWN_PRINCIPAL = "an unknown principal"
_MAX_NAMES = 5
_MAX_NAME_CHARACTERS = 60


def title(report: Report) -> str:
    """Return what run it was, such as "Delete root credentials", or "Plan: delete …" of a plan."""
    if is_plan(report):
        return f"Plan: {what_it_does(report)}"
    return words_of(report).title


def what_it_does(report: Report) -> str:
    """Return what the run does or plans, to be used in a sentence: "unlock bucket policies"."""
    words = words_of(report).title
    return f"{words[0].lower()}{words[1:]}"


def words_of(report: Report) -> TaskWords:
    """Return the words of what the run does or plans."""
    definition = DEFINITIONS[report.task]
    if report.sets_policy and definition.setting_words is not None:
        return definition.setting_words
    return definition.words


def requesters(report: Report) -> str:
    """Return who asked for a run, as the command states it, and who planned an execution.

    An audit is read-only, and a schedule states nothing: then the text is empty.
    """
    if report.task is Task.AUDIT:
        return report.requested_by or ""
    requester = report.requested_by or UNKNOWN_PRINCIPAL
    if report.executed_plan is None:
        return requester
    if report.planned_by is not None and report.planned_by == report.requested_by:
        return f"{requester}, the same principal that planned it"
    return f"{requester}; planned by {report.planned_by or UNKNOWN_PRINCIPAL}"


def request_in_words(selection: PlanSelection) -> str:
    """Return the input of a plan in one line, which stays short however much the input names.

    For example, "every account; left out: Root/Sandbox; only passwords; credentials used or
    created in the last 90 days are left out".
    """
    # Which accounts it is about.
    named = []
    if selection.all_accounts:
        named.append("every account")
    if selection.accounts:
        named.append(quantity(len(selection.accounts), "account"))
    if selection.from_report is not None:
        named.append(f"of report {selection.from_report}")
    if selection.organizational_units:
        named.append(f"in {_few(selection.organizational_units, 'organizational units')}")
    # What it leaves out, and which credentials it is about.
    parts = [" ".join(named)]
    if selection.exclude:
        parts.append(f"left out: {_few(selection.exclude, 'accounts and units')}")
    if selection.credential_types:
        types = [f"{type_.words}s" for type_ in selection.credential_types]
        parts.append(f"only {enumeration(types)}")
    in_use = "in use or not"
    if selection.unused_for_days is not None:
        days = quantity(selection.unused_for_days, "day")
        in_use = f"credentials used or created in the last {days} are left out"
    return "; ".join([*parts, in_use])


def _few(names: Sequence[str], plural: str) -> str:
    """Return a few names, or the number of many, such as "7 organizational units"."""
    if len(names) > _MAX_NAMES:
        return f"{len(names):,} {plural}"
    return ", ".join(excerpt(name, _MAX_NAME_CHARACTERS) for name in names)


def credential_counts(results: Sequence[AccountResult]) -> str:
    """Return how many credentials of each type accounts have.

    It begins with "at least" if some could not be listed.
    """
    types = Counter(type_ for result in results for type_, _ in credentials_of(result))
    if any(map(types_without_list, results)):
        return f"at least {item_counts(types)}"
    return item_counts(types)


def item_counts(counts: Mapping[ItemType, int]) -> str:
    """Return how many there are of each type, such as "1 password and 2 access keys"."""
    return enumeration(
        [quantity(counts[type_], type_.words) for type_ in ItemType if counts.get(type_)]
    )


def details_of_change(change: Change) -> str:
    """Return what follows the account of a change: ": 2 access keys and 1 MFA device"."""
    if change.credentials:
        return f": {item_counts(Counter(change.credentials))}"
    if change.type is ChangeType.JOINED and not change.audited:
        return ": not audited"
    if change.type in (ChangeType.JOINED, ChangeType.AUDITED_AGAIN):
        return ": no credentials"
    return ""


def minute(moment: datetime) -> str:
    """Return a time for readers, such as "2026-11-20 04:10 UTC"."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def duration(start: datetime, end: datetime) -> str:
    """Return for readers how long something took."""
    minutes, seconds = divmod(int((end - start).total_seconds()), 60)
    if minutes:
        return f"{minutes} min {seconds} s"
    if seconds:
        return f"{seconds} s"
    return "under a second"
