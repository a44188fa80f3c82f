"""Adds RedriveExecution to MiniStack, which lacks it: an execution goes on where it ended.

A redrive runs the state machine from its start again, but a state that has succeeded is not run: it returns
what it returned before. So branches, iterations and child executions are continued like the execution itself.
Not emulated: child executions of type EXPRESS, which start anew on AWS, are continued, too.

Loaded by its path, because MiniStack's process has no access to this package.
"""

from __future__ import annotations

import copy
import functools
import itertools
import json
import threading
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ministack.core.responses import AccountRegionScopedDict, error_response_json, json_response
from ministack.services import stepfunctions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    # Where a state is: each is the number of a state in its sequence; before each but the first are the state
    # that the sequence starts with and the index of the iteration.
    Position = tuple[object, ...]
    Execution = dict[str, Any]
    Response = tuple[int, dict[str, str], bytes]
    StateFunction = Callable[..., Any]

_REDRIVABLE_STATUSES = ("FAILED", "ABORTED", "TIMED_OUT")
_REDRIVABLE_PERIOD = timedelta(days=14)
_STATES_THAT_RUN = ("pass", "task", "choice", "wait", "parallel", "map")


class RedriveStatus(StrEnum):
    """Whether an execution can be redriven."""

    REDRIVABLE = "REDRIVABLE"
    NOT_REDRIVABLE = "NOT_REDRIVABLE"
    REDRIVABLE_BY_MAP_RUN = "REDRIVABLE_BY_MAP_RUN"


@dataclass(frozen=True, kw_only=True)
class Redrivability:
    """Whether an execution can be redriven, and why not.

    Attributes:
        status: Whether it can.
        reason: AWS's reason where it cannot.
    """

    status: RedriveStatus
    reason: str | None = None


def redrivability(execution: Mapping[str, Any], *, type_: str, now: datetime) -> Redrivability:
    """Return whether an execution can be redriven.

    Args:
        execution: MiniStack's record of it.
        type_: The type of its state machine.
        now: The time.
    """
    status = execution["status"]
    if type_ != "STANDARD" or status not in _REDRIVABLE_STATUSES:
        kind = status if type_ == "STANDARD" else type_
        return _not_redrivable(f"Execution is {kind} and cannot be redriven")
    if now - datetime.fromisoformat(execution["stopDate"]) > _REDRIVABLE_PERIOD:
        return _not_redrivable("Execution redrivable period exceeded")
    if "mapRunArn" in execution:
        return Redrivability(status=RedriveStatus.REDRIVABLE_BY_MAP_RUN)
    return Redrivability(status=RedriveStatus.REDRIVABLE)


def _not_redrivable(reason: str) -> Redrivability:
    return Redrivability(status=RedriveStatus.NOT_REDRIVABLE, reason=reason)


class _StoppedError(SystemExit):
    """Ends a thread of an attempt that was stopped: no Catch and no Retry sees it, and nothing logs it."""


@dataclass(frozen=True, kw_only=True)
class _StateResult:
    """What a state that has succeeded returned, and the variables that it left."""

    returned: Any
    variables: dict[str, Any]


@dataclass(kw_only=True)
class _MapRun:
    """A Map Run, which keeps its ARN and its children when it is redriven.

    Attributes:
        id: The last part of its ARN, and its label if the state has none.
        children: Its child executions, by the index of their items.
        redriven: What distinguishes its record from that of a new one.
    """

    id: str
    children: dict[int, Execution] = field(default_factory=dict)
    redriven: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True)
class _Attempt:
    """An execution from its start or from a redrive to its end.

    Attributes:
        state_machine: The state machine as it was when the execution started.
        results: The states that have succeeded.
        entered: The states whose entry is in the history.
        map_runs: The Map Runs, by the position of their states.
        stopped: Set once the execution was stopped.
        ended: Set once nothing of the attempt runs any more.
    """

    state_machine: Mapping[str, Any]
    results: dict[Position, _StateResult] = field(default_factory=dict)
    entered: set[Position] = field(default_factory=set)
    map_runs: dict[Position, _MapRun] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def next(self) -> _Attempt:
        """Return the attempt that goes on where this one ended."""
        return _Attempt(
            state_machine=self.state_machine,
            results=self.results,
            entered=self.entered,
            map_runs=self.map_runs,
        )

    def end_after_stop(self) -> None:
        """End this thread if the execution was stopped.

        MiniStack's threads do not ask, and a redrive has set the status back by the time they would.
        """
        if self.stopped.is_set():
            raise _StoppedError

    def forget_below(self, position: Position) -> None:
        """Forget what happened in a state: its own Retry runs all of it again, unlike a redrive."""
        for positions in (self.results, self.map_runs):
            for each in list(positions):
                if each[: len(position)] == position:
                    positions.pop(each, None)


