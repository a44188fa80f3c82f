"""One batch of accounts: a task in each, all of them in parallel."""

from __future__ import annotations

import functools
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from aws_calls.failures import CallError, describe
from common.errors import RootAccessError

from .. import messages
from ..aws.clients import MAX_ACCOUNTS_IN_PARALLEL, MAX_CALLS_IN_PARALLEL
from ..aws.executions import was_stopped
from ..aws.sessions import open_session
from ..aws.stores import Storage
from ..model.report_schema import Outcome
from ..model.run_documents import Backup, BatchResult, Finding, Mode, Work
from ..tasks import DEFINITIONS
from ..tasks.definition import AccountTask
from ..tasks.outcomes import item_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from ..aws.invocation import Aws
    from ..aws.sessions import RootSession
    from ..aws.stores import BackupStore, RunStore
    from ..model.run_documents import Assignment, Target
    from .settings import RunBatchSettings

# A batch opens no session and stores no backup in its last minute: all of its results have to be
# stored.
_RESULT_RESERVE_SECONDS = 60.0
# Retry this long to read whether the execution was stopped: the accounts come after it.
_STOP_SECONDS = 60.0


@dataclass(eq=False, kw_only=True)
class BatchClaimedError(RootAccessError):
    """A batch that makes changes was invoked before. It is never run twice.

    Attributes:
        run_id: The run.
        batch: The number of the batch.
    """

    run_id: str
    batch: int

    def __str__(self) -> str:
        return f"Batch {self.batch} of run {self.run_id} was started before, and may have made changes."


def run_batch(aws: Aws, event: Mapping[str, Any], *, settings: RunBatchSettings) -> dict[str, Any]:
    """Audit or plan the accounts of one batch. It may be repeated: only the returned result counts.

    Args:
        aws: The function.
        event: `runId`, `workSha256` and `batch`, as the state machine passes them.
        settings: The function's settings.

    Returns:
        `batch`, and the `sha256` of its result, which the state machine holds.
    """
    storage = Storage.of(aws, settings.bucket)
    work = storage.runs.read(Work, event["runId"], checksum=event["workSha256"])
    return _run(aws, storage.runs, work, event["batch"], backups=storage.backups)


def execute_batch(
    aws: Aws, event: Mapping[str, Any], *, settings: RunBatchSettings
) -> dict[str, Any]:
    """Make the planned changes in the accounts of one batch, once.

    Args:
        aws: The function.
        event: `runId`, `workSha256` and `batch`, as the state machine passes them.
        settings: The function's settings.

    Returns:
        `batch`, and the `sha256` of its result, which the state machine holds.

    Raises:
        BatchClaimedError: It may have been run before.
    """
    storage = Storage.of(aws, settings.bucket)
    run_id, batch = event["runId"], event["batch"]
    work = storage.executions.read(Work, run_id, checksum=event["workSha256"])
    # First of all: a batch that was started earlier may have made changes, whether or not the plan
    # is valid.
    if not storage.executions.claim_batch(work, batch, token=uuid.uuid4().hex):
        raise BatchClaimedError(run_id=run_id, batch=batch)
    if reason := _reason_to_stop(aws, work):
        findings = tuple(
            _finding_without_change(work, assignment, reason) for assignment in work.batches[batch]
        )
        return _store(aws, storage.executions, work, batch, findings)
    before_results = aws.within(aws.budget.remaining_seconds - _RESULT_RESERVE_SECONDS)
    backups = Storage.of(before_results, settings.bucket).backups
    return _run(aws, storage.executions, work, batch, backups=backups)


def _reason_to_stop(aws: Aws, work: Work) -> str | None:
    """Return why a batch that is claimed makes no changes; None if it may."""
    try:
        if was_stopped(aws.within(_STOP_SECONDS), work.execution_arn):
            return messages.STOPPED
    except CallError as error:
        return f"{messages.STOP_UNREAD} {describe(error.failure)}"
    return None


def _run(
    aws: Aws, runs: RunStore, work: Work, batch: int, *, backups: BackupStore
) -> dict[str, Any]:
    runner = AccountRunner(aws=aws, work=work, back_up=backups.write)
    # The threads that wait for calls are never those that make them.
    with (
        ThreadPoolExecutor(max_workers=MAX_ACCOUNTS_IN_PARALLEL) as accounts,
        ThreadPoolExecutor(max_workers=MAX_CALLS_IN_PARALLEL) as calls,
    ):
        run_account = functools.partial(runner.run, executor=calls)
        findings = tuple(accounts.map(run_account, work.batches[batch]))
    return _store(aws, runs, work, batch, findings)


