"""The plan that a run executes: whether it is this state machine's own, of this task, fresh and unaltered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from aws_calls.calls import made
from aws_calls.failures import CallError

from ..aws.storage import ChecksumMismatchError
from ..messages import plan_refused
from ..model.codec import DecodingError

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from aws_calls.retry import RetryBudget

    from ..aws.storage import Storage
    from ..model.report import Task
    from ..model.run import Plan

PLAN_SHA256 = "planSha256"
TASK = "task"


@dataclass(frozen=True, kw_only=True)
class Execution:
    """An execution of the state machine, as Step Functions names it.

    Attributes:
        arn: its ARN.
        name: its name, which is the run's id.
        started_at: when it began.
    """

    arn: str
    name: str
    started_at: datetime

    @classmethod
    def parse(cls, given: dict[str, str]) -> Execution:
        """Returns the execution that the state machine tells the function of."""
        return cls(
            arn=given["id"],
            name=given["name"],
            started_at=datetime.fromisoformat(given["startedAt"]),
        )

    def sibling(self, name: str) -> str:
        """Returns the ARN of the same state machine's execution of another name."""
        return self.arn.rpartition(":")[0] + f":{name}"


@dataclass(frozen=True, kw_only=True)
class Plans:
    """The plans that executions of the state machine have made.

    What a plan was is told by the execution that made it, which nobody can alter; the bucket only keeps it.

    Attributes:
        storage: where the plans are kept.
        step_functions: a client that makes one attempt a call.
        lifetime: how old a plan may be.
        budget: how long to wait for a call that fails for now.
    """

    storage: Storage
    step_functions: SFNClient
    lifetime: timedelta
    budget: RetryBudget

    def to_execute(self, run_id: str, *, task: Task, execution: Execution) -> Plan:
        """Returns the plan that a run has made.

        Args:
            run_id: the run that made it.
            task: the task of the run that executes it.
            execution: the execution of that run.

        Raises:
            RunRefusedError: it is not to be executed.
            CallError: a read failed.
        """
        try:
            described: Any = made(
                lambda: self.step_functions.describe_execution(executionArn=execution.sibling(run_id)),
                operation="states:DescribeExecution",
                budget=self.budget,
            )
        except CallError as error:
            if error.failure.name != "ExecutionDoesNotExist":
                raise
            raise plan_refused(run_id, "this state machine has no such execution.") from error
        if described["status"] != "SUCCEEDED":
            raise plan_refused(run_id, f"its execution is {described['status']}.")
        if execution.started_at - described["startDate"] > self.lifetime:
            raise plan_refused(run_id, f"it is older than {_hours(self.lifetime)}.")
        output = json.loads(described["output"])
        if output.get(PLAN_SHA256) is None:
            raise plan_refused(run_id, "it is no plan.")
        if output[TASK] != task:
            raise plan_refused(run_id, f"it is a plan for {output[TASK]}, not for {task}.")
        try:
            return self.storage.runs.read_plan(run_id, checksum=output[PLAN_SHA256])
        except ChecksumMismatchError as error:
            raise plan_refused(run_id, "its plan was altered after it was made.") from error
        except DecodingError as error:
            raise plan_refused(run_id, "this release cannot read its plan.") from error


def _hours(duration: timedelta) -> str:
    hours = duration.total_seconds() / 3600
    return f"{hours:g} hours"
