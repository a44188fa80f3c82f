"""What the commands on runs share: start one, wait for it, show its report, say how to come back to it."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from aws_calls.failures import CallError, FailureKind
from root_tasks.aws.stores import REPORT_JSON, sha256
from root_tasks.model.codec import DecodingError, decode
from root_tasks.model.report import Outcome, Task
from root_tasks.model.run import Run

from . import screen
from .aws import Caller, find_caller
from .deployment import Deployment, find_deployment
from .environment import run_name
from .errors import (
    CommandError,
    InterruptedRunError,
    NoReportError,
    NotAFullAuditError,
    ReportAlteredError,
    RunFailedError,
    RunNotFoundError,
)
from .executions import FOLDERS, Executions, require_report
from .failures import failures_as
from .options import CSV, JSON, TABLE
from .reports import StoredFiles, StoredReport, exit_code, is_executable, open_page, save_report
from .text import printable_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from root_tasks.model.report import Report

    from .environment import Environment
    from .executions import Execution, Progress
    from .exit_code import ExitCode
    from .options import Output, Target

_MAX_ACCOUNTS_IN_HINT = 5
# Why it is not known which report a run has written.
_GONE = "Step Functions has no such execution; it keeps those that ended in the last 90 days."
_DENIED = "These credentials may not read its execution."
_NOT_HELD = "Its execution does not hold the hash of a report."


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The runs of a deployment, as the commands use them.

    Attributes:
        target: Where the command works, as it was asked to.
        caller: The caller.
        deployment: The deployment.
        executions: Its executions.
        environment: The time and chance.
    """

    target: Target
    caller: Caller
    deployment: Deployment
    executions: Executions
    environment: Environment

    @classmethod
    def find(cls, target: Target, *, environment: Environment) -> Runs:
        """Return the runs of the deployment that a command works with.

        Raises:
            CommandError: There is no such deployment, or more than one.
            CallError: It cannot be looked for.
        """
        caller = find_caller(profile=target.profile, region=target.region, environment=environment)
        deployment = find_deployment(caller, stack=target.stack)
        return cls(
            target=target,
            caller=caller,
            deployment=deployment,
            executions=Executions(caller, deployment),
            environment=environment,
        )

    def run(self, prefix: str, input_: Mapping[str, object], *, state_machine_arn: str) -> Execution:
        """Start an execution, and wait until it has ended with a report.

        Args:
            prefix: What its name begins with.
            input_: Its input.
            state_machine_arn: The state machine.

        Raises:
            RunFailedError: It ended without a report.
            InterruptedRunError: A person interrupted the command.
        """
        name = run_name(prefix, environment=self.environment)
        with self._resumable(name):
            arn = self.executions.start(state_machine_arn, name=name, input_=input_)
            return self._wait(self.executions.describe_new(arn))

    def wait(self, execution: Execution) -> Execution:
        """Wait until an execution has ended with a report.

        Raises:
            RunFailedError: It ended without one.
            InterruptedRunError: A person interrupted the command.
        """
        with self._resumable(execution.run_id):
            return self._wait(execution)

    def _wait(self, execution: Execution) -> Execution:
        with screen.progress_bar(execution.run_id) as update:
            execution = self.executions.wait(execution.arn, show=self._account_counter(execution, update))
        require_report(execution)
        return execution

    def _account_counter(
        self, execution: Execution, update: Callable[[int, int, str], None]
    ) -> Callable[[Progress], None]:
        """Return what shows the batches that are done as accounts, where the run can be read."""

        @functools.cache
        def sizes() -> tuple[int, ...]:
            try:
                run = decode(Run, self.files_of(execution).read("run.json"))
            except (CallError, CommandError, DecodingError):
                return ()
            return tuple(map(len, run.batches))

        def show(progress: Progress) -> None:
            if progress.total is None:
                return
            if len(sizes()) == progress.total:
                # Which ones are done is not known; all but the last are of one size.
                update(sum(sizes()[: progress.done]), sum(sizes()), "accounts")
            else:
                update(progress.done, progress.total, "batches of accounts")

        return show

    def report_of(self, execution: Execution) -> StoredReport:
        """Return the report of an execution that has ended.

        Raises:
            ReportAlteredError: Its run did not write it.
            NoReportError: There is none, or the caller may not read it.
            DecodingError: It is damaged, or of another version.
        """
        files = self.files_of(execution)
        body = files.read(REPORT_JSON)
        return StoredReport.of(body, unchecked=_verify(body, files, execution))

    def find_report(self, run_id: str, *, folders: Sequence[str] = FOLDERS) -> StoredReport:
        """Return the report of a run; of one that goes on, when it has ended.

        Args:
            run_id: The run.
            folders: The folders of the bucket that it can be in: those of both state machines, or of one.

        Raises:
            RunNotFoundError: There is no such run.
            SeveralRunsError: Both state machines have one.
            RunFailedError: It ended without a report.
            ReportAlteredError: The run did not write the report.
            InterruptedRunError: A person interrupted the command.
        """
        try:
            return self.report_of(self.wait(self.executions.find(run_id, folders=folders)))
        except RunNotFoundError as error:
            unchecked = _GONE
            missing: list[CommandError] = [error]
        except CallError as error:
            if error.failure.kind is not FailureKind.ACCESS_DENIED:
                raise
            unchecked = _DENIED
            missing = []
        for folder in folders:
            try:
                return StoredReport.read(self.files_in(f"{folder}/{run_id}"), unchecked=unchecked)
            except NoReportError as error:
                missing.append(error)
        raise missing[0]

    def latest_report(self) -> StoredReport:
        """Return the report of the latest full audit.

        Raises:
            NoReportError: There is none, or the caller may not read it.
            NotAFullAuditError: It is another report.
            ReportAlteredError: Its run did not write it.
            DecodingError: It is damaged, or of another version.
            CallError: The execution of its run cannot be read.
        """
        files = self.files_in("latest")
        stored = StoredReport.read(files)
        if not stored.report.full:
            raise NotAFullAuditError(files.location(REPORT_JSON))
        try:
            # It may have written the report and go on for a moment.
            execution = self.wait(self.executions.find(stored.report.run_id))
        except RunNotFoundError:
            return replace(stored, unchecked=_GONE)
        except RunFailedError:
            return replace(stored, unchecked=_NOT_HELD)
        except CallError as error:
            if error.failure.kind is not FailureKind.ACCESS_DENIED:
                raise
            return replace(stored, unchecked=_DENIED)
        return replace(stored, unchecked=_verify(stored.body, files, execution))

    def files_of(self, execution: Execution) -> StoredFiles:
        """Return what an execution has stored."""
        return self.files_in(f"{execution.folder}/{execution.run_id}")

    def files_in(self, folder: str) -> StoredFiles:
        """Return what a run has stored in a folder of the bucket."""
        return StoredFiles(caller=self.caller, deployment=self.deployment, folder=folder)

    @contextmanager
    def _resumable(self, name: str) -> Iterator[None]:
        """Say how to come back to an execution, however the command ends early."""
        back = self.target.command("report", name)
        try:
            yield
        except KeyboardInterrupt as error:
            raise InterruptedRunError(
                f"Run {name} goes on in AWS; this command does not stop it. To come back to it: {back}"
            ) from error
        except CommandError:
            raise
        except Exception:
            screen.hint(f"If run {name} was started, it goes on in AWS. To come back to it: {back}")
            raise


