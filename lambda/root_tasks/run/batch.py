"""One batch of accounts: a task in each, a few in parallel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aws_calls.failures import CallError, describe

from ..messages import EXPIRED, NO_SESSION, hint
from ..model.report import Outcome
from ..model.run import Backup, Finding, Mode
from ..tasks.definition import AccountTask
from ..tasks.outcomes import item_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aws_calls.failures import Failure

    from ..aws.sessions import RootSession, Sessions
    from ..aws.storage import BackupStore
    from ..model.run import Assignment, Target
    from ..tasks.definition import TaskDefinition

# Each account has its own limits in IAM; those of STS are shared by all.
MAX_ACCOUNTS_IN_PARALLEL = 5


@dataclass(frozen=True, kw_only=True)
class BatchRunner:
    """Runs one task in accounts.

    Attributes:
        run_id: The run, for the backups.
        definition: The task.
        mode: Whether it audits, plans or executes.
        sessions: Opens the root sessions.
        backups: The bucket's backups.
    """

    run_id: str
    definition: TaskDefinition
    mode: Mode
    sessions: Sessions
    backups: BackupStore

    def run(self, assignments: Sequence[Assignment]) -> tuple[Finding, ...]:
        """Run the task in each account; the findings have the order of the assignments."""
        with ThreadPoolExecutor(max_workers=MAX_ACCOUNTS_IN_PARALLEL) as pool:
            return tuple(pool.map(self._run_in_account, assignments))

    def _run_in_account(self, assignment: Assignment) -> Finding:
        try:
            session = self.sessions.open(assignment.account_id)
        except CallError as error:
            return self._without_session(assignment, error.failure)
        try:
            return self._run_task(session, assignment)
        except CallError as error:
            return _failure_finding(assignment, Outcome.INACCESSIBLE, error.failure)

    def _run_task(self, session: RootSession, assignment: Assignment) -> Finding:
        def back_up(target: Target, policy: str) -> str:
            return self.backups.write(
                Backup(
                    run_id=self.run_id,
                    account_id=session.account_id,
                    type=target.type,
                    id=target.id or "",
                    region=target.region or "",
                    policy=policy,
                )
            )

        task = AccountTask(session=session, targets=assignment.targets, back_up=back_up)
        return self._function()(task)

    def _function(self) -> Callable[[AccountTask], Finding]:
        if self.mode is not Mode.EXECUTE:
            return self.definition.plan
        if self.definition.execute is None:
            raise ValueError(f"{self.definition.title} has nothing to execute.")
        return self.definition.execute

    def _without_session(self, assignment: Assignment, failure: Failure) -> Finding:
        if self.mode is not Mode.EXECUTE:
            return _failure_finding(assignment, Outcome.INACCESSIBLE, failure)
        items = tuple(item_of(target, Outcome.FAILED, NO_SESSION) for target in assignment.targets)
        return replace(_failure_finding(assignment, Outcome.FAILED, failure), items=items)


def expired_finding(assignment: Assignment) -> Finding:
    """Return the finding of an account whose turn comes after the plan has expired."""
    items = tuple(item_of(target, Outcome.FAILED, EXPIRED) for target in assignment.targets)
    return Finding(account_id=assignment.account_id, outcome=Outcome.FAILED, reason=EXPIRED, items=items)


def _failure_finding(assignment: Assignment, outcome: Outcome, failure: Failure) -> Finding:
    return Finding(
        account_id=assignment.account_id, outcome=outcome, reason=describe(failure), hint=hint(failure)
    )
