"""Audits of organizations of several sizes: by RootTasks, by a client without a bound, and by a loop."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import queue
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.function import BUCKET
from benchmarks.limits import DOCUMENTED_STS, LOW_STS, Limit
from benchmarks.stand_in import MANAGEMENT_ACCOUNT_ID, Scenario
from root_tasks.aws.clients import MAX_ACCOUNTS_IN_PARALLEL
from root_tasks.model.codec import decode, encode
from root_tasks.model.report import Outcome, Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from benchmarks.stand_in import StandIn, Traffic
    from local_aws.services import LocalAws

SLOW_SECONDS, FAST_SECONDS = 0.3, 0.1
# The default of RootTasks.
MAX_CONCURRENCY = 5

# The speed of a loop does not depend on the number of accounts.
LOOP_ACCOUNTS = 15
# The first few are still warming up, and a collection of garbage doubles one.
_WARM_BATCHES = 15

_LATEST_REPORT = "latest/report.json"

_MEMORY_GIB = 1.0
# A child execution, its choice, and its function.
_STEPS_OF_A_BATCH = 3
_STEPS_OF_A_RUN = 5
# List prices in us-east-1, in US dollars: a GB-second of arm64, a request, a transition, an S3 PUT and GET.
_GB_SECOND, _REQUEST, _TRANSITION, _PUT, _GET = 13.3334e-6, 0.2e-6, 25e-6, 5e-6, 0.4e-6

# The two calls: a root session, and the summary of its credentials.
_LOOP = """
import sys, time, boto3
sts = boto3.client("sts", region_name="us-east-1")
for account_id in sys.argv[1:]:
    keys = sts.assume_root(
        TargetPrincipal=account_id,
        TaskPolicyArn={"arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"},
    )["Credentials"]
    boto3.client(
        "iam",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    ).get_account_summary()
print(time.process_time())
"""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What an audit is measured with.

    Attributes:
        accounts: The number of member accounts.
        latency: How many seconds each call takes.
        sts: The limit of AssumeRoot.
    """

    accounts: int
    latency: float
    sts: Limit = DOCUMENTED_STS

    @property
    def scenario(self) -> Scenario:
        """What the stand-in has to be."""
        return Scenario(members=self.accounts, latency=self.latency, sts=self.sts)


