"""The results of a run's batches, each read by the hash that the state machine holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from aws_calls.failures import CallError

from .. import messages
from ..aws.backup_store import BackupStore
from ..aws.checksums import ChecksumMismatchError
from ..aws.invocation import Aws
from ..aws.run_store import RunStore
from ..model.codec import DecodingError
from ..model.report_schema import Outcome
from ..model.run_documents import Finding, Mode, Run
from ..tasks import DEFINITIONS

_MAX_READS_IN_PARALLEL = 4
_MAX_WARNINGS = 20


@dataclass(frozen=True, kw_only=True)
class Results:
    """The results of a run.

    Attributes:
        findings: The finding of each account whose batch has one, by account ID.
        warnings: Which results are not those that were stored, in sentences.
        finished_at: When the last batch ended. That is not now: this can be a redrive. If none has
            a result, the start of a read-only run, or now.
    """

    findings: Mapping[str, Finding]
    warnings: tuple[str, ...]
    finished_at: datetime


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """What is known of a batch.

    Attributes:
        findings: The findings of its accounts.
        ended_at: When it ended; None if it has no result that counts.
        problem: What is wrong with its result; None if nothing is, or if it has none.
    """

    findings: Sequence[Finding]
    ended_at: datetime | None = None
    problem: str | None = None


def collect_results(
    aws: Aws, runs: RunStore, run: Run, returned: Sequence[object], *, backups: BackupStore
) -> Results:
    """Return the results of a run's batches, also for accounts whose batch has none.

    Args:
        aws: The function.
        runs: The runs of the state machine.
        run: The run.
        returned: What the batches returned: each a number and the SHA-256 of its result, or the
            error of Step Functions if it ended without a result. One can also be missing.
        backups: The policies that runs removed.

    Raises:
        CallError: A result could not be read. It may be intact, so a redrive can repair that.
    """
    checksums = _values_by_batch(returned, "sha256")
    errors = _values_by_batch(returned, "error")

    def batch_without_result(batch: int, why: str, problem: str | None = None) -> _Batch:
        findings = [_unknown_finding(run, id_, why, backups) for id_ in run.batches[batch]]
        return _Batch(findings=findings, problem=problem)

    def read_batch(batch: int) -> _Batch:
        if batch not in checksums:
            return batch_without_result(batch, messages.no_result(errors.get(batch)))
        try:
            result = runs.read_result(run, batch, checksum=checksums[batch])
        except (ChecksumMismatchError, DecodingError) as error:
            problem = str(error)
        else:
            if [finding.account_id for finding in result.findings] == list(run.batches[batch]):
                return _Batch(findings=result.findings, ended_at=result.finished_at)
            problem = "Its accounts are not those of the batch."
        aws.log(event="result_damaged", runId=run.run_id, batch=batch, reason=problem)
        return batch_without_result(batch, messages.DAMAGED_RESULT, problem)

    # The results come back in the order of the batches, so the warnings have that order, too.
    with ThreadPoolExecutor(max_workers=_MAX_READS_IN_PARALLEL) as pool:
        batches = list(pool.map(read_batch, range(len(run.batches))))

    findings = {finding.account_id: finding for batch in batches for finding in batch.findings}
    warnings = [
        f"The result of batch {number} was not followed. {batch.problem}"
        for number, batch in enumerate(batches)
        if batch.problem
    ]
    if len(warnings) > _MAX_WARNINGS:
        warnings[_MAX_WARNINGS:] = ["There are more such results."]

    # If no batch has a result, a read-only run has seen nothing since its start.
    ends = [batch.ended_at for batch in batches if batch.ended_at]
    if run.mode is Mode.EXECUTE and not ends:
        ends.append(aws.clock.utc_now())
    # The clock of a batch's function may be behind that of Step Functions, which gives the start.
    return Results(
        findings=findings,
        warnings=tuple(warnings),
        finished_at=max([run.started_at, *ends]),
    )


def _unknown_finding(run: Run, account_id: str, why: str, backups: BackupStore) -> Finding:
    """Return the finding of an account whose batch has no result that counts.

    Args:
        run: The run.
        account_id: The account.
        why: Why the batch has none.
        backups: The policies that runs removed; those of this run are named.
    """
    if run.mode is not Mode.EXECUTE:
        reason = f"{why} {messages.NOTHING_CHANGED}"
        return Finding(account_id=account_id, outcome=Outcome.INACCESSIBLE, reason=reason)
    reason = f"{why} {messages.LOOK_AGAIN}"
    if DEFINITIONS[run.task].changes_policies:
        reason += f" {_backup_references(run, account_id, backups)}"
    return Finding(account_id=account_id, outcome=Outcome.UNKNOWN, reason=reason)


def _backup_references(run: Run, account_id: str, backups: BackupStore) -> str:
    """Return the sentence that names the backups which a run made in an account."""
    try:
        references = backups.references(run.run_id, account_id)
    except CallError as error:
        return f"{messages.BACKUPS_UNREAD} {error}"
    return f"Backups of this run: {', '.join(references) or 'none'}."


def _values_by_batch(returned: Sequence[object], key: str) -> dict[int, str]:
    """Return a value of what batches returned, by the number of the batch, where it has one.

    For example, the SHA-256 of each result: what a batch returned that failed has no such key.
    """
    return {
        result["batch"]: result[key]
        for result in returned
        if isinstance(result, dict) and result.keys() >= {"batch", key}
    }
