"""The full audits that started after another one: where one has ended, the alarms follow its numbers."""

from __future__ import annotations

import functools
import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_calls.calls import call, pages, require

from ..model.report import Task
from ..refusals import RunRefusedError
from .request import parse_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_stepfunctions import SFNClient

    from aws_calls.retry import RetryBudget

    from ..model.run import Run

SUCCEEDED = "SUCCEEDED"

_LIST_EXECUTIONS = "states:ListExecutions"
# To find out more takes longer than a function has.
_MAX_EXECUTIONS = 100
_UNKNOWN = "UNKNOWN"


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
        """Return the statuses that they have in Step Functions; UNKNOWN among them if there may be more.

        Raises:
            CallError: A read failed.
        """
        later = list(
            itertools.takewhile(
                lambda execution: (
                    require(execution, "startDate", operation=_LIST_EXECUTIONS) > run.started_at
                ),
                itertools.islice(self._newest_first(run), _MAX_EXECUTIONS),
            )
        )
        # The two times that Step Functions has of one start differ in their precision.
        arns = {execution["executionArn"] for execution in later} - {run.execution_arn}
        found = {status for status, input_ in map(self._describe, sorted(arns)) if _is_full(run, input_)}
        return frozenset(found | ({_UNKNOWN} if len(later) == _MAX_EXECUTIONS else set()))

    def _newest_first(self, run: Run) -> Iterator[Any]:
        state_machine = run.execution_arn.replace(":execution:", ":stateMachine:", 1).rpartition(":")[0]
        return pages(
            functools.partial(self.step_functions.list_executions, stateMachineArn=state_machine),
            operation=_LIST_EXECUTIONS,
            budget=self.budget,
            items="executions",
            request_token="nextToken",
            response_token="nextToken",
        )

    def _describe(self, execution_arn: str) -> tuple[str, str]:
        response = call(
            lambda: self.step_functions.describe_execution(executionArn=execution_arn),
            operation="states:DescribeExecution",
            budget=self.budget,
        )
        return response.require("status"), response.require("input")


def _is_full(run: Run, input_: str) -> bool:
    """Return whether an input asks for an audit of every account."""
    partition = run.execution_arn.split(":")[1]
    try:
        request = parse_request(
            json.loads(input_), tasks=tuple(Task), allow_policy_override=True, partition=partition
        )
    except (RunRefusedError, RecursionError):
        return False
    return request.task is Task.AUDIT and request.scope.all_accounts
