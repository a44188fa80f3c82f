"""The entry points of the state machines' functions: start a run, run a batch, write a report.

A state machine invokes three of them, the second one for each batch::

    Audit      start_run        run_batch      write_report
    Execute    start_execution  execute_batch  write_execution_report
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any

from aws_calls.runtime import LambdaContext
from common.function_settings import FunctionSettings

from .aws.clients import create_clients
from .aws.invocation import Aws
from .run import batch, finish, start
from .run.settings import (
    RunBatchSettings,
    StartExecutionSettings,
    StartRunSettings,
    WriteReportSettings,
)


def _handler(
    run: Callable[..., dict[str, Any]], settings: type[FunctionSettings]
) -> Callable[[Mapping[str, Any], LambdaContext], dict[str, Any]]:
    """Return an entry point, which Lambda calls with an event.

    Args:
        run: What the function does. What it raises is the error of the function.
        settings: The class of the function's settings.
    """

    def handle(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Run the function with its settings, which the environment has."""
        aws = Aws.begin(context, clients=create_clients())
        given = settings.from_environment(os.environ)
        return run(aws, event, settings=given)

    return handle


# Audits and plans
start_run = _handler(functools.partial(start.start_or_refuse, start.start_run), StartRunSettings)
run_batch = _handler(batch.run_batch, RunBatchSettings)
write_report = _handler(finish.write_report, WriteReportSettings)

# Executions of plans. Each task that makes changes has a function of its own for its batches.
start_execution = _handler(
    functools.partial(start.start_or_refuse, start.start_execution), StartExecutionSettings
)
execute_batch = _handler(batch.execute_batch, RunBatchSettings)
write_execution_report = _handler(
    functools.partial(finish.write_report, makes_changes=True), WriteReportSettings
)