SMALL = Setting(accounts=100, latency=SLOW_SECONDS)
MEDIUM = Setting(accounts=1_000, latency=SLOW_SECONDS)
THROTTLED = Setting(accounts=1_000, latency=SLOW_SECONDS, sts=LOW_STS)
LARGE = Setting(accounts=10_000, latency=FAST_SECONDS)
SETTINGS = (SMALL, MEDIUM, THROTTLED, LARGE)


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """An invocation of a function.

    Attributes:
        response: What it returned.
        log: The events that it logged.
        seconds: How long it took; the first one in a sandbox includes the import.
        cpu: Its CPU time.
        memory: The peak memory of its process so far, in bytes.
    """

    response: Any
    log: Sequence[Mapping[str, Any]]
    seconds: float
    cpu: float
    memory: int


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The measurements of one audit by RootTasks.

    Attributes:
        seconds: From its start to its report.
        listing: How many seconds of them ListAccounts took.
        lost: The number of accounts without a result.
        traffic: What reached the stand-in.
        batches: The invocations of the batches.
        others: The first and the last invocation.
    """

    seconds: float
    listing: float
    lost: int
    traffic: Traffic
    batches: Sequence[Invocation]
    others: Sequence[Invocation]

    @property
    def report(self) -> Invocation:
        """The invocation that wrote the report."""
        return self.others[-1]

    @property
    def function_seconds(self) -> float:
        """The total duration of the functions."""
        return sum(it.seconds for it in (*self.batches, *self.others))

    @property
    def cpu(self) -> float:
        """The total CPU time of the functions."""
        return sum(it.cpu for it in (*self.batches, *self.others))

    @property
    def dollars(self) -> float:
        """The cost on AWS."""
        return dollars(batches=len(self.batches), function_seconds=self.function_seconds)


@dataclass(frozen=True, kw_only=True)
class Unbounded:
    """The measurements of one audit by the client without a bound.

    Attributes:
        listing: How many seconds ListAccounts takes, as RootTasks has measured it.
        seconds: How long each run took without it; the second one and later ones are for what was lost.
        lost: How many accounts had no result after each run.
        cpu: The CPU time of its process.
        traffic: What reached the stand-in.
    """

    listing: float
    seconds: Sequence[float]
    lost: Sequence[int]
    cpu: float
    traffic: Traffic

    @property
    def seconds_until_complete(self) -> float:
        """The time until no account is lost."""
        return self.listing + sum(self.seconds)


@dataclass(frozen=True, kw_only=True)
class Loop:
    """The measurements of a loop over a few accounts.

    Attributes:
        accounts: Their number.
        seconds: How long it took.
        cpu: The CPU time of its process.
        traffic: What reached the stand-in.
    """

    accounts: int
    seconds: float
    cpu: float
    traffic: Traffic


@dataclass(frozen=True, kw_only=True)
class WarmBatch:
    """The measurements of a batch of accounts without credentials, in a sandbox that has run one before.

    Attributes:
        seconds: How long it took.
        cpu: Its CPU time for each account.
        connections: The new connections to a service that the batches in the sandbox opened, for each of the
            accounts that are looked into at once.
    """

    seconds: float
    cpu: float
    connections: float


class AuditFailedError(Exception):
    """An audit had a wrong result, so its numbers would mean nothing."""


def dollars(*, batches: int, function_seconds: float) -> float:
    """Return what an audit costs on AWS.

    Args:
        batches: The number of its batches.
        function_seconds: The total duration of its functions.
    """
    return (
        function_seconds * _MEMORY_GIB * _GB_SECOND
        + (batches + 2) * _REQUEST
        + (batches * _STEPS_OF_A_BATCH + _STEPS_OF_A_RUN) * _TRANSITION
        # A batch reads its work and writes its result, which the report reads.
        + batches * (_PUT + 2 * _GET)
    )


class AuditMeter:
    """Measures audits.

    Args:
        aws: The local AWS, of which the functions use the bucket.
        stand_in: What they use for everything else.
    """

    def __init__(self, aws: LocalAws, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        self._environment = {**aws.environment, **stand_in.environment}
        self._s3 = aws.client("s3")
        if BUCKET not in {bucket["Name"] for bucket in self._s3.list_buckets()["Buckets"]}:
            self._s3.create_bucket(Bucket=BUCKET)

    def capacity(self) -> float:
        """Return how many calls a second the stand-in serves."""
        self._stand_in.begin(Scenario(members=1, sts=None))
        url = self._stand_in.urls["sts"]
        output = self._run("-m", "benchmarks.load", url, str(self._stand_in.certificate))
        return float(output)

    def audit(self, setting: Setting) -> Audit:
        """Audit an organization with the functions of RootTasks, each in processes of its own.

        Raises:
            AuditFailedError: An account is missing in the report, or has a wrong outcome.
        """
        scenario = setting.scenario
        self._stand_in.begin(scenario)
        with (
            self._sandboxes("start_run", 1) as start_run,
            self._sandboxes("run_batch", MAX_CONCURRENCY) as run_batch,
            self._sandboxes("write_report", 1) as write_report,
        ):
            started_at = time.monotonic()
            (started,) = start_run.invoke([_execution_input()])
            batches = run_batch.invoke(_batch_events(started.response))
            (finished,) = write_report.invoke([_report_event(started.response, batches)])
            seconds = time.monotonic() - started_at
        key = f"runs/{started.response['runId']}/report.json"
        report = json.loads(self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        return Audit(
            seconds=seconds,
            listing=_listing_seconds(started),
            lost=number_without_result(report["results"], expected=correct_outcomes(scenario)),
            traffic=self._stand_in.traffic(),
            batches=batches,
            others=(started, finished),
        )

    def report_again(self, audit: Audit) -> Invocation:
        """Write the report of an audit again, in a new sandbox: it is compared with one of the day before.

        That one is as large, and found the same.
        """
        started, _ = audit.others
        self._date_latest_back()
        with self._sandboxes("write_report", 1) as write_report:
            (finished,) = write_report.invoke([_report_event(started.response, audit.batches)])
        return finished

    def _date_latest_back(self) -> None:
        stored = self._s3.get_object(Bucket=BUCKET, Key=_LATEST_REPORT)
        latest = decode(Report, stored["Body"].read())
        day_before = dataclasses.replace(
            latest,
            run_id="audit-of-the-day-before",
            started_at=latest.started_at - timedelta(days=1),
            changes=None,
            trend=(),
        )
        self._s3.put_object(
            Bucket=BUCKET,
            Key=_LATEST_REPORT,
            Body=encode(day_before),
            Metadata=stored["Metadata"],
        )

    def warm_batch(self) -> WarmBatch:
        """Measure batches of accounts without credentials, in one sandbox."""
        self._stand_in.begin(
            Scenario(members=MAX_ACCOUNTS_IN_PARALLEL, latency=SLOW_SECONDS, credentials=False)
        )
        with self._sandboxes("start_run", 1) as start_run, self._sandboxes("run_batch", 1) as run_batch:
            (started,) = start_run.invoke([_execution_input()])
            (event,) = _batch_events(started.response)
            # A batch that looks can be invoked again. The first one is cold.
            _, *warm = run_batch.invoke([event] * (1 + _WARM_BATCHES))
        connections = self._stand_in.traffic().connections
        # IAM has one more, by which the run was started.
        most = max(connections["sts"], connections["iam"] - 1)
        return WarmBatch(
            seconds=median(it.seconds for it in warm),
            cpu=median(it.cpu for it in warm) / MAX_ACCOUNTS_IN_PARALLEL,
            connections=most / MAX_ACCOUNTS_IN_PARALLEL,
        )

    def audit_without_bound(self, setting: Setting, *, listing: float) -> Unbounded:
        """Audit an organization with the client without a bound, until no account is lost.

        Args:
            setting: What to measure with.
            listing: How many seconds ListAccounts takes: as long as for any other client.
        """
        self._stand_in.begin(setting.scenario)
        measured = json.loads(self._run("-m", "benchmarks.unbounded", str(setting.accounts)))
        return Unbounded(**measured, listing=listing, traffic=self._stand_in.traffic())

    def loop(self, latency: float) -> Loop:
        """Audit a few accounts one after another, in one process."""
        scenario = Scenario(members=LOOP_ACCOUNTS, latency=latency)
        self._stand_in.begin(scenario)
        started_at = time.monotonic()
        cpu = float(self._run("-c", _LOOP, *scenario.member_ids))
        return Loop(
            accounts=LOOP_ACCOUNTS,
            seconds=time.monotonic() - started_at,
            cpu=cpu,
            traffic=self._stand_in.traffic(),
        )

    def _run(self, *arguments: str) -> str:
        try:
            return subprocess.run(
                [sys.executable, *arguments],
                env=self._environment,
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout
        except subprocess.CalledProcessError as error:
            raise AuditFailedError(str(error)) from error

    @contextlib.contextmanager
    def _sandboxes(self, entry_point: str, count: int) -> Iterator[_Sandboxes]:
        with contextlib.ExitStack() as stack:
            processes = [
                stack.enter_context(
                    subprocess.Popen(
                        [sys.executable, "-m", "benchmarks.function", entry_point],
                        env=self._environment,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                )
                for _ in range(count)
            ]
            for process in processes:
                # On leaving, the standard input is closed, and with it the process ends.
                stack.callback(_close, process)
                _read_line(process)
            yield _Sandboxes(processes)


class _Sandboxes:
    """The sandboxes of one function, each of which runs one invocation at a time."""

    def __init__(self, processes: Sequence[subprocess.Popen[str]]) -> None:
        self._processes = processes

    def invoke(self, events: Sequence[Mapping[str, Any]]) -> list[Invocation]:
        """Invoke the function for each event, as many at once as there are sandboxes."""
        free: queue.SimpleQueue[subprocess.Popen[str]] = queue.SimpleQueue()
        for process in self._processes:
            free.put(process)

        def invoke(event: Mapping[str, Any]) -> Invocation:
            process = free.get()
            try:
                assert process.stdin is not None
                process.stdin.write(json.dumps(event) + "\n")
                process.stdin.flush()
                return Invocation(**_read_line(process))
            finally:
                free.put(process)

        with ThreadPoolExecutor(len(self._processes)) as threads:
            return list(threads.map(invoke, events))


def _read_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise AuditFailedError("A function failed. Its traceback is above.")
    value: dict[str, Any] = json.loads(line)
    return value


def _close(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()


def _execution_input() -> dict[str, Any]:
    name = f"audit-{time.time_ns()}"
    return {
        "input": {},
        "execution": {
            "id": f"arn:aws:states:us-east-1:{MANAGEMENT_ACCOUNT_ID}:execution:RootTasks:{name}",
            "name": name,
            "startedAt": datetime.now(UTC).isoformat(),
        },
    }


def _batch_events(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"runId": run["runId"], "workSha256": run["workSha256"], "batch": it} for it in run["batches"]]


def _report_event(run: Mapping[str, Any], batches: Iterable[Invocation]) -> dict[str, Any]:
    return {
        "runId": run["runId"],
        "runSha256": run["runSha256"],
        "results": [it.response for it in batches],
    }


def _listing_seconds(started: Invocation) -> float:
    (listed,) = (event for event in started.log if event["event"] == "accounts_listed")
    return float(listed["milliseconds"]) / 1000


def correct_outcomes(scenario: Scenario) -> dict[str, Outcome]:
    """Return the outcome that each account has to have."""
    return {
        MANAGEMENT_ACCOUNT_ID: Outcome.SKIPPED,
        **{
            id_: Outcome.HAS_CREDENTIALS if scenario.has_credentials(id_) else Outcome.CLEAN
            for id_ in scenario.member_ids
        },
    }


def number_without_result(results: Sequence[Mapping[str, Any]], *, expected: Mapping[str, Outcome]) -> int:
    """Return how many accounts of a report have no result because they were inaccessible.

    Raises:
        AuditFailedError: An account is missing, has two results, or another outcome.
    """
    outcomes = {result["accountId"]: result["outcome"] for result in results}
    lost = [id_ for id_ in expected if outcomes.get(id_) == Outcome.INACCESSIBLE]
    found = {**outcomes, **{id_: expected[id_] for id_ in lost}}
    if found != expected or len(results) != len(expected):
        wrong = sorted(id_ for id_ in {**found, **expected} if found.get(id_) != expected.get(id_))
        raise AuditFailedError(
            f"{len(results)} results for {len(expected)} accounts; accounts with a wrong outcome: {wrong}"
        )
    return len(lost)
