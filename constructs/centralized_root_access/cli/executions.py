"""The executions of the deployed state machines: start one, wait for its end, list them."""

from __future__ import annotations

import functools
import itertools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_calls.calls import pages, require
from aws_calls.failures import CallError, FailureKind
from root_tasks.model.run import RUN_ID
from root_tasks.run.report_hash import report_sha256_of

from .errors import CommandError, RunFailedError, RunNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import datetime

    from .aws import Caller
    from .deployment import Deployment

_RUNNING = frozenset({"RUNNING", "PENDING_REDRIVE"})
_FIRST_WAIT_SECONDS, _MAX_WAIT_SECONDS = 0.25, 3.0
# DescribeExecution is eventually consistent: what it returns may be some seconds old.
_OUTDATED_WAITS = (0.25, 0.5, 1.0, 2.0, 4.0)
_LIST_EXECUTIONS = "states:ListExecutions"
# Of the bucket: where each state machine's runs are.
AUDIT_FOLDER, EXECUTE_FOLDER = FOLDERS = ("runs", "executions")
_REPORT_URL = re.compile(r"s3://[^/]+/(?P<folder>runs|executions)/[^/]+/report\.html")


@dataclass(frozen=True, kw_only=True)
class RunExecution:
    """An execution of one of the state machines.

    Attributes:
        arn: Its ARN.
        run_id: Its name.
        folder: The folder of its report in the bucket.
        status: Its status in Step Functions.
        started_at: When it started.
        ended_at: When it ended; None while it runs.
        cause: Why it failed.
        report_sha256: The SHA-256 of its report.json; None where it holds none.
        complete: Whether what belongs to the status is there: the output, or the cause of a failure.
    """

    arn: str
    run_id: str
    folder: str
    status: str
    started_at: datetime
    ended_at: datetime | None = None
    cause: str = ""
    report_sha256: str | None = None
    complete: bool = True

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.status in _RUNNING


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far an execution is.

    Attributes:
        done: How many batches of accounts have ended.
        total: How many there are; None before they are known.
    """

    done: int = 0
    total: int | None = None


class Executions:
    """The executions of a deployment's two state machines.

    Args:
        caller: The caller.
        deployment: The deployment.
    """

    def __init__(self, caller: Caller, deployment: Deployment) -> None:
        self._caller = caller
        self._client = caller.client("stepfunctions")
        self._folders = {deployment.audit_state_machine_arn: AUDIT_FOLDER}
        if deployment.execute_state_machine_arn:
            self._folders[deployment.execute_state_machine_arn] = EXECUTE_FOLDER

    def start(self, state_machine_arn: str, *, name: str, input_: Mapping[str, object]) -> str:
        """Start an execution, and return its ARN. The same name and input start it once.

        Raises:
            CallError: AWS refused, or did not respond in time.
        """
        try:
            self._caller.call(
                lambda: self._client.start_execution(
                    stateMachineArn=state_machine_arn, name=name, input=json.dumps(input_)
                ),
                operation="states:StartExecution",
            )
        except CallError as error:
            # The response to the first attempt was lost, and the execution has ended meanwhile.
            if error.failure.name != "ExecutionAlreadyExists" or not error.failure.may_have_taken_effect:
                raise
        return _execution_arn(state_machine_arn, name)

    def find(self, run_id: str, *, folders: Collection[str] = FOLDERS) -> RunExecution:
        """Return the execution of this name.

        Args:
            run_id: Its name.
            folders: The folders of the state machines that may have it.

        Raises:
            CallError: It cannot be read.
            RunNotFoundError: There is none.
            CommandError: Both state machines have one.
        """
        if not RUN_ID.fullmatch(run_id):
            raise RunNotFoundError(run_id)
        found: list[RunExecution] = []
        denied: CallError | None = None
        for state_machine_arn, folder in self._folders.items():
            if folder not in folders:
                continue
            try:
                found.append(self.describe(_execution_arn(state_machine_arn, run_id)))
            except CallError as error:
                if error.failure.kind is FailureKind.ACCESS_DENIED:
                    denied = error
                elif error.failure.code != "ExecutionDoesNotExist":
                    raise
        if len(found) > 1:
            raise CommandError(
                f"Both state machines have a run {run_id}. The reports are in the bucket: runs/{run_id}/ and "
                f"executions/{run_id}/."
            )
        if found:
            return found[0]
        raise denied or RunNotFoundError(run_id)

    def describe_new(self, arn: str) -> RunExecution:
        """Return an execution that was started just now: Step Functions may not know it for a moment.

        Raises:
            CallError: It cannot be read.
        """
        for wait in _OUTDATED_WAITS:
            try:
                return self.describe(arn)
            except CallError as error:
                if error.failure.name != "ExecutionDoesNotExist":
                    raise
            self._caller.clock.sleep(wait)
        return self.describe(arn)

    def describe(self, arn: str) -> RunExecution:
        """Return an execution as it is now.

        Raises:
            CallError: It cannot be read.
        """
        response = self._caller.call(
            lambda: self._client.describe_execution(executionArn=arn), operation="states:DescribeExecution"
        )
        return self._execution(response.members)

    def wait(self, arn: str, *, show: Callable[[Progress], None]) -> RunExecution:
        """Wait until an execution has ended, and return it.

        Args:
            arn: The execution.
            show: Shows how far it is.

        Raises:
            CallError: It cannot be read.
        """
        progress = _ProgressReader(self._caller, self._client, arn)
        outdated = iter(_OUTDATED_WAITS)
        for attempt in itertools.count():
            execution = self.describe(arn)
            if not execution.running:
                wait = next(outdated, None)
                if execution.complete or wait is None:
                    return execution
                self._caller.clock.sleep(wait)
                continue
            show(progress.read())
            self._caller.clock.sleep(min(_FIRST_WAIT_SECONDS * 1.3**attempt, _MAX_WAIT_SECONDS))
        raise AssertionError("unreachable")

    def latest(self, *, limit: int) -> list[RunExecution]:
        """Return the executions of both state machines that started last.

        Raises:
            CallError: They cannot be listed.
        """
        found: list[RunExecution] = []
        denied: list[CallError] = []
        for state_machine_arn in self._folders:
            try:
                found += self._latest_of(state_machine_arn, limit=limit)
            except CallError as error:
                # Who may only look or only act sees the executions of one of them.
                if error.failure.kind is not FailureKind.ACCESS_DENIED:
                    raise
                denied.append(error)
        if len(denied) == len(self._folders):
            raise denied[0]
        return sorted(found, key=lambda execution: execution.started_at, reverse=True)[:limit]

    def _latest_of(self, state_machine_arn: str, *, limit: int) -> Iterator[RunExecution]:
        listed = pages(
            functools.partial(
                self._client.list_executions, stateMachineArn=state_machine_arn, maxResults=limit
            ),
            operation=_LIST_EXECUTIONS,
            budget=self._caller.budget(),
            items="executions",
            request_token="nextToken",
            response_token="nextToken",
        )
        return map(self._execution, itertools.islice(listed, limit))

    def _execution(self, members: Mapping[str, Any]) -> RunExecution:
        operation = "states:DescribeExecution"
        status: str = require(members, "status", operation=operation)
        cause: str = members.get("cause", "")
        output: str = members.get("output", "")
        return RunExecution(
            arn=require(members, "executionArn", operation=operation),
            run_id=require(members, "name", operation=operation),
            folder=self._folders.get(require(members, "stateMachineArn", operation=operation), "runs"),
            status=status,
            started_at=require(members, "startDate", operation=operation),
            ended_at=members.get("stopDate"),
            cause=_sentence_of(cause),
            report_sha256=report_sha256_of(status=status, output=output, cause=cause),
            complete=bool(output or cause) or status not in ("SUCCEEDED", "FAILED"),
        )


def require_report(execution: RunExecution) -> None:
    """Refuse an execution that has ended without a report.

    One in which accounts failed has ended as FAILED as well, after its report was written.

    Raises:
        RunFailedError: It has no report.
    """
    if execution.status == "SUCCEEDED" or _REPORT_URL.search(execution.cause):
        return
    cause = execution.cause or "Step Functions gives no cause."
    raise RunFailedError(f"Run {execution.run_id} ended as {execution.status}: {cause}")


class _ProgressReader:
    """Reads how many batches of an execution have ended, as far as the caller may know."""

    def __init__(self, caller: Caller, client: Any, execution_arn: str) -> None:
        self._caller = caller
        self._client = client
        self._execution_arn = execution_arn
        self._map_run_arn: str | None = None
        self._last = Progress()
        self._allowed = True

    def read(self) -> Progress:
        """Return how far it is; what cannot be read changes nothing."""
        if not self._allowed:
            return self._last
        try:
            self._last = self._read()
        except CallError:
            # A bar is not worth failing for, and without permission there is none.
            self._allowed = False
        return self._last

    def _read(self) -> Progress:
        if self._map_run_arn is None:
            response = self._caller.call(
                lambda: self._client.list_map_runs(executionArn=self._execution_arn),
                operation="states:ListMapRuns",
            )
            self._map_run_arn = next((run["mapRunArn"] for run in response.get("mapRuns", ())), None)
        if self._map_run_arn is None:
            return self._last
        arn = self._map_run_arn
        response = self._caller.call(
            lambda: self._client.describe_map_run(mapRunArn=arn), operation="states:DescribeMapRun"
        )
        counts = response.require("itemCounts")
        ended = ("succeeded", "failed", "timedOut", "aborted")
        return Progress(done=sum(counts.get(state, 0) for state in ended), total=counts.get("total") or None)


def _execution_arn(state_machine_arn: str, name: str) -> str:
    return f"{state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"


def _sentence_of(cause: str) -> str:
    """Return the sentence in a cause: what a function raised is an object of JSON."""
    try:
        error = json.loads(cause)
    except (ValueError, RecursionError):
        return cause
    message = error.get("errorMessage") if isinstance(error, dict) else None
    return message if isinstance(message, str) else cause
