"""One batch of accounts: a task in each, all of them in parallel."""

from __future__ import annotations

import functools
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from aws_calls.failures import CallError
from common.errors import RootAccessError

from .. import messages
from ..aws.clients import MAX_ACCOUNTS_IN_PARALLEL, MAX_CALLS_IN_PARALLEL
from ..aws.executions import was_stopped
from ..aws.invocation import Aws
from ..aws.run_store import RunStore
from ..aws.storage import Storage
from ..model.run_documents import BatchResult, Finding, Work
from .account_runner import RESULT_RESERVE_SECONDS, AccountRunner, finding_without_change
from .settings import RunBatchSettings

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
        return (
            f"Batch {self.batch} of run {self.run_id} was started before, and may have made "
            "changes."
        )


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
    return _run(aws, storage.runs, work, event["batch"], settings=settings)


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

    # Change nothing if someone has stopped the execution meanwhile.
    reason = _reason_to_change_nothing(aws, work)
    if reason is not None:
        findings = [
            finding_without_change(work, assignment, reason) for assignment in work.batches[batch]
        ]
        return _store(aws, storage.executions, work, batch, findings)

    return _run(aws, storage.executions, work, batch, settings=settings)


def _reason_to_change_nothing(aws: Aws, work: Work) -> str | None:
    """Return that the execution was stopped, or that this cannot be read; None if it was not."""
    try:
        if was_stopped(aws.within(_STOP_SECONDS), work.execution_arn):
            return messages.STOPPED
    except CallError as error:
        return f"{messages.STOP_UNREAD} {error}"
    return None


def _run(
    aws: Aws, runs: RunStore, work: Work, batch: int, *, settings: RunBatchSettings
) -> dict[str, Any]:
    """Run the task in the accounts of a batch, and store its result."""
    # A backup that S3 does not take in time leaves enough of it to store the result.
    before_results = aws.within(aws.budget.remaining_seconds - RESULT_RESERVE_SECONDS)
    backups = Storage.of(before_results, settings.bucket).backups
    runner = AccountRunner(aws=aws, work=work, back_up=backups.write)
    # The threads that wait for calls are never those that make them.
    with (
        ThreadPoolExecutor(max_workers=MAX_ACCOUNTS_IN_PARALLEL) as accounts,
        ThreadPoolExecutor(max_workers=MAX_CALLS_IN_PARALLEL) as calls,
    ):
        run_account = functools.partial(runner.run, executor=calls)
        findings = list(accounts.map(run_account, work.batches[batch]))
    return _store(aws, runs, work, batch, findings)


def _store(
    aws: Aws, runs: RunStore, work: Work, batch: int, findings: Sequence[Finding]
) -> dict[str, Any]:
    """Store the result of a batch, and return what the state machine holds of it."""
    result = BatchResult(findings=tuple(findings), finished_at=aws.clock.utc_now())
    checksum = runs.write_result(work, batch, result)
    counts = Counter(finding.outcome for finding in findings)
    aws.log(
        event="batch_finished",
        runId=work.run_id,
        batch=batch,
        outcomes=dict(sorted(counts.items())),
    )
    return {"batch": batch, "sha256": checksum}
