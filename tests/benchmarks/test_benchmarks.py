"""What the benchmarks count and compare; never how long anything takes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from benchmarks.limits import Limit, TokenBucket
from benchmarks.meter import AuditFailedError, Meter, require_outcomes
from benchmarks.page import Measurements, page
from benchmarks.stand_in import Scenario, StandIn
from benchmarks.stand_in_aws import TASK_POLICY
from benchmarks.stand_in_server import running_stand_in
from local_aws.emulation.records import MANAGEMENT_ACCOUNT_ID
from root_tasks.model.report_schema import Outcome
from support import accounts

EXPECTED = {accounts.MEMBER: Outcome.CLEAN, accounts.OTHER_MEMBER: Outcome.HAS_CREDENTIALS}
COMPLETE = [(accounts.MEMBER, "CLEAN"), (accounts.OTHER_MEMBER, "HAS_CREDENTIALS")]


@pytest.mark.parametrize(
    "results",
    [
        COMPLETE[:1],
        COMPLETE + COMPLETE[:1],
        COMPLETE + [(accounts.THIRD_MEMBER, "CLEAN")],
        [COMPLETE[0], (accounts.OTHER_MEMBER, "CLEAN")],
    ],
    ids=["missing", "twice", "another account", "wrong outcome"],
)
def test_an_audit_counts_only_with_the_right_outcome_for_each_account_once(
    results: list[tuple[str, str]],
) -> None:
    report = [{"accountId": account_id, "outcome": outcome} for account_id, outcome in results]
    with pytest.raises(AuditFailedError):
        require_outcomes(report, expected=EXPECTED)


def test_a_token_bucket_lets_its_burst_through_and_then_its_rate() -> None:
    bucket = TokenBucket(Limit(rate=2, burst=3))
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    # At two a second, the next token is there after half a second.
    assert [bucket.take(0.4), bucket.take(0.5), bucket.take(0.6)] == [False, True, False]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


# The stand-in.

MEMBERS = Scenario(members=3)
WITH_CREDENTIALS, CLEAN, _ = MEMBERS.member_ids


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """Yield a stand-in for AWS, in a process of its own."""
    with running_stand_in(tmp_path_factory.mktemp("stand-in")) as running:
        yield running


def client_of(stand_in: StandIn, service: str) -> Any:
    """Return a client of the stand-in, with connections of its own."""
    return boto3.Session(region_name="us-east-1").client(
        service,  # type: ignore[call-overload]
        endpoint_url=stand_in.urls[service],
        verify=stand_in.authorities,
        aws_access_key_id=MANAGEMENT_ACCOUNT_ID,
        aws_secret_access_key="secret",
        config=Config(proxies={}, retries={"total_max_attempts": 1}, user_agent_extra=uuid4().hex),
    )


def assume_root(stand_in: StandIn, account_id: str) -> None:
    """Open a root session with the stand-in."""
    client_of(stand_in, "sts").assume_root(
        TargetPrincipal=account_id, TaskPolicyArn={"arn": TASK_POLICY}
    )


def test_the_stand_in_throttles_each_service_with_its_own_error_and_counts_it(
    stand_in: StandIn,
) -> None:
    stand_in.begin(replace(MEMBERS, assume_root=Limit(rate=0.001, burst=1)))
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
    assert traffic.calls["AssumeRoot"] == 2


PEER = """#!/bin/sh
[ "$1" = version ] && echo Version: 1.2.3
echo '[{"Account": "200000000000"}]'
"""


def test_every_row_is_measured_with_the_right_results(stand_in: StandIn, tmp_path: Path) -> None:
    peer = tmp_path / "peer"
    peer.write_text(PEER)
    peer.chmod(0o700)
    meter = Meter(stand_in, peer=peer)
    # The management account is one more, so they come in two pages.
    scenario = Scenario(members=39)
    one = meter.compare(scenario, one_account=True)
    everybody = meter.compare(scenario, times=2)
    assert one.from_here.calls < everybody.from_here.calls
    # PEER reports one account, whatever it is asked for.
    assert [compared.peer and compared.peer.lost for compared in (one, everybody)] == [0, 38]
    shown = page(Measurements(from_here=[one, everybody], peer="1.2.3"))
    assert shown.count("39 accounts, ") == 2
    alone = page(Measurements(from_here=[replace(one, peer=None)]))
    assert shown.count("aws-root-manager 1.2.3") == 1 > alone.count("root-manager 1.2.3")
