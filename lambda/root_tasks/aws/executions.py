"""Executions as Step Functions holds them. Anyone who can write to the bucket cannot alter these."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from aws_calls.calls import call, pages

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from aws_calls.calls import Response
    from aws_calls.retry import RetryBudget

    from .context import Aws

_ABORTED = "ABORTED"


def describe_execution(client: SFNClient, arn: str, *, budget: RetryBudget) -> Response:
    """Return an execution. DescribeExecution is eventually consistent: it may be some seconds old.

    Raises:
        CallError: It does not exist (ExecutionDoesNotExist), or the call failed.
    """
    return call(
        lambda: client.describe_execution(executionArn=arn),
        operation="states:DescribeExecution",
        budget=budget,
    )


def was_stopped(aws: Aws, arn: str) -> bool:
    """Return whether an execution was ever stopped, even if it was redriven since.

    Raises:
        CallError: A read failed.
    """
    client, budget = aws.clients.step_functions, aws.budget
    execution = describe_execution(client, arn, budget=budget)
    if execution.require("status") == _ABORTED:
        return True
    if not execution.get("redriveCount"):
        return False
    events = pages(
        # What stopped it is near the end.
        functools.partial(client.get_execution_history, executionArn=arn, reverseOrder=True),
        operation="states:GetExecutionHistory",
        budget=budget,
        items="events",
        request_token="nextToken",
        response_token="nextToken",
    )
    return any(event["type"] == "ExecutionAborted" for event in events)
