"""The report of a run that ended without one, made from the results that its executions confirm."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aws_calls.failures import CallError
from root_tasks.aws.bucket import Bucket
from root_tasks.aws.stores import Storage
from root_tasks.model.report import Outcome
from root_tasks.model.run import Finding
from root_tasks.report.render import as_json
from root_tasks.run.collect import collect_results
from root_tasks.run.make_report import make_report

from .deployment import EXECUTE_FOLDER
from .executions import RUN_SHA256, run_failed_error
from .stored_report import StoredReport

if TYPE_CHECKING:
    from root_tasks.aws.stores import RunStore
    from root_tasks.model.run import Run

    from .aws import Caller
    from .deployment import Deployment
    from .executions import Executions, RunExecution

# A call for each batch, of which an organization can have a thousand.
_MAX_SECONDS = 300.0
_NOT_STARTED = "Not started: the run ended before this account's turn."


def report_from_results(
    caller: Caller, deployment: Deployment, executions: Executions, execution: RunExecution
) -> StoredReport:
    """Return the report of an execution that ended without one.

    Step Functions holds the hash of the run, the batches that started, and the hashes of their results. The
    bucket alone decides nothing.

    Raises:
        CallError: These, or the results, cannot be read.
        ChecksumMismatchError: The run was altered.
        DecodingError: The run is of another version.
        RunFailedError: The execution ended before it had accounts.
    """
    started = executions.output_of_start(execution)
    if not started:
        raise run_failed_error(execution)
    batches = executions.batches(execution)
    aws = caller.aws(seconds=_MAX_SECONDS)
    storage = Storage(
        Bucket(s3=aws.clients.s3, name=deployment.bucket, account_id=deployment.account_id, budget=aws.budget)
    )
    runs = storage.executions if execution.folder == EXECUTE_FOLDER else storage.runs
    run = runs.read_run(execution.run_id, checksum=started[RUN_SHA256])
    results = collect_results(aws, runs, run, [batch.output for batch in batches], backups=storage.backups)
    numbers = {batch.number for batch in batches} | _batches_with_a_claim(runs, run)
    waiting = (
        account_id
        for number, account_ids in enumerate(run.batches)
        if number not in numbers
        for account_id in account_ids
    )
    not_started = {
        id_: Finding(account_id=id_, outcome=Outcome.SKIPPED, reason=_NOT_STARTED) for id_ in waiting
    }
    report = make_report(
        run,
        {**results.findings, **not_started},
        finished_at=execution.ended_at or results.finished_at,
        warnings=(str(run_failed_error(execution)), *results.warnings),
    )
    unchecked = f"Unchecked: {len(results.warnings)} of its results or objects." if results.warnings else None
    stored = StoredReport.of(as_json(report), input_=execution.input, unchecked=unchecked)
    return replace(stored, unfinished=True)


def _batches_with_a_claim(runs: RunStore, run: Run) -> frozenset[int]:
    """Return the batches that may have started: one that has just started may not be listed yet."""
    try:
        return runs.batches_with_a_claim(run)
    except CallError:
        # The report says that these cannot be listed.
        return frozenset(range(len(run.batches)))
