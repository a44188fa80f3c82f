"""An audit of ten thousand accounts: `make scale`.

The functions of RootTasks run as they are, side by side as the state machine has them, against the emulated
organization in this process. Every call takes 50 ms to arrive, and one AssumeRoot in twenty is throttled.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

from aws_calls.retry import Clock
from local_aws.emulation import mock_organization
from local_aws.environment import SECRET_ACCESS_KEY
from root_tasks.aws.sessions import BotoClientFactory
from root_tasks.handlers import (
    Clients,
    Invocation,
    RunBatchSettings,
    StartRunSettings,
    WriteReportSettings,
)
from root_tasks.model.report import Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_aws.emulation import LocalOrganization

MANAGEMENT_ACCOUNT = "111111111111"
BUCKET = "root-tasks"
LATENCY_SECONDS = 0.05
BATCHES_AT_A_TIME = 10
# One account in so many has credentials, is denied, or is throttled at first.
HAVING, DENIED, THROTTLED = 50, 100, 20
_START_RUN = StartRunSettings(
    bucket=BUCKET,
    tasks=(Task.AUDIT,),
    protected_accounts=frozenset(),
    plan_lifetime=timedelta(hours=24),
    allow_policy_override=False,
)
_WRITE_REPORT = WriteReportSettings(
    bucket=BUCKET, notification_topic_arn=None, plan_lifetime=timedelta(hours=24)
)


@dataclass(frozen=True, kw_only=True)
class Context:
    """Lambda's context object."""

    invoked_function_arn: str
    ends_at: float

    def get_remaining_time_in_millis(self) -> int:
        """The time until Lambda ends the invocation."""
        return int((self.ends_at - time.monotonic()) * 1000)


def main() -> int:
    """Runs the audit and prints what it took; returns 1 where an account is missing, or took too much."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--accounts", type=int, default=10_000, help="how many there are (%(default)s)")
    accounts = parser.parse_args().accounts
    with mock_organization() as organization:
        _arrange(organization, accounts)
        clients = _clients()
        with _timed("Select"):
            begun = _invocation(clients, seconds=900).start_run(_event(), settings=_START_RUN)
        items = json.loads(_read(clients, begun["itemsKey"]))
        with _timed(f"{len(items)} batches"), ThreadPoolExecutor(BATCHES_AT_A_TIME) as pool:
            list(pool.map(lambda item: _perform(clients, begun, item), items))
        with _timed("Conclude"):
            output = _invocation(clients, seconds=900).write_report(
                {"runId": begun["runId"]}, settings=_WRITE_REPORT, now=lambda: datetime.now(UTC)
            )
        report = json.loads(_read(clients, f"runs/{begun['runId']}/report.json"))
        return _judged(organization, report, output)


def _arrange(organization: LocalOrganization, accounts: int) -> None:
    management = organization.client("organizations")
    management.enable_aws_service_access(ServicePrincipal="iam.amazonaws.com")
    organization.client("iam").enable_organizations_root_credentials_management()
    organization.client("s3").create_bucket(Bucket=BUCKET)
    for number in range(len(organization.members) + 1, accounts):
        account_id = organization.add_account(
            name=f"team-{number}",
            email=f"team-{number}@example.com",
            account_id=f"{100_000_000_000 + number}",
        )
        if number % HAVING == 0:
            organization.put_root_credentials(account_id=account_id, password=True, access_keys=1)
        elif number % DENIED == 1:
            organization.deny(account_id=account_id, action="iam:GetAccountSummary")
    organization.clear_calls()
    organization.set_latency(LATENCY_SECONDS)


def _clients() -> Clients:
    config = Config(
        retries={"total_max_attempts": 1, "mode": "standard"}, proxies={}, max_pool_connections=100
    )

    def client(service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            region_name="us-east-1",
            aws_access_key_id=MANAGEMENT_ACCOUNT,
            aws_secret_access_key=SECRET_ACCESS_KEY,
            config=config,
        )

    sts = client("sts")
    sts.meta.events.register("before-call.sts.AssumeRoot", _throttled(itertools.count(1)))
    return Clients(
        iam=client("iam"),
        organizations=client("organizations"),
        s3=client("s3"),
        sns=client("sns"),
        step_functions=client("stepfunctions"),
        sts=sts,
        in_sessions=BotoClientFactory(config=config),
    )


def _throttled(numbers: Iterator[int]) -> Any:
    def throttled(params: Any, **_: object) -> tuple[AWSResponse, dict[str, Any]] | None:
        if next(numbers) % THROTTLED:
            return None
        return (
            AWSResponse(params["url"], 400, HTTPHeaders(), None),
            {
                "Error": {"Code": "Throttling", "Message": "Rate exceeded"},
                "ResponseMetadata": {"HTTPStatusCode": 400},
            },
        )

    return throttled


def _invocation(clients: Clients, *, seconds: float) -> Invocation:
    return Invocation(
        Context(
            invoked_function_arn=f"arn:aws:lambda:us-east-1:{MANAGEMENT_ACCOUNT}:function:RootTasks",
            ends_at=time.monotonic() + seconds,
        ),
        clients=clients,
        clock=Clock(now=time.monotonic, sleep=time.sleep, random=lambda: 0.5),
        log=lambda **_: None,
    )


def _event() -> dict[str, Any]:
    return {
        "input": {},
        "execution": {
            "id": f"arn:aws:states:us-east-1:{MANAGEMENT_ACCOUNT}:execution:RootTasks:scale",
            "name": "scale",
            "startedAt": datetime.now(UTC).isoformat(),
        },
    }


def _perform(clients: Clients, begun: dict[str, Any], item: dict[str, Any]) -> None:
    _invocation(clients, seconds=600).run_batch(
        {"runId": begun["runId"], "workSha256": begun["workSha256"], **item},
        settings=RunBatchSettings(bucket=BUCKET),
    )


def _read(clients: Clients, key: str) -> bytes:
    return clients.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:12} {time.monotonic() - began:6.1f} s   peak memory so far {peak:5.0f} MB", flush=True)


def _judged(organization: LocalOrganization, report: dict[str, Any], output: dict[str, Any]) -> int:
    made: Counter[str] = Counter(
        str(call.parameters["TargetPrincipal"]) if call.operation == "AssumeRoot" else call.account_id
        for call in organization.calls
        if call.root_session or call.operation == "AssumeRoot"
    )
    results = {result["accountId"]: result["outcome"] for result in report["results"]}
    most = max(made[account_id] for account_id, outcome in results.items() if outcome == "clean")
    expected = {organization.management_account_id, *organization.members}
    print(f"{len(results)} of {len(expected)} accounts are in the report: {output['totals']}")
    print(f"At most {most} calls for a clean account; the memory is that of the emulation, too.")
    return int(set(results) != expected or len(results) != len(report["results"]) or most > 2)


if __name__ == "__main__":
    sys.exit(main())
