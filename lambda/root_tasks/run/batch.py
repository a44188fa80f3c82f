"""One batch of accounts: a task in each, all of them in parallel."""

from __future__ import annotations

import functools
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from aws_calls.errors import RootAccessError
from aws_calls.failures import CallError, describe

from ..aws.clients import MAX_ACCOUNTS_IN_PARALLEL, MAX_CALLS_IN_PARALLEL
from ..messages import AUDIT_THIS_ACCOUNT, NO_SESSION, UNEXPECTED_ERROR, hint
from ..model.report import Outcome
from ..model.run import Backup, Finding, Mode
from ..tasks.definition import AccountTask
from ..tasks.outcomes import item_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor

    from ..aws.sessions import RootSession, Sessions
    from ..aws.stores import BackupStore
    from ..model.run import Assignment, CredentialSelection, Denial, Target
    from ..tasks.definition import TaskDefinition


@dataclass(eq=False, kw_only=True)
class BatchClaimedError(RootAccessError):
    """Raised where a batch that acts was invoked before. It is never run twice.

    Attributes:
        run_id: The run.
        batch: The number of the batch.
    """

    run_id: str
    batch: int

    def __str__(self) -> str:
        return f"Batch {self.batch} of run {self.run_id} was started before, and may have acted."


@dataclass(eq=False)
class WrongFunctionError(RootAccessError):
    """Raised where a function that looks is given work to act on, or the other way round.

    Attributes:
        mode: What the work is for.
    """

    mode: Mode

    def __str__(self) -> str:
        return f"This function does not run work for the mode {self.mode}."


