"""The executions of the deployed state machines: start and stop them, wait, list them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
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
        reason_of_plan: The reason of the plan that it executes; None if none is known.
    """

    arn: str
    run_id: str
    folder: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    cause: str
    input: Mapping[str, Any]
    output: Mapping[str, Any]
    report_sha256: str | None
    reason_of_plan: str | None = None

    @property
    def running(self) -> bool:
        """True if it has not ended: PENDING_REDRIVE is that of one that is about to run again."""
        return self.status in ("RUNNING", "PENDING_REDRIVE")

    @property
    def has_report(self) -> bool:
        """True if it has ended with a report, as it also does if it failed because accounts did.

        In that case, its cause has the SHA-256 of the report.
        """
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
        """Why it was asked for, as its input states, or that of its plan; None if neither does."""
        return self._stated(REASON, REASON_PATTERN) or self.reason_of_plan

    def _stated(self, key: str, pattern: re.Pattern[str]) -> str | None:
        """Return the text that the input has under a key; None if no run would accept it.

        Whoever starts an execution chooses its input. A run refuses a text of another form, but the
        refused execution is listed, too: its text must not be shown.
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
        """The command that starts such an execution: "audit", "plan delete" or "execute"."""
        if self.folder == EXECUTE_FOLDER:
            return "execute"
        task = self.input.get("task", Task.AUDIT)
        # An input may name a task that does not exist: it is refused, and not repeated here.
        if task == Task.AUDIT or task not in list(Task):
            return str(Task.AUDIT)
        return f"plan {task}"


class Executions:
    """The executions of a deployment's two state machines."""

    def __init__(self, caller: Caller, deployment: Deployment) -> None:
        self._caller = caller
        self._state_machine_arns = deployment.state_machine_arns

    def start(self, folder: str, *, name: str, input_: Mapping[str, object]) -> None:
        """Start an execution. The same name and input start it once.

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
            # If the response to a first attempt was lost, a second one may find the execution that
            # the first one has started, and that has ended since.
            is_its_own = error.failure.may_have_taken_effect
            if error.failure.name != "ExecutionAlreadyExists" or not is_its_own:
                raise

    def stop(self, execution: RunExecution, *, cause: str) -> None:
        """Stop a running execution. Functions that it has invoked continue.

        Raises:
            CallError: AWS refused, or did not respond in time.
        """
        self._call("StopExecution", executionArn=execution.arn, error="Stopped", cause=cause)

    def find(self, run: str) -> RunExecution:
        """Return the execution of a run.

        Args:
            run: Its name, which may follow the folder of its state machine and a slash.

        Raises:
            CallError: It cannot be read.
            RunNotFoundError: There is none.
            CommandError: Both state machines have one of this name.
        """
        given_folder, _, run_id = run.rpartition("/")
        # Each state machine may have a run of this name.
        executions: list[RunExecution] = []
        denial: CallError | None = None
        for folder in self._state_machine_arns:
            if given_folder not in ("", folder):
                continue
            try:
                executions.append(self._describe(folder, run_id))
            except CallError as error:
                # Those who may only plan, or only execute, may read one of them.
                if error.failure.kind is FailureKind.ACCESS_DENIED:
                    denial = error
                elif error.failure.code != "ExecutionDoesNotExist":
                    raise
        if len(executions) > 1:
            # Somebody may have named one of them so that it hides the other.
            names = f"{AUDIT_FOLDER}/{run_id} or {EXECUTE_FOLDER}/{run_id}"
            raise CommandError(
                f"Both state machines have a run {run_id}. Name one of them: {names}."
            )
        if executions:
            return executions[0]
        # The state machine that may not be read may have the run.
        raise denial or RunNotFoundError(run_id)

    def _describe_new(self, folder: str, run_id: str) -> RunExecution:
        """Return an execution that may have just started, and not be known for a moment."""
        for wait in _OUTDATED_WAITS:
            with ignoring("ExecutionDoesNotExist"):
                return self._describe(folder, run_id)
            self._caller.clock.sleep(wait)
        return self._describe(folder, run_id)

    def _describe(self, folder: str, run_id: str) -> RunExecution:
        """Return the present state of an execution."""
        arn = execution_arn(self._state_machine_arns[folder], run_id)
        response = self._call("DescribeExecution", executionArn=arn)
        return _parse_execution(
            response.members, folder=folder, operation="states:DescribeExecution"
        )

    def wait(self, folder: str, run_id: str, *, show: Callable[[int, int], None]) -> RunExecution:
        """Wait until an execution has ended, and return it.

        Args:
            folder: The folder of its state machine.
            run_id: Its name.
            show: Shows how many batches of accounts have ended, and of how many, if both can be
                read.

        Raises:
            CallError: It cannot be read.
        """
        wait = _FIRST_WAIT_SECONDS
        execution = self._describe_new(folder, run_id)
        while execution.running:
            self._show_progress(execution, show)
            self._caller.clock.sleep(wait)
            # Longer each time: the end of a short run is seen soon, and a long run costs few calls.
            wait = min(wait * 1.3, _MAX_WAIT_SECONDS)
            execution = self._describe(folder, run_id)
        # How it has ended may be known a moment later than that it has.
        for wait in _OUTDATED_WAITS:
            if not _lacks_its_end(execution):
                break
            self._caller.clock.sleep(wait)
            execution = self._describe(folder, run_id)
        return execution

    def _show_progress(self, execution: RunExecution, show: Callable[[int, int], None]) -> None:
        """Show how many batches of an execution have ended, and of how many.

        A caller who may not read that sees no progress, and the command goes on.
        """
        with suppress(CallError):
            for arn in self._map_run_arns(execution):
                response = self._call("DescribeMapRun", mapRunArn=arn)
                counts = response.require("itemCounts")
                ended = sum(
                    counts.get(state, 0) for state in ("succeeded", "failed", "timedOut", "aborted")
                )
                # Step Functions counts the batches only once it has read them: no progress before.
                if counts.get("total"):
                    show(ended, counts["total"])

    def latest(self, *, limit: int) -> list[RunExecution]:
        """Return the executions of both state machines that ran last.

        Raises:
            CallError: They cannot be listed.
        """
        listed: list[RunExecution] = []
        denials: list[CallError] = []
        for folder in self._state_machine_arns:
            try:
                listed += self._latest_of(folder, limit=limit)
            except CallError as error:
                # Those who may only plan or only execute see the executions of one state machine.
                if error.failure.kind is not FailureKind.ACCESS_DENIED:
                    raise
                denials.append(error)
        if len(denials) == len(self._state_machine_arns):
            raise denials[0]
        latest = sorted(listed, key=lambda execution: execution.started_at, reverse=True)[:limit]
        with ThreadPoolExecutor(max_workers=_MAX_READS_IN_PARALLEL) as pool:
            # ListExecutions returns neither input nor output, so each one is described.
            described = pool.map(lambda each: self._describe(each.folder, each.run_id), latest)
            return list(pool.map(self._with_reason_of_plan, described))

    def _with_reason_of_plan(self, execution: RunExecution) -> RunExecution:
        """Return an execution with the reason of its plan, if it has none of its own."""
        if execution.plan is None or execution.reason is not None:
            return execution
        try:
            plan = self._describe(AUDIT_FOLDER, execution.plan)
        except CallError:
            # Those who may only execute may not read plans, and Step Functions forgets old ones.
            return execution
        return replace(execution, reason_of_plan=plan.reason)

    def _latest_of(self, folder: str, *, limit: int) -> Iterator[RunExecution]:
        """Return the executions of one state machine that ran last, without input and output."""
        listed = self._pages(
            "ListExecutions",
            items="executions",
            stateMachineArn=self._state_machine_arns[folder],
            maxResults=limit,
        )
        return (
            _parse_execution(members, folder=folder, operation="states:ListExecutions")
            for members in itertools.islice(listed, limit)
        )

    def output_of_start(self, execution: RunExecution) -> Mapping[str, Any]:
        """Return the output of the function that started a run; empty if there is none.

        Raises:
            CallError: The events cannot be read.
        """
        events = self._pages("GetExecutionHistory", items="events", executionArn=execution.arn)
        for event in events:
            output = _json_object(event.get("stateExitedEventDetails", {}).get("output", ""))
            # No other function returns the hash of the run.
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
                _json_object(batch.require("input"))["batch"]: _json_object(
                    batch.get("output") or ""
                )
                for batch in described
            }

    def _map_run_arns(self, execution: RunExecution) -> list[str]:
        """Return the ARNs of an execution's map runs, which have its batches as executions."""
        response = self._call("ListMapRuns", executionArn=execution.arn)
        return [map_run["mapRunArn"] for map_run in response.get("mapRuns", ())]

    def _pages(self, operation: str, *, items: str, **parameters: Any) -> Iterator[Any]:
        """Yield the entries of all pages of a list of Step Functions."""
        aws = self._caller.calls()
        return aws.pages(f"states:{operation}", items=items, token="nextToken", **parameters)

    def _call(self, operation: str, **parameters: object) -> Response:
        """Call Step Functions, and return the response."""
        return self._caller.calls().call(f"states:{operation}", **parameters)


