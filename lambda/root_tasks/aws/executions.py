"""Executions as Step Functions holds them. Anyone who can write to the bucket cannot alter these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_calls.failures import ignoring
from aws_calls.responses import pages

if TYPE_CHECKING:
    from aws_calls.responses import Response

    from .context import Aws

DESCRIBE_EXECUTION = "states:DescribeExecution"


def find_execution(aws: Aws, arn: str) -> Response | None:
    """Return an execution; None if there is none, or if it has just started.

    DescribeExecution is eventually consistent: what it returns may be some seconds old.

    Raises:
        CallError: The call failed.
    """
    # The input of a run and the bucket may name what cannot be one.
    with ignoring("ExecutionDoesNotExist", "InvalidArn"):
        return aws.call(DESCRIBE_EXECUTION, executionArn=arn)
    return None


def was_stopped(aws: Aws, arn: str) -> bool:
    """Return whether an execution was ever stopped, even if it was redriven since.

    Raises:
        CallError: A read failed.
    """
    execution = aws.call(DESCRIBE_EXECUTION, executionArn=arn)
    if execution.require("status") == "ABORTED":
        return True
    if not execution.get("redriveCount"):
        return False
    events = pages(
        aws.clients.step_functions.get_execution_history,
        operation="states:GetExecutionHistory",
        budget=aws.budget,
        items="events",
        token="nextToken",
        executionArn=arn,
        # What stopped it is near the end.
        reverseOrder=True,
    )
    return any(event["type"] == "ExecutionAborted" for event in events)
