"""Measures runs: by the deployed functions, from here, and by aws-root-manager."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.function import BUCKET, invoke
from benchmarks.stand_in import Scenario, StandIn, Traffic
from benchmarks.stand_in_aws import MANAGEMENT_ACCOUNT_ID
from local_aws.services import LocalAws
from root_tasks.model.report_schema import Outcome

# The default of RootTasks.
MAX_CONCURRENCY = 5

_MEMORY_GIB = 1.0
# A child execution, its choice, and its function.
_STEPS_OF_A_BATCH = 3
_STEPS_OF_A_RUN = 5
# List prices in us-east-1, in US dollars: a GB-second of arm64, a request, a transition, an S3 PUT
# and GET.
_GB_SECOND, _REQUEST, _TRANSITION, _PUT, _GET = 13.3334e-6, 0.2e-6, 25e-6, 5e-6, 0.4e-6

_ENTRY_POINTS = {
    "runs": ("start_run", "run_batch", "write_report"),
    "executions": ("start_execution", "execute_batch", "write_execution_report"),
}


class AuditFailedError(Exception):
    """A run failed or had a wrong result, so its numbers would mean nothing."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The numbers of one client, in one run.

    Attributes:
        seconds: The time.
        lost: The accounts without a result.
        calls: The calls that reached the stand-in.
        throttled: The throttled ones among them.
        cpu: The CPU time per account.
    """

    seconds: float
    lost: int = 0
    calls: int
    throttled: int
    cpu: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An audit of the same accounts by the command line, and by the peer if there is one.

    Each has the median of its runs by time.
    """

    scenario: Scenario
    one_account: bool
    from_here: Figures
    peer: Figures | None


@dataclass(frozen=True, kw_only=True)
class DeployedRun:
    """A run of the deployed functions, without Step Functions."""

    name: str
    scenario: Scenario
    figures: Figures
    function_seconds: float
    dollars: float


