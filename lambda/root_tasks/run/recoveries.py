"""The end of a recovery: until then its password is accepted, and after that it is overdue.

The execution that allows a recovery stores its own ARN by the account. A run that starts later
reads its report, by the hash that Step Functions holds, and takes the password, and an MFA device,
for accepted credentials until the recovery's end. Nothing is deleted by itself. The execution that
deletes the password ends the recovery.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import timedelta

from aws_calls.failures import CallError

from ..aws.checksums import ChecksumMismatchError
from ..aws.executions import describe_with_report, report_sha256_in
from ..aws.invocation import Aws
from ..aws.recovery_store import RecoveryStore, recovery_key
from ..aws.storage import Storage
from ..messages import recovery_unread
from ..model.codec import DecodingError
from ..model.report_schema import ItemType, Outcome, Report, Task
from ..model.run_documents import AcceptedCredentials, Recovery, Run
from ..refusals import RefusalReason, RunRefusedError
from ..report.words import minute

_TYPES = (ItemType.PASSWORD, ItemType.MFA_DEVICE)
# What audits say of a recovery that is overdue, they say for so long.
_MAX_OVERDUE = timedelta(days=30)


def store_recoveries(recoveries: RecoveryStore, run: Run, report: Report) -> None:
    """Store the recoveries that an execution has allowed, and end those that it has closed.

    An account's recovery ends when its password is deleted, or turns out to be.
    """
    if report.executed_plan is None:
        return
    accounts: set[str] = set()
    if report.task is Task.RECOVER:
        accounts = _accounts_with_password(report, Outcome.DONE)
    elif report.task is Task.DELETE:
        deleted = _accounts_with_password(report, Outcome.DONE, Outcome.NOTHING_TO_DO)
        accounts = deleted.intersection(recoveries.accounts())
    # The report of a deletion has no end of a recovery.
    recovery = Recovery(execution_arn=run.execution_arn, until=report.until)
    for account_id in sorted(accounts):
        recoveries.write(account_id, recovery)


def _accounts_with_password(report: Report, *outcomes: Outcome) -> set[str]:
    """Return the accounts whose password has one of some outcomes in a report."""
    return {
        result.account_id
        for result in report.results
        for item in result.items
        if item.type is ItemType.PASSWORD and item.outcome in outcomes
    }


def accepted_recoveries(
    aws: Aws, storage: Storage, task: Task, members: Container[str]
) -> tuple[list[AcceptedCredentials], list[str]]:
    """Return what recoveries brought into accounts, as credentials that are accepted.

    Args:
        aws: The function.
        storage: The contents of the bucket.
        task: What the run does.
        members: The accounts that it is about, by their IDs.

    Returns:
        The credentials, and a warning for each recovery that cannot be read.

    Raises:
        RunRefusedError: One cannot be read, and the run would plan to delete what it accepts.
    """
    accepted, warnings = [], []
    for account_id in storage.recoveries.accounts():
        if account_id not in members:
            continue
        try:
            entry = _find_recovery(aws, storage, account_id)
        except (CallError, DecodingError, ChecksumMismatchError) as error:
            warning = recovery_unread(recovery_key(account_id), error)
            if task is Task.DELETE:
                raise RunRefusedError(
                    RefusalReason.RECOVERY_UNREAD, warning=warning, account_id=account_id
                ) from error
            warnings.append(warning)
            continue
        if entry is not None:
            accepted.append(entry)
    return accepted, warnings


def _find_recovery(aws: Aws, storage: Storage, account_id: str) -> AcceptedCredentials | None:
    """Return what the recovery of an account brought; None if it has ended, or did long ago.

    Raises:
        CallError: It or its execution cannot be read.
        DecodingError: It is damaged, or of another version.
        ChecksumMismatchError: It is not what an execution has stored.
    """
    recovery = storage.recoveries.read(account_id)
    if recovery.until is None or aws.clock.utc_now() - recovery.until > _MAX_OVERDUE:
        return None
    # The bucket only says where to look: what Step Functions holds cannot be altered.
    execution = describe_with_report(aws, recovery.execution_arn)
    report = storage.executions.read(
        Report,
        recovery.execution_arn.rpartition(":")[2],
        checksum=report_sha256_in(execution) or "",
    )
    if account_id not in _accounts_with_password(report, Outcome.DONE) or report.until is None:
        raise ChecksumMismatchError(recovery_key(account_id))
    return AcceptedCredentials(
        target_id=account_id,
        types=_TYPES,
        reason=report.reason or "no reason was stated",
        until=minute(report.until),
        recovered=True,
    )
