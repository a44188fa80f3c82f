"""The plan that a run executes: of this construct, unaltered, in time, and executed only once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..aws.checksums import ChecksumMismatchError
from ..aws.executions import REPORT_SHA256, Execution, describe_with_report, execution_arn
from ..aws.invocation import Aws
from ..aws.run_store import RunStore
from ..model.codec import DecodingError
from ..model.run_documents import PLAN_LIFETIME, RUN_ID, Assignment, ExecutionMark, Plan
from ..refusals import RefusalReason, RunRefusedError, task_not_in_stack
from ..report.words import minute
from ..tasks.task_input import (
    STATED_KEYS,
    optional_text,
    parse_reason,
    parse_requester,
    quote,
    text_of,
)
from .settings import StartExecutionSettings

# Keys of an execution's output.
PLAN_SHA256 = "planSha256"
# Present only if the plan has something to execute.
PLAN_EXPIRES_AT = "planExpiresAt"

PLAN = "plan"
_OPTIONAL = frozenset({REPORT_SHA256, *STATED_KEYS})
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """The plan that an execution is asked to execute.

    Attributes:
        run_id: The run that created it.
        report_sha256: The SHA-256 of the report.json that was approved; None if it was not given.
        requested_by: The requester, as the input states.
        reason: Why the execution is asked for, as the input states.
    """

    run_id: str
    report_sha256: str | None
    requested_by: str | None = None
    reason: str | None = None


def refuse_policy_override(assignments: Iterable[Assignment], *, allowed: bool) -> None:
    """Refuse a policy that is not one of a backup where the stack does not allow it.

    Raises:
        RunRefusedError: A bucket or a queue would get one.
    """
    if not allowed and any(assignment.overrides_policy for assignment in assignments):
        raise RunRefusedError(RefusalReason.OVERRIDE_NOT_ALLOWED)


def expiry_of_plan(started_at: datetime, *, until: datetime | None) -> datetime:
    """Return when a plan expires: after its lifetime, or before if its recovery is over by then.

    Args:
        started_at: When its run started.
        until: When the recovery that it plans is to be closed; None if that is not known yet.
    """
    expires_at = started_at + PLAN_LIFETIME
    if until is None:
        return expires_at
    return min(expires_at, until)


def parse_plan_request(input_: object) -> PlanRequest:
    """Return what the input of the Execute state machine asks for.

    Raises:
        RunRefusedError: The input is something else.
    """
    # Besides the plan, an input may have what was approved, who asks and why, and nothing else.
    if not isinstance(input_, dict) or set(input_) - _OPTIONAL != {PLAN}:
        raise RunRefusedError(RefusalReason.INPUT_NOT_A_PLAN, value=quote(input_))
    report_sha256 = optional_text(
        input_, REPORT_SHA256, pattern=_SHA256, expected="64 hexadecimal digits"
    )
    return PlanRequest(
        run_id=text_of(input_, PLAN, pattern=RUN_ID, expected="the run ID of a plan"),
        # Some tools write capital letters.
        report_sha256=report_sha256 and report_sha256.lower(),
        requested_by=parse_requester(input_),
        reason=parse_reason(input_),
    )


def find_plan(
    aws: Aws, runs: RunStore, request: PlanRequest, *, settings: StartExecutionSettings
) -> tuple[Plan, datetime]:
    """Return the plan that an execution is asked to execute, and when it expires.

    The output of the execution that created a plan has its checksum. That output cannot be altered;
    the bucket only stores the plan.

    Args:
        aws: The function.
        runs: The stored runs of the Audit state machine.
        request: What the execution is asked for.
        settings: The function's settings.

    Raises:
        RunRefusedError: It cannot be executed.
        CallError: A read failed.
    """
    # The execution of the Audit state machine that created it.
    run_id = request.run_id
    planning = execution_arn(settings.audit_state_machine_arn, run_id)
    response = describe_with_report(aws, planning)
    if response is None:
        raise RunRefusedError(RefusalReason.PLAN_NOT_FOUND, run_id=run_id)
    status = response.require("status")
    if status != "SUCCEEDED":
        raise RunRefusedError(RefusalReason.PLAN_NOT_SUCCEEDED, run_id=run_id, status=status)
    output: dict[str, Any] = json.loads(response.require("output"))
    if output.get(PLAN_SHA256) is None:
        raise RunRefusedError(RefusalReason.NOT_A_PLAN, run_id=run_id)
    if request.report_sha256 not in (None, output.get(REPORT_SHA256)):
        raise RunRefusedError(RefusalReason.PLAN_REPORT_ALTERED, run_id=run_id)

    # What it has stored.
    try:
        plan = runs.read(Plan, run_id, checksum=output[PLAN_SHA256])
    except ChecksumMismatchError as error:
        raise RunRefusedError(RefusalReason.PLAN_ALTERED, run_id=run_id) from error
    except DecodingError as error:
        raise RunRefusedError(RefusalReason.PLAN_NOT_READABLE, run_id=run_id) from error

    # A plan expires by the clock, because an execution can be redriven days later.
    expires_at = expiry_of_plan(response.require("startDate"), until=plan.until)
    if aws.clock.utc_now() > expires_at:
        expired = minute(expires_at)
        raise RunRefusedError(RefusalReason.PLAN_EXPIRED, run_id=run_id, expires_at=expired)
    # The stack may have been deployed with fewer tasks, or without other policies, since.
    if plan.task not in settings.tasks:
        raise task_not_in_stack(plan.task, tasks=settings.tasks)
    refuse_policy_override(plan.assignments, allowed=settings.allow_policy_override)
    return plan, expires_at


def claim_plan(runs: RunStore, run_id: str, *, execution: Execution) -> None:
    """Mark a plan as executed by an execution, which may do so again.

    Raises:
        RunRefusedError: Another execution has claimed it, or its mark was altered.
        CallError: The mark could not be stored.
    """
    mark = ExecutionMark(execution_arn=execution.arn, started_at=execution.started_at)
    if runs.claim_plan(run_id, mark):
        return
    try:
        other = runs.read_mark(run_id).execution_arn.rpartition(":")[2]
    except DecodingError:
        other = "which its mark does not name"
    raise RunRefusedError(RefusalReason.PLAN_CLAIMED, run_id=run_id, execution=other)
