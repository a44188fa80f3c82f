"""A run that is refused: its execution ends as such, which is not a failure, and a metric counts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_calls.metrics import NAMESPACE, STATE_MACHINE_NAME, metric_line

from ..refusals import RunRefusedError
from .plans import Execution

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

_EXECUTIONS_REFUSED = "ExecutionsRefused"


def start_or_refuse(
    start: Callable[[], dict[str, Any]],
    event: Mapping[str, Any],
    *,
    now: datetime,
    log: Callable[..., None],
) -> dict[str, Any]:
    """Start a run, or return why its input is refused.

    Args:
        start: Starts it.
        event: `execution`, as the state machine passes it.
        now: The time in UTC.
        log: Writes one event, given as keyword arguments.

    Raises:
        RunRefusedError: It cannot start, and the reason is not its input.
    """
    try:
        return start()
    except RunRefusedError as error:
        if error.is_failure:
            raise
        execution = Execution.parse(event["execution"])
        metric = metric_line(
            namespace=NAMESPACE,
            dimensions={STATE_MACHINE_NAME: execution.state_machine_name},
            values={_EXECUTIONS_REFUSED: 1},
            timestamp=now.timestamp(),
        )
        log(event="run_refused", runId=execution.name, reason=error.reason.name, **metric)
        return error.output()
