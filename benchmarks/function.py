"""A sandbox of Lambda: a process in which a function of RootTasks runs for one event after another.

Like Lambda, it imports the handlers with the first event, and nothing else before.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BUCKET = "root-tasks"

_START = {
    "bucket": BUCKET,
    "tasks": ["IAMAuditRootUserCredentials", "IAMDeleteRootUserCredentials"],
    "protectedAccounts": [],
}
_REPORT = {
    "bucket": BUCKET,
    "notificationTopicArn": None,
    "securityHubFindings": False,
    "planLifetimeSeconds": 86_400,
}
MACHINE = "arn:aws:states:us-east-1:111111111111:stateMachine:RootTasks"
SETTINGS: dict[str, dict[str, Any]] = {
    "start_run": {**_START, "allowPolicyOverride": False},
    "run_batch": {"bucket": BUCKET},
    "write_report": _REPORT,
    "start_execution": {**_START, "planLifetimeSeconds": 86_400, "auditStateMachineArn": MACHINE},
    "execute_batch": {"bucket": BUCKET},
    "write_execution_report": _REPORT,
}


class Context:
    """Lambda's context object."""

    invoked_function_arn = "arn:aws:lambda:us-east-1:111111111111:function:RootTasks"

    def get_remaining_time_in_millis(self) -> int:
        """Return the time until Lambda ends the invocation."""
        return 600_000


class Executions:
    """Step Functions, as far as the start of an execution asks: what each execution is, by its name.

    Args:
        executions: The start and the output of each; no output where it runs.
        latency: How many seconds a call takes.
    """

    def __init__(self, executions: Mapping[str, Mapping[str, Any]], *, latency: float) -> None:
        self._executions = executions
        self._latency = latency

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803
        """Return an execution."""
        time.sleep(self._latency)
        execution = self._executions[executionArn.rpartition(":")[2]]
        output = execution["output"]
        return {
            "startDate": datetime.fromisoformat(execution["startedAt"]).astimezone(UTC),
            "status": "RUNNING" if output is None else "SUCCEEDED",
            **({} if output is None else {"output": json.dumps(output)}),
        }


@dataclass(frozen=True, kw_only=True)
class FunctionInvocation:
    """An invocation of a function.

    Attributes:
        response: What it returned.
        log: The events that it logged.
        seconds: How long it took; the first one in a sandbox includes the import.
        cpu: Its CPU time.
    """

    response: Any
    log: Sequence[Mapping[str, Any]]
    seconds: float
    cpu: float


def invoke(
    entry_point: str,
    events: Iterable[Mapping[str, Any]],
    *,
    environment: Mapping[str, str],
    sandboxes: int = 1,
    executions: Executions | None = None,
) -> list[FunctionInvocation]:
    """Invoke a function for each event, as many at once as there are sandboxes.

    Args:
        entry_point: The name of the function in the handlers.
        events: The events.
        environment: The environment variables of the sandboxes.
        sandboxes: How many there are.
        executions: Step Functions, where the function calls it.
    """
    settings = {**environment, "SETTINGS": json.dumps(SETTINGS[entry_point])}
    with ProcessPoolExecutor(
        sandboxes, mp_context=get_context("spawn"), initializer=_replace_environment, initargs=(settings,)
    ) as processes:
        return list(processes.map(partial(_run, entry_point, executions), events))


def _replace_environment(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def _run(entry_point: str, executions: Executions | None, event: Mapping[str, Any]) -> FunctionInvocation:
    started_at, cpu_started_at = time.monotonic(), time.process_time()
    from root_tasks import handlers

    if executions is not None:
        from root_tasks.aws.clients import create_clients

        clients = replace(create_clients(), step_functions=executions)  # type: ignore[arg-type]
        vars(handlers)["create_clients"] = lambda: clients
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        response = getattr(handlers, entry_point)(event, Context())
    return FunctionInvocation(
        response=response,
        log=[json.loads(line) for line in log.getvalue().splitlines()],
        seconds=time.monotonic() - started_at,
        cpu=time.process_time() - cpu_started_at,
    )
