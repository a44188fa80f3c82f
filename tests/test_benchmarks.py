"""What the benchmarks count and compare; never how long anything takes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from inspect import signature
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from benchmarks.audit_page import AuditMeasurements
from benchmarks.audits import (
    LARGE,
    MAX_CONCURRENCY,
    MEDIUM,
    SMALL,
    Figures,
    correct_outcomes,
    dollars,
    number_without_result,
)
from benchmarks.candidates import BUILDERS, COMMANDS, Candidate, State, Yardstick, reset_to
from benchmarks.deployments import Run, duration
from benchmarks.invocation import Invocation, union_seconds
from benchmarks.journal import Journal, journal, round_trips
from benchmarks.limits import Limit, TokenBucket
from benchmarks.report import LATENCIES, Measurements, page
from benchmarks.sandboxes import AuditFailedError, FunctionInvocation
from benchmarks.stand_in import Scenario, StandIn, running_stand_in
from benchmarks.stand_in_aws import (
    MANAGEMENT_ACCOUNT_ID,
    ORGANIZATION_ID,
    ROOT_ID,
    TASK_POLICY,
    account_name,
)
from benchmarks.synthesis import STACK, Synthesis, read_synthesis
from centralized_root_access import RootTasks
from local_aws.emulation import Call, Organization, Seed, mock_organization
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
    assert [len(names) for names in dependencies] == [0, 1, 1]
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


def report_of(results: list[tuple[str, str]]) -> list[dict[str, str]]:
    """Return the results of a report."""
    return [{"accountId": account_id, "outcome": outcome} for account_id, outcome in results]


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
        number_without_result(report_of(results), expected=EXPECTED)


def test_an_account_that_could_not_be_looked_into_is_lost() -> None:
    assert number_without_result(report_of(COMPLETE), expected=EXPECTED) == 0
    lost = [COMPLETE[0], (accounts.OTHER, "inaccessible")]
    assert number_without_result(report_of(lost), expected=EXPECTED) == 1


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
    invocation = FunctionInvocation(response={}, log=[], seconds=2.0, cpu=0.1, memory=50_000_000)
    reports = {SMALL: invocation, LARGE: replace(invocation, memory=100_000_000)}
    measured = AuditMeasurements(audits={MEDIUM: [root_tasks, gave_up]}, reports=reports)
    shown = page(Measurements(audits=measured))
    assert "### 1,000 accounts, 300 ms a call, AssumeRoot 600 a second" in shown
    assert "| RootTasks | 20.00 s | 15.00 s | 0 | 1 | 2,117 | 99 | 260 | 6.6 ms | - | $0.0016 |" in shown
    assert "| unbounded | more than 75.00 s | - | 900 | - | 2,117 | 99 | 260 | 6.6 ms | - | - |" in shown
    assert "| its memory ÷ that of the report of 100 accounts | 2.00 |" in shown


def test_a_token_bucket_lets_its_burst_through_and_then_its_rate() -> None:
    bucket = TokenBucket(limit=Limit(rate=2, burst=3), updated_at=0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(0.4), bucket.take(0.5), bucket.take(0.6)] == [False, True, False]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


# The stand-in.

MEMBERS = Scenario(members=3)
WITH_CREDENTIALS, CLEAN, _ = MEMBERS.member_ids

ClientFactory = Callable[..., Any]


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with running_stand_in(tmp_path_factory.mktemp("stand-in")) as running:
        yield running


@pytest.fixture(scope="module")
def local_aws() -> Iterator[Organization]:
    """Return the emulation, with the organization of the stand-in."""
    with mock_organization(seed=Seed(organization_id=ORGANIZATION_ID, members=())) as organization:
        reset_to(State.ENABLED, organization, latency=0.0)
        for id_ in MEMBERS.member_ids:
            name = account_name(id_)
            organization.add_account(name=name, email=f"{name}@example.com", account_id=id_)
        organization.put_root_credentials(account_id=WITH_CREDENTIALS, password=True, access_keys=1)
        organization.client("organizations").enable_policy_type(
            RootId=organization.root_id, PolicyType="SERVICE_CONTROL_POLICY"
        )
        yield organization


@cache
def shared_session() -> boto3.Session:
    """Return a session, which reads the model of each service once."""
    return boto3.Session(region_name="us-east-1")


def clients_of(stand_in: StandIn) -> ClientFactory:
    """Return what creates clients of the stand-in."""
    session = shared_session()

    def client(service: str, *, credentials: Mapping[str, str] | None = None) -> Any:
        keys = credentials or {"AccessKeyId": MANAGEMENT_ACCOUNT_ID, "SecretAccessKey": "secret"}
        return session.client(
            service,  # type: ignore[call-overload]
            endpoint_url=stand_in.urls[service],
            verify=str(stand_in.certificate),
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
            config=Config(proxies={}, retries={"total_max_attempts": 1}),
        )

    return client


def response_of(function: Callable[..., Mapping[str, Any]], **parameters: object) -> object:
    """Return what the SDK makes of a response or an error, without what is new in each."""
    try:
        response = dict(function(**parameters))
    except ClientError as error:
        # moto sends the message of some errors twice.
        response = {
            "Error": {**error.response["Error"], "message": None},
            "ResponseMetadata": error.response["ResponseMetadata"],
        }
    status = response.pop("ResponseMetadata")["HTTPStatusCode"]
    return status, neutral(response)


SECRETS = ("SessionToken", "NextToken", "SecretAccessKey")


def neutral(value: Any) -> Any:
    """Return a part of a response without times, tokens, quotas and the ID of the root."""
    if isinstance(value, Mapping):
        return {
            key: "…" if key in SECRETS or key.endswith(("Quota", "Version")) else neutral(member)
            for key, member in value.items()
        }
    if isinstance(value, list):
        return [neutral(entry) for entry in value]
    if isinstance(value, datetime):
        return datetime
    return re.sub(r"r-[a-z0-9]{4}", "r-…", value) if isinstance(value, str) else value


def assume_root(client: ClientFactory, account_id: str) -> Mapping[str, str]:
    """Return the credentials of a root session."""
    response: Mapping[str, Any] = client("sts").assume_root(
        TargetPrincipal=account_id, TaskPolicyArn={"arn": TASK_POLICY}
    )
    credentials: Mapping[str, str] = response["Credentials"]
    return credentials


SCP, TASK = "SERVICE_CONTROL_POLICY", {"TaskPolicyArn": {"arn": TASK_POLICY}}
# A call: the service, the operation, the parameters, and the account in whose root session it is made.
Compared = tuple[str, str, dict[str, Any], str | None]
IN_AN_ACCOUNT = (
    *("get_account_summary", "get_login_profile", "list_access_keys", "list_mfa_devices"),
    *("list_signing_certificates", "get_user"),
)
COMPARED: list[Compared] = [
    *(
        ("sts", "assume_root", {"TargetPrincipal": target, **TASK}, None)
        for target in (CLEAN, f"arn:aws:iam::{CLEAN}:root", MANAGEMENT_ACCOUNT_ID, "999999999999")
    ),
    *(("iam", name, {}, account_id) for account_id in (WITH_CREDENTIALS, CLEAN) for name in IN_AN_ACCOUNT),
    ("iam", "get_access_key_last_used", {"AccessKeyId": f"AKIA{WITH_CREDENTIALS}0001"}, WITH_CREDENTIALS),
    ("iam", "list_organizations_features", {}, None),
    ("organizations", "describe_organization", {}, None),
    ("organizations", "list_accounts", {}, None),
    ("organizations", "list_accounts", {"MaxResults": 2}, None),
    ("organizations", "list_roots", {}, None),
    ("organizations", "list_organizational_units_for_parent", {"ParentId": ROOT_ID}, None),
    ("organizations", "list_policies", {"Filter": SCP}, None),
    ("organizations", "list_targets_for_policy", {"PolicyId": "p-FullAWSAccess"}, None),
    ("organizations", "list_policies_for_target", {"TargetId": CLEAN, "Filter": SCP}, None),
    ("organizations", "list_policies_for_target", {"TargetId": CLEAN, "Filter": "TAG_POLICY"}, None),
]


@pytest.mark.parametrize(("service", "operation", "parameters", "session_of"), COMPARED)
def test_the_stand_in_responds_as_the_local_aws_does(
    stand_in: StandIn,
    local_aws: Organization,
    service: str,
    operation: str,
    parameters: dict[str, Any],
    session_of: str | None,
) -> None:
    stand_in.begin(MEMBERS)
    responses = []
    sides: tuple[tuple[ClientFactory, str], ...] = (
        (clients_of(stand_in), ROOT_ID),
        (local_aws.client, local_aws.root_id),
    )
    for client, root_id in sides:
        credentials = None if session_of is None else assume_root(client, session_of)
        given = {**parameters, "ParentId": root_id} if "ParentId" in parameters else parameters
        responses.append(response_of(getattr(client(service, credentials=credentials), operation), **given))
    assert responses[0] == responses[1]


def test_the_pages_of_the_stand_in_have_every_account_once(stand_in: StandIn) -> None:
    scenario = Scenario(members=41, sts=None)
    stand_in.begin(scenario)
    pages = clients_of(stand_in)("organizations").get_paginator("list_accounts").paginate()
    ids = [account["Id"] for page in pages for account in page["Accounts"]]
    assert ids == [MANAGEMENT_ACCOUNT_ID, *scenario.member_ids]
    assert set(correct_outcomes(scenario)) == set(ids)


def test_the_stand_in_throttles_each_service_with_its_own_error_and_counts_it(stand_in: StandIn) -> None:
    stand_in.begin(replace(MEMBERS, sts=Limit(rate=0.001, burst=1)))
    client = clients_of(stand_in)
    assume_root(client, CLEAN)
    with pytest.raises(ClientError) as throttled:
        assume_root(client, CLEAN)
    assert throttled.value.response["Error"]["Code"] == "Throttling"
    organizations = client("organizations")
    responses = [response_of(organizations.list_roots) for _ in range(3)]
    assert responses[0] == responses[1] != responses[2]
    assert "TooManyRequestsException" in str(responses[2])
    traffic = stand_in.traffic()
    assert traffic.throttled == {"AssumeRoot": 1, "ListRoots": 1}
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
            [sys.executable, "-m", "benchmarks.unbounded", str(scenario.members)],
            env={**os.environ, **environment},
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
    )
    calls = stand_in.traffic().calls
    assert (measured["lost"][-1], len(measured["lost"])) == (0, len(measured["seconds"]))
    for operation in ("GetLoginProfile", "ListAccessKeys", "ListMFADevices", "ListSigningCertificates"):
        assert calls[operation] == scenario.members
    assert calls["AssumeRoot"] > scenario.members
