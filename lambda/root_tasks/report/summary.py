"""What came of a run in words: counted, and with what wants attention first. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from typing import TYPE_CHECKING

from ..model.report import AccountResult, ItemType, Outcome, Report, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

BY_ATTENTION = (
    Outcome.HAS_CREDENTIALS,
    Outcome.UNKNOWN,
    Outcome.FAILED,
    Outcome.INACCESSIBLE,
    Outcome.PLANNED,
    Outcome.DONE,
    Outcome.NOTHING_TO_DO,
    Outcome.CLEAN,
    Outcome.SKIPPED,
)
_LOOKED_AT = frozenset({Outcome.HAS_CREDENTIALS, Outcome.CLEAN})

_TASKS = {
    Task.AUDIT: "Audit of root credentials",
    Task.DELETE_CREDENTIALS: "Delete root credentials",
    Task.ALLOW_PASSWORD_RECOVERY: "Allow root password recovery",
    Task.UNLOCK_BUCKET_POLICY: "Unlock bucket policies",
    Task.UNLOCK_QUEUE_POLICY: "Unlock queue policies",
}

# How the accounts of an outcome are spoken of: one, and several.
_ENDED = {
    Outcome.HAS_CREDENTIALS: ("has credentials", "have credentials"),
    Outcome.UNKNOWN: ("may have changed", "may have changed"),
    Outcome.FAILED: ("failed", "failed"),
    Outcome.INACCESSIBLE: ("could not be looked at", "could not be looked at"),
    Outcome.PLANNED: ("is planned", "are planned"),
    Outcome.DONE: ("is done", "are done"),
    Outcome.NOTHING_TO_DO: ("had nothing to do", "had nothing to do"),
    Outcome.CLEAN: ("is clean", "are clean"),
    Outcome.SKIPPED: ("was skipped", "were skipped"),
}


def title(report: Report) -> str:
    """Returns what run it was, in a few words."""
    words = _TASKS[report.task]
    return f"Plan: {words[0].lower()}{words[1:]}" if is_plan(report) else words


def is_plan(report: Report) -> bool:
    """Whether the run only says what it would do."""
    return report.task is not Task.AUDIT and report.executed_plan is None


def by_attention(results: Iterable[AccountResult]) -> list[AccountResult]:
    """Returns the results with what wants attention first, else in the order in which they were."""
    return sorted(results, key=lambda result: BY_ATTENTION.index(result.outcome))


def summary(report: Report) -> str:
    """Returns what came of the run in a sentence or two, to be quoted. It names no account."""
    said = headline(report)
    return said if report.task is Task.AUDIT else f"{title(report)}. {said}"


def headline(report: Report) -> str:
    """Returns the same, to be read below the title."""
    totals = report.totals
    if not totals:
        return "No account was selected."
    if report.task is Task.AUDIT:
        told, sentence = _LOOKED_AT, _found(report)
    elif is_plan(report):
        told, sentence = frozenset({Outcome.PLANNED}), _planned(report)
    else:
        told, sentence = frozenset({Outcome.DONE}), _done(report)
    others = [
        f"{totals[outcome]:,} {_ENDED[outcome][totals[outcome] > 1]}"
        for outcome in BY_ATTENTION
        if outcome in totals and outcome not in told
    ]
    return f"{sentence} {listed(others)}." if others else sentence


def looked_at(result: AccountResult) -> bool:
    """Whether an audit saw what credentials the account's root user has, if any."""
    return result.outcome in _LOOKED_AT


def credentials_of(result: AccountResult) -> tuple[tuple[ItemType, str], ...]:
    """Returns what the root user has: the type of each credential, and its id."""
    has = result.credentials
    if has is None:
        return ()
    return (
        *(((ItemType.PASSWORD, ""),) if has.password else ()),
        *((ItemType.ACCESS_KEY, key.access_key_id) for key in has.access_keys),
        *((ItemType.SIGNING_CERTIFICATE, certificate) for certificate in has.signing_certificates),
        *((ItemType.MFA_DEVICE, device) for device in has.mfa_devices),
    )


def counted(counts: Mapping[ItemType, int]) -> str:
    """Returns such as "1 password and 2 access keys"."""
    return listed([_number(counts[each], each) for each in ItemType if counts.get(each)])


def listed(parts: Sequence[str]) -> str:
    """Returns the parts as people list them: a, b and c."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def minute(moment: datetime) -> str:
    """Returns a time as people read it, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _found(report: Report) -> str:
    seen = sum(looked_at(result) for result in report.results)
    having = [result for result in report.results if result.outcome is Outcome.HAS_CREDENTIALS]
    if not seen:
        return f"None of {_number(len(report.results), 'account')} was looked at."
    among = _number(seen, "account")
    if seen < len(report.results):
        among = f"the {among} that {'was' if seen == 1 else 'were'} looked at"
    if not having:
        return f"None of {among} has root credentials."
    found = counted(Counter(type_ for result in having for type_, _ in credentials_of(result)))
    have = "has" if len(having) == 1 else "have"
    return f"{len(having):,} of {among} {have} root credentials{f': {found}' if found else ''}."


def _planned(report: Report) -> str:
    items = _counted_items(report, Outcome.PLANNED)
    accounts = _out_of_all(report, Outcome.PLANNED)
    return f"Would be done in {accounts}{f': {items}' if items else ''}. Nothing has been changed."


def _done(report: Report) -> str:
    # An account that failed may have had items that were done.
    items = _counted_items(report, Outcome.DONE)
    return f"Done in {_out_of_all(report, Outcome.DONE)}{f'; {items} in all' if items else ''}."


def _counted_items(report: Report, outcome: Outcome) -> str:
    items = (item for result in report.results for item in result.items)
    return counted(Counter(item.type for item in items if item.outcome is outcome))


def _out_of_all(report: Report, outcome: Outcome) -> str:
    return f"{report.totals.get(outcome, 0):,} of {_number(len(report.results), 'account')}"


def _number(count: int, noun: str) -> str:
    if count == 1:
        return f"1 {noun}"
    plural = f"{noun.removesuffix('y')}ies" if noun.endswith("policy") else f"{noun}s"
    return f"{count:,} {plural}"
