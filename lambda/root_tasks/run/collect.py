"""The results of a run's batches: each is read by the hash that the state machine holds, never trusted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_calls.failures import CallError, describe

from .. import messages
from ..aws.bucket import UnreadableObjectError
from ..aws.stores import ChecksumMismatchError
from ..model.codec import DecodingError
from ..model.report_schema import Outcome
from ..model.run import Finding, Mode
from ..tasks import DEFINITIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ..aws.invocation import Aws
    from ..aws.stores import BackupStore, RunStore
    from ..model.run import Run

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


def collect_results(
    aws: Aws, runs: RunStore, run: Run, returned: Sequence[object], *, backups: BackupStore
) -> Results:
    """Return the results of a run's batches, also for accounts whose batch has none.

    Args:
        aws: The function.
        runs: The runs of the state machine.
        run: The run.
        returned: What the batches returned: each a number and the SHA-256 of its result. A batch
            that ended without a result has returned something else.
        backups: The policies that runs removed.
    """
    checksums = _checksums(returned)

    def collect(batch: int) -> tuple[Sequence[Finding], datetime | None, str | None]:
        """Return the findings of a batch, when it ended, if it says so, and what is wrong with its result."""
        own = run.batches[batch]
        if (checksum := checksums.get(batch)) is None:
            return (
                [_unknown_finding(run, id_, messages.NO_RESULT, backups) for id_ in own],
                None,
                None,
            )
        try:
            result = runs.read_result(run, batch, checksum=checksum)
        except (ChecksumMismatchError, DecodingError, UnreadableObjectError) as error:
            problem = str(error)
        else:
            if [finding.account_id for finding in result.findings] == [*own]:
                return result.findings, result.finished_at, None
            problem = "Its accounts are not those of the batch."
        aws.log(event="result_damaged", runId=run.run_id, batch=batch, reason=problem)
        return (
            [_unknown_finding(run, id_, messages.DAMAGED_RESULT, backups) for id_ in own],
            None,
            problem,
        )

    problems: list[str] = []
    ends: list[datetime] = []
    findings: dict[str, Finding] = {}
    with ThreadPoolExecutor(max_workers=_MAX_READS_IN_PARALLEL) as pool:
        for batch, (found, ended_at, problem) in enumerate(
            pool.map(collect, range(len(run.batches)))
        ):
            findings |= {finding.account_id: finding for finding in found}
            ends += [ended_at] if ended_at else []
            problems += (
                [f"The result of batch {batch} was not followed. {problem}"] if problem else []
            )
    more = ["There are more such results."] if len(problems) > _MAX_WARNINGS else []
    # Without a result, a read-only run has seen nothing since its start: one that started later
    # counts.
    seen = run.started_at if run.mode is not Mode.EXECUTE else aws.now()
    return Results(
        findings=findings,
        warnings=(*problems[:_MAX_WARNINGS], *more),
        finished_at=max(ends, default=seen),
    )


def _unknown_finding(run: Run, account_id: str, why: str, backups: BackupStore) -> Finding:
    """Return the finding of an account of whose batch nothing is known."""
    if run.mode is not Mode.EXECUTE:
        reason = f"{why} {messages.NOTHING_CHANGED}"
        return Finding(account_id=account_id, outcome=Outcome.INACCESSIBLE, reason=reason)
    reason = f"{why} {messages.LOOK_AGAIN}"
    if DEFINITIONS[run.task].policy_type is not None:
        reason += f" {_backup_references(run, account_id, backups)}"
    return Finding(account_id=account_id, outcome=Outcome.UNKNOWN, reason=reason)


def _backup_references(run: Run, account_id: str, backups: BackupStore) -> str:
    """Return the sentence about the backups that a run made in an account."""
    try:
        references = backups.references(run.run_id, account_id)
    except CallError as error:
        return f"{messages.BACKUPS_UNREAD} {describe(error.failure)}"
    return f"Backups of this run: {', '.join(references) or 'none'}."


def _checksums(returned: Sequence[object]) -> dict[int, str]:
    """Return the SHA-256 of each batch's result, by the number of the batch."""
    return {
        result["batch"]: result["sha256"]
        for result in returned
        if isinstance(result, dict) and result.keys() >= {"batch", "sha256"}
    }
