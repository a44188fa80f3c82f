"""What the commands on runs share: start one, wait for it, show its report, say how to come back to it."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from aws_calls.failures import CallError, FailureKind
from root_tasks.model.codec import DecodingError, decode
from root_tasks.model.report import Outcome, Task
from root_tasks.model.run import Run

from . import screen
from .aws import Caller, find_caller
from .deployment import Deployment, find_deployment
from .environment import run_name
from .errors import CommandError, InterruptedRunError, NoReportError, RunNotFoundError
from .executions import Executions, require_report
from .options import CSV, JSON
from .reports import StoredFiles, StoredReport, exit_code, is_executable, open_page, save_report
from .text import printable_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from root_tasks.model.report import Report

    from .environment import Environment
    from .executions import Execution, Progress
    from .exit_code import ExitCode
    from .options import Output, Target
    from .reports import ReportFiles

_MAX_ACCOUNTS_IN_HINT = 5
_LATEST = "latest"
# Why it is not known which report a run has written.
_GONE = "Step Functions has no such execution, as it has none that ended more than 90 days ago."
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
            return self._wait(self.executions.describe(arn))

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
                run = decode(Run, self.files(execution).read("run.json"))
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

    def files(self, execution: Execution) -> StoredFiles:
        """Return the files of the report of an execution."""
        return self._files_of(f"{execution.folder}/{execution.run_id}", execution)

    def find_files(self, run_id: str) -> StoredFiles:
        """Return the files of the report of a run; of one that goes on, when it has ended.

        Raises:
            RunNotFoundError: There is no such run.
            RunFailedError: It ended without a report.
            InterruptedRunError: A person interrupted the command.
        """
        try:
            return self.files(self.wait(self.executions.find(run_id)))
        except RunNotFoundError:
            stored = self._find_in_bucket(run_id, unchecked=_GONE)
            if stored is None:
                raise
            return stored
        except CallError as error:
            if error.failure.kind is not FailureKind.ACCESS_DENIED:
                raise
        stored = self._find_in_bucket(run_id, unchecked=_DENIED)
        return stored or self.files_in(f"executions/{run_id}", unchecked=_DENIED)

    def _find_in_bucket(self, run_id: str, *, unchecked: str) -> StoredFiles | None:
        folders = (f"{folder}/{run_id}" for folder in ("runs", "executions"))
        return next(filter(_has_report, (self.files_in(it, unchecked=unchecked) for it in folders)), None)

    def latest_files(self) -> StoredFiles:
        """Return the files of the report of the latest full audit.

        Raises:
            NoReportError: There is none, or the caller may not read it.
            DecodingError: It is damaged.
            CallError: The execution of its run cannot be read.
        """
        run_id = StoredReport.read(self.files_in(_LATEST)).report.run_id
        try:
            return self._files_of(_LATEST, self.executions.find(run_id))
        except RunNotFoundError:
            return self.files_in(_LATEST, unchecked=_GONE)
        except CallError as error:
            if error.failure.kind is not FailureKind.ACCESS_DENIED:
                raise
        return self.files_in(_LATEST, unchecked=_DENIED)

    def _files_of(self, folder: str, execution: Execution) -> StoredFiles:
        if execution.report_sha256 is None:
            return self.files_in(folder, unchecked=_NOT_HELD)
        return self.files_in(folder, report_sha256=execution.report_sha256)

    def files_in(
        self, folder: str, *, report_sha256: str | None = None, unchecked: str | None = None
    ) -> StoredFiles:
        """Return the files of a run that are in a folder of the bucket.

        Args:
            folder: The folder.
            report_sha256: The SHA-256 of the report that the run wrote; None where it is not known.
            unchecked: Why it is not known.
        """
        return StoredFiles(
            caller=self.caller,
            deployment=self.deployment,
            folder=folder,
            report_sha256=report_sha256,
            unchecked=unchecked,
        )

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


def _has_report(files: ReportFiles) -> bool:
    try:
        files.read("report.json")
    except NoReportError:
        return False
    return True


def show_result(files: ReportFiles, *, output: Output) -> tuple[Report, ExitCode]:
    """Show a report in the format that was asked for, save it, open it.

    Returns:
        The report, and whether its accounts are as one wants them.
    """
    stored = StoredReport.read(files)
    if output.format == JSON:
        click.echo(stored.json(), nl=False)
    elif output.format == CSV:
        click.echo(printable_lines(stored.csv()), nl=False)
    else:
        screen.show_report(stored.report)
    if output.path is not None:
        save_report(stored, output.path)
        screen.hint(f"Saved: {output.path}")
    if output.open:
        page, opened = open_page(stored)
        screen.hint(f"{'Opened' if opened else 'No browser could be started. The page is'}: {page}")
    return stored.report, exit_code(stored.report)


def next_steps(report: Report, *, target: Target) -> list[str]:
    """Return what one would do next, as commands to paste."""
    if is_executable(report):
        return [f"Next, to execute exactly this plan: {target.command('execute', report.run_id)}"]
    if report.task is Task.AUDIT:
        having = [it.account_id for it in report.results if it.outcome is Outcome.HAS_CREDENTIALS]
        if not having:
            return []
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
