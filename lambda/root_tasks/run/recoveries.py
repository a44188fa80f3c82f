"""The end of a recovery: until then its password is accepted, and after that it is overdue.

The execution that allows a recovery stores when it is to be closed. A run that starts later reads
that, and takes the password, and an MFA device, for accepted credentials until then. Nothing is
deleted by itself.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import UTC, datetime, timedelta

from aws_calls.failures import CallError

from ..aws.invocation import Aws
from ..aws.recovery_store import RecoveryStore
from ..model.codec import DecodingError
from ..model.report_schema import ItemType, Outcome, Report
from ..model.run_documents import AcceptedCredentials, Recovery
from ..report.words import minute
from ..tasks.task_input import UNTIL, invalid_value

_MAX_DURATION = timedelta(days=30)
_TYPES = (ItemType.PASSWORD, ItemType.MFA_DEVICE)


def end_of_recovery(until: str, *, started_at: datetime) -> datetime:
    """Return when a recovery is to be closed.

    Args:
        until: What the input says: hours or days from the start of the plan, such as 8h or 3d, or a
            date, which stands for the end of that day in UTC.
        started_at: When the plan started.

    Raises:
        RunRefusedError: It is over already, or too far away.
    """
    unit_lengths = {"h": timedelta(hours=1), "d": timedelta(days=1)}
    try:
        if until[-1] in unit_lengths:
            end = started_at + int(until[:-1]) * unit_lengths[until[-1]]
        else:
            end = datetime.fromisoformat(until).replace(tzinfo=UTC) + timedelta(days=1)
    except ValueError:
        # The 30th of February, for example, which is refused like a time that is over.
        end = started_at
    if not started_at < end <= started_at + _MAX_DURATION:
        raise invalid_value(until, key=UNTIL, expected="a time in the next 30 days")
    return end


def store_recoveries(recoveries: RecoveryStore, report: Report) -> None:
    """Store when the recoveries that an execution has allowed are to be closed, if it says so."""
    if report.until is None or report.executed_plan is None:
        return
    for result in report.results:
        if result.outcome is Outcome.DONE:
            recoveries.write(
                Recovery(
                    run_id=report.run_id,
                    account_id=result.account_id,
                    reason=report.reason,
                    until=report.until,
                )
            )


def accepted_recoveries(
    aws: Aws, recoveries: RecoveryStore, members: Container[str]
) -> Iterator[AcceptedCredentials]:
    """Yield what recoveries brought into accounts, as credentials that are accepted.

    A recovery that cannot be read accepts nothing, nor does one whose end is not near.

    Args:
        aws: The function.
        recoveries: The recoveries that are to be closed.
        members: The accounts that a run is about, by their IDs.
    """
    for account_id in recoveries.accounts():
        if account_id not in members:
            continue
        try:
            recovery = recoveries.read(account_id)
        except (CallError, DecodingError) as error:
            aws.log(event="recovery_unread", accountId=account_id, reason=str(error))
            continue
        if abs(recovery.until - aws.now()) > _MAX_DURATION:
            # No plan may state such an end, or it was long ago: the account's credentials are not
            # those that the recovery brought.
            continue
        yield AcceptedCredentials(
            target_id=account_id,
            types=_TYPES,
            reason=recovery.reason or "no reason was stated",
            until=minute(recovery.until),
            recovered=True,
        )
