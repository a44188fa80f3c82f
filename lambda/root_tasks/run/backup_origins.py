"""Whether the run that a backup names has made it: Step Functions holds the hash of that run's report."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_calls.failures import CallError, FailureKind
from common.errors import RootAccessError

from .. import messages
from ..aws.bucket import UnreadableObjectError
from ..aws.executions import DESCRIBE_EXECUTION, report_sha256_of
from ..aws.stores import ChecksumMismatchError
from ..model.codec import DecodingError
from ..model.report_schema import Outcome
from ..refusals import RefusalReason, RunRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aws_calls.responses import Response

    from ..aws.context import Aws
    from ..aws.stores import RunStore
    from ..model.report_schema import Report

_STATE_MACHINE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")


def run_id_of(reference: str) -> str:
    """Return the run that a backup's reference names."""
    return reference.split("/")[1]


def backup_notes(aws: Aws, executions: RunStore, references: Iterable[str]) -> dict[str, str | None]:
    """Return for each backup why it is not known whether its run made it; None if it did.

    Anyone who can write to the bucket can store a backup, alter a report, and choose the execution that a run
    names. But the function's role may describe the executions of its own Execute state machine only, and no
    one can alter what such an execution holds.

    Args:
        aws: The function.
        executions: The stored runs of the Execute state machine.
        references: The references of the backups.

    Raises:
        RunRefusedError: The run of a backup did not make it.
        CallError: A call failed.
    """
    by_run: dict[str, list[str]] = {}
    for reference in references:
        by_run.setdefault(run_id_of(reference), []).append(reference)
    return {
        reference: why and messages.backup_note(run_id, why)
        for run_id, listed in by_run.items()
        for reference, why in _doubts(aws, executions, run_id, listed)
    }


def _doubts(
    aws: Aws, executions: RunStore, run_id: str, references: list[str]
) -> Iterator[tuple[str, str | None]]:
    """Yield for each backup of a run why it is not known whether the run made it."""
    try:
        report = _report(aws, executions, run_id, reference=references[0])
    except _NotKnownError as error:
        yield from ((reference, error.why) for reference in references)
        return
    listed = {item.backup for result in report.results for item in result.items}
    # A run that lost a batch names what was stored as its backups, by anyone, if that could be listed.
    lost = {each.account_id: each.reason for each in report.results if each.outcome is Outcome.UNKNOWN}
    for reference in references:
        reason = lost.get(reference.split("/")[2]) or ""
        if reference in listed:
            yield reference, None
        elif reference in reason or messages.BACKUPS_UNREAD in reason:
            yield reference, messages.BATCH_LOST
        else:
            raise RunRefusedError(RefusalReason.BACKUP_NOT_IN_REPORT, reference=reference, run_id=run_id)


def _report(aws: Aws, executions: RunStore, run_id: str, *, reference: str) -> Report:
    """Return the report of the run that a backup names, as the run wrote it."""
    forged = {"reference": reference, "run_id": run_id}
    arn = executions.find_execution_arn(run_id)
    if arn is None:
        raise _NotKnownError(messages.RUN_NOT_KNOWN)
    if not _may_be_own(aws, arn, run_id):
        raise RunRefusedError(RefusalReason.BACKUP_OF_FOREIGN_RUN, **forged)
    checksum = _report_checksum(_describe(aws, arn))
    try:
        return executions.read_report(run_id, checksum=checksum)
    except ChecksumMismatchError as error:
        raise RunRefusedError(RefusalReason.BACKUP_REPORT_ALTERED, **forged) from error
    except (DecodingError, UnreadableObjectError) as error:
        raise _NotKnownError(messages.REPORT_UNREADABLE) from error


def _may_be_own(aws: Aws, arn: str, run_id: str) -> bool:
    """Return whether it is the ARN of this run in any state machine here: the role decides in which."""
    function = aws.function
    own = f"arn:{function.partition}:states:{function.region}:{function.account_id}:execution"
    beginning, _, last = arn.rpartition(":")
    here, _, name = beginning.rpartition(":")
    return (here, last) == (own, run_id) and _STATE_MACHINE_NAME.fullmatch(name) is not None


def _describe(aws: Aws, arn: str) -> Response:
    try:
        return aws.call(DESCRIBE_EXECUTION, executionArn=arn)
    except CallError as error:
        if error.failure.name == "ExecutionDoesNotExist":
            raise _NotKnownError(messages.EXECUTION_GONE) from error
        if error.failure.kind is FailureKind.ACCESS_DENIED:
            raise _NotKnownError(messages.EXECUTION_DENIED) from error
        raise


def _report_checksum(execution: Response) -> str:
    """Return the SHA-256 of the report that an execution holds."""
    status = execution.require("status")
    if status in ("RUNNING", "PENDING_REDRIVE"):
        raise _NotKnownError(messages.EXECUTION_NOT_ENDED)
    checksum = report_sha256_of(
        status=status, output=execution.get("output", ""), cause=execution.get("cause", "")
    )
    if checksum is None:
        raise _NotKnownError(messages.EXECUTION_WITHOUT_REPORT)
    return checksum


@dataclass(eq=False)
class _NotKnownError(RootAccessError):
    """It is not known what a run has made."""

    why: str
