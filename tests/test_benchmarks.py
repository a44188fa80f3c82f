"""What the benchmarks count and compare; never how long anything takes."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from benchmarks.audits import Audit, AuditFailedError, check_calls, check_results, speedup
from benchmarks.candidates import BUILDERS, COMMANDS, Candidate, State, Yardstick, reset_to
from benchmarks.deployments import Run, duration
from benchmarks.invocation import Invocation, union_seconds
from benchmarks.journal import Journal, journal, round_trips
from benchmarks.report import LATENCIES, Measurements, page
from benchmarks.synthesis import STACK, Synthesis, read_synthesis
from local_aws.emulation import Call, mock_organization
from root_tasks.model.report import Outcome
from support import accounts
from support.templates import MANAGEMENT, bootstrap_stack, resources, template

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LATENCY_SECONDS = 0.3
START = datetime(2026, 1, 1, tzinfo=UTC)


def calls(*arrivals: float, operation: str = "ListOrganizationsFeatures") -> list[Call]:
    """Return calls that arrived so many seconds after the start."""
    return [
        Call(
            service="iam",
            operation=operation,
            account_id=accounts.MANAGEMENT,
            parameters={},
            error=None,
            at=START + timedelta(seconds=arrival),
            root_session=False,
        )
        for arrival in arrivals
    ]


@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [
        ([], 0),
        ([0.3, 0.31, 0.32, 0.35], 1),
        ([0.3, 0.61, 0.92], 3),
        ([0.3, 0.31, 0.62, 0.93, 0.94], 3),
        ([0.92, 0.3, 0.61], 3),
    ],
    ids=["none", "in parallel", "one after another", "both", "in no order"],
)
def test_round_trips_are_the_calls_that_do_not_overlap(arrivals: list[float], expected: int) -> None:
    assert round_trips(calls(*arrivals), latency=LATENCY_SECONDS) == expected


def test_a_call_that_is_sent_before_another_one_arrives_is_not_another_round_trip() -> None:
    assert round_trips(calls(0.3, 0.59, 0.89), latency=LATENCY_SECONDS) == 2


def test_a_journal_counts_writes_apart_from_reads() -> None:
    recorded = [*calls(0.3), *calls(0.61, operation="EnableOrganizationsRootSessions")]
    assert journal(recorded, latency=LATENCY_SECONDS) == Journal(calls=2, writes=1, round_trips=2)


def test_without_latency_round_trips_are_not_counted() -> None:
    assert journal(calls(0.0, 0.01), latency=0.0).round_trips is None


def test_a_duration_is_from_the_first_event_of_a_type_to_the_last() -> None:
    events = [
        {"ResourceType": resource_type, "Timestamp": START + timedelta(seconds=seconds)}
        for resource_type, seconds in (
            ("AWS::CloudFormation::Stack", 0.0),
            ("Custom::AWS", 1.0),
            ("Custom::AWS", 2.5),
            ("AWS::CloudFormation::Stack", 3.0),
        )
    ]
    assert duration(events, "Custom::") == 1.5
    assert duration(events, "AWS::CloudFormation::Stack") == 3.0


def test_time_that_is_spent_in_several_calls_at_once_counts_once() -> None:
    assert union_seconds([(5.0, 6.0), (0.0, 2.0), (1.0, 3.0), (1.5, 1.75)]) == 4.0


def test_a_synthesis_counts_its_resources_and_the_zipped_bytes_of_its_packages(tmp_path: Path) -> None:
    text = json.dumps({"Resources": {"One": {}, "Two": {}}})
    (tmp_path / f"{STACK}.template.json").write_text(text)
    (tmp_path / "asset.1").mkdir()
    without_code = read_synthesis(tmp_path)
    (tmp_path / "asset.1" / "index.py").write_text("x = 1\n" * 1000)
    with_code = read_synthesis(tmp_path)
    assert (with_code.template, with_code.resources) == (text, 2)
    assert without_code.package_bytes < with_code.package_bytes < 6000, "zipped"


def test_the_alternative_makes_its_three_calls_one_after_another() -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    BUILDERS[Candidate.CUSTOM_RESOURCES](stack)
    custom = resources(template(stack), "Custom::AWS")
    dependencies = [set(custom) & set(resource.get("DependsOn", [])) for resource in custom.values()]
    assert [len(it) for it in dependencies] == [0, 1, 1]
    assert set.union(*dependencies) == set(list(custom)[:2])


def test_the_commands_enable_root_access() -> None:
    with mock_organization() as organization:
        for service, operation, parameters in COMMANDS:
            getattr(organization.client(service), operation)(**parameters)
        assert len(organization.root_access().features) == 2


def test_each_run_starts_from_the_same_organization() -> None:
    with mock_organization() as organization:
        reset_to(State.ENABLED, organization, latency=0.0)
        assert len(organization.root_access().features) == 2
        assert organization.calls == ()
        reset_to(State.FRESH, organization, latency=0.0)
        assert organization.root_access().features == frozenset()


def measurements() -> Measurements:
    """Return three runs of each candidate; the construct always takes twice as long."""

    def runs(candidate: Candidate) -> Sequence[Run]:
        factor = 2 if candidate is Candidate.CONSTRUCT else 1
        return [
            Run(
                seconds=seconds * factor,
                stack_seconds=None if candidate is Candidate.COMMAND_LINE else seconds * factor + 1,
                journal=Journal(calls=4, writes=0, round_trips=1),
                invocations=2,
                memory=100_000_000,
            )
            for seconds in (1.0, 9.0, 2.0)
        ]

    stacks = (*Yardstick, Candidate.CONSTRUCT, Candidate.CUSTOM_RESOURCES)
    audit = Audit(accounts=100, seconds=1.0, calls=200, memory=50_000_000, batches=4, function_seconds=10.0)
    return Measurements(
        runs={
            (candidate, state, latency): list(runs(candidate))
            for candidate in Candidate
            for state in State
            for latency in LATENCIES
        },
        stacks={it: Synthesis(template="{}", resources=8, package_bytes=20_000) for it in stacks},
        synthesis_seconds={it: [0.1] for it in stacks},
        app_seconds={it: [1.0] for it in stacks},
        invocations=[Invocation(to_first_call=0.3, cold=0.3, cpu=0.2, warm=0.01, memory=50_000_000)],
        audits=[audit],
        loop=Audit(accounts=10, seconds=2.0, calls=20, memory=0, batches=0, function_seconds=0.0),
    )


def test_the_page_shows_medians_and_ratios() -> None:
    shown = page(measurements())
    compared = "| 4.00 s | 2.00 s | 2.00 s | 2.00 |"
    assert f"| a fresh organization, 300 ms a call: first event to last response {compared}" in shown
    assert "| already enabled: Lambda invocations | 2 | 2 | 2 | 1.00 |" in shown
    assert "| already enabled, 300 ms a call: first event to last response | 2.00 | at most 0.55 |" in shown


def test_a_part_of_the_measurements_is_a_page_of_its_sections_alone() -> None:
    everything = measurements()
    shown = page(Measurements(runs=everything.runs))
    sections = [line for line in shown.splitlines() if line.startswith("## ")]
    assert sections == ["## Deployment"]


EXPECTED = {accounts.MEMBER: Outcome.CLEAN, accounts.OTHER: Outcome.HAS_CREDENTIALS}
COMPLETE = [(accounts.MEMBER, "clean"), (accounts.OTHER, "has credentials")]


@pytest.mark.parametrize(
    ("results", "is_complete"),
    [
        (COMPLETE, True),
        (COMPLETE[:1], False),
        ([*COMPLETE, *COMPLETE[:1]], False),
        ([*COMPLETE, (accounts.THIRD, "clean")], False),
        ([COMPLETE[0], (accounts.OTHER, "clean")], False),
    ],
    ids=["complete", "missing", "twice", "another account", "wrong outcome"],
)
def test_an_audit_counts_only_with_the_right_outcome_for_each_account_once(
    results: list[tuple[str, str]], is_complete: bool
) -> None:
    report = [{"accountId": account_id, "outcome": outcome} for account_id, outcome in results]
    with nullcontext() if is_complete else pytest.raises(AuditFailedError):
        check_results(report, expected=EXPECTED)


@pytest.mark.parametrize(("details", "is_accepted"), [(1, True), (2, False)])
def test_an_audit_counts_only_without_unnecessary_calls_in_clean_accounts(
    details: int, is_accepted: bool
) -> None:
    (read,) = calls(0.0)
    reads = [replace(read, account_id=accounts.MEMBER, root_session=True)] * details
    assume_root = replace(read, operation="AssumeRoot", parameters={"TargetPrincipal": accounts.MEMBER})
    with nullcontext() if is_accepted else pytest.raises(AuditFailedError):
        check_calls([assume_root, *reads], expected=EXPECTED)


def test_an_audit_is_compared_by_accounts_a_second() -> None:
    audit = Audit(accounts=100, seconds=1.0, calls=200, memory=0, batches=4, function_seconds=10.0)
    loop = Audit(accounts=10, seconds=2.0, calls=20, memory=0, batches=0, function_seconds=0.0)
    assert speedup(audit, loop) == pytest.approx(20)


def test_the_cost_grows_with_the_batches_and_with_the_time_of_the_functions() -> None:
    audit = Audit(accounts=25, seconds=1.0, calls=50, memory=0, batches=1, function_seconds=10.0)
    longer = Audit(accounts=25, seconds=1.0, calls=50, memory=0, batches=1, function_seconds=20.0)
    larger = Audit(accounts=50, seconds=1.0, calls=100, memory=0, batches=2, function_seconds=10.0)
    assert longer.dollars - audit.dollars == pytest.approx(10 * 13.3334e-6)
    assert larger.dollars - audit.dollars == pytest.approx(3 * 25e-6 + 0.2e-6 + 5e-6 + 3 * 0.4e-6)
