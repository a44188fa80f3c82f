"""The other full audits that ran while a run did, and what that leaves it to say to the alarms."""

from __future__ import annotations

import json
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING

from aws_calls.responses import pages, require

from ..aws.executions import find_execution
from ..model.report_schema import Outcome, Task
from ..refusals import REFUSED, RunRefusedError
from ..report.summary import AUDITED
from .request import parse_request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ..aws.context import Aws
    from ..model.run import Run

# A redrive can finish a run two weeks after its start; this long after it, a read-only run writes no report.
MAX_AGE = timedelta(days=1)

_LIST_EXECUTIONS = "states:ListExecutions"
# Anyone who may start executions can start more than a function has the time to describe.
_MAX_EXECUTIONS = 100


class Standing(Enum):
    """What a full audit is next to the others. Those that overlap have no order: each takes a while.

    ALONE: no other one ran while it did, so its zeros may end an alarm.
    OVERLAPPING: one may have found what it did not, so it only sets alarms off.
    SUPERSEDED: one that started after its last look has read accounts and succeeded: its numbers count.
    """

    ALONE = auto()
    OVERLAPPING = auto()
    SUPERSEDED = auto()


def standing(aws: Aws, run: Run, *, looked_at: datetime) -> Standing:
    """Return what a full audit is next to the others.

    Step Functions knows them. The latest report in the bucket does not count: who can write there could
    otherwise keep the numbers of every audit from the alarms.

    Args:
        aws: The function.
        run: The run.
        looked_at: When it looked last.

    Raises:
        CallError: A read failed.
    """
    found = Standing.ALONE
    for number, arn in enumerate(_arns_of_others(aws, run)):
        if number == _MAX_EXECUTIONS:
            return Standing.OVERLAPPING
        other = find_execution(aws, arn)
        if other is None:
            # It is listed already, and not yet described.
            found = Standing.OVERLAPPING
            continue
        output = json.loads(other.get("output", "{}"))
        # One that was refused has not looked.
        if REFUSED in output or not _is_full(other.require("input")):
            continue
        is_later = other.require("status") == "SUCCEEDED" and other.require("startDate") > looked_at
        # One that could read no account does not know how many have credentials.
        totals = output.get("totals", ())
        if is_later and not (Outcome.INACCESSIBLE in totals and AUDITED.isdisjoint(totals)):
            return Standing.SUPERSEDED
        found = Standing.OVERLAPPING
    return found


def _arns_of_others(aws: Aws, run: Run) -> Iterator[str]:
    """Yield the executions that can have looked after the start of a run, in AWS's order.

    Those that run are sorted by when they started or were redriven, the others by when they ended.
    """
    listed = pages(
        aws.clients.step_functions.list_executions,
        operation=_LIST_EXECUTIONS,
        budget=aws.budget,
        items="executions",
        token="nextToken",
        stateMachineArn=run.execution_arn.replace(":execution:", ":stateMachine:", 1).rpartition(":")[0],
    )
    oldest = run.started_at - MAX_AGE
    for execution in listed:
        started_at = require(execution, "startDate", operation=_LIST_EXECUTIONS)
        # One that is redriven runs again.
        ended_at = None if execution.get("status") == "RUNNING" else execution.get("stopDate")
        if (ended_at or execution.get("redriveDate") or started_at) < oldest:
            return
        is_too_early = started_at < oldest or (ended_at is not None and ended_at <= run.started_at)
        if execution["executionArn"] != run.execution_arn and not is_too_early:
            yield execution["executionArn"]


def _is_full(input_: str) -> bool:
    """Return whether an input asks for an audit of every account."""
    try:
        order = parse_request(json.loads(input_), tasks=(Task.AUDIT,), allow_policy_override=False)
    except (RunRefusedError, ValueError, RecursionError):
        # No audit starts with it, and it must not stop this one: a number can have too many digits.
        return False
    return order.full
