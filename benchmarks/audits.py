"""Runs in organizations of several sizes: by RootTasks, from here, by a client without a bound, by a loop."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.function import BUCKET, Executions, FunctionInvocation, invoke
from benchmarks.limits import DOCUMENTED_STS, LOW_STS, Limit
from benchmarks.stand_in import Scenario
from benchmarks.stand_in_aws import MANAGEMENT_ACCOUNT_ID
from root_tasks.model.report import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.stand_in import StandIn
    from local_aws.services import LocalAws

SLOW_SECONDS, FAST_SECONDS = 0.3, 0.1
# The default of RootTasks.
MAX_CONCURRENCY = 5

# The speed of a loop does not depend on the number of accounts.
LOOP_ACCOUNTS = 15

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


class AuditFailedError(Exception):
    """An audit failed or had a wrong result, so its numbers would mean nothing."""


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
SMALLISH = Setting(accounts=300, latency=SLOW_SECONDS)
MEDIUM = Setting(accounts=1_000, latency=SLOW_SECONDS)
LARGE = Setting(accounts=10_000, latency=FAST_SECONDS)
SETTINGS = (SMALL, SMALLISH, MEDIUM, replace(MEDIUM, sts=LOW_STS), LARGE)
# Of these, one account is looked into.
SIZES = tuple(Setting(accounts=accounts, latency=SLOW_SECONDS) for accounts in (10, 1_000, 10_000))


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one candidate took for an audit, a row of the page; None is what it does not have.

    Attributes:
        candidate: Its name.
        seconds: How long it took until no account was lost.
        listing: How many seconds of them ListAccounts took.
        lost: How many accounts had no result in its first run.
        runs: After how many runs none was lost; None if it gave up before.
        calls: The calls that reached the stand-in.
        throttled: Those that were throttled.
        connections: The connections that it opened.
        cpu: Its CPU time for each account.
        function_seconds: The total duration of its functions.
        dollars: Its cost on AWS.
    """

    candidate: str
    seconds: float
    listing: float | None = None
    lost: int = 0
    runs: int | None = 1
    calls: float
    throttled: int = 0
    connections: float
    cpu: float
    function_seconds: float | None = None
    dollars: float | None = None


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

    def audit(self, setting: Setting) -> Figures:
        """Audit an organization with the functions of RootTasks, each in processes of its own.

        Raises:
            AuditFailedError: An account is missing in the report, or has a wrong outcome.
        """
        scenario = setting.scenario
        self._stand_in.begin(scenario)
        finished = self._run_functions("runs", _execution_input({}))
        results = self._results("runs", finished.run_id)
        return Figures(
            candidate="RootTasks",
            seconds=finished.seconds,
            listing=_listing_seconds(finished.invocations[0]),
            lost=number_without_result(results, expected=correct_outcomes(scenario)),
            cpu=sum(invocation.cpu for invocation in finished.invocations) / setting.accounts,
            function_seconds=finished.function_seconds,
            dollars=dollars(
                batches=len(finished.invocations) - 2, function_seconds=finished.function_seconds
            ),
            **self._traffic(),
        )

    def audit_from_here(self, setting: Setting, *, account_id: str | None = None) -> Figures:
        """Audit an organization, or one account of it, by the command line, in a process of its own.

        Raises:
            AuditFailedError: An account is missing in the report, or has a wrong outcome.
        """
        scenario = setting.scenario
        self._stand_in.begin(scenario)
        chosen = () if account_id is None else ("--account", account_id)
        command = ("-m", "centralized_root_access", "audit", "--from-here", "--format", "json", *chosen)
        started_at, cpu = time.monotonic(), _cpu_of_processes()
        # An account has credentials.
        report = json.loads(self._run(*command, exit_code=1))
        seconds = time.monotonic() - started_at
        expected = correct_outcomes(scenario)
        if account_id is not None:
            expected = {account_id: expected[account_id]}
        return Figures(
            candidate="audit --from-here",
            seconds=seconds,
            lost=number_without_result(report["results"], expected=expected),
            cpu=(_cpu_of_processes() - cpu) / len(expected),
            **self._traffic(),
        )

    def audit_without_bound(self, setting: Setting, *, account_id: str | None = None) -> Figures:
        """Audit all accounts, or one of them, with the client without a bound, until none is lost."""
        self._stand_in.begin(setting.scenario)
        started_at = time.monotonic()
        measured = json.loads(self._run("-m", "benchmarks.unbounded", *filter(None, [account_id])))
        seconds = time.monotonic() - started_at
        lost = measured["lost"]
        return Figures(
            candidate="unbounded",
            seconds=seconds,
            listing=None if account_id else measured["seconds"][0],
            lost=lost[0],
            runs=None if lost[-1] else len(lost),
            cpu=measured["cpu"] / (1 if account_id else setting.accounts),
            **self._traffic(),
        )

    def plan_and_execute(self, setting: Setting) -> list[Figures]:
        """Plan the deletion of one account's credentials, and execute it, from the start to the report.

        Raises:
            AuditFailedError: It was not planned, or not deleted.
        """
        self._stand_in.begin(setting.scenario)
        account_id = setting.scenario.member_ids[0]
        event = _execution_input({"task": "IAMDeleteRootUserCredentials", "accounts": [account_id]})
        plan = self._run_functions("runs", event)
        planned = self._of_one_account("plan delete", plan, "runs", {account_id: Outcome.PLANNED})
        before = self._traffic()
        execution = _execution_input({"plan": plan.run_id})
        started = {
            run["execution"]["name"]: {"startedAt": run["execution"]["startedAt"], "output": output}
            for run, output in ((event, plan.invocations[-1].response), (execution, None))
        }
        executions = Executions(started, latency=setting.latency)
        done = self._run_functions("executions", execution, executions=executions)
        both = self._of_one_account("execute", done, "executions", {account_id: Outcome.DONE})
        # The same organization goes on: its password is the one that was planned.
        own = {name: getattr(both, name) - count for name, count in before.items()}
        return [planned, replace(both, **own)]

    def _of_one_account(
        self, candidate: str, finished: _FinishedRun, folder: str, expected: Mapping[str, Outcome]
    ) -> Figures:
        results = self._results(folder, finished.run_id)
        return Figures(
            candidate=candidate,
            seconds=finished.seconds,
            lost=number_without_result(results, expected=expected),
            cpu=sum(invocation.cpu for invocation in finished.invocations),
            function_seconds=finished.function_seconds,
            **self._traffic(),
        )

    def _run_functions(
        self, folder: str, event: Mapping[str, Any], *, executions: Executions | None = None
    ) -> _FinishedRun:
        """Run the functions of a state machine one after another, each in processes of its own."""
        start, run_batch, write_report = _ENTRY_POINTS[folder]
        started_at = time.monotonic()
        (started,) = invoke(start, [event], environment=self._environment, executions=executions)
        run = started.response
        batches = invoke(
            run_batch, _batch_events(run), environment=self._environment, sandboxes=MAX_CONCURRENCY
        )
        (finished,) = invoke(write_report, [_report_event(run, batches)], environment=self._environment)
        return _FinishedRun(
            run_id=run["runId"],
            seconds=time.monotonic() - started_at,
            invocations=(started, *batches, finished),
        )

    def _results(self, folder: str, run_id: str) -> list[dict[str, Any]]:
        stored = self._s3.get_object(Bucket=BUCKET, Key=f"{folder}/{run_id}/report.json")
        results: list[dict[str, Any]] = json.load(stored["Body"])["results"]
        return results

    def loop(self, setting: Setting) -> Figures:
        """Audit a few accounts one after another, in one process, and extrapolate it."""
        scenario = Scenario(members=LOOP_ACCOUNTS, latency=setting.latency)
        self._stand_in.begin(scenario)
        started_at = time.monotonic()
        cpu = float(self._run("-c", _LOOP, *scenario.member_ids))
        seconds, traffic = time.monotonic() - started_at, self._traffic()
        factor = setting.accounts / LOOP_ACCOUNTS
        return Figures(
            candidate="a loop, extrapolated",
            seconds=seconds * factor,
            calls=traffic["calls"] * factor,
            connections=traffic["connections"] * factor,
            cpu=cpu / LOOP_ACCOUNTS,
        )

    def _traffic(self) -> dict[str, Any]:
        traffic = self._stand_in.traffic()
        return {name: sum(getattr(traffic, name).values()) for name in ("calls", "throttled", "connections")}

    def _run(self, *arguments: object, exit_code: int = 0) -> str:
        command = [sys.executable, *map(str, arguments)]
        finished = subprocess.run(
            command, env=self._environment, check=False, stdout=subprocess.PIPE, text=True
        )
        if finished.returncode != exit_code:
            raise AuditFailedError(f"{command} ended with {finished.returncode}")
        return finished.stdout


