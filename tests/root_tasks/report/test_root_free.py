"""Since when full audits find no root credentials: each takes it over from the one before.

The sentence itself is in tests/notices/audit-root-free.txt.
"""

from __future__ import annotations

import itertools
import math
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import assert_never

from hypothesis import strategies as st

from root_tasks.model.report_schema import AccountResult, Outcome, Report, RootFree
from root_tasks.report.changes import NotComparableError, parse_previous_audit, with_history
from root_tasks.report.render import as_json
from root_tasks.report.summary import headline
from support.properties import property_test
from support.reports import (
    MANAGEMENT,
    STARTED_AT,
    accepted_account,
    account_result,
    account_with_credentials,
    inaccessible_account,
    report_of,
)

FIRST = "300000000001"
# A claim that no audit made.
BOAST = b'{"since":"2020-01-01T00:00:00Z","audits":100,"longestGap":1,"incompleteAudits":0}'
OWN = account_result(MANAGEMENT, Outcome.SKIPPED)
# The result of an account of each kind.
KINDS: dict[str, AccountResult] = {
    "CLEAN": account_result(FIRST),
    "protected": account_result(FIRST, protected=True),
    "credentials": account_with_credentials(FIRST, password=True),
    "ACCEPTED": accepted_account(FIRST),
    "INACCESSIBLE": inaccessible_account(FIRST),
    "suspended": account_result(FIRST, Outcome.SKIPPED),
}


class Latest(Enum):
    """What happens to the report of the latest audit before the next one reads it."""

    KEPT = "it is kept"
    LOST = "the stack is renamed, and its bucket is empty"
    CUT = "its end is cut off"
    DAMAGED = "someone writes an impossible number into it"
    BOASTFUL = "someone writes into it that it is one of a hundred, and leaves its rows"
    OTHER = "it is of another organization"


@dataclass(frozen=True)
class Audit:
    """One full audit of a sequence, and what happens after it.

    Attributes:
        accounts: The kinds of its accounts.
        hours: How long after its start the next audit starts.
        minutes: How long it takes.
        latest: What happens to its report, which is the latest one, before the next audit.
    """

    accounts: tuple[str, ...]
    hours: int
    minutes: int
    latest: Latest

    def report(self, number: int, *, at: datetime) -> Report:
        """Its report, without its history."""
        rows = (
            replace(KINDS[kind], account_id=f"{300000000001 + place}")
            for place, kind in enumerate(self.accounts)
        )
        return replace(
            report_of(*rows, OWN, run_id=f"audit-{number}"),
            started_at=at,
            finished_at=at + timedelta(minutes=self.minutes),
        )


AUDITS = st.builds(
    Audit,
    # Mostly clean: otherwise no sequence is long.
    accounts=st.lists(st.sampled_from(["CLEAN"] * 6 + list(KINDS)), min_size=1, max_size=3).map(
        tuple
    ),
    hours=st.integers(2, 2_000),
    minutes=st.sampled_from([5, 119]),
    latest=st.sampled_from([Latest.KEPT] * 8 + list(Latest)),
)


def report_as_found(body: bytes, latest: Latest) -> bytes | None:
    """The report of the latest audit as the next one finds it; None if it is lost.

    Args:
        body: The report as the audit stored it.
        latest: What happened to it since.
    """
    match latest:
        case Latest.KEPT:
            return body
        case Latest.LOST:
            return None
        case Latest.CUT:
            return body[:-20]
        case Latest.DAMAGED:
            return body.replace(b'"audits":', b'"audits":-')
        case Latest.OTHER:
            return body.replace(b"o-", b"o-other")
        case Latest.BOASTFUL:
            outcomes = [each for each in Outcome if b'"outcome":"%b"' % each.encode() in body]
            if Outcome.HAS_CREDENTIALS not in outcomes and Outcome.CLEAN in outcomes:
                # Its rows agree with the claim, so nothing could tell that the claim is false.
                return body
            return body.replace(b'"rootFree":null', b'"rootFree":%b' % BOAST)
        case _:
            assert_never(latest)


def with_history_from(stored: bytes | None, report: Report) -> Report:
    """A report with its history, as its run makes it from the stored report of the latest audit."""
    previous = None
    if stored is not None:
        with suppress(NotComparableError):
            previous = parse_previous_audit(stored, current=report)
    return with_history(report, previous=previous)


def expected_root_free(audits: list[Audit], reports: list[Report]) -> RootFree | None:
    """What the last audit says of the audits in a row without root credentials, counted back."""
    counted: list[int] = []
    for number in range(len(audits) - 1, -1, -1):
        audit = audits[number]
        has_clean = not {"CLEAN", "protected"}.isdisjoint(audit.accounts)
        if "credentials" in audit.accounts or not has_clean:
            break
        # The audit after it could not read its report.
        if counted and audit.latest not in (Latest.KEPT, Latest.BOASTFUL):
            break
        counted.insert(0, number)
    if not counted:
        return None
    incomplete = {"INACCESSIBLE", "ACCEPTED"}
    gaps = (
        (reports[later].finished_at - reports[earlier].started_at).total_seconds()
        for earlier, later in itertools.pairwise(counted)
    )
    return RootFree(
        since=reports[counted[0]].started_at,
        audits=len(counted),
        longest_gap=max(map(math.ceil, gaps), default=0),
        incomplete_audits=sum(
            bool(incomplete.intersection(audits[number].accounts)) for number in counted
        ),
    )


@property_test(examples=300, audits=st.lists(AUDITS, min_size=1, max_size=12))
def test_what_is_said_of_a_sequence_of_audits_is_what_each_of_them_found(
    audits: list[Audit],
) -> None:
    at, stored, reports = STARTED_AT, None, []
    for number, audit in enumerate(audits):
        report = with_history_from(stored, audit.report(number, at=at))
        reports.append(report)
        root_free, words = report.root_free, headline(report)
        assert root_free == expected_root_free(audits[: number + 1], reports)

        # One audit alone is no sequence, and an account that is protected does not count.
        is_said = root_free is not None and root_free.audits > 1 and "CLEAN" in audit.accounts
        assert ("full audits in a row since" in words) == is_said
        is_incomplete = root_free is not None and root_free.incomplete_audits > 0
        incomplete_words = "audits, accounts were inaccessible or had"
        assert (incomplete_words in words) == (is_said and is_incomplete)
        has_protected = "protected" in audit.accounts
        assert ("Not counted, because protected" in words) == (is_said and has_protected)
        stored = report_as_found(as_json(report), audit.latest)
        at += timedelta(hours=audit.hours)