@dataclass(kw_only=True)
class _Sequence:
    """Where a thread is: in the states of an execution, a branch or an iteration, one after another.

    Attributes:
        attempt: The attempt that it belongs to.
        execution: The execution, or the child execution.
        path: The position of the state that it is in, and which of the sequences there it is.
        number: The number of its current state.
        is_repeated: Whether its last state has succeeded in an earlier attempt.
    """

    attempt: _Attempt
    execution: Execution
    path: Position = ()
    number: int = 0
    is_repeated: bool = False

    @property
    def position(self) -> Position:
        """The position of the current state."""
        return (*self.path, self.number)


# MiniStack copies the context into each thread that it starts.
_sequence: ContextVar[_Sequence | None] = ContextVar("sequence", default=None)
_map_run_id: ContextVar[list[str] | None] = ContextVar("map_run_id", default=None)
_attempts: dict[str, _Attempt] = {}


class _StateMachines(AccountRegionScopedDict):  # type: ignore[misc]  # MiniStack has no types
    """MiniStack's state machines, of which an execution sees the one that it was started with."""

    def get(self, arn: str, default: Any = None) -> Any:
        sequence = _sequence.get()
        if sequence is not None and sequence.attempt.state_machine.get("stateMachineArn") == arn:
            return sequence.attempt.state_machine
        return super().get(arn, default)


def emulate_redrives() -> None:
    """Add RedriveExecution to MiniStack, before it has a state machine."""
    stepfunctions._state_machines = _StateMachines()
    for kind in _STATES_THAT_RUN:
        _replace(f"_execute_{kind}", _run_state_once)
    for name, replacement in (
        ("handle_request", _handle_request),
        ("new_uuid", _new_uuid),
        ("_add_event", _add_event),
        ("_describe_execution", _describe_execution),
        ("_run_distributed_map", _run_map),
        ("_run_execution", _start),
        ("_run_sub_machine", _run_sequence),
        ("_scaled_sleep", _sleep),
        ("_stop_execution", _stop),
        ("_with_retry_and_catch", _run_with_retries),
    ):
        _replace(name, replacement)


def _replace(name: str, replacement: Callable[..., Any]) -> None:
    original = getattr(stepfunctions, name)
    setattr(stepfunctions, name, functools.partial(replacement, original))


# Requests


async def _handle_request(
    handle: Callable[..., Any],
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    query_params: Mapping[str, Any],
) -> Response:
    if headers.get("x-amz-target", "").endswith(".RedriveExecution"):
        response: Response = stepfunctions._finalize_response(_redrive(json.loads(body)))
    else:
        response = await handle(method, path, headers, body, query_params)
    return response