@dataclass(frozen=True, kw_only=True)
class _FinishedRun:
    run_id: str
    seconds: float
    invocations: tuple[FunctionInvocation, ...]

    @property
    def function_seconds(self) -> float:
        return sum(invocation.seconds for invocation in self.invocations)


_ENTRY_POINTS = {
    "runs": ("start_run", "run_batch", "write_report"),
    "executions": ("start_execution", "execute_batch", "write_execution_report"),
}


def _cpu_of_processes() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _execution_input(input_: Mapping[str, object]) -> dict[str, Any]:
    name = f"run-{time.time_ns()}"
    return {
        "input": input_,
        "execution": {
            "id": f"arn:aws:states:us-east-1:{MANAGEMENT_ACCOUNT_ID}:execution:RootTasks:{name}",
            "name": name,
            "startedAt": datetime.now(UTC).isoformat(),
        },
    }


def _batch_events(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"runId": run["runId"], "workSha256": run["workSha256"], "batch": batch} for batch in run["batches"]
    ]


def _report_event(run: Mapping[str, Any], batches: Sequence[FunctionInvocation]) -> dict[str, Any]:
    return {
        "runId": run["runId"],
        "runSha256": run["runSha256"],
        "results": [batch.response for batch in batches],
    }


def _listing_seconds(started: FunctionInvocation) -> float:
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
