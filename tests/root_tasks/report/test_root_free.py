"""Since when full audits find no root credentials: each takes it over from the one before.

The sentence itself is in tests/notices/audit-root-free.txt.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from hypothesis import strategies as st

from root_tasks.model.report_schema import AccountResult, Outcome, Report, RootFree
from root_tasks.report.changes import NotComparableError, parse_previous_audit, with_history
from root_tasks.report.render import as_json
from root_tasks.report.summary import headline
from support.properties import property_test
from support.reports import (
    MANAGEMENT,
    STARTED_AT,
    account_result,
    account_with_credentials,
    inaccessible_account,
    report_of,
)

FIRST = "300000000001"
BOAST = b'{"since":"2020-01-01T00:00:00Z","audits":100,"longestGap":1,"incompleteAudits":0}'
OWN = account_result(MANAGEMENT, Outcome.SKIPPED)
KINDS: dict[str, AccountResult] = {
    "CLEAN": account_result(FIRST),
    "protected": account_result(FIRST, protected=True),
    "credentials": account_with_credentials(FIRST, password=True),
    "ACCEPTED": dataclasses.replace(
        account_with_credentials(FIRST, password=True), outcome=Outcome.ACCEPTED
    ),
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
    """One full audit of a sequence, and what happens after it."""

    accounts: tuple[str, ...]
    hours: int
    minutes: int
    latest: Latest
    written_twice: bool
    damaged_between: bool
    ends_the_chain: bool = False

    def report(self, number: int, *, at: datetime) -> Report:
        """Its report, without its history."""
        rows = (
            dataclasses.replace(KINDS[kind], account_id=f"{300000000001 + place}")
            for place, kind in enumerate(self.accounts)
        )
        return dataclasses.replace(
            report_of(*rows, OWN, run_id=f"audit-{number}"),
            started_at=at,
            finished_at=at + timedelta(minutes=self.minutes),
        )

    def written_again(self) -> Audit:
        """The same; if the last account's result was damaged before, it is no longer known."""
        if not self.damaged_between or self.accounts[-1] == "INACCESSIBLE":
            return self
        accounts = (*self.accounts[:-1], "INACCESSIBLE")
        return dataclasses.replace(self, accounts=accounts, ends_the_chain=True)


AUDITS = st.builds(
    Audit,
    # Mostly clean: otherwise no sequence is long.
    accounts=st.lists(st.sampled_from(["CLEAN"] * 6 + list(KINDS)), min_size=1, max_size=3).map(
        tuple
    ),
    hours=st.integers(2, 2_000),
    minutes=st.sampled_from([5, 119]),
    latest=st.sampled_from([Latest.KEPT] * 8 + list(Latest)),
    written_twice=st.booleans(),
    damaged_between=st.sampled_from([False] * 3 + [True]),
)


def altered(body: bytes, latest: Latest) -> bytes | None:
    """The report as the next audit finds it."""
    if latest is Latest.LOST:
        return None
    if latest is Latest.CUT:
        return body[:-20]
    if latest is Latest.DAMAGED:
        return body.replace(b'"audits":', b'"audits":-')
    found = {outcome for outcome in Outcome if b'"outcome":"%b"' % outcome.encode() in body}
    if latest is Latest.BOASTFUL and (
        Outcome.HAS_CREDENTIALS in found or Outcome.CLEAN not in found
    ):
        return body.replace(b'"rootFree":null', b'"rootFree":%b' % BOAST)
    if latest is Latest.OTHER:
        return body.replace(b"o-", b"o-other")
    return body


def next_audit(found: Report, stored: bytes | None) -> Report:
    """An audit with its history, as its run makes it."""
    try:
        previous = None
        if stored is not None:
            previous = parse_previous_audit(stored, current=found, now=found.finished_at)
    except NotComparableError:
        previous = None
    return with_history(found, previous=previous)


def expected(audits: list[Audit], reports: list[Report]) -> RootFree | None:
    """The same, counted back from the last audit."""
    counted: list[int] = []
    for number in range(len(audits) - 1, -1, -1):
        has_clean = not {"CLEAN", "protected"}.isdisjoint(audits[number].accounts)
        if (
            "credentials" in audits[number].accounts
            or not has_clean
            or audits[number].ends_the_chain
        ):
            break
        if counted and audits[number].latest not in (Latest.KEPT, Latest.BOASTFUL):
            break
        counted.insert(0, number)
    if not counted:
        return None
    not_free = {"INACCESSIBLE", "ACCEPTED"}
    gaps = (
        (reports[later].finished_at - reports[earlier].started_at).total_seconds()
        for earlier, later in itertools.pairwise(counted)
    )
    return RootFree(
        since=reports[counted[0]].started_at,
        audits=len(counted),
        longest_gap=max(map(math.ceil, gaps), default=0),
        incomplete_audits=sum(
            bool(not_free.intersection(audits[number].accounts)) for number in counted
        ),
    )


@property_test(examples=300, audits=st.lists(AUDITS, min_size=1, max_size=12))
def test_what_is_said_of_a_sequence_of_audits_is_what_each_of_them_found(
    audits: list[Audit],
) -> None:
    at, stored, reports = STARTED_AT, None, []
    for number, audit in enumerate(audits):
        found = audit.report(number, at=at)
        made = next_audit(found, stored)
        if audit.written_twice:
            # A run whose last function died is redriven.
            audit = audits[number] = audit.written_again()
            made = next_audit(audit.report(number, at=at), as_json(made))
        reports.append(made)
        assert made.root_free == expected(audits[: number + 1], reports)
        free, words = made.root_free, headline(made)
        is_said = free is not None and free.audits > 1 and "CLEAN" in audit.accounts
        assert ("No root credentials in" in words) == is_said
        incomplete = free is not None and free.incomplete_audits > 0
        assert ("audits, accounts were inaccessible or had" in words) == (is_said and incomplete)
        has_protected = "protected" in audit.accounts
        assert ("Not counted, because protected" in words) == (is_said and has_protected)
        stored = altered(as_json(made), audit.latest)
        at += timedelta(hours=audit.hours)