def run_failed_error(execution: RunExecution) -> CommandError:
    """Return the error of an execution that has ended without a report: how, and why."""
    ended = f"ended as {execution.status}"
    if execution.status == REFUSED_STATUS:
        ended = "was refused"
    cause = execution.cause or "Step Functions gives no cause."
    return CommandError(f"Run {execution.run_id} {ended}: {cause}")


def _parse_execution(members: Mapping[str, Any], *, folder: str, operation: str) -> RunExecution:
    """Return an execution as a response of Step Functions has it.

    Args:
        members: The members of the response, or of its entry in a list.
        folder: The folder of its state machine.
        operation: The call, which an error about a missing member names.
    """
    status: str = require(members, "status", operation=operation)
    cause: str = members.get("cause", "")
    output: str = members.get("output", "")
    # By the status, output and cause as Step Functions has them, which are replaced below.
    report_sha256 = report_sha256_of(status=status, output=output, cause=cause)
    output_object = _json_object(output)
    # For Step Functions, a refusal is a success.
    if REFUSED in output_object:
        status, cause = REFUSED_STATUS, output_object.get(CAUSE, "")
    return RunExecution(
        arn=require(members, "executionArn", operation=operation),
        run_id=require(members, "name", operation=operation),
        folder=folder,
        status=status,
        started_at=require(members, "startDate", operation=operation),
        ended_at=members.get("stopDate"),
        # The cause of an error that a function raised is an object of JSON.
        cause=str(_json_object(cause).get("errorMessage", cause)),
        input=_json_object(members.get("input", "")),
        output=output_object,
        report_sha256=report_sha256,
    )


def _lacks_its_end(execution: RunExecution) -> bool:
    """Return whether an execution has ended, and Step Functions does not say yet how.

    An execution that was stopped, for example, has neither output nor cause for good.
    """
    if execution.status not in ("SUCCEEDED", "FAILED"):
        return False
    return not execution.output and not execution.cause


def _json_object(text: str) -> dict[str, Any]:
    """Return the object of a text in JSON; an empty one if the text is something else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
