"""The runs of a deployment: start one, wait for it, check its report, say how to come back to it."""

from __future__ import annotations

import functools
import re
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from aws_calls.failures import CallError, FailureKind
from root_tasks.aws.stores import EXECUTION_MARK, REPORT_JSON, sha256
from root_tasks.model.codec import DecodingError, decode
from root_tasks.model.report import Outcome, Task
from root_tasks.model.run import RUN_ID, ExecutionMark, Run
from root_tasks.tasks import DEFINITIONS
from root_tasks.tasks.scope import REQUESTED_BY

from . import screen
from .aws import Caller, find_caller
from .deployment import AUDIT_FOLDER, EXECUTE_FOLDER, FOLDERS, Deployment, find_deployment
from .errors import CommandError, InterruptedRunError, NoReportError, RunNotFoundError, failures_as
from .executions import Executions, has_report, run_failed_error
from .next_steps import audit_of_plan, key_use_steps, next_steps
from .options import JSON, TABLE
from .plan_state import PlanState
from .stored_report import StoredFiles, StoredReport, is_executable, keep_report, show_report
from .terminal import print_note
from .unfinished import report_from_results

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from root_tasks.model.report import Report

    from .errors import ExitCode
    from .executions import RunExecution
    from .options import Output, Selection
    from .target import TargetOptions

