"""The executions of the deployed state machines: start and stop them, wait, list them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aws_calls.calls import Response, require
from aws_calls.failures import CallError, FailureKind, ignoring
from root_tasks.aws.executions import execution_arn, report_sha256_of
from root_tasks.model.report_schema import Task
from root_tasks.model.run_documents import RUN_ID
from root_tasks.refusals import CAUSE, REFUSED
from root_tasks.run.plans import PLAN, PLAN_EXPIRES_AT
from root_tasks.tasks.task_input import REASON, REASON_PATTERN, REQUESTED_BY, REQUESTER

from ..base.caller import Caller
from ..base.command_errors import CommandError, RunNotFoundError
from .deployment import AUDIT_FOLDER, EXECUTE_FOLDER, Deployment

# The status, here, of an execution whose input was refused; it succeeds in Step Functions.
REFUSED_STATUS = "REFUSED"
# A key of the output of the function that starts a run.
RUN_SHA256 = "runSha256"
_MAX_READS_IN_PARALLEL = 8
_FIRST_WAIT_SECONDS, _MAX_WAIT_SECONDS = 0.25, 3.0
# DescribeExecution is eventually consistent: what it returns may be some seconds old.
_OUTDATED_WAITS = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, kw_only=True)
class RunExecution:
    """An execution of one of the state machines.

    Attributes:
        run_id: Its name.
        folder: The folder of its report in the bucket.
        status: Its status in Step Functions; REFUSED if its input was.
        started_at: When it started.
        ended_at: When it ended; None while it runs.
        cause: Why it failed, or was refused.
        input: Its input, in any form; empty in a list of executions.
        output: Its output; empty while it is missing, and in a list of executions.
        report_sha256: The SHA-256 of its report.json; None if it holds none.
    """

    run_id: str
    folder: str
    status: str
    started_at: datetime
    ended_at: datetime | None = None
    cause: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)
    report_sha256: str | None = None

    @property
    def running(self) -> bool:
        """True if it has not ended."""
        return self.status in ("RUNNING", "PENDING_REDRIVE")

    @property
    def has_report(self) -> bool:
        """True if it has ended with a report, as it also does if it failed because accounts did."""
        return self.status == "SUCCEEDED" or self.report_sha256 is not None

    @property
    def accounts(self) -> int | None:
        """The number of accounts in its report; None if its output does not say."""
        return sum(self.output["totals"].values()) if "totals" in self.output else None

    @property
    def plan_expires_at(self) -> datetime | None:
        """When its plan can no longer be executed; None if it has none that is known."""
        if PLAN_EXPIRES_AT not in self.output:
            return None
        return datetime.fromisoformat(self.output[PLAN_EXPIRES_AT])

    @property
    def requester(self) -> str | None:
        """The ARN of the person who asked for it, as the command stated; None without one."""
        return self._stated(REQUESTED_BY, REQUESTER)

    @property
    def reason(self) -> str | None:
        """Why it was asked for, as the input states; None if it does not."""
        return self._stated(REASON, REASON_PATTERN)

    def _stated(self, key: str, pattern: re.Pattern[str]) -> str | None:
        """Return the text that the input has under a key, if it is of the form that a run accepts.

        A run refuses an input with another text, so the text may be anything.
        """
        stated = str(self.input.get(key, ""))
        return stated if pattern.fullmatch(stated) else None

    @property
    def plan(self) -> str | None:
        """The plan that it executes; None for an audit or a plan."""
        if self.folder != EXECUTE_FOLDER:
            return None
        return self._stated(PLAN, RUN_ID)

    @property
    def command(self) -> str:
        """Its command."""
        if self.folder == EXECUTE_FOLDER:
            return "execute"
        task = self.input.get("task", Task.AUDIT)
        if task == Task.AUDIT or task not in list(Task):
            return str(Task.AUDIT)
        return f"plan {task}"


class Executions:
    """The executions of a deployment's two state machines."""

    def __init__(self, caller: Caller, deployment: Deployment) -> None:
        self._caller = caller
        self._state_machine_arns = deployment.state_machine_arns

    def start(self, folder: str, *, name: str, input_: Mapping[str, object]) -> RunExecution:
        """Start an execution, and return it. The same name and input start it once.

        Args:
            folder: The folder of its state machine.
            name: Its name.
            input_: Its input.

        Raises:
            CallError: AWS refused, or did not respond in time.
        """
        arn = self._state_machine_arns[folder]
        try:
            self._call("StartExecution", stateMachineArn=arn, name=name, input=json.dumps(input_))
        except CallError as error:
            # The response to the first attempt was lost, and the execution has ended since.
            if (
                error.failure.name != "ExecutionAlreadyExists"
                or not error.failure.may_have_taken_effect
            ):
                raise
        return self._describe_new(folder, name)

    def stop(self, execution: RunExecution, *, cause: str) -> None:
        """Stop a running execution. Functions that it has invoked continue.

        Raises:
            CallError: AWS refused, or did not respond in time.
        """
        arn = self._arn(execution.folder, execution.run_id)
        self._call("StopExecution", executionArn=arn, error="Stopped", cause=cause)

    def find(self, run: str) -> RunExecution:
        """Return the execution of a run.

        Args:
            run: Its name, which may follow the folder of its state machine and a slash.

        Raises:
            CallError: It cannot be read.
            RunNotFoundError: There is none.
            CommandError: Both state machines have one of this name.
        """
        given, _, run_id = run.rpartition("/")
        # Each state machine may have a run of this name.
        found: list[RunExecution] = []
        denied: CallError | None = None
        for folder in self._state_machine_arns:
            if given not in ("", folder):
                continue
            try:
                found.append(self._describe(folder, run_id))
            except CallError as error:
                # Those who may only plan, or only execute, may read one of them.
                if error.failure.kind is FailureKind.ACCESS_DENIED:
                    denied = error
                elif error.failure.code != "ExecutionDoesNotExist":
                    raise
        if len(found) > 1:
            # One may have been named to hide the other.
            names = f"{AUDIT_FOLDER}/{run_id} or {EXECUTE_FOLDER}/{run_id}"
            raise CommandError(
                f"Both state machines have a run {run_id}. Name one of them: {names}."
            )
        if found:
            return found[0]
        raise denied or RunNotFoundError(run_id)

    def _describe_new(self, folder: str, run_id: str) -> RunExecution:
        """Return an execution that has just started, which may not be known for a moment."""
        for wait in _OUTDATED_WAITS:
            with ignoring("ExecutionDoesNotExist"):
                return self._describe(folder, run_id)
            self._caller.clock.sleep(wait)
        return self._describe(folder, run_id)

    def _describe(self, folder: str, run_id: str) -> RunExecution:
        """Return the present state of an execution."""
        response = self._call("DescribeExecution", executionArn=self._arn(folder, run_id))
        return _execution(response.members, folder=folder, operation="states:DescribeExecution")

    def wait(self, execution: RunExecution, *, show: Callable[[int, int], None]) -> RunExecution:
        """Wait until an execution has ended, and return it.

        Args:
            execution: The execution.
            show: Shows how many batches of accounts have ended, and of how many, if both can be
                read.

        Raises:
            CallError: It cannot be read.
        """
        folder, run_id = execution.folder, execution.run_id
        wait = _FIRST_WAIT_SECONDS
        execution = self._describe(folder, run_id)
        while execution.running:
            self._show_progress(execution, show)
            self._caller.clock.sleep(wait)
            wait = min(wait * 1.3, _MAX_WAIT_SECONDS)
            execution = self._describe(folder, run_id)
        # It has ended, and how may be known a moment later.
        for wait in _OUTDATED_WAITS:
            if not _lacks_its_end(execution):
                break
            self._caller.clock.sleep(wait)
            execution = self._describe(folder, run_id)
        return execution

    def _show_progress(self, execution: RunExecution, show: Callable[[int, int], None]) -> None:
        # Without permission to read it, there is no progress; the command does not fail.
        with suppress(CallError):
            for arn in self._map_run_arns(execution):
                response = self._call("DescribeMapRun", mapRunArn=arn)
                counts = response.require("itemCounts")
                ended = sum(
                    counts.get(state, 0) for state in ("succeeded", "failed", "timedOut", "aborted")
                )
                if counts.get("total"):
                    show(ended, counts["total"])

    def latest(self, *, limit: int) -> list[RunExecution]:
        """Return the executions of both state machines that ran last.

        Raises:
            CallError: They cannot be listed.
        """
        found: list[RunExecution] = []
        denied: list[CallError] = []
        for folder in self._state_machine_arns:
            try:
                found += self._latest_of(folder, limit=limit)
            except CallError as error:
                # Those who may only plan or only execute see the executions of one state machine.
                if error.failure.kind is not FailureKind.ACCESS_DENIED:
                    raise
                denied.append(error)
        if len(denied) == len(self._state_machine_arns):
            raise denied[0]
        latest = sorted(found, key=lambda execution: execution.started_at, reverse=True)[:limit]
        with ThreadPoolExecutor(max_workers=_MAX_READS_IN_PARALLEL) as pool:
            # ListExecutions returns neither input nor output, so each one is described.
            return list(
                pool.map(lambda listed: self._describe(listed.folder, listed.run_id), latest)
            )

    def _latest_of(self, folder: str, *, limit: int) -> Iterator[RunExecution]:
        listed = self._pages(
            "ListExecutions",
            items="executions",
            stateMachineArn=self._state_machine_arns[folder],
            maxResults=limit,
        )
        return (
            _execution(members, folder=folder, operation="states:ListExecutions")
            for members in itertools.islice(listed, limit)
        )

    def output_of_start(self, execution: RunExecution) -> Mapping[str, Any]:
        """Return the output of the function that started a run; empty if there is none.

        Raises:
            CallError: The events cannot be read.
        """
        arn = self._arn(execution.folder, execution.run_id)
        for event in self._pages("GetExecutionHistory", items="events", executionArn=arn):
            output = _object(event.get("stateExitedEventDetails", {}).get("output", ""))
            if RUN_SHA256 in output:
                return output
        return {}

    def batches(self, execution: RunExecution) -> dict[int, Mapping[str, Any]]:
        """Return the output of each batch that has started, by its number; empty if it has none.

        Raises:
            CallError: They cannot be read.
        """
        arns = [
            child["executionArn"]
            for map_run_arn in self._map_run_arns(execution)
            for child in self._pages("ListExecutions", items="executions", mapRunArn=map_run_arn)
        ]
        with ThreadPoolExecutor(max_workers=_MAX_READS_IN_PARALLEL) as pool:
            described = pool.map(
                lambda arn: self._call("DescribeExecution", executionArn=arn), arns
            )
            return {
                _object(batch.require("input"))["batch"]: _object(batch.get("output") or "")
                for batch in described
            }

    def _map_run_arns(self, execution: RunExecution) -> list[str]:
        """Return the ARNs of an execution's map runs, which have its batches as executions."""
        arn = self._arn(execution.folder, execution.run_id)
        response = self._call("ListMapRuns", executionArn=arn)
        return [map_run["mapRunArn"] for map_run in response.get("mapRuns", ())]

    def _pages(self, operation: str, *, items: str, **parameters: Any) -> Iterator[Any]:
        aws = self._caller.calls()
        return aws.pages(f"states:{operation}", items=items, token="nextToken", **parameters)

    def _call(self, operation: str, **parameters: object) -> Response:
        return self._caller.calls().call(f"states:{operation}", **parameters)

    def _arn(self, folder: str, run_id: str) -> str:
        return execution_arn(self._state_machine_arns[folder], run_id)


