"""The runs of a deployment: start one, wait for it, check its report, say how to come back to it."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from aws_calls.failures import CallError, FailureKind
from root_tasks.aws.bucket import Bucket
from root_tasks.aws.stores import (
    EXECUTION_MARK,
    REPORT_JSON,
    Storage,
    sha256,
)
from root_tasks.messages import quantity
from root_tasks.model.codec import DecodingError, decode
from root_tasks.model.report_schema import Outcome
from root_tasks.model.run_documents import RUN_ID, ExecutionMark, Finding, Run
from root_tasks.report.next_steps import next_steps
from root_tasks.report.render import as_json
from root_tasks.report.summary import has_outcome, is_executable
from root_tasks.run.collect import collect_results
from root_tasks.run.make_report import make_report
from root_tasks.tasks.task_input import FROM_REPORT, REQUESTED_BY

from ..base.caller import MAX_WAIT_SECONDS, find_caller
from ..base.command_errors import (
    CommandError,
    InterruptedRunError,
    NoReportError,
    RunNotFoundError,
    failures_as,
)
from ..base.options import JSON, TABLE
from ..base.terminal import print_note, progress_bar
from .deployment import AUDIT_FOLDER, EXECUTE_FOLDER, find_deployment
from .plan_state import PlanState
from .step_functions import REFUSED_STATUS, RUN_SHA256, Executions, run_failed_error
from .step_sentences import sentences
from .stored_report import StoredReport, keep_report, print_doubt, show_stored_report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from root_tasks.model.report_schema import Report

    from ..base.caller import Caller
    from ..base.command_errors import ExitCode
    from ..base.options import Output, Selection, TargetOptions
    from .deployment import Deployment
    from .step_functions import RunExecution

# The reasons for which the report of a run cannot be checked.
_GONE = "Step Functions has no such execution; it keeps those that ended in the last 90 days."
_DENIED = "These credentials may not read its execution."
_NOT_HELD = "Its execution does not hold the hash of a report."
# A plan can be executed for 24 hours; its state is shown for another 24.
_PLANS_SHOWN_FOR = timedelta(hours=48)
# A call for each batch, of which an organization can have a thousand.
_MAX_SECONDS_FOR_RESULTS = 300.0
_NOT_STARTED = "Not started: the run ended before this account's turn."


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The runs of a deployment, as the commands use them.

    Attributes:
        target: The profile, the Region and the stack that the command was given.
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
        print_note(f"Stack {deployment.stack} in {caller.region}, account {deployment.account_id}.")
        executions = Executions(caller, deployment)
        return cls(target=target, caller=caller, deployment=deployment, executions=executions)

    def run(
        self, prefix: str, input_: Mapping[str, object], *, folder: str = AUDIT_FOLDER
    ) -> RunExecution:
        """Start an execution, and wait until it has ended with a report.

        Args:
            prefix: What its name begins with.
            input_: Its input.
            folder: The folder of its state machine.

        Raises:
            CommandError: It ended without a report.
            InterruptedRunError: A person interrupted the command.
        """
        name = self.target.environment.run_name(prefix)
        stated = {**input_, REQUESTED_BY: self.caller.arn}
        with self._resumable(name, started=False):
            execution = self.executions.start(folder, name=name, input_=stated)
        with self._resumable(name):
            execution = self._wait(execution)
        if not execution.has_report:
            if execution.status != REFUSED_STATUS:
                print_note(f"To see what it had done: {self.target.command('report', name)}")
            raise run_failed_error(execution)
        return execution

    def _wait(self, execution: RunExecution) -> RunExecution:
        """Wait until an execution has ended, and show its progress."""
        with progress_bar(execution.run_id, of="batches of accounts") as update:
            return self.executions.wait(execution, show=update)

    def report_of(self, execution: RunExecution) -> StoredReport:
        """Return the report of an execution that has ended; if it has none, what its results say.

        Raises:
            CommandError: There is none, the caller may not read it, or its run did not write it.
            CallError: The results cannot be read.
            ChecksumMismatchError: The run was altered.
            DecodingError: It is damaged, or of another version.
        """
        if not execution.has_report:
            return self._report_from_results(execution)
        folder = f"{execution.folder}/{execution.run_id}"
        body = self._read(folder, REPORT_JSON)
        return self._verify(StoredReport.of(body, input_=execution.input), execution, folder=folder)

    def find_report(self, run: str) -> StoredReport:
        """Return the report of a run, when it has ended.

        Args:
            run: Its name, which may follow the folder of its state machine and a slash.

        Raises:
            CommandError: There is no such run, either of two may be meant, it ended before it had
                accounts, or it did not write the report that is there.
            InterruptedRunError: A person interrupted the command.
        """
        found = self._await_execution(run)
        if not isinstance(found, str):
            return self.report_of(found)
        missing: list[CommandError] = [RunNotFoundError(run)] if found == _GONE else []
        for folder in (
            (run,) if "/" in run else (f"{AUDIT_FOLDER}/{run}", f"{EXECUTE_FOLDER}/{run}")
        ):
            try:
                return StoredReport.of(self._read(folder, REPORT_JSON)).with_doubt(found)
            except NoReportError as error:
                missing.append(error)
        raise missing[0]

    def latest_report(self) -> StoredReport:
        """Return the report of the latest full audit.

        Raises:
            CommandError: There is none, the caller may not read it, or its run did not write it.
            DecodingError: It is damaged, or of another version.
            CallError: The execution of its run cannot be read.
        """
        stored = StoredReport.of(self._read("latest", REPORT_JSON))
        # It may have written the report and go on for a moment.
        found = self._await_execution(f"{AUDIT_FOLDER}/{stored.report.run_id}")
        if isinstance(found, str):
            return stored.with_doubt(found)
        return self._verify(stored, found, folder="latest")

    def _await_execution(self, run: str) -> RunExecution | str:
        """Return the execution of a run, when it has ended, or why no report can be checked by it."""
        try:
            execution = self.executions.find(run)
            # One that has ended does not continue.
            with self._resumable(execution.run_id) if execution.running else nullcontext():
                return self._wait(execution)
        except RunNotFoundError:
            return _GONE
        except CallError as error:
            if error.failure.kind is not FailureKind.ACCESS_DENIED:
                raise
            return _DENIED

    def _verify(
        self, stored: StoredReport, execution: RunExecution, *, folder: str
    ) -> StoredReport:
        """Return a report if the execution's run wrote it, or if that is not known, which a note then says.

        Raises:
            CommandError: It did not write it.
        """
        if execution.report_sha256 is None:
            return stored.with_doubt(_NOT_HELD)
        if execution.report_sha256 != sha256(stored.body):
            raise CommandError(
                f"{self._location(folder, REPORT_JSON)} was altered: its SHA-256 is not the one that its "
                "execution holds. Do not act on it, and find out who can write to the bucket."
            )
        return stored

    def _report_from_results(self, execution: RunExecution) -> StoredReport:
        """Return the report of an execution that ended without one.

        Step Functions holds the hash of the run, the batches that started, and the hashes of their
        results. The bucket decides nothing by itself.
        """
        started = self.executions.output_of_start(execution)
        if not started:
            raise run_failed_error(execution)
        batches = self.executions.batches(execution)
        storage = Storage(self._bucket(seconds=_MAX_SECONDS_FOR_RESULTS))
        runs = storage.executions if execution.folder == EXECUTE_FOLDER else storage.runs
        run = runs.read(Run, execution.run_id, checksum=started[RUN_SHA256])
        aws = self.caller.aws(seconds=_MAX_SECONDS_FOR_RESULTS)
        results = collect_results(aws, runs, run, [*batches.values()], backups=storage.backups)
        # One that has just started may not be listed yet.
        numbers = batches.keys() | runs.batches_with_a_claim(run)
        not_started = {
            account_id: Finding(account_id=account_id, outcome=Outcome.SKIPPED, reason=_NOT_STARTED)
            for number, account_ids in enumerate(run.batches)
            if number not in numbers
            for account_id in account_ids
        }
        report = make_report(
            run,
            {**results.findings, **not_started},
            finished_at=execution.ended_at or results.finished_at,
            warnings=(str(run_failed_error(execution)), *results.warnings),
        )
        return replace(StoredReport.of(as_json(report), input_=execution.input), unfinished=True)

    def accounts_of_report(self, selection: Selection, *, audits: bool) -> dict[str, object]:
        """Return the accounts that another run reports with certain outcomes, as an input has them.

        Args:
            selection: The run, if there is one, and the outcomes.
            audits: Whether they are audited, also those that are protected.

        Raises:
            CommandError: There is no such report, its run did not write it, or no account has one
                of the outcomes.
        """
        if selection.from_report is None:
            return {}
        wanted = [outcome for outcome in Outcome if outcome.option in selection.outcomes]
        stored = self.find_report(selection.from_report)
        print_doubt(stored)
        run_id = stored.report.run_id
        found = [
            result
            for result in stored.report.results
            if any(has_outcome(stored.report, result, outcome) for outcome in wanted)
        ]
        accounts = [result.account_id for result in found if audits or not result.protected]
        protected = len(found) - len(accounts)
        if protected:
            print_note(f"Left out of run {run_id}: {quantity(protected, 'protected account')}.")
        if not accounts:
            which = "other account" if protected else "account"
            outcomes = ", ".join(outcome.option for outcome in wanted)
            problem = f"Run {run_id} reports no {which} with these outcomes: {outcomes}."
            if is_executable(stored.report):
                # For example, a plan that expired is to be made again.
                problem += f" Add --outcome {Outcome.PLANNED.option} for those that it lists."
            raise CommandError(problem)
        return {"accounts": accounts, FROM_REPORT: run_id}

    def show_result(
        self, execution: RunExecution, *, output: Output, ended: str = "has ended"
    ) -> ExitCode:
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
            show_stored_report(stored, output=output)
        if output.format == TABLE:
            self.show_next_steps(stored)
        return keep_report(stored, output=output)

    def show_next_steps(self, stored: StoredReport) -> None:
        """Print the next steps, or why a plan can no longer be executed."""
        report = stored.report
        if stored.unfinished and report.executed_plan is None:
            return
        state = self.plan_state(report)
        if state is not None and state.obstacle is not None:
            print_note(state.obstacle)
        else:
            if state is not None:
                print_note(
                    f"SHA-256 of its report.json, for --approved-report: {sha256(stored.body)}"
                )
            print_note(*sentences(next_steps(report), target=self.target))

    def plan_state(self, report: Report) -> PlanState | None:
        """Return whether a plan can still be executed; None for another report, or a plan of nothing."""
        if not is_executable(report):
            return None
        return self._plan_state(report.run_id, expires_at=report.plan_expires_at)

    def states_of(self, executions: Sequence[RunExecution]) -> dict[str, PlanState]:
        """Return the states of the plans among executions, by their names, if these can be read."""
        # If an execution ended without a report, the mark says whether it had begun and used up its
        # plan.
        executed = {
            each.plan: each.run_id for each in executions if each.running or each.has_report
        }
        now = self.target.environment.now()
        states = {}
        for execution in executions:
            run_id, expires_at = execution.run_id, execution.plan_expires_at
            if run_id in executed:
                states[run_id] = PlanState(
                    now=now, expires_at=expires_at, executed_by=executed[run_id]
                )
            elif expires_at is not None and now - execution.started_at <= _PLANS_SHOWN_FOR:
                states[run_id] = self._plan_state(run_id, expires_at=expires_at)
        return states

    def _plan_state(self, run_id: str, *, expires_at: datetime | None) -> PlanState:
        executed_by, unnamed = None, "an execution that its mark does not name"
        try:
            mark = decode(ExecutionMark, self._read(f"{AUDIT_FOLDER}/{run_id}", EXECUTION_MARK))
            name = mark.execution_arn.rpartition(":")[2]
            executed_by = name if RUN_ID.fullmatch(name) else unnamed
        except (CallError, NoReportError):
            # There is none, or it cannot be read; the execution itself then refuses.
            pass
        except DecodingError:
            executed_by = unnamed
        return PlanState(
            now=self.target.environment.now(), expires_at=expires_at, executed_by=executed_by
        )

    def _bucket(self, *, seconds: float = MAX_WAIT_SECONDS) -> Bucket:
        return Bucket(
            aws=self.caller.calls(seconds=seconds),
            name=self.deployment.bucket,
            account_id=self.deployment.account_id,
        )

    def _location(self, folder: str, name: str) -> str:
        return f"s3://{self.deployment.bucket}/{folder}/{name}"

    def _read(self, folder: str, name: str) -> bytes:
        """Return a file, such as report.json.

        Raises:
            NoReportError: There is none, or the caller may not read it.
            CallError: S3 did not respond in time.
        """
        try:
            return self._bucket().read(f"{folder}/{name}")
        except CallError as error:
            # Without permission to list the bucket, S3 denies what does not exist.
            if error.failure.name not in ("NoSuchKey", "AccessDenied"):
                raise
            raise NoReportError(
                f"There is no {name} at {self._location(folder, name)}, or these credentials may not read it "
                f"({error.failure.code}). It needs grant_read_reports; the latest report is there once a "
                "full audit has ended. A RootTasks that was renamed or moved starts with an empty bucket."
            ) from error

    @contextmanager
    def _resumable(self, name: str, *, started: bool = True) -> Iterator[None]:
        """Say how to come back to an execution if the command ends early, which may be before its start."""
        continues = (
            f"Run {name} continues" if started else f"If run {name} was started, it continues"
        )
        back = self.target.command("report", name)
        try:
            yield
        except KeyboardInterrupt as error:
            raise InterruptedRunError(
                f"{continues} in AWS. To come back to it: `{back}`. "
                f"To stop it: `{self.target.command('stop', name)}`."
            ) from error
        except Exception as error:
            # The SDK raises any error, such as that of a credential process.
            failure = error.failure if isinstance(error, CallError) else None
            if (
                not failure
                or failure.operation != "states:StartExecution"
                or failure.may_have_taken_effect
            ):
                print_note(f"{continues} in AWS. To come back to it: {back}")
            raise