def _store(
    aws: Aws, runs: RunStore, work: Work, batch: int, findings: tuple[Finding, ...]
) -> dict[str, Any]:
    checksum = runs.write_result(work, batch, BatchResult(findings=findings, finished_at=aws.now()))
    outcomes = [finding.outcome for finding in findings]
    aws.log(
        event="batch_finished",
        runId=work.run_id,
        batch=batch,
        outcomes={outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
    )
    return {"batch": batch, "sha256": checksum}


@dataclass(frozen=True, kw_only=True)
class AccountRunner:
    """Runs one task in accounts. Several threads use it.

    Attributes:
        aws: The account that opens the root sessions.
        work: The task, the mode, and what else all accounts have in common.
        back_up: Stores the policy that is about to be removed, and returns its reference.
    """

    aws: Aws
    work: Work
    back_up: Callable[[Backup], str]

    def run(self, assignment: Assignment, *, executor: Executor) -> Finding:
        """Run the task in an account, and return its result in any case.

        Args:
            assignment: The account, and what to act on there.
            executor: Makes the calls that are made in parallel.
        """
        finding = self._find(assignment, executor=executor)
        return replace(finding, hint=messages.hint_of(finding))

    def _find(self, assignment: Assignment, *, executor: Executor) -> Finding:
        if self._is_expired():
            return _finding_without_change(self.work, assignment, messages.EXPIRED)
        if assignment.account_id in self.work.other_address:
            return _finding_without_change(self.work, assignment, messages.OTHER_ADDRESS)
        task = self.work.task
        if self.work.mode is not Mode.EXECUTE:
            # A plan's session cannot change anything if AWS has such a policy.
            task = DEFINITIONS[task].planned_by or task
        try:
            session = open_session(
                self.aws,
                assignment.account_id,
                run_id=self.work.run_id,
                task=task,
                deadline=self.aws.budget.deadline - _RESULT_RESERVE_SECONDS,
                executor=executor,
            )
        # An unexpected error in one account must not cost the results of the others.
        except Exception as error:
            return _finding_without_change(
                self.work,
                assignment,
                *self._reason_and_hint(assignment, error),
                message=messages.NO_SESSION,
            )
        # A session that was throttled for long may come too late.
        if self._is_expired():
            return _finding_without_change(self.work, assignment, messages.EXPIRED)
        references: dict[Target, str] = {}
        try:
            return self._run_task(session, assignment, references)
        except Exception as error:
            return self._finding_of_error(assignment, error, references)

    def _is_expired(self) -> bool:
        """Return whether no change may be made any longer: a redrive can come days after the plan."""
        return self.work.expires_at is not None and self.aws.now() > self.work.expires_at

    def _run_task(
        self, session: RootSession, assignment: Assignment, references: dict[Target, str]
    ) -> Finding:
        """Run the task in a session; the references of its backups are kept even if it fails."""

        def back_up(target: Target, policy: str) -> str:
            references[target] = self.back_up(
                Backup(
                    run_id=self.work.run_id,
                    account_id=session.account_id,
                    type=target.type,
                    id=target.id or "",
                    region=target.region or "",
                    policy=policy,
                )
            )
            return references[target]

        definition = DEFINITIONS[self.work.task]
        function = definition.execute if self.work.mode is Mode.EXECUTE else None
        return (function or definition.plan)(
            AccountTask(
                session=session,
                targets=assignment.targets,
                credentials=self.work.credentials,
                back_up=back_up,
            )
        )

    def _finding_of_error(
        self, assignment: Assignment, error: Exception, references: Mapping[Target, str]
    ) -> Finding:
        """Return the finding of an account in which the task ended early, with the backups that it made."""
        reason, hint = self._reason_and_hint(assignment, error)
        if self.work.mode is not Mode.EXECUTE:
            return _finding_without_change(self.work, assignment, reason, hint)
        return Finding(
            account_id=assignment.account_id,
            outcome=Outcome.UNKNOWN,
            reason=f"{reason} {messages.LOOK_AGAIN}",
            items=tuple(
                replace(item_of(target, Outcome.UNKNOWN), backup=references.get(target))
                for target in assignment.targets
            ),
        )

    def _reason_and_hint(self, assignment: Assignment, error: Exception) -> tuple[str, str | None]:
        """Return the sentence about an error, and its likely cause. One that no task expects is logged.

        Its message may repeat what others chose, so only its type and its place are kept.
        """
        if isinstance(error, CallError):
            return describe(error.failure), messages.hint(error.failure)
        name = type(error).__name__
        frame = traceback.extract_tb(error.__traceback__)[-1]
        self.aws.log(
            event="account_failed",
            runId=self.work.run_id,
            accountId=assignment.account_id,
            error=name,
            place=f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}",
        )
        return f"{messages.UNEXPECTED_ERROR} {name}.", None


def _finding_without_change(
    work: Work,
    assignment: Assignment,
    reason: str,
    hint: str | None = None,
    *,
    message: str | None = None,
) -> Finding:
    """Return the finding of an account in which nothing was changed."""
    account_id = assignment.account_id
    if work.mode is not Mode.EXECUTE:
        return Finding(
            account_id=account_id, outcome=Outcome.INACCESSIBLE, reason=reason, hint=hint
        )
    items = tuple(
        item_of(target, Outcome.FAILED, message or reason) for target in assignment.targets
    )
    return Finding(
        account_id=account_id, outcome=Outcome.FAILED, reason=reason, hint=hint, items=items
    )
