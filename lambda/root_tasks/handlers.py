"""The entry points of the state machines' functions: start a run, run a batch, write a report.

A state machine invokes three of them, the second one for each batch::

    Audit      start_run        run_batch      write_report
    Execute    start_execution  execute_batch  write_execution_report
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aws_calls.retry import RetryBudget
from aws_calls.runtime import LambdaContext, system_clock
from common.arn import Arn
from common.log import log_sdk_version, write_line

from .aws.clients import create_clients
from .aws.invocation import Aws
from .run import batch, finish, start
from .run.settings import (
    RunBatchSettings,
    StartExecutionSettings,
    StartRunSettings,
    WriteReportSettings,
)


def start_run(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Start an audit or a plan, or return why it is refused.

    Raises:
        RunRefusedError: The run cannot start, and the reason is not its input; the message says
            what to do.
        StartFailedError: A call failed.
    """
    settings = StartRunSettings.from_environment(os.environ)
    return start.start_or_refuse(start.start_run, _aws(context), event, settings=settings)


def run_batch(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Audit or plan a batch of accounts."""
    settings = RunBatchSettings.from_environment(os.environ)
    return batch.run_batch(_aws(context), event, settings=settings)


def write_report(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write the report of an audit or a plan."""
    settings = WriteReportSettings.from_environment(os.environ)
    return finish.write_report(_aws(context), event, settings=settings)


def start_execution(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Start the execution of a plan, or return why it is refused.

    Raises:
        RunRefusedError: It cannot start, and the reason is not its input; the message says what to
            do.
        StartFailedError: A call failed.
    """
    settings = StartExecutionSettings.from_environment(os.environ)
    return start.start_or_refuse(start.start_execution, _aws(context), event, settings=settings)


def execute_batch(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Make the planned changes in a batch of accounts; each task that makes changes has one."""
    settings = RunBatchSettings.from_environment(os.environ)
    return batch.execute_batch(_aws(context), event, settings=settings)


def write_execution_report(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write the report of an execution."""
    settings = WriteReportSettings.from_environment(os.environ)
    return finish.write_report(_aws(context), event, settings=settings, makes_changes=True)


def _aws(context: LambdaContext) -> Aws:
    """Return what the functions' code works with in one invocation, and log the SDK's version."""
    log_sdk_version()
    function = Arn.parse(context.invoked_function_arn)
    return Aws(
        clients=create_clients(),
        budget=RetryBudget.of_invocation(context, clock=system_clock()),
        find_function=lambda: function,
        now=lambda: datetime.now(UTC),
        log=write_line,
    )
