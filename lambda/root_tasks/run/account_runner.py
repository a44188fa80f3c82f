"""A task in one account: its session, and its result in any case."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import PurePath

from aws_calls.failures import CallError

from .. import messages
from ..aws.invocation import Aws
from ..aws.sessions import RootSession, open_session
from ..model.report_schema import Item, Outcome
from ..model.run_documents import Assignment, Backup, Finding, Mode, Target, Work
from ..tasks import DEFINITIONS
from ..tasks.outcomes import report_item
from ..tasks.task_definition import AccountTask

# No session is opened, and no backup stored, in the last minute of an invocation: the results of
# all accounts have to be stored.
RESULT_RESERVE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class AccountRunner:
    """Runs one task in accounts. Several threads use it.

    Attributes:
        aws: The account that opens the root sessions.
        work: The task, the mode, and what else all accounts have in common.
        back_up: Stores the policy that is about to be removed, and returns its reference.
    """

    aws: Aws
    work: Work
    back_up: Callable[[Backup], str]

    def run(self, assignment: Assignment, *, executor: Executor) -> Finding:
        """Run the task in an account, and return its result in any case.

        Args:
            assignment: The account, and what to act on there.
            executor: Makes the calls that are made in parallel.
        """
        finding = self._finding(assignment, executor=executor)
        return replace(finding, hint=messages.hint_of(finding))

    def _finding(self, assignment: Assignment, *, executor: Executor) -> Finding:
        """Run the task in an account, and return its result without the hint."""
        # What is known before a session is opened.
        if self._is_expired():
            return finding_without_change(self.work, assignment, messages.EXPIRED)
        if assignment.account_id in self.work.other_address:
            return finding_without_change(self.work, assignment, messages.OTHER_ADDRESS)

        # An unexpected error in one account must not cost the results of the others.
        try:
            session = self._open_session(assignment.account_id, executor=executor)
        except Exception as error:
            reason, hint = self._reason_and_hint(assignment, error)
            return finding_without_change(
                self.work, assignment, reason, hint=hint, message=messages.NO_SESSION
            )
        # AssumeRoot may have been throttled for so long that the plan expired meanwhile.
        if self._is_expired():
            return finding_without_change(self.work, assignment, messages.EXPIRED)

        # The backups that were made are named even if the task ends early.
        backups: dict[Target, str] = {}
        try:
            return self._run_task(session, assignment, backups)
        except Exception as error:
            return self._finding_of_error(assignment, error, backups)

    def _is_expired(self) -> bool:
        """Return whether it is too late for changes: a redrive can come days after the plan."""
        return self.work.expires_at is not None and self.aws.clock.utc_now() > self.work.expires_at

    def _open_session(self, account_id: str, *, executor: Executor) -> RootSession:
        """Open the root session of an account, which ends in time to store the results."""
        task = self.work.task
        if self.work.mode is not Mode.EXECUTE:
            # AWS may have a policy for sessions that cannot change what the task changes.
            task = DEFINITIONS[task].plans_in_sessions_of or task
        return open_session(
            self.aws,
            account_id,
            run_id=self.work.run_id,
            task=task,
            deadline=self.aws.budget.deadline - RESULT_RESERVE_SECONDS,
            executor=executor,
        )

    def _run_task(
        self, session: RootSession, assignment: Assignment, backups: dict[Target, str]
    ) -> Finding:
        """Run the task in a session.

        Args:
            session: The root session in the account.
            assignment: The account, and what to act on there.
            backups: Gets the reference of each backup as soon as it is stored, by its target.
        """

        def back_up(target: Target, policy: str) -> str:
            backup = Backup(
                run_id=self.work.run_id,
                account_id=session.account_id,
                type=target.type,
                id=target.id or "",
                region=target.region or "",
                policy=policy,
            )
            backups[target] = self.back_up(backup)
            return backups[target]

        definition = DEFINITIONS[self.work.task]
        run = definition.plan
        if self.work.mode is Mode.EXECUTE and definition.execute is not None:
            run = definition.execute
        task = AccountTask(
            session=session,
            targets=assignment.targets,
            credentials=self.work.credentials,
            back_up=back_up,
        )
        return run(task)

    def _finding_of_error(
        self, assignment: Assignment, error: Exception, backups: Mapping[Target, str]
    ) -> Finding:
        """Return the finding of an account in which the task ended early.

        Args:
            assignment: The account, and what was to be changed.
            error: Why the task ended.
            backups: The references of the backups that were stored before, by their targets.
        """
        reason, hint = self._reason_and_hint(assignment, error)
        if self.work.mode is not Mode.EXECUTE:
            return finding_without_change(self.work, assignment, reason, hint=hint)
        items = [
            replace(report_item(target, Outcome.UNKNOWN), backup=backups.get(target))
            for target in assignment.targets
        ]
        return Finding(
            account_id=assignment.account_id,
            outcome=Outcome.UNKNOWN,
            reason=f"{reason} {messages.LOOK_AGAIN}",
            items=tuple(items),
        )

    def _reason_and_hint(self, assignment: Assignment, error: Exception) -> tuple[str, str | None]:
        """Return the sentence about an error, and its likely cause.

        One that no task expects is logged: only its type and its place, because its message may
        repeat what others chose.
        """
        if isinstance(error, CallError):
            return str(error), messages.hint(error.failure)
        name = type(error).__name__
        frame = traceback.extract_tb(error.__traceback__)[-1]
        self.aws.log(
            event="account_failed",
            runId=self.work.run_id,
            accountId=assignment.account_id,
            error=name,
            place=f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}",
        )
        return f"{messages.UNEXPECTED_ERROR} {name}.", None


def finding_without_change(
    work: Work,
    assignment: Assignment,
    reason: str,
    *,
    hint: str | None = None,
    message: str | None = None,
) -> Finding:
    """Return the finding of an account in which nothing was changed.

    Args:
        work: The work.
        assignment: The account, and what was to be changed.
        reason: Why nothing was.
        hint: The likely cause.
        message: What each item says instead of the reason.
    """
    outcome = Outcome.INACCESSIBLE
    items: list[Item] = []
    if work.mode is Mode.EXECUTE:
        outcome = Outcome.FAILED
        said = message or reason
        items = [report_item(target, Outcome.FAILED, said) for target in assignment.targets]
    return Finding(
        account_id=assignment.account_id,
        outcome=outcome,
        reason=reason,
        hint=hint,
        items=tuple(items),
    )
