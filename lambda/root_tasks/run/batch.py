"""One batch of accounts: a task performed in each, a few at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_calls.failures import CallError

from ..messages import NOT_TRIED, hint, told
from ..model.report import Item, Outcome, Task
from ..model.run import Finding, Mode
from ..tasks import allow_password_recovery, audit, delete_credentials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_calls.failures import Failure

    from ..aws.sessions import RootSession, Sessions
    from ..model.run import Assignment
    from ..tasks.unlock_policy import Unlocking

# Each account has its own limits in IAM; STS's are shared by all.
ACCOUNTS_AT_A_TIME = 5


@dataclass(frozen=True, kw_only=True)
class Performer:
    """Performs one task in accounts.

    Attributes:
        task: the task.
        mode: whether it looks, plans or acts.
        sessions: opens the root sessions.
        unlocking: what removes policies and puts them back.
    """

    task: Task
    mode: Mode
    sessions: Sessions
    unlocking: Unlocking

    def performed(self, assignments: Sequence[Assignment]) -> tuple[Finding, ...]:
        """Returns what came of the task in each account, in the order given."""
        with ThreadPoolExecutor(max_workers=ACCOUNTS_AT_A_TIME) as pool:
            return tuple(pool.map(self._performed_in, assignments))

    def _performed_in(self, assignment: Assignment) -> Finding:
        try:
            session = self.sessions.open(assignment.account_id)
        except CallError as error:
            return self._without_session(assignment, error.failure)
        try:
            return self._performed_by(session, assignment)
        except CallError as error:
            return Finding(
                account_id=assignment.account_id,
                outcome=Outcome.INACCESSIBLE,
                reason=told(error.failure),
                hint=hint(error.failure),
            )

    def _performed_by(self, session: RootSession, assignment: Assignment) -> Finding:
        acts = self.mode is Mode.EXECUTE
        match self.task:
            case Task.AUDIT:
                return audit.audited(session)
            case Task.DELETE_CREDENTIALS:
                return (
                    delete_credentials.executed(session, assignment)
                    if acts
                    else delete_credentials.planned(session)
                )
            case Task.ALLOW_PASSWORD_RECOVERY:
                return (
                    allow_password_recovery.executed(session)
                    if acts
                    else allow_password_recovery.planned(session)
                )
            case Task.UNLOCK_BUCKET_POLICY | Task.UNLOCK_QUEUE_POLICY:
                return self.unlocking.performed(session, assignment, acts=acts)

    def _without_session(self, assignment: Assignment, failure: Failure) -> Finding:
        acts = self.mode is Mode.EXECUTE
        return Finding(
            account_id=assignment.account_id,
            outcome=Outcome.FAILED if acts else Outcome.INACCESSIBLE,
            reason=told(failure),
            hint=hint(failure),
            items=tuple(
                Item(type=target.type, id=target.id, outcome=Outcome.FAILED, message=NOT_TRIED)
                for target in assignment.targets
            )
            if acts
            else (),
        )
