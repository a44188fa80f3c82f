"""The plan that a run executes: whether it is this state machine's, for this task, fresh and unaltered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from aws_calls.calls import call
from aws_calls.failures import CallError

from ..aws.storage import ChecksumMismatchError
from ..messages import RefusalReason, RunRefusedError, describe_duration
from ..model.codec import DecodingError

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from aws_calls.retry import RetryBudget

    from ..aws.storage import RunStore
    from ..model.report import Task
    from ..model.run import Plan

# Keys of an execution's output.
PLAN_SHA256 = "planSha256"
TASK = "task"


@dataclass(frozen=True, kw_only=True)
class Execution:
    """An execution of the state machine.

    Attributes:
        arn: Its ARN.
        name: Its name, which is the run's ID.
        started_at: When it started.
    """

    arn: str
    name: str
    started_at: datetime

    @classmethod
    def parse(cls, payload: dict[str, str]) -> Execution:
        """Return the execution that the state machine names in a payload."""
        return cls(
            arn=payload["id"],
            name=payload["name"],
            started_at=datetime.fromisoformat(payload["startedAt"]),
        )

    def sibling(self, name: str) -> str:
        """Return the ARN of the same state machine's execution of another name."""
        return self.arn.rpartition(":")[0] + f":{name}"


@dataclass(frozen=True, kw_only=True)
class Plans:
    """The plans that executions of the state machine have created.

    The output of the execution that created a plan has its checksum. Nobody can alter that output; the
    bucket only stores the plan.

    Attributes:
        runs: The stored runs.
        step_functions: A client that makes one attempt a call.
        lifetime: The maximum age of a plan.
        budget: How long to retry transient failures.
    """

    runs: RunStore
    step_functions: SFNClient
    lifetime: timedelta
    budget: RetryBudget

    def find(self, run_id: str, *, task: Task, execution: Execution) -> Plan:
        """Return the plan of a run.

        Args:
            run_id: The run that created it.
            task: The task of the run that executes it.
            execution: The execution of that run.

        Raises:
            RunRefusedError: It cannot be executed.
            CallError: A read failed.
        """
        output = self._output(run_id, execution)
        if output.get(PLAN_SHA256) is None:
            raise RunRefusedError(RefusalReason.NOT_A_PLAN, run_id=run_id)
        if output[TASK] != task:
            raise RunRefusedError(
                RefusalReason.PLAN_OF_ANOTHER_TASK, run_id=run_id, planned_task=output[TASK], task=task
            )
        try:
            return self.runs.read_plan(run_id, checksum=output[PLAN_SHA256])
        except ChecksumMismatchError as error:
            raise RunRefusedError(RefusalReason.PLAN_ALTERED, run_id=run_id) from error
        except DecodingError as error:
            raise RunRefusedError(RefusalReason.PLAN_NOT_READABLE, run_id=run_id) from error

    def _output(self, run_id: str, execution: Execution) -> dict[str, Any]:
        """Return the output of an execution that succeeded within the lifetime."""
        try:
            response = call(
                lambda: self.step_functions.describe_execution(executionArn=execution.sibling(run_id)),
                operation="states:DescribeExecution",
                budget=self.budget,
            )
        except CallError as error:
            if error.failure.name != "ExecutionDoesNotExist":
                raise
            raise RunRefusedError(RefusalReason.PLAN_NOT_FOUND, run_id=run_id) from error
        status = response.require("status")
        if status != "SUCCEEDED":
            raise RunRefusedError(RefusalReason.PLAN_NOT_SUCCEEDED, run_id=run_id, status=status)
        if execution.started_at - response.require("startDate") > self.lifetime:
            raise RunRefusedError(
                RefusalReason.PLAN_EXPIRED, run_id=run_id, lifetime=describe_duration(self.lifetime)
            )
        output: dict[str, Any] = json.loads(response.require("output"))
        return output
