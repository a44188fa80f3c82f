"""The history of full audits: which one counts, what changed, since when none finds any. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta

from common.untrusted import ACCOUNT_ID

from ..model.codec import DecodingError, decode
from ..model.report_schema import (
    AccountResult,
    Change,
    ChangeType,
    ItemType,
    Outcome,
    Report,
    RootFree,
)
from .facts import credentials_of, is_audited, types_without_list

# What is in doubt if another audit may have looked later than this one.
_IN_DOUBT = (
    ChangeType.CREDENTIALS_DISAPPEARED,
    ChangeType.CREDENTIALS_ACCEPTED,
    ChangeType.LEFT,
)
# The type of a change of an account's outcome. A new acceptance ends the alarm: by a deployment, or
# because an account was moved into a unit.
_ACCEPTANCE = {
    (Outcome.ACCEPTED, Outcome.HAS_CREDENTIALS): ChangeType.CREDENTIALS_NO_LONGER_ACCEPTED,
    (Outcome.HAS_CREDENTIALS, Outcome.ACCEPTED): ChangeType.CREDENTIALS_ACCEPTED,
}
# An audit with other outcomes does not know that no member has root credentials.
_COMPLETE = frozenset({Outcome.CLEAN, Outcome.SKIPPED, Outcome.PROTECTED, Outcome.UNPROTECTED})


class NotComparableError(Exception):
    """The earlier audit cannot be compared. The message repeats nothing of its content."""


def parse_previous_audit(data: bytes, *, current: Report) -> Report:
    """Return the audit before the current one, or what the current one has published itself.

    Args:
        data: What is stored as the latest full audit.
        current: The newer audit.

    Raises:
        NotComparableError: It is damaged, or of another organization.
    """
    try:
        previous = decode(Report, data)
    except DecodingError as error:
        raise NotComparableError(str(error)) from error
    if previous.organization_id != current.organization_id:
        raise NotComparableError("This report is of another organization.")
    # These get into the notice, beside its commands.
    account_ids = [result.account_id for result in previous.results]
    account_ids += [change.account_id for change in previous.changes or ()]
    if not all(map(ACCOUNT_ID.fullmatch, account_ids)):
        raise NotComparableError("This report has an ID that is not an account's.")
    return previous


def is_of_same_run(published: Report, report: Report) -> bool:
    """Return whether a report that was published is an earlier one of a report's own run.

    Both have the same results, which have been verified for the newer one: the name of the run
    alone could be anyone's. The management account's root user was read again, and is left out.
    """
    own_id = report.management_account_id
    results = [
        {result.account_id: result for result in each.results if result.account_id != own_id}
        for each in (published, report)
    ]
    return published.run_id == report.run_id and results[0] == results[1]


def changes(previous: Report, current: Report) -> tuple[Change, ...]:
    """Return the differences between two full audits, by type, then by account ID.

    An account that was not audited has neither gained nor lost anything: that is not known.
    """
    before = {result.account_id: result for result in previous.results}
    after = {result.account_id: result for result in current.results}
    found = [
        change
        for account_id in before.keys() | after.keys()
        for change in _account_changes(account_id, before.get(account_id), after.get(account_id))
    ]
    types = list(ChangeType)
    return tuple(sorted(found, key=lambda change: (types.index(change.type), change.account_id)))


def without_doubt(report: Report) -> Report:
    """Return a full audit without what the later look of another one may contradict.

    For example, this one reads an account before the account gets a password, and the other one
    after that, and publishes first: then the password has not disappeared.
    """
    report = replace(report, root_free=None)
    if report.changes is None:
        return report
    certain = [change for change in report.changes if change.type not in _IN_DOUBT]
    return replace(report, changes=tuple(certain))


def with_history(report: Report, *, previous: Report | None) -> Report:
    """Return a full audit with its history: what has changed, and since when none finds any.

    Args:
        report: The full audit.
        previous: The latest full audit before it; None if there is none that can be compared.
    """
    report = replace(report, root_free=_root_free(report, previous=previous))
    if previous is None:
        return report
    return replace(report, changes=changes(previous, report), changes_since=previous.started_at)


def _root_free(report: Report, *, previous: Report | None) -> RootFree | None:
    """Return the audits in a row without root credentials, up to this one; None if it has some."""
    if not _is_root_free(report):
        return None
    # Unless others came before, the row begins with this one: no audits, and no gap.
    before = RootFree(since=report.started_at)
    gap = timedelta()
    # The claim of the audit before counts only if its own rows do not contradict it.
    if previous is not None and previous.root_free is not None and _is_root_free(previous):
        before = previous.root_free
        gap = report.finished_at - previous.started_at
    is_incomplete = not _COMPLETE.issuperset(report.totals)
    return RootFree(
        since=before.since,
        audits=before.audits + 1,
        longest_gap=max(before.longest_gap, math.ceil(gap.total_seconds())),
        incomplete_audits=before.incomplete_audits + is_incomplete,
    )


def _is_root_free(report: Report) -> bool:
    """Return whether an audit found no root credentials, and an account without any."""
    return Outcome.HAS_CREDENTIALS not in report.totals and Outcome.CLEAN in report.totals


def _account_changes(
    account_id: str, before: AccountResult | None, after: AccountResult | None
) -> Iterator[Change]:
    """Yield the changes of an account from one full audit to the next.

    Args:
        account_id: The account.
        before: Its result in the earlier audit; None if it was not in the organization then.
        after: Its result in the later one; None if it is no longer in the organization.
    """
    if after is None:
        yield Change(type=ChangeType.LEFT, account_id=account_id, audited=False)
        return
    if before is None:
        yield change_with_credentials(ChangeType.JOINED, after)
    elif is_audited(before) and is_audited(after):
        # If one of the audits could not list a type, only its existence can be compared.
        unlisted = types_without_list(before) | types_without_list(after)
        had = _comparable_credentials(before, unlisted)
        has = _comparable_credentials(after, unlisted)
        for type_, credentials in (
            (ChangeType.CREDENTIALS_APPEARED, has - had),
            (ChangeType.CREDENTIALS_DISAPPEARED, had - has),
        ):
            if credentials:
                types = _types_in_order(credentials)
                yield Change(type=type_, account_id=account_id, credentials=types)
        # Accepted credentials may no longer be accepted, and the other way around.
        acceptance = _ACCEPTANCE.get((before.outcome, after.outcome))
        if acceptance is not None:
            yield change_with_credentials(acceptance, after)
    elif is_audited(before):
        yield change_with_credentials(ChangeType.NO_LONGER_AUDITED, after)
    elif is_audited(after):
        yield change_with_credentials(ChangeType.AUDITED_AGAIN, after)


def _comparable_credentials(
    result: AccountResult, unlisted: Collection[ItemType]
) -> set[tuple[ItemType, str | None]]:
    """Return the credentials of an account, without the IDs of types that were not listed.

    For example, two access keys become one entry without an ID if access keys are such a type.
    """
    return {(type_, None if type_ in unlisted else id_) for type_, id_ in credentials_of(result)}


def change_with_credentials(type_: ChangeType, result: AccountResult) -> Change:
    """Return a change of an account, with all credentials that it has according to its result."""
    audited = is_audited(result)
    credentials = _types_in_order(credentials_of(result)) if audited else ()
    return Change(
        type=type_, account_id=result.account_id, credentials=credentials, audited=audited
    )


def _types_in_order(credentials: Iterable[tuple[ItemType, str | None]]) -> tuple[ItemType, ...]:
    """Return the type of each credential, which is given with its ID, in the order of the types."""
    counts = Counter(type_ for type_, _ in credentials)
    return tuple(type_ for type_ in ItemType for _ in range(counts[type_]))