def run_failed_error(execution: RunExecution) -> CommandError:
    """Return why an execution has ended without a report."""
    ended = f"ended as {execution.status}"
    if execution.status == REFUSED_STATUS:
        ended = "was refused"
    cause = execution.cause or "Step Functions gives no cause."
    return CommandError(f"Run {execution.run_id} {ended}: {cause}")


def _execution(members: Mapping[str, Any], *, folder: str, operation: str) -> RunExecution:
    status: str = require(members, "status", operation=operation)
    cause: str = members.get("cause", "")
    output: str = members.get("output", "")
    report_sha256 = report_sha256_of(status=status, output=output, cause=cause)
    held = _object(output)
    # For Step Functions, a refusal is a success.
    if REFUSED in held:
        status, cause = REFUSED_STATUS, held.get(CAUSE, "")
    return RunExecution(
        run_id=require(members, "name", operation=operation),
        folder=folder,
        status=status,
        started_at=require(members, "startDate", operation=operation),
        ended_at=members.get("stopDate"),
        # If a function raised an error, it is an object of JSON.
        cause=str(_object(cause).get("errorMessage", cause)),
        input=_object(members.get("input", "")),
        output=held,
        report_sha256=report_sha256,
    )


def _lacks_its_end(execution: RunExecution) -> bool:
    """Return whether an execution has ended, and Step Functions does not say yet how."""
    if execution.status not in ("SUCCEEDED", "FAILED"):
        return False
    return not execution.output and not execution.cause


def _object(text: str) -> dict[str, Any]:
    """Return an object of JSON; an empty one if the text is something else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
