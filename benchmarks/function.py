"""A sandbox of Lambda: a process in which a function of RootTasks runs for one event after another.

Like Lambda, it imports the handlers with the first event, and nothing else before.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

BUCKET = "root-tasks"

_START = {
    "bucket": BUCKET,
    "tasks": ["audit", "delete"],
    "protectedAccounts": [],
    "allowPolicyOverride": False,
}
_REPORT: dict[str, Any] = {
    "bucket": BUCKET,
    "notificationTopicArn": None,
    "securityHubFindings": False,
}
MACHINE = "arn:aws:states:us-east-1:111111111111:stateMachine:RootTasks"
SETTINGS: dict[str, dict[str, Any]] = {
    "start_run": {**_START, "acceptedCredentials": []},
    "run_batch": {"bucket": BUCKET},
    "write_report": _REPORT,
    "start_execution": {**_START, "auditStateMachineArn": MACHINE},
    "execute_batch": {"bucket": BUCKET},
    "write_execution_report": _REPORT,
}


class Context:
    """Lambda's context object."""

    invoked_function_arn = "arn:aws:lambda:us-east-1:111111111111:function:RootTasks"

    def get_remaining_time_in_millis(self) -> int:
        """Return the time until Lambda ends the invocation."""
        return 600_000


@dataclass(frozen=True, kw_only=True)
class FunctionInvocation:
    """An invocation of a function.

    Attributes:
        response: What it returned.
        seconds: How long it took; the first one in a sandbox includes the import.
        cpu: Its CPU time.
    """

    response: Any
    seconds: float
    cpu: float


def invoke(
    entry_point: str,
    events: Iterable[Mapping[str, Any]],
    *,
    environment: Mapping[str, str],
    sandboxes: int = 1,
) -> list[FunctionInvocation]:
    """Invoke a function for each event, as many at once as there are sandboxes.

    Args:
        entry_point: The name of the function in the handlers.
        events: The events.
        environment: The environment variables of the sandboxes.
        sandboxes: How many there are.
    """
    settings = {**environment, "SETTINGS": json.dumps(SETTINGS[entry_point])}
    with ProcessPoolExecutor(
        sandboxes,
        mp_context=get_context("spawn"),
        initializer=_replace_environment,
        initargs=(settings,),
    ) as processes:
        return list(processes.map(partial(_invoke_once, entry_point), events))


def _replace_environment(environment: Mapping[str, str]) -> None:
    """Give this process exactly these environment variables."""
    os.environ.clear()
    os.environ.update(environment)


def _invoke_once(entry_point: str, event: Mapping[str, Any]) -> FunctionInvocation:
    """Invoke a function in this process, and measure it."""
    started_at, cpu_started_at = time.monotonic(), time.process_time()
    from root_tasks import handlers

    with contextlib.redirect_stdout(io.StringIO()):
        response = getattr(handlers, entry_point)(event, Context())
    return FunctionInvocation(
        response=response,
        seconds=time.monotonic() - started_at,
        cpu=time.process_time() - cpu_started_at,
    )