def dollars(*, batches: int, function_seconds: float) -> float:
    """Return what a run costs on AWS.

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


class Meter:
    """Measures runs.

    Args:
        aws: The local AWS, whose S3 the functions use.
        stand_in: The stand-in for everything else.
        peer: The binary of aws-root-manager.
    """

    def __init__(self, aws: LocalAws, stand_in: StandIn, *, peer: Path | None = None) -> None:
        self._peer = peer
        self._stand_in = stand_in
        self._environment = {**aws.environment, **stand_in.environment}
        self._s3 = aws.client("s3")
        self._s3.create_bucket(Bucket=BUCKET)

    def compare(
        self, scenario: Scenario, *, one_account: bool = False, times: int = 1
    ) -> Comparison:
        """Audit an organization, or only its first member, from here and by the peer in turn.

        Raises:
            AuditFailedError: An account is missing in the report, or has a wrong outcome.
        """
        expected = correct_outcomes(scenario)
        chosen = scenario.member_ids[:1] if one_account else ()
        if chosen:
            expected = {account_id: expected[account_id] for account_id in chosen}
        scenario = replace(scenario, status=self._peer is not None)
        ours, peers = [], []
        for _ in range(times):
            ours.append(self._audit_from_here(scenario, chosen, expected))
            if self._peer is not None:
                peers.append(self._audit_by_peer(self._peer, scenario, chosen))
        return Comparison(
            scenario=scenario,
            one_account=one_account,
            from_here=_median_by_time(ours),
            peer=_median_by_time(peers) if peers else None,
        )

    def audit(self, scenario: Scenario) -> DeployedRun:
        """Audit an organization with the functions of RootTasks, each in processes of its own.

        Raises:
            AuditFailedError: An account is missing in the report, or has a wrong outcome.
        """
        self._stand_in.begin(scenario)
        event = _execution_input({})
        return self._run_functions("audit", scenario, event, correct_outcomes(scenario))[0]

    def plan_and_execute(self, scenario: Scenario) -> list[DeployedRun]:
        """Plan the deletion of one account's credentials, and execute it, up to the report.

        Raises:
            AuditFailedError: It was not planned, or not deleted.
        """
        self._stand_in.begin(scenario)
        account_id = scenario.member_ids[0]
        event = _execution_input({"task": "delete", "accounts": [account_id]})
        plan, output = self._run_functions(
            "plan delete", scenario, event, {account_id: Outcome.PLANNED}
        )
        self._stand_in.add_execution(
            event["execution"]["name"], event["execution"]["startedAt"], output
        )
        event = _execution_input({"plan": event["execution"]["name"]})
        self._stand_in.add_execution(
            event["execution"]["name"], event["execution"]["startedAt"], None
        )
        done, _ = self._run_functions(
            "execute", scenario, event, {account_id: Outcome.DONE}, folder="executions"
        )
        return [plan, done]

    def _audit_from_here(
        self, scenario: Scenario, chosen: Sequence[str], expected: Mapping[str, Outcome]
    ) -> Figures:
        """Audit accounts by the command line; none chosen stands for all."""
        accounts = [argument for account_id in chosen for argument in ("--account", account_id)]
        command = (
            "-m",
            "centralized_root_access",
            "audit",
            "--from-here",
            "--format",
            "json",
            *accounts,
        )
        # An account has credentials.
        report, figures = self._run_command(
            scenario, sys.executable, *command, exit_code=1, accounts=len(expected)
        )
        require_outcomes(report["results"], expected=expected)
        return figures

    def _audit_by_peer(self, peer: Path, scenario: Scenario, chosen: Sequence[str]) -> Figures:
        """Audit accounts by aws-root-manager; none chosen stands for all."""
        command = (str(peer), "audit", "--output", "json", "--accounts", ",".join(chosen) or "all")
        accounts = len(chosen) or scenario.members
        found, figures = self._run_command(scenario, *command, accounts=accounts)
        return replace(figures, lost=accounts - len(found))

    def _run_functions(
        self,
        name: str,
        scenario: Scenario,
        event: Mapping[str, Any],
        expected: Mapping[str, Outcome],
        folder: str = "runs",
    ) -> tuple[DeployedRun, Any]:
        """Run the functions of a state machine in turn; return the figures and the output."""
        start, run_batch, write_report = _ENTRY_POINTS[folder]
        before = _call_counts(self._stand_in.traffic())
        started_at = time.monotonic()
        (started,) = invoke(start, [event], environment=self._environment)
        run = started.response
        batches = invoke(
            run_batch,
            [
                {"runId": run["runId"], "workSha256": run["workSha256"], "batch": n}
                for n in run["batches"]
            ],
            environment=self._environment,
            sandboxes=MAX_CONCURRENCY,
        )
        event = {"runId": run["runId"], "runSha256": run["runSha256"]}
        results = [batch.response for batch in batches]
        (finished,) = invoke(
            write_report, [{**event, "results": results}], environment=self._environment
        )
        seconds = time.monotonic() - started_at
        stored = self._s3.get_object(Bucket=BUCKET, Key=f"{folder}/{run['runId']}/report.json")
        invocations = (started, *batches, finished)
        function_seconds = sum(invocation.seconds for invocation in invocations)
        require_outcomes(json.load(stored["Body"])["results"], expected=expected)
        figures = Figures(
            seconds=seconds,
            cpu=sum(invocation.cpu for invocation in invocations) / len(expected),
            **{
                name: count - before[name]
                for name, count in _call_counts(self._stand_in.traffic()).items()
            },
        )
        deployed = DeployedRun(
            name=name,
            scenario=scenario,
            figures=figures,
            function_seconds=function_seconds,
            dollars=dollars(batches=len(batches), function_seconds=function_seconds),
        )
        return deployed, finished.response

    def _run_command(
        self, scenario: Scenario, *command: str, accounts: int, exit_code: int | None = None
    ) -> tuple[Any, Figures]:
        """Run a command for a number of accounts; return its output and its figures."""
        self._stand_in.begin(scenario)
        started_at, cpu = time.monotonic(), _cpu_of_processes()
        finished = subprocess.run(
            command, env=self._environment, check=False, capture_output=True, text=True
        )
        seconds = time.monotonic() - started_at
        try:
            output = json.loads(finished.stdout)
        except json.JSONDecodeError as error:
            raise AuditFailedError(f"{command} has no result: {finished.stderr[-2000:]}") from error
        if exit_code not in (None, finished.returncode):
            raise AuditFailedError(f"{command} ended with {finished.returncode}")
        cpu = (_cpu_of_processes() - cpu) / accounts
        return output, Figures(seconds=seconds, cpu=cpu, **_call_counts(self._stand_in.traffic()))


def _median_by_time(figures: list[Figures]) -> Figures:
    """Return the run whose time is the median."""
    return sorted(figures, key=lambda run: run.seconds)[len(figures) // 2]


def _call_counts(traffic: Traffic) -> dict[str, int]:
    """Return the calls and the throttled ones, of all operations."""
    return {"calls": sum(traffic.calls.values()), "throttled": sum(traffic.throttled.values())}


def _cpu_of_processes() -> float:
    """Return the CPU time of all processes that this one has started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _execution_input(input_: Mapping[str, object]) -> dict[str, Any]:
    """Return the event of the first function: the input and a new execution."""
    name = f"run-{time.time_ns()}"
    return {
        "input": input_,
        "execution": {
            "id": f"arn:aws:states:us-east-1:{MANAGEMENT_ACCOUNT_ID}:execution:RootTasks:{name}",
            "name": name,
            "startedAt": datetime.now(UTC).isoformat(),
        },
    }


def correct_outcomes(scenario: Scenario) -> dict[str, Outcome]:
    """Return the outcome that each account has to have."""
    return {
        MANAGEMENT_ACCOUNT_ID: Outcome.PROTECTED,
        **{
            id_: Outcome.HAS_CREDENTIALS if scenario.has_credentials(id_) else Outcome.CLEAN
            for id_ in scenario.member_ids
        },
    }


def require_outcomes(
    results: Sequence[Mapping[str, Any]], *, expected: Mapping[str, Outcome]
) -> None:
    """Require a report that has each account once, with its outcome.

    Raises:
        AuditFailedError: An account is missing, has two results, or another outcome.
    """
    found = {result["accountId"]: result["outcome"] for result in results}
    if found != expected or len(results) != len(expected):
        wrong = sorted(id_ for id_ in {**found, **expected} if found.get(id_) != expected.get(id_))
        raise AuditFailedError(
            f"{len(results)} results for {len(expected)} accounts; wrong outcomes: {wrong}"
        )