@dataclass(frozen=True, kw_only=True)
class BatchRunner:
    """Runs one task in accounts.

    Attributes:
        run_id: The run, for the backups.
        definition: The task.
        mode: Whether it audits, plans or executes.
        sessions: Opens the root sessions.
        backups: The bucket's backups.
        credentials: Which credentials a plan may list.
        denials: Of the accounts in which policies deny the task, by account: no session is opened there.
        log: Writes one event, given as keyword arguments.
        found: The results of accounts that were looked into before, by account.
    """

    run_id: str
    definition: TaskDefinition
    mode: Mode
    sessions: Sessions
    backups: BackupStore
    credentials: CredentialSelection
    denials: Mapping[str, Denial]
    log: Callable[..., None]
    found: Mapping[str, Finding] = field(default_factory=dict)

    def run(self, assignments: Sequence[Assignment]) -> tuple[Finding, ...]:
        """Run the task in each account; the findings have the order of the assignments."""
        # The threads that wait for calls are never those that make them.
        with (
            ThreadPoolExecutor(max_workers=MAX_ACCOUNTS_IN_PARALLEL) as accounts,
            ThreadPoolExecutor(max_workers=MAX_CALLS_IN_PARALLEL) as calls,
        ):
            return tuple(accounts.map(functools.partial(self.run_in_account, executor=calls), assignments))

    def run_in_account(self, assignment: Assignment, *, executor: Executor) -> Finding:
        """Run the task in an account.

        Args:
            assignment: The account, and what to act on there.
            executor: Makes the calls that are made in parallel.
        """
        if finding := self.found.get(assignment.account_id):
            return finding
        authorization_ids: list[str] = []
        finding = self._find(assignment, executor=executor, authorization_ids=authorization_ids)
        # The first denial is the one that the others follow from.
        return replace(finding, authorization_id=next(iter(authorization_ids), None))

    def _find(self, assignment: Assignment, *, executor: Executor, authorization_ids: list[str]) -> Finding:
        if denial := self.denials.get(assignment.account_id):
            return self._without_session(assignment, reason=denial.reason, hint=denial.hint)
        try:
            session = self._sessions().open(
                assignment.account_id, executor=executor, authorization_ids=authorization_ids
            )
        except CallError as error:
            return self._without_session(assignment, reason=describe(error.failure), hint=hint(error.failure))
        # What is unexpected in one account must not cost the results of the others.
        except Exception as error:
            return self._without_session(assignment, reason=self._log_unexpected_error(assignment, error))
        references: dict[Target, str] = {}
        try:
            return self._run_task(session, assignment, references)
        except CallError as error:
            return Finding(
                account_id=assignment.account_id,
                outcome=Outcome.INACCESSIBLE,
                reason=describe(error.failure),
                hint=hint(error.failure),
            )
        except Exception as error:
            return self._finding_of_unexpected_error(
                assignment, references, reason=self._log_unexpected_error(assignment, error)
            )

    def _run_task(
        self, session: RootSession, assignment: Assignment, references: dict[Target, str]
    ) -> Finding:
        """Run the task in a session; the references of its backups are kept whatever comes."""

        def back_up(target: Target, policy: str) -> str:
            references[target] = self.backups.write(
                Backup(
                    run_id=self.run_id,
                    account_id=session.account_id,
                    type=target.type,
                    id=target.id or "",
                    region=target.region or "",
                    policy=policy,
                )
            )
            return references[target]

        task = AccountTask(
            session=session,
            targets=assignment.targets,
            credentials=self.credentials,
            back_up=back_up,
        )
        return self._function()(task)

    def _sessions(self) -> Sessions:
        """Return what opens the sessions; those of a plan cannot change anything where AWS has such."""
        if self.mode is Mode.EXECUTE or self.definition.planned_by is None:
            return self.sessions
        return replace(self.sessions, task=self.definition.planned_by)

    def _function(self) -> Callable[[AccountTask], Finding]:
        if self.mode is not Mode.EXECUTE:
            return self.definition.plan
        if self.definition.execute is None:
            raise ValueError(f"{self.definition.words.title} has nothing to execute.")
        return self.definition.execute

    def _without_session(self, assignment: Assignment, *, reason: str, hint: str | None = None) -> Finding:
        """Return the finding of an account that has no session, so that nothing was changed in it."""
        acting = self.mode is Mode.EXECUTE
        return Finding(
            account_id=assignment.account_id,
            outcome=Outcome.FAILED if acting else Outcome.INACCESSIBLE,
            reason=reason,
            hint=hint,
            items=tuple(
                item_of(target, Outcome.FAILED, NO_SESSION) for target in assignment.targets if acting
            ),
        )

    def _finding_of_unexpected_error(
        self, assignment: Assignment, references: Mapping[Target, str], *, reason: str
    ) -> Finding:
        """Return the finding of an account in which the task ended early, with the backups that it made."""
        if self.mode is not Mode.EXECUTE:
            return Finding(account_id=assignment.account_id, outcome=Outcome.INACCESSIBLE, reason=reason)
        return Finding(
            account_id=assignment.account_id,
            outcome=Outcome.UNKNOWN,
            reason=f"{reason} {AUDIT_THIS_ACCOUNT}",
            items=tuple(
                replace(item_of(target, Outcome.UNKNOWN), backup=references.get(target))
                for target in assignment.targets
            ),
        )

    def _log_unexpected_error(self, assignment: Assignment, error: Exception) -> str:
        """Log an exception that the task does not expect, and return the sentence about it.

        Its message may repeat what somebody else chose, so that only its type and its place are kept.
        """
        name = type(error).__name__
        frame = traceback.extract_tb(error.__traceback__)[-1]
        self.log(
            event="account_failed",
            runId=self.run_id,
            accountId=assignment.account_id,
            error=name,
            place=f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}",
        )
        return f"{UNEXPECTED_ERROR} {name}."


def finding_not_attempted(assignment: Assignment, reason: str) -> Finding:
    """Return the finding of an account whose turn comes too late."""
    items = tuple(item_of(target, Outcome.FAILED, reason) for target in assignment.targets)
    return Finding(account_id=assignment.account_id, outcome=Outcome.FAILED, reason=reason, items=items)
