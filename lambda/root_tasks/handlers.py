"""The entry points of the state machines' functions: start a run, run a batch, write the report."""

from __future__ import annotations

import functools
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_calls.metrics import write_line
from aws_calls.runtime import system_clock

from .aws.clients import create_clients
from .run.invocation import Invocation
from .run.refused_run import start_or_refuse
from .run.settings import (
    RunBatchSettings,
    StartExecutionSettings,
    StartRunSettings,
    WriteReportSettings,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_calls.runtime import LambdaContext


def start_run(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Start a run, or return why it is refused; the entry point of the Audit state machine's first function.

    Raises:
        RunRefusedError: The run cannot start, and the reason is not its input; the message says what to do.
    """
    settings = StartRunSettings.from_environment(os.environ)
    start = functools.partial(_invocation(context).start_run, event, settings=settings)
    return start_or_refuse(start, event, now=datetime.now(UTC), log=write_line)


def run_batch(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Look into a batch of accounts; the entry point of the functions that audit and plan."""
    return _invocation(context).run_batch(event, settings=RunBatchSettings.from_environment(os.environ))


def write_report(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write the report of an audit or a plan; the entry point of the state machine's last function."""
    return _invocation(context).write_report(event, settings=WriteReportSettings.from_environment(os.environ))


def start_execution(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Start the execution of a plan, or return why it is refused; the Execute state machine's first function.

    Raises:
        RunRefusedError: It cannot start, and the reason is not its input; the message says what to do.
    """
    settings = StartExecutionSettings.from_environment(os.environ)
    start = functools.partial(_invocation(context).start_execution, event, settings=settings)
    return start_or_refuse(start, event, now=datetime.now(UTC), log=write_line)


def execute_batch(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Act in a batch of accounts; the entry point of the function of each task that acts."""
    return _invocation(context).execute_batch(event, settings=RunBatchSettings.from_environment(os.environ))


def write_execution_report(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write the report of an execution; the entry point of the Execute state machine's last function."""
    return _invocation(context).write_execution_report(
        event, settings=WriteReportSettings.from_environment(os.environ)
    )


def _invocation(context: LambdaContext) -> Invocation:
    return Invocation(
        context,
        clients=create_clients(),
        clock=system_clock(),
        now=lambda: datetime.now(UTC),
        log=write_line,
    )
