"""The start of a run by its state machine: the run and its work are prepared, and stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from aws_calls.failures import CallError
from common.log import STATE_MACHINE_NAME, metric_line

from ..aws.checksums import ChecksumMismatchError
from ..aws.executions import Execution, state_machine_name
from ..aws.invocation import Aws
from ..aws.run_store import RunStore
from ..aws.storage import Storage
from ..model.codec import DecodingError
from ..model.run_documents import RUN_ID, Run, Work
from ..model.task import Task
from ..organization.directory import MemberDirectory, merged
from ..organization.unit_names import with_unit_names
from ..refusals import RefusalReason, RunRefusedError, StartFailedError
from ..tasks.request import Request
from .parse_input import parse_request
from .plans import claim_plan, find_plan, parse_plan_request, refuse_policy_override
from .prepare import prepare, require_members
from .recoveries import accepted_recoveries
from .settings import StartExecutionSettings, StartRunSettings

# A schedule's first audit may come before the new role's policy is in effect everywhere.
_NEW_PERMISSIONS_SECONDS = 60.0


def start_run(aws: Aws, event: Mapping[str, Any], *, settings: StartRunSettings) -> dict[str, Any]:
    """Start the audit or the plan that an execution's input asks for.

    Args:
        aws: The function.
        event: `input` and `execution`, as the state machine passes them.
        settings: The function's settings.

    Returns:
        `runId`, `task`, `runSha256`, `workSha256` and `batches`, for the state machine. No names.

    Raises:
        RunRefusedError: The run cannot start.
        CallError: A call failed.
    """
    execution = _execution_of(event)
    storage = Storage.of(aws, settings.bucket)

    # What is asked for. The stack may not have the task, or may not allow its policy.
    request = parse_request(event["input"], tasks=settings.tasks)
    refuse_policy_override(request.assignments, allowed=settings.allow_policy_override)
    if request.backup is not None:
        request = _with_policy_of_backup(request, request.backup, storage)

    # The organization, and the accounts that it is about.
    # A denied call is retried for a while: the policy of a new role takes effect with a delay.
    patient_budget = replace(
        aws.budget, new_permissions_until=aws.clock.now() + _NEW_PERMISSIONS_SECONDS
    )
    directory = MemberDirectory.of(aws.with_budget(patient_budget))
    organization = directory.identify_for(request.task)
    members = merged(directory.pages(request))
    require_members(request, organization=organization, members=members)
    members = directory.without(request.selection.exclude, members)
    members = with_unit_names(directory.units, members)

    # What stays in them on purpose, and what recoveries brought.
    recovered, warnings = [], []
    if Task.RECOVER in settings.tasks and request.task in (Task.AUDIT, Task.DELETE):
        recovered, warnings = accepted_recoveries(aws, storage, request.task, members)

    run, work = prepare(
        request,
        execution=execution,
        account_id=aws.account_id,
        organization=organization,
        members=members,
        protected_accounts=settings.protected_accounts,
        accepted_credentials=(*settings.accepted_credentials, *recovered),
    )
    return _store(aws, storage.runs, replace(run, warnings=tuple(warnings)), work)


def start_execution(
    aws: Aws, event: Mapping[str, Any], *, settings: StartExecutionSettings
) -> dict[str, Any]:
    """Start the execution of the plan that an execution's input names.

    Args:
        aws: The function.
        event: `input` and `execution`, as the state machine passes them.
        settings: The function's settings.

    Returns:
        `runId`, `task`, `runSha256`, `workSha256` and `batches`, for the state machine. No names.

    Raises:
        RunRefusedError: The plan cannot be executed.
        CallError: A call failed.
    """
    execution = _execution_of(event)
    storage = Storage.of(aws, settings.bucket)

    # The plan, which has everything that was approved.
    plan_request = parse_plan_request(event["input"])
    plan, expires_at = find_plan(aws, storage.runs, plan_request, settings=settings)
    request = Request(
        task=plan.task,
        assignments=plan.assignments,
        requested_by=plan_request.requested_by,
        reason=plan_request.reason or plan.reason,
    )

    # Its accounts, as they are now.
    directory = MemberDirectory.of(aws)
    organization = directory.identify_for(request.task)
    members = merged(directory.pages(request))
    run, work = prepare(
        request,
        execution=execution,
        account_id=aws.account_id,
        organization=organization,
        members=with_unit_names(directory.units, members),
        plan=plan,
        expires_at=expires_at,
        protected_accounts=settings.protected_accounts,
    )

    stored = _store(aws, storage.executions, run, work)
    # The last thing that can fail: a run that cannot start does not use up the plan.
    claim_plan(storage.runs, plan.run_id, execution=execution)
    return stored


def start_or_refuse(
    start: Callable[..., dict[str, Any]], aws: Aws, event: Mapping[str, Any], *, settings: Any
) -> dict[str, Any]:
    """Start a run, or return why its input is refused; a metric counts that.

    Args:
        start: Starts it: `start_run` or `start_execution`.
        aws: The function.
        event: `input` and `execution`, as the state machine passes them.
        settings: The function's settings.

    Raises:
        RunRefusedError: The run cannot start, and the reason is not its input.
        StartFailedError: A call failed.
    """
    try:
        return start(aws, event, settings=settings)
    except CallError as error:
        raise StartFailedError(error.failure, aws.account_id) from error
    except RunRefusedError as error:
        if error.is_failure:
            raise
        execution = Execution.parse(event["execution"])
        metric = metric_line(
            dimension_sets=[{STATE_MACHINE_NAME: state_machine_name(execution.arn)}],
            values={"ExecutionsRefused": 1},
            timestamp=aws.clock.utc_now().timestamp(),
        )
        aws.log(event="run_refused", runId=execution.name, reason=error.reason.name, **metric)
        return error.output()


def _execution_of(event: Mapping[str, Any]) -> Execution:
    """Return the execution that starts a run. Its name becomes a part of keys in the bucket."""
    execution = Execution.parse(event["execution"])
    if not RUN_ID.fullmatch(execution.name):
        raise RunRefusedError(RefusalReason.INVALID_NAME, name=execution.name)
    return execution


def _store(aws: Aws, runs: RunStore, run: Run, work: Work) -> dict[str, Any]:
    """Store a run and its work, and return what the state machine holds of them.

    Args:
        aws: The function.
        runs: The runs of the state machine.
        run: The run.
        work: Its work.
    """
    run_sha256 = runs.write_run(run)
    if run_sha256 is None:
        raise RunRefusedError(RefusalReason.NAME_ALREADY_USED, run_id=run.run_id)
    stored: dict[str, Any] = {
        "runId": run.run_id,
        "task": run.task,
        "runSha256": run_sha256,
        "workSha256": runs.write(work),
    }
    aws.log(event="run_started", **stored, batches=len(run.batches))
    # The state machine runs a function for each of these numbers.
    return {**stored, "batches": list(range(len(run.batches)))}


# Giving a policy back


def _with_policy_of_backup(request: Request, reference: str, storage: Storage) -> Request:
    """Return a request whose only target gets the policy of a backup."""
    try:
        backup = storage.backups.read(reference)
    except ChecksumMismatchError as error:
        raise RunRefusedError(RefusalReason.BACKUP_ALTERED, reference=reference) from error
    except DecodingError as error:
        raise RunRefusedError(RefusalReason.NOT_A_BACKUP, reference=reference) from error
    if backup is None:
        raise RunRefusedError(RefusalReason.BACKUP_NOT_FOUND, reference=reference)

    # The input names one bucket or queue, and the backup has to be of the same one.
    (assignment,) = request.assignments
    (target,) = assignment.targets
    asked_for = (assignment.account_id, target.type, target.id)
    if (backup.account_id, backup.type, backup.id) != asked_for:
        raise RunRefusedError(
            RefusalReason.BACKUP_OF_ANOTHER,
            reference=reference,
            id=backup.id,
            account_id=backup.account_id,
        )
    target = replace(target, new_policy=backup.policy, backup=reference)
    return replace(request, assignments=(replace(assignment, targets=(target,)),))