# Why the report of a run is unchecked.
_GONE = "Step Functions has no such execution; it keeps those that ended in the last 90 days."
_DENIED = "These credentials may not read its execution."
_NOT_HELD = "Its execution does not hold the hash of a report."
# A plan can be executed for at most 24 hours; what became of it shows for as long again.
_PLANS_SHOWN_FOR = timedelta(hours=48)
_BACKUP = re.compile(r"backups/(?P<run_id>[^/]+)/.+")


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The runs of a deployment, as the commands use them.

    Attributes:
        target: Where the command works, as it was asked to.
        caller: The caller.
        deployment: The deployment.
        executions: Its executions.
    """

    target: TargetOptions
    caller: Caller
    deployment: Deployment
    executions: Executions

    @classmethod
    def find(cls, target: TargetOptions) -> Runs:
        """Return the runs of the deployment that a command works with.

        Raises:
            CommandError: There is no such deployment, or more than one.
            CallError: It cannot be looked for.
        """
        caller = find_caller(target)
        deployment = find_deployment(caller, stack=target.stack)
        executions = Executions(caller, deployment)
        return cls(target=target, caller=caller, deployment=deployment, executions=executions)

    def run(self, prefix: str, input_: Mapping[str, object], *, folder: str = AUDIT_FOLDER) -> RunExecution:
        """Start an execution, and wait until it has ended with a report.

        Args:
            prefix: What its name begins with.
            input_: Its input.
            folder: The folder of its state machine.

        Raises:
            RunFailedError: It ended without a report.
            InterruptedRunError: A person interrupted the command.
        """
        name = self.target.environment.run_name(prefix)
        stated = {**input_, REQUESTED_BY: self.caller.arn}
        with self._resumable(name):
            execution = self._wait(self.executions.start(folder, name=name, input_=stated))
        if not has_report(execution):
            raise run_failed_error(execution)
        return execution

    def _wait(self, execution: RunExecution) -> RunExecution:
        """Wait until an execution has ended, and show its progress, if possible in accounts."""

        @functools.cache
        def sizes() -> tuple[int, ...]:
            try:
                run = decode(Run, self._files_of(execution).read("run.json"))
            except (CallError, CommandError, DecodingError):
                return ()
            return tuple(map(len, run.batches))

        def show(done: int, total: int) -> None:
            if len(sizes()) == total:
                # Which batches are done is not known; all but the last have the same size.
                update(sum(sizes()[:done]), sum(sizes()), "accounts")
            else:
                update(done, total, "batches of accounts")

        with screen.progress_bar(execution.run_id) as update:
            return self.executions.wait(execution, show=show)

    def report_of(self, execution: RunExecution) -> StoredReport:
        """Return the report of an execution that has ended; if it has none, what its results say.

        Raises:
            CommandError: There is none, the caller may not read it, or its run did not write it.
            CallError: The results cannot be read.
            DecodingError: It is damaged, or of another version.
        """
        if not has_report(execution):
            return report_from_results(self.caller, self.deployment, self.executions, execution)
        files = self._files_of(execution)
        body = files.read(REPORT_JSON)
        unchecked = _verify(body, files, execution)
        return StoredReport.of(body, input_=execution.input, unchecked=unchecked)

    def find_report(self, run_id: str, *, folders: Sequence[str] = FOLDERS) -> StoredReport:
        """Return the report of a run, when it has ended.

        Args:
            run_id: The run.
            folders: The folders of the bucket that it can be in: those of both state machines, or of one.

        Raises:
            CommandError: There is no such run, either of two may be meant, it ended before it had accounts,
                or it did not write the report that is there.
            InterruptedRunError: A person interrupted the command.
        """
        execution, unchecked = self._await_execution(run_id, folders=folders)
        if execution is not None:
            return self.report_of(execution)
        missing: list[CommandError] = [RunNotFoundError(run_id)] if unchecked == _GONE else []
        for folder in folders:
            try:
                body = self._files_in(f"{folder}/{run_id}").read(REPORT_JSON)
                return StoredReport.of(body, unchecked=unchecked)
            except NoReportError as error:
                missing.append(error)
        raise missing[0]

    def latest_report(self) -> StoredReport:
        """Return the report of the latest full audit.

        Raises:
            CommandError: There is none, the caller may not read it, it is another report, or its run did not
                write it.
            DecodingError: It is damaged, or of another version.
            CallError: The execution of its run cannot be read.
        """
        files = self._files_in("latest")
        stored = StoredReport.of(files.read(REPORT_JSON))
        if not stored.report.full:
            raise CommandError(
                f"{files.location(REPORT_JSON)} is not the report of a full audit, so no run has stored it "
                "there. Do not act on it, and find out who can write to the bucket."
            )
        # It may have written the report and go on for a moment.
        execution, unchecked = self._await_execution(stored.report.run_id, folders=[AUDIT_FOLDER])
        if execution is not None:
            unchecked = _verify(stored.body, files, execution)
        return replace(stored, unchecked=unchecked)

    def _await_execution(
        self, run_id: str, *, folders: Sequence[str] = FOLDERS
    ) -> tuple[RunExecution | None, str | None]:
        """Return the execution of a run, when it has ended, or why no report can be checked by it."""
        try:
            execution = self.executions.find(run_id, folders=folders)
            # One that has ended does not continue.
            with self._resumable(run_id) if execution.running else nullcontext():
                return self._wait(execution), None
        except RunNotFoundError:
            return None, _GONE
        except CallError as error:
            if error.failure.kind is not FailureKind.ACCESS_DENIED:
                raise
            return None, _DENIED

    def accounts_of_report(self, selection: Selection) -> dict[str, object]:
        """Return the accounts that another run reports with certain outcomes, as an input has them.

        Args:
            selection: The run, if there is one, and the outcomes.

        Raises:
            CommandError: There is no such report or outcome, its run did not write it, or no account has it.
        """
        if selection.from_report is None:
            return {}
        if unknown := sorted(set(selection.outcomes).difference(Outcome)):
            raise CommandError(f"{unknown[0]} is not an outcome. Outcomes: {', '.join(Outcome)}.")
        folder, _, run_id = selection.from_report.rpartition("/")
        stored = self.find_report(run_id, folders=[folder] if folder else FOLDERS)
        if stored.unchecked is not None and not stored.unfinished:
            raise CommandError(
                f"Whether run {run_id} wrote its report was not checked, so its accounts are not taken. "
                f"{stored.unchecked}"
            )
        found = [
            result.account_id for result in stored.report.results if result.outcome in selection.outcomes
        ]
        if not found:
            raise CommandError(f"Run {run_id} reports no account as {' or '.join(selection.outcomes)}.")
        return {"accounts": found}

    def task_of_backups(self, references: Sequence[str]) -> Task:
        """Return the task that removed, and so restores, the policies of backups.

        Raises:
            CommandError: They are of several tasks, or of a run whose report does not name them.
        """
        tasks = {self._task_of_backup(reference) for reference in references}
        if len(tasks) > 1:
            raise CommandError("One plan restores policies of buckets or of queues: plan them apart.")
        return tasks.pop()

    def _task_of_backup(self, reference: str) -> Task:
        match = _BACKUP.fullmatch(reference)
        if match is None or not RUN_ID.fullmatch(match["run_id"]):
            raise CommandError(
                f"{reference} is not the key of a backup. The report of the run that removed the policy has "
                "it."
            )
        run_id = match["run_id"]
        body = self._files_in(f"{EXECUTE_FOLDER}/{run_id}").read(REPORT_JSON)
        task = StoredReport.of(body).report.task
        if DEFINITIONS[task].policy_type is None:
            raise CommandError(f"Run {run_id} did not remove policies, so it has no backup {reference}.")
        return task

    def show_result(self, execution: RunExecution, *, output: Output, ended: str = "has ended") -> ExitCode:
        """Show the report of an execution that has ended, and the next steps.

        Args:
            execution: The execution.
            output: How to show it.
            ended: What the execution has done, as the end of a sentence.

        Returns:
            How the command ends.

        Raises:
            CommandError: The report cannot be shown, or not be saved.
        """
        again = self.target.command("report", execution.run_id)
        what = f"Run {execution.run_id} {ended}, but its report cannot be shown (to look at it: `{again}`)"
        with failures_as(what, as_json=output.format == JSON):
            stored = self.report_of(execution)
            show_report(stored, output=output)
        if output.format == TABLE:
            self.show_next_steps(stored)
        return keep_report(stored, output=output)

    def show_next_steps(self, stored: StoredReport) -> None:
        """Print the next steps; for a plan, until when it can be executed, or why it no longer can."""
        if stored.unchecked is not None and not stored.unfinished:
            # Someone else may have chosen the accounts and the run.
            return
        report = stored.report
        if stored.unfinished:
            if report.executed_plan is not None:
                print_note(f"Next, to audit its accounts: {audit_of_plan(report, target=self.target)}")
            return
        state = self.plan_state(report)
        keys = key_use_steps(report)
        if state is None:
            print_note(*keys, *next_steps(report, target=self.target))
        elif state.obstacle is not None:
            print_note(state.obstacle)
        else:
            until = f" ({state.until})" if state.until else ""
            command = self.target.command("execute", report.run_id)
            print_note(*keys, f"Next, to execute exactly this plan{until}: {command}")

    def plan_state(self, report: Report) -> PlanState | None:
        """Return whether a plan can still be executed; None for another report, or a plan of nothing."""
        if not is_executable(report):
            return None
        return self._plan_state(report.run_id, expires_at=report.plan_expires_at)

    def states_of(self, executions: Sequence[RunExecution]) -> dict[str, PlanState]:
        """Return the states of the plans among executions, by their names, if these can be read."""
        now = self.target.environment.now()
        states = {}
        for execution in executions:
            expires_at = execution.plan_expires_at
            if expires_at is not None and now - execution.started_at <= _PLANS_SHOWN_FOR:
                states[execution.run_id] = self._plan_state(execution.run_id, expires_at=expires_at)
        return states

    def _plan_state(self, run_id: str, *, expires_at: datetime | None) -> PlanState:
        executed_by = None
        try:
            body = self._files_in(f"{AUDIT_FOLDER}/{run_id}").read(EXECUTION_MARK)
            executed_by = decode(ExecutionMark, body).execution_arn.rpartition(":")[2]
        except (CallError, NoReportError):
            # There is none, or it cannot be read; the execution itself then refuses.
            pass
        except DecodingError:
            executed_by = "an execution that its mark does not name"
        return PlanState(now=self.target.environment.now(), expires_at=expires_at, executed_by=executed_by)

    def _files_of(self, execution: RunExecution) -> StoredFiles:
        return self._files_in(f"{execution.folder}/{execution.run_id}")

    def _files_in(self, folder: str) -> StoredFiles:
        return StoredFiles(caller=self.caller, deployment=self.deployment, folder=folder)

    @contextmanager
    def _resumable(self, name: str) -> Iterator[None]:
        """Say how to come back to an execution if the command ends early."""
        back = self.target.command("report", name)
        try:
            yield
        except KeyboardInterrupt as error:
            raise InterruptedRunError(
                f"Run {name} continues in AWS. To come back to it: {back}. "
                f"To stop it: {self.target.command('stop', name)}"
            ) from error
        except CommandError:
            raise
        except Exception as error:
            if not _is_not_started(error):
                print_note(f"If run {name} was started, it continues in AWS. To come back to it: {back}")
            raise


def _is_not_started(error: Exception) -> bool:
    """Return whether AWS has refused to start an execution."""
    if not isinstance(error, CallError):
        return False
    return error.failure.operation == "states:StartExecution" and not error.failure.may_have_taken_effect


def _verify(body: bytes, files: StoredFiles, execution: RunExecution) -> str | None:
    """Return why a report.json is unchecked; None if the execution's run wrote it.

    Raises:
        CommandError: It did not.
    """
    if execution.report_sha256 is None:
        return _NOT_HELD
    if execution.report_sha256 != sha256(body):
        raise CommandError(
            f"{files.location(REPORT_JSON)} was altered: its SHA-256 is not the one that the run's execution "
            "holds. Do not act on it, and find out who can write to the bucket."
        )
    return None
