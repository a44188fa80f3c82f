"""What the benchmarks count and compare; never how long anything takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from inspect import signature
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from benchmarks.audits import (
    MAX_CONCURRENCY,
    MEDIUM,
    SIZES,
    AuditFailedError,
    Figures,
    correct_outcomes,
    dollars,
    number_without_result,
)
from benchmarks.candidates import BUILDERS, COMMANDS, Candidate, State, Yardstick, reset_to
from benchmarks.deployments import Run, duration
from benchmarks.function import SETTINGS
from benchmarks.invocation import Invocation, union_seconds
from benchmarks.journal import Journal, journal, round_trips
from benchmarks.limits import Limit, TokenBucket
from benchmarks.report import LATENCIES, Measurements, page
from benchmarks.stand_in import Scenario, StandIn, running_stand_in
from benchmarks.stand_in_aws import MANAGEMENT_ACCOUNT_ID, TASK_POLICY
from benchmarks.synthesis import STACK, Synthesis, read_synthesis
from centralized_root_access import RootTasks
from local_aws.emulation import Call, mock_organization
from root_tasks.model.report import Outcome
from support import accounts
from support.root_tasks import FUNCTIONS
from support.templates import MANAGEMENT, bootstrap_stack, resources, template

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
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
        ([0.3, 0.59, 0.89], 2),
    ],
    ids=["none", "in parallel", "one after another", "both", "in no order", "sent before one arrives"],
)
def test_round_trips_are_the_calls_that_do_not_overlap(arrivals: list[float], expected: int) -> None:
    assert round_trips(calls(*arrivals), latency=LATENCY_SECONDS) == expected


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
    assert [len(names) for names in dependencies] == [0, 1, 1]
    assert set.union(*dependencies) == set(list(custom)[:2])


def test_the_commands_enable_root_access() -> None:
    with mock_organization() as organization:
        for service, operation, parameters in COMMANDS:
            getattr(organization.client(service), operation)(**parameters)
        assert len(organization.root_access().features) == 2


def test_the_audits_set_what_each_function_reads() -> None:
    assert SETTINGS.keys() == FUNCTIONS.keys()
    for handler, settings in SETTINGS.items():
        FUNCTIONS[handler][1].from_environment({"SETTINGS": json.dumps(settings)})


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
    return Measurements(
        runs={
            (candidate, state, latency): list(runs(candidate))
            for candidate in Candidate
            for state in State
            for latency in LATENCIES
        },
        stacks={stack: Synthesis(template="{}", resources=8, package_bytes=20_000) for stack in stacks},
        synthesis_seconds={stack: [0.1] for stack in stacks},
        app_seconds={stack: [1.0] for stack in stacks},
        invocations=[Invocation(to_first_call=0.3, cold=0.3, cpu=0.2, warm=0.01, memory=50_000_000)],
    )


def test_the_page_shows_medians_and_ratios() -> None:
    shown = page(measurements())
    compared = "| 4.00 s | 2.00 s | 2.00 s | 2.00 |"
    assert f"| a fresh organization, 300 ms a call: first event to last response {compared}" in shown
    assert "| already enabled: Lambda invocations | 2 | 2 | 2 | 1.00 |" in shown
    assert "| packages, bytes | 20,000 | 20,000 |  | 1.00 |" in shown


def test_a_part_of_the_measurements_is_a_page_of_its_sections_alone() -> None:
    everything = measurements()
    shown = page(Measurements(runs=everything.runs))
    sections = [line for line in shown.splitlines() if line.startswith("## ")]
    assert sections == ["## Deployment"]


EXPECTED = {accounts.MEMBER: Outcome.CLEAN, accounts.OTHER: Outcome.HAS_CREDENTIALS}
COMPLETE = [(accounts.MEMBER, "clean"), (accounts.OTHER, "has credentials")]


def number_lost(results: list[tuple[str, str]]) -> int:
    """Return how many accounts of a report count as lost."""
    report = [{"accountId": account_id, "outcome": outcome} for account_id, outcome in results]
    return number_without_result(report, expected=EXPECTED)


@pytest.mark.parametrize(
    "results",
    [
        COMPLETE[:1],
        [*COMPLETE, *COMPLETE[:1]],
        [*COMPLETE, (accounts.THIRD, "clean")],
        [COMPLETE[0], (accounts.OTHER, "clean")],
    ],
    ids=["missing", "twice", "another account", "wrong outcome"],
)
def test_an_audit_counts_only_with_the_right_outcome_for_each_account_once(
    results: list[tuple[str, str]],
) -> None:
    with pytest.raises(AuditFailedError):
        number_lost(results)


def test_an_account_that_could_not_be_looked_into_is_lost() -> None:
    assert number_lost(COMPLETE) == 0
    assert number_lost([COMPLETE[0], (accounts.OTHER, "inaccessible")]) == 1


def test_the_cost_grows_with_the_batches_and_with_the_time_of_the_functions() -> None:
    cost = dollars(batches=1, function_seconds=10.0)
    assert dollars(batches=1, function_seconds=20.0) - cost == pytest.approx(10 * 13.3334e-6)
    assert dollars(batches=2, function_seconds=10.0) - cost == pytest.approx(
        3 * 25e-6 + 0.2e-6 + 5e-6 + 2 * 0.4e-6
    )


def test_as_many_batches_run_at_once_as_in_a_stack_that_sets_nothing() -> None:
    assert signature(RootTasks.__init__).parameters["max_concurrency"].default == MAX_CONCURRENCY


def test_the_page_has_a_row_for_each_candidate_and_audit() -> None:
    given: dict[str, Any] = {"calls": 2117, "throttled": 99, "connections": 260, "cpu": 0.0066}
    root_tasks = Figures(candidate="RootTasks", seconds=20.0, listing=15.0, dollars=0.0016, **given)
    gave_up = Figures(candidate="unbounded", seconds=75.0, lost=900, runs=None, **given)
    shown = page(Measurements(audits={MEDIUM: [root_tasks, gave_up]}))
    assert "### 1,000 accounts, 300 ms a call, AssumeRoot 600 a second" in shown
    assert "| RootTasks | 20.00 s | 15.00 s | 0 | 1 | 2,117 | 99 | 260 | 6.6 ms | - | $0.0016 |" in shown
    assert "| unbounded | more than 75.00 s | - | 900 | - | 2,117 | 99 | 260 | 6.6 ms | - | - |" in shown


def test_the_page_has_the_time_and_the_calls_for_one_account_of_organizations_of_each_size() -> None:
    given: dict[str, Any] = {"connections": 9, "cpu": 0.6}
    found = {
        setting: [
            Figures(candidate="audit --from-here", seconds=2.5, calls=20, **given),
            Figures(candidate="execute", seconds=3.5, calls=21, **given),
        ]
        for setting in SIZES
    }
    shown = page(Measurements(single_accounts=found))
    assert "| accounts | audit --from-here | execute |" in shown
    for accounts_ in ("10", "1,000", "10,000"):
        assert f"| {accounts_} | 2.50 s, 20 | 3.50 s, 21 |" in shown


def test_a_token_bucket_lets_its_burst_through_and_then_its_rate() -> None:
    bucket = TokenBucket(limit=Limit(rate=2, burst=3), updated_at=0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(0.4), bucket.take(0.5), bucket.take(0.6)] == [False, True, False]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


# The stand-in.

MEMBERS = Scenario(members=3)
WITH_CREDENTIALS, CLEAN, _ = MEMBERS.member_ids


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with running_stand_in(tmp_path_factory.mktemp("stand-in")) as running:
        yield running


def client_of(stand_in: StandIn, service: str, credentials: Mapping[str, str] | None = None) -> Any:
    """Return a client of the stand-in, with connections of its own."""
    keys = credentials or {"AccessKeyId": MANAGEMENT_ACCOUNT_ID, "SecretAccessKey": "secret"}
    return boto3.Session(region_name="us-east-1").client(
        service,  # type: ignore[call-overload]
        endpoint_url=stand_in.urls[service],
        verify=stand_in.certificate,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys.get("SessionToken"),
        config=Config(proxies={}, retries={"total_max_attempts": 1}, user_agent_extra=uuid4().hex),
    )


def assume_root(stand_in: StandIn, account_id: str) -> Mapping[str, str]:
    """Return the credentials of a root session."""
    credentials: Mapping[str, str] = client_of(stand_in, "sts").assume_root(
        TargetPrincipal=account_id, TaskPolicyArn={"arn": TASK_POLICY}
    )["Credentials"]
    return credentials


@pytest.mark.parametrize(("account_id", "number"), [(WITH_CREDENTIALS, 1), (CLEAN, 0)])
def test_the_stand_in_responds_about_the_account_that_is_asked_for(
    stand_in: StandIn, account_id: str, number: int
) -> None:
    stand_in.begin(MEMBERS)
    credentials = assume_root(stand_in, account_id)
    assert credentials["AccessKeyId"] == account_id
    iam = client_of(stand_in, "iam", credentials)
    assert iam.get_user()["User"]["Arn"] == f"arn:aws:iam::{account_id}:root"
    assert iam.get_account_summary()["SummaryMap"]["AccountPasswordPresent"] == number
    key_ids = [key["AccessKeyId"] for key in iam.list_access_keys()["AccessKeyMetadata"]]
    assert key_ids == [f"AKIA{account_id}0001"] * number


def test_the_pages_of_the_stand_in_have_every_account_once(stand_in: StandIn) -> None:
    scenario = Scenario(members=39, sts=None)
    stand_in.begin(scenario)
    pages = client_of(stand_in, "organizations").get_paginator("list_accounts").paginate()
    ids = [[account["Id"] for account in page["Accounts"]] for page in pages]
    assert [len(page) for page in ids] == [20, 20]
    assert [*ids[0], *ids[1]] == [MANAGEMENT_ACCOUNT_ID, *scenario.member_ids]
    assert set(correct_outcomes(scenario)) == {*ids[0], *ids[1]}


def test_the_stand_in_says_of_an_account_by_itself_what_its_lists_say(stand_in: StandIn) -> None:
    stand_in.begin(replace(MEMBERS, sts=None))
    organizations = client_of(stand_in, "organizations")
    listed = {account["Id"]: account for account in organizations.list_accounts()["Accounts"]}
    account = organizations.describe_account(AccountId=WITH_CREDENTIALS)["Account"]
    assert account == listed[WITH_CREDENTIALS]
    *_, root_id, parent_id, unit_id, account_id, _ = account["Paths"][0].split("/")
    assert account_id == WITH_CREDENTIALS
    (parent,) = organizations.list_parents(ChildId=WITH_CREDENTIALS)["Parents"]
    unit = organizations.describe_organizational_unit(OrganizationalUnitId=unit_id)["OrganizationalUnit"]
    units = organizations.list_organizational_units_for_parent(ParentId=parent_id)["OrganizationalUnits"]
    assert (parent["Id"], [unit]) == (unit_id, units)
    policies = {"Filter": "SERVICE_CONTROL_POLICY"}
    attached = {
        (summary["Id"], target_id)
        for target_id in (root_id, parent_id, unit_id, WITH_CREDENTIALS)
        for summary in organizations.list_policies_for_target(TargetId=target_id, **policies)["Policies"]
        if not summary["AwsManaged"]
    }
    assert len(attached) == 4
    for policy_id, target_id in attached:
        targets = organizations.list_targets_for_policy(PolicyId=policy_id)["Targets"]
        assert [target["TargetId"] for target in targets] == [target_id]
        assert organizations.describe_policy(PolicyId=policy_id)["Policy"]["Content"]


def test_the_stand_in_throttles_each_service_with_its_own_error_and_counts_it(stand_in: StandIn) -> None:
    stand_in.begin(replace(MEMBERS, sts=Limit(rate=0.001, burst=1)))
    assume_root(stand_in, CLEAN)
    with pytest.raises(ClientError) as throttled:
        assume_root(stand_in, CLEAN)
    assert throttled.value.response["Error"]["Code"] == "Throttling"
    organizations = client_of(stand_in, "organizations")
    with pytest.raises(organizations.exceptions.TooManyRequestsException):
        [organizations.list_accounts() for _ in range(100)]
    with pytest.raises(organizations.exceptions.TooManyRequestsException):
        [organizations.list_roots() for _ in range(100)]
    traffic = stand_in.traffic()
    assert traffic.throttled == {"AssumeRoot": 1, "ListAccounts": 1, "ListRoots": 1}
    assert (traffic.calls["AssumeRoot"], traffic.connections["sts"]) == (2, 2)


@pytest.mark.slow
def test_a_client_without_a_bound_loses_what_was_throttled_too_often_and_is_run_again_for_it(
    stand_in: StandIn,
) -> None:
    scenario = Scenario(members=150, sts=Limit(rate=200, burst=20))
    stand_in.begin(scenario)
    environment = {
        "AWS_ACCESS_KEY_ID": MANAGEMENT_ACCOUNT_ID,
        "AWS_SECRET_ACCESS_KEY": "secret",
        **stand_in.environment,
    }
    measured = json.loads(
        subprocess.run(
            [sys.executable, "-m", "benchmarks.unbounded"],
            env={**os.environ, **environment},
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
    )
    calls = stand_in.traffic().calls
    # The list takes the first of the seconds.
    assert (measured["lost"][-1], len(measured["lost"])) == (0, len(measured["seconds"]) - 1)
    assert calls["ListAccounts"] >= 8
    for operation in ("GetLoginProfile", "ListAccessKeys", "ListMFADevices", "ListSigningCertificates"):
        assert calls[operation] == scenario.members
    assert calls["AssumeRoot"] > scenario.members
