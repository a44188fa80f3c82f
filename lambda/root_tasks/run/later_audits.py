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
    from datetime import datetime

    from aws_calls.calls import Response

    from ..aws.context import Aws
    from ..model.run import Run

SUCCEEDED = "SUCCEEDED"

_LIST_EXECUTIONS = "states:ListExecutions"
# Whoever may start executions can start more than a function has the time to describe.
_MAX_EXECUTIONS = 100
_NOT_DESCRIBED = "not described"
_ENDED_EARLIER = "ended earlier"


@dataclass(frozen=True, kw_only=True)
class LaterAudits:
    """The full audits that started after a run.

    Step Functions knows them. The latest report in the bucket does not count: who can write there could
    otherwise keep the numbers of every audit from the alarms.

    Attributes:
        aws: The function.
    """

    aws: Aws

    def statuses(self, run: Run, *, looked_at: datetime) -> frozenset[str]:
        """Return the statuses that they have in Step Functions.

        There are two more: for too many to describe, and for one that ended before this run looked last, as a
        run that is redriven may look long after its start. One that was refused has not looked.

        Args:
            run: The run.
            looked_at: When it looked last.

        Raises:
            CallError: A read failed.
        """
        arns = self._later_arns(run)
        described = map(self._describe, itertools.islice(arns, _MAX_EXECUTIONS))
        found = {_status(execution, looked_at) for execution in described if _has_looked(run, execution)}
        return frozenset(found | {_NOT_DESCRIBED for _ in itertools.islice(arns, 1)})

    def _later_arns(self, run: Run) -> Iterator[str]:
        state_machine = run.execution_arn.replace(":execution:", ":stateMachine:", 1).rpartition(":")[0]
        newest_first = pages(
            functools.partial(self.aws.clients.step_functions.list_executions, stateMachineArn=state_machine),
            operation=_LIST_EXECUTIONS,
            budget=self.aws.budget,
            items="executions",
            request_token="nextToken",
            response_token="nextToken",
        )
        for execution in newest_first:
            # The two times that Step Functions has of one start differ in their precision.
            if execution["executionArn"] == run.execution_arn:
                continue
            if require(execution, "startDate", operation=_LIST_EXECUTIONS) <= run.started_at:
                return
            yield execution["executionArn"]

    def _describe(self, execution_arn: str) -> Response:
        return call(
            lambda: self.aws.clients.step_functions.describe_execution(executionArn=execution_arn),
            operation="states:DescribeExecution",
            budget=self.aws.budget,
        )


def _status(execution: Response, looked_at: datetime) -> str:
    status: str = execution.require("status")
    return _ENDED_EARLIER if execution.get("stopDate", looked_at) < looked_at else status


def _has_looked(run: Run, execution: Response) -> bool:
    return _is_full(run, execution.require("input")) and not is_refused(execution.get("output"))


def is_refused(output: str | None) -> bool:
    """Return whether an execution's output says that its run was refused."""
    return output is not None and REFUSED in json.loads(output)


def _is_full(run: Run, input_: str) -> bool:
    """Return whether an input asks for an audit of every account."""
    partition = run.execution_arn.split(":")[1]
    try:
        request = parse_request(
            json.loads(input_), tasks=(Task.AUDIT,), allow_policy_override=False, partition=partition
        )
    except (RunRefusedError, ValueError, RecursionError):
        # No audit starts with it, and it must not stop this one: a number can have too many digits.
        return False
    return request.scope.full