def _redrive(request: Mapping[str, Any]) -> Response:
    arn = request["executionArn"]
    execution = stepfunctions._executions.get(arn)
    if execution is None:
        return _error("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
    found = _redrivability_now(execution)
    if found.status is not RedriveStatus.REDRIVABLE:
        return _error("ExecutionNotRedrivable", found.reason or "It is redriven by its Map Run.")
    earlier = _attempts[arn]
    _attempts[arn] = attempt = earlier.next()
    _set_redriven(execution)
    stepfunctions._emit_execution_status_event(execution)

    def go_on() -> None:
        # Until then the stopped attempt may wait for functions, which must not run twice at the same time.
        earlier.ended.wait()
        stepfunctions._run_execution(arn, attempt)

    threading.Thread(target=copy_context().run, args=(go_on,), daemon=True).start()
    response: Response = json_response({"redriveDate": execution["redriveDate"]})
    return response


def _set_redriven(execution: Execution) -> None:
    count = execution.get("redriveCount", 0) + 1
    for name in ("error", "cause"):
        execution.pop(name, None)
    execution.update(
        status="RUNNING",
        stopDate=None,
        output=None,
        redriveCount=count,
        redriveDate=stepfunctions.now_iso(),
    )
    stepfunctions._add_event(
        execution, "ExecutionRedriven", {"executionRedrivenEventDetails": {"redriveCount": count}}
    )


def _describe_execution(describe: Callable[..., Response], request: Mapping[str, Any]) -> Response:
    status, headers, body = describe(request)
    execution = stepfunctions._executions.get(request.get("executionArn"))
    if execution is None:
        return status, headers, body
    found = _redrivability_now(execution)
    redrives: dict[str, Any] = {
        "redriveCount": execution.get("redriveCount", 0),
        "redriveStatus": found.status,
    }
    if "redriveDate" in execution:
        redrives["redriveDate"] = execution["redriveDate"]
    if found.reason is not None:
        redrives["redriveStatusReason"] = found.reason
    response: Response = json_response({**json.loads(body), **redrives})
    return response


def _redrivability_now(execution: Execution) -> Redrivability:
    # A child execution's state machine has no record of its own, and is a Standard one.
    state_machine = stepfunctions._state_machines.get(execution["stateMachineArn"], {})
    return redrivability(execution, type_=state_machine.get("type", "STANDARD"), now=datetime.now(UTC))


def _stop(stop: Callable[..., Response], request: Mapping[str, Any]) -> Response:
    response = stop(request)
    arn = request.get("executionArn", "")
    execution, attempt = stepfunctions._executions.get(arn), _attempts.get(arn)
    if execution is None or attempt is None or execution["status"] != "ABORTED":
        return response
    attempt.stopped.set()
    aborted = {"status": "ABORTED", "stopDate": execution["stopDate"]}
    for map_run in list(attempt.map_runs.values()):
        for child in list(map_run.children.values()):
            if child["status"] == "RUNNING":
                child.update(aborted)
    for map_run_arn, record in list(stepfunctions._map_runs.items()):
        if record["executionArn"] == arn and record["status"] == "RUNNING":
            # A copy: what the threads still do to the record no longer counts.
            record = copy.deepcopy(record)
            for counts in (record["itemCounts"], record["executionCounts"]):
                counts.update(running=0, aborted=counts["aborted"] + counts["running"])
            stepfunctions._map_runs[map_run_arn] = record | aborted
    return response


def _error(code: str, message: str) -> Response:
    response: Response = error_response_json(code, message, 400)
    return response


# What runs in the threads of an execution


def _start(run_execution: Callable[[str], None], arn: str, attempt: _Attempt | None = None) -> None:
    execution = stepfunctions._executions.get(arn)
    if execution is None:
        return
    if attempt is None:
        state_machine = stepfunctions._state_machines.get(execution["stateMachineArn"], {})
        _attempts[arn] = attempt = _Attempt(state_machine=dict(state_machine))
    token = _sequence.set(_Sequence(attempt=attempt, execution=execution))
    try:
        run_execution(arn)
    finally:
        _sequence.reset(token)
        attempt.ended.set()


def _run_sequence(
    run_sub_machine: Callable[..., Any],
    states: Mapping[str, Any],
    start_at: str,
    input_data: Any,
    execution: Execution,
    ctx: dict[str, Any],
) -> Any:
    """Run a branch, an iteration or a child execution."""
    around = _sequence.get()
    if around is None:
        return run_sub_machine(states, start_at, input_data, execution, ctx)
    index = ctx.get("Map", {}).get("Item", {}).get("Index")
    is_child = execution is not around.execution
    if is_child:
        earlier = _continue_child(execution, around, index)
        if earlier is not None:
            return json.loads(earlier["output"])
    path = (*around.position, start_at, index)
    token = _sequence.set(_Sequence(attempt=around.attempt, execution=execution, path=path))
    try:
        return run_sub_machine(states, start_at, input_data, execution, ctx)
    except _StoppedError:
        if is_child:
            execution.update(status="ABORTED", stopDate=execution["stopDate"] or stepfunctions.now_iso())
        raise
    finally:
        _sequence.reset(token)


def _continue_child(child: Execution, around: _Sequence, index: int) -> Execution | None:
    """Let a child execution of a redriven Map Run be the earlier one; return that if it has succeeded."""
    executions = stepfunctions._executions
    map_run = around.attempt.map_runs[around.position]
    earlier = map_run.children.get(index)
    if earlier is not None or around.attempt.stopped.is_set():
        del executions[child["executionArn"]]
        around.attempt.end_after_stop()
    stepfunctions._map_runs[child["mapRunArn"]].update(map_run.redriven)
    if earlier is not None:
        if earlier["status"] == "SUCCEEDED":
            return earlier
        kept = ("executionArn", "name", "startDate", "events", "redriveCount")
        child.update({name: earlier[name] for name in kept if name in earlier})
        _set_redriven(child)
        executions[child["executionArn"]] = child
    map_run.children[index] = child
    return None


def _run_map(
    run_distributed_map: StateFunction, state_def: Mapping[str, Any], raw_input: Any, *others: Any
) -> Any:
    sequence = _sequence.get()
    if sequence is None:
        return run_distributed_map(state_def, raw_input, *others)
    map_run = sequence.attempt.map_runs.setdefault(
        sequence.position, _MapRun(id=str(stepfunctions.new_uuid()))
    )
    if map_run.children:
        _set_map_run_redriven(map_run, sequence.execution)
    token = _map_run_id.set([map_run.id])
    try:
        labelled = {**state_def, "Label": state_def.get("Label") or map_run.id}
        return run_distributed_map(labelled, raw_input, *others)
    finally:
        _map_run_id.reset(token)


def _set_map_run_redriven(map_run: _MapRun, execution: Execution) -> None:
    arn = next(iter(map_run.children.values()))["mapRunArn"]
    count = map_run.redriven.get("redriveCount", 0) + 1
    map_run.redriven = {
        "startDate": stepfunctions._map_runs[arn]["startDate"],
        "redriveCount": count,
        "redriveDate": stepfunctions.now_iso(),
    }
    details = {"mapRunArn": arn, "redriveCount": count}
    stepfunctions._add_event(execution, "MapRunRedriven", {"mapRunRedrivenEventDetails": details})


def _new_uuid(new_uuid: Callable[[], str]) -> str:
    # The first one that a Map state asks for is the last part of its Map Run's ARN.
    ids = _map_run_id.get()
    return ids.pop() if ids else new_uuid()


def _run_state_once(
    execute: StateFunction, state_def: Mapping[str, Any], raw_input: Any, *others: Any
) -> Any:
    """Run a state, unless it has succeeded in an earlier attempt."""
    sequence = _sequence.get()
    if sequence is None:
        return execute(state_def, raw_input, *others)
    attempt, variables = sequence.attempt, others[-1]["variables"]
    result = attempt.results.get(sequence.position)
    sequence.is_repeated = result is not None
    if result is None:
        attempt.end_after_stop()
        returned = execute(state_def, raw_input, *others)
        result = copy.deepcopy(_StateResult(returned=returned, variables=variables))
        attempt.results[sequence.position] = result
    else:
        variables.update(copy.deepcopy(result.variables))
    sequence.number += 1
    return copy.deepcopy(result.returned)


def _run_with_retries(
    run: Callable[..., Any],
    state_def: Mapping[str, Any],
    raw_input: Any,
    ctx: dict[str, Any],
    run_once: Callable[[], Any],
) -> Any:
    sequence = _sequence.get()
    if sequence is None:
        return run(state_def, raw_input, ctx, run_once)
    tries = itertools.count()

    def run_anew() -> Any:
        if next(tries):
            sequence.attempt.forget_below(sequence.position)
        try:
            return run_once()
        finally:
            sequence.attempt.end_after_stop()

    return run(state_def, raw_input, ctx, run_anew)


def _sleep(sleep: Callable[[float], None], seconds: float) -> None:
    sequence = _sequence.get()
    if sequence is None:
        sleep(seconds)
        return
    sequence.attempt.stopped.wait(max(seconds, 0) * stepfunctions._SFN_WAIT_SCALE)
    sequence.attempt.end_after_stop()


def _add_event(
    add: Callable[..., Any], execution: Execution, event_type: str, details: Mapping[str, Any] | None = None
) -> Any:
    sequence = _sequence.get()
    if sequence is not None and execution is sequence.execution:
        sequence.attempt.end_after_stop()
        if event_type.endswith("StateEntered"):
            sequence.is_repeated = False
            # A state that is continued is not entered again; a Fail state is.
            if sequence.position in sequence.attempt.entered and event_type != "FailStateEntered":
                return None
            sequence.attempt.entered.add(sequence.position)
        elif event_type.endswith("StateExited") and sequence.is_repeated:
            return None
    return add(execution, event_type, details)