def _verify(body: bytes, files: StoredFiles, execution: Execution) -> str | None:
    """Return why it is not known whether an execution's run wrote a report.json; None where it did.

    Raises:
        ReportAlteredError: It did not.
    """
    if execution.report_sha256 is None:
        return _NOT_HELD
    if execution.report_sha256 != sha256(body):
        raise ReportAlteredError(files.location(REPORT_JSON))
    return None


def show_result_of(runs: Runs, execution: Execution, *, output: Output, ended: str = "has ended") -> ExitCode:
    """Show the report of an execution that has ended, and what one would do next.

    Args:
        runs: The runs of the deployment.
        execution: The execution.
        output: How to show it.
        ended: What the execution has done, as the end of a sentence.

    Returns:
        Whether its accounts are as one wants them.

    Raises:
        CommandError: The report cannot be shown, or not be saved.
    """
    again = runs.target.command("report", execution.run_id)
    what = f"Run {execution.run_id} {ended}, but its report cannot be shown (to look at it: `{again}`)"
    with failures_as(what, as_json=output.format == JSON):
        stored = runs.report_of(execution)
        show_report(stored, output=output)
    if output.format == TABLE:
        screen.hint(*next_steps(stored.report, target=runs.target))
    return keep_report(stored, output=output)


def show_report(stored: StoredReport, *, output: Output) -> None:
    """Show a report in the format that was asked for."""
    if output.format == JSON:
        click.echo(stored.json(), nl=False)
    elif output.format == CSV:
        click.echo(printable_lines(stored.csv()), nl=False)
    else:
        screen.show_report(stored.report)
    hint_if_in_doubt(stored)


def keep_report(stored: StoredReport, *, output: Output) -> ExitCode:
    """Save a report that was shown, and open it, as it was asked for.

    Returns:
        Whether its accounts are as one wants them.

    Raises:
        CommandError: It cannot be saved.
    """
    if output.path is not None:
        save_report(stored, output.path)
        screen.hint(f"Saved: {output.path}")
    if output.open:
        page, opened = open_page(stored)
        screen.hint(f"{'Opened' if opened else 'No browser could be started. The page is'}: {page}")
    return exit_code(stored)


def hint_if_in_doubt(stored: StoredReport) -> None:
    """Say so where it is not known whether a run wrote the report that is shown."""
    if stored.unchecked is not None:
        screen.hint(
            f"Whether run {stored.report.run_id} wrote this report was not checked. {stored.unchecked}"
        )


def next_steps(report: Report, *, target: Target) -> list[str]:
    """Return what one would do next, as commands to paste."""
    if is_executable(report):
        return [f"Next, to execute exactly this plan: {target.command('execute', report.run_id)}"]
    if report.task is Task.AUDIT:
        having = [it.account_id for it in report.results if it.outcome is Outcome.HAS_CREDENTIALS]
        if not having:
            return []
        if len(having) > _MAX_ACCOUNTS_IN_HINT and not report.full:
            # All accounts are more than those that were audited.
            page = target.command("report", report.run_id, "--open")
            return [f"Next, to plan their deletion, the page has a command for these accounts: {page}"]
        accounts = having if len(having) <= _MAX_ACCOUNTS_IN_HINT else ["all"]
        words = [word for account in accounts for word in ("--account", account)]
        return [f"Next, to plan their deletion: {target.command('plan', 'delete', *words)}"]
    if report.executed_plan is None:
        return []
    backups = [
        item.backup
        for result in report.results
        for item in result.items
        # Of a policy that was restored, the backup is of an earlier run.
        if item.backup is not None and item.backup.startswith(f"backups/{report.run_id}/")
    ]
    if backups := list(dict.fromkeys(backups)):
        words = [word for backup in backups for word in ("--backup", backup)]
        return [f"To plan restoring it: {target.command('plan', 'restore', *words)}"]
    return (
        [f"Next, to look again: {target.command('audit')}"] if report.task is Task.DELETE_CREDENTIALS else []
    )
