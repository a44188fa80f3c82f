"""Executions as Step Functions holds them, and the hash of the report that each holds.

Whoever can write to the bucket cannot alter these.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aws_calls.calls import Response
from aws_calls.failures import CallError, FailureKind, error_of_call, ignoring
from common.arn import Arn

from .invocation import Aws

DESCRIBE_EXECUTION = "states:DescribeExecution"
# A key of an execution's output, and of the input of the Execute state machine.
REPORT_SHA256 = "reportSha256"

# DescribeExecution is eventually consistent.
_MAX_DELAY_SECONDS = 10.0
# An execution that failed has no output, but this at the end of its cause.
_CAUSE_WITH_REPORT = re.compile(
    r".*\(SHA-256 of report\.json: (?P<sha256>[0-9a-f]{64})\)", re.DOTALL
)


@dataclass(frozen=True, kw_only=True)
class Execution:
    """An execution of a state machine.

    Attributes:
        name: Its name, which is the run's ID.
        started_at: When it started.
    """

    arn: str
    name: str
    started_at: datetime

    @classmethod
    def parse(cls, payload: Mapping[str, str]) -> Execution:
        """Return the execution that the state machine names in a payload."""
        return cls(
            arn=payload["id"],
            name=payload["name"],
            started_at=datetime.fromisoformat(payload["startedAt"]),
        )


def execution_arn(state_machine_arn: str, name: str) -> str:
    """Return the ARN of a state machine's execution.

    For example, that of nightly is arn:...:execution:Audit:nightly for arn:...:stateMachine:Audit.
    """
    return f"{state_machine_arn.replace(':stateMachine:', ':execution:', 1)}:{name}"


def state_machine_name(execution_arn: str) -> str:
    """Return the name of an execution's state machine."""
    # The resource is execution:STATE-MACHINE:NAME.
    return Arn.parse(execution_arn).resource.split(":")[1]


def describe_with_report(aws: Aws, arn: str) -> Response | None:
    """Return an execution once it holds the hash of its report; None if there is none.

    What Step Functions describes may be some seconds old. After these seconds, what it then
    describes is returned.

    Raises:
        CallError: The call failed.
    """
    budget = aws.budget.within(_MAX_DELAY_SECONDS)
    message = "the execution is not as expected"
    outdated = error_of_call(DESCRIBE_EXECUTION, FailureKind.INCONSISTENT_READS, message)
    times = 0
    while True:
        times += 1
        response = None
        with ignoring("ExecutionDoesNotExist"):
            response = aws.call(DESCRIBE_EXECUTION, executionArn=arn)
        if report_sha256_in(response) is not None:
            return response
        try:
            budget.pause(times=times, error=outdated)
        except CallError:
            return response


def was_stopped(aws: Aws, arn: str) -> bool:
    """Return whether an execution was ever stopped, even if it was redriven since.

    Raises:
        CallError: A read failed.
    """
    # Step Functions calls it ABORTED. A redrive clears this status, but not the history.
    # https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
    execution = aws.call(DESCRIBE_EXECUTION, executionArn=arn)
    if execution.require("status") == "ABORTED":
        return True
    if not execution.get("redriveCount"):
        return False
    events = aws.pages(
        "states:GetExecutionHistory",
        items="events",
        token="nextToken",
        executionArn=arn,
        # The cause is near the end.
        reverseOrder=True,
    )
    return any(event["type"] == "ExecutionAborted" for event in events)


def cause_of_failure(summary: str, *, url: str, report_sha256: str) -> str:
    """Return the cause of an execution in which accounts failed, with the hash of its report.

    A failed execution has no output that could hold the hash: `report_sha256_of` finds it here.
    """
    return f"{summary} Report: {url} (SHA-256 of report.json: {report_sha256})"


def report_sha256_in(execution: Response | None) -> str | None:
    """Return the SHA-256 of the report that an execution holds; None if it holds none."""
    if execution is None:
        return None
    return report_sha256_of(
        status=execution.require("status"),
        output=execution.get("output", ""),
        cause=execution.get("cause", ""),
    )


def report_sha256_of(*, status: str, output: str, cause: str) -> str | None:
    """Return the SHA-256 of the report that an execution holds; None if it holds none.

    Args:
        status: Its status in Step Functions.
        output: Its output, or an empty text.
        cause: The cause of its failure, or an empty text.
    """
    # A failed execution has no output: `cause_of_failure` has put the hash into its cause.
    if status == "FAILED":
        match = _CAUSE_WITH_REPORT.fullmatch(cause)
        if match is None:
            return None
        return match["sha256"]
    # A list of executions has no outputs.
    if status != "SUCCEEDED" or not output:
        return None
    # The output of a run that was refused has no hash.
    sha256 = json.loads(output).get(REPORT_SHA256)
    if isinstance(sha256, str):
        return sha256
    return None
