"""The full audits that started after another one: where one has ended, the alarms follow its numbers."""

from __future__ import annotations

import functools
import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_calls.calls import call, pages, require

from ..model.report import Task
from ..refusals import REFUSED, RunRefusedError
from .request import parse_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_stepfunctions import SFNClient

    from aws_calls.calls import Response
    from aws_calls.retry import RetryBudget

    from ..model.run import Run

SUCCEEDED = "SUCCEEDED"

_LIST_EXECUTIONS = "states:ListExecutions"
# Of more than that nobody knows which are full audits, in the time that a function has.
_MAX_EXECUTIONS = 100


@dataclass(frozen=True, kw_only=True)
class LaterAudits:
    """The full audits that started after a run.

    Step Functions knows them. The latest report in the bucket does not count: who can write there could
    otherwise keep the numbers of every audit from the alarms.

    Attributes:
        step_functions: A client that makes one attempt a call.
        budget: How long to retry transient failures.
    """

    step_functions: SFNClient
    budget: RetryBudget

    def statuses(self, run: Run) -> frozenset[str]:
        """Return the statuses that they have in Step Functions. One that was refused has not looked.

        Raises:
            CallError: A read failed.
        """
        later = map(self._describe, self._later_arns(run))
        return frozenset(
            response.require("status")
            for response in later
            if _is_full(run, response.require("input")) and not is_refused(response.get("output"))
        )

    def _later_arns(self, run: Run) -> Iterator[str]:
        state_machine = run.execution_arn.replace(":execution:", ":stateMachine:", 1).rpartition(":")[0]
        newest_first = pages(
            functools.partial(self.step_functions.list_executions, stateMachineArn=state_machine),
            operation=_LIST_EXECUTIONS,
            budget=self.budget,
            items="executions",
            request_token="nextToken",
            response_token="nextToken",
        )
        for execution in itertools.islice(newest_first, _MAX_EXECUTIONS):
            if require(execution, "startDate", operation=_LIST_EXECUTIONS) <= run.started_at:
                return
            # The two times that Step Functions has of one start differ in their precision.
            if execution["executionArn"] != run.execution_arn:
                yield execution["executionArn"]

    def _describe(self, execution_arn: str) -> Response:
        return call(
            lambda: self.step_functions.describe_execution(executionArn=execution_arn),
            operation="states:DescribeExecution",
            budget=self.budget,
        )


def is_refused(output: str | None) -> bool:
    """Return whether an execution's output says that its run was refused."""
    return output is not None and REFUSED in json.loads(output)


def _is_full(run: Run, input_: str) -> bool:
    """Return whether an input asks for an audit of every account."""
    partition = run.execution_arn.split(":")[1]
    try:
        request = parse_request(
            json.loads(input_), tasks=tuple(Task), allow_policy_override=True, partition=partition
        )
    except (RunRefusedError, RecursionError):
        return False
    return request.task is Task.AUDIT and request.scope.full
