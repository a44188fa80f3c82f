"""The runs of a deployment: start one, wait for its end, say how to come back to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from aws_calls.failures import CallError, FailureKind
from root_tasks.tasks.task_input import REQUESTED_BY

from ..base.caller import Caller, find_caller
from ..base.command_errors import InterruptedRunError, RunNotFoundError
from ..base.options import TargetOptions
from ..base.terminal import print_note, progress_bar
from .deployment import AUDIT_FOLDER, Deployment, find_deployment
from .step_functions import REFUSED_STATUS, Executions, RunExecution, run_failed_error
from .stored_report import Doubt


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
        with self._resumable(name, if_started="If run {name} was started, it continues"):
            execution = self.executions.start(folder, name=name, input_=stated)
        with self._resumable(name):
            execution = self._wait(execution)
        # It was refused, or failed before it wrote one.
        if not execution.has_report:
            if execution.status != REFUSED_STATUS:
                seen = self.target.command("report", name)
                print_note(f"To see what it had done, if it had begun: {seen}")
            raise run_failed_error(execution)
        return execution

    def wait_for(self, run: str) -> RunExecution | Doubt:
        """Return the execution of a run, when it has ended, or why it cannot say whose a report is.

        Args:
            run: Its name, which may follow the folder of its state machine and a slash.

        Raises:
            CommandError: Either of two runs may be meant.
            InterruptedRunError: A person interrupted the command.
        """
        try:
            execution = self.executions.find(run)
            if not execution.running:
                # One that has ended does not continue.
                return self._wait(execution)
            with self._resumable(execution.run_id):
                return self._wait(execution)
        except RunNotFoundError:
            return Doubt.GONE
        except CallError as error:
            if error.failure.kind is not FailureKind.ACCESS_DENIED:
                raise
            return Doubt.DENIED

    def _wait(self, execution: RunExecution) -> RunExecution:
        """Wait until an execution has ended, and show its progress."""
        with progress_bar(execution.run_id, of="batches of accounts") as update:
            return self.executions.wait(execution, show=update)

    @contextmanager
    def _resumable(self, name: str, *, if_started: str = "Run {name} continues") -> Iterator[None]:
        """Say how to come back to an execution if the command ends early."""
        continues = f"{if_started.format(name=name)} in AWS."
        back = self.target.command("report", name)
        try:
            yield
        except KeyboardInterrupt as error:
            raise InterruptedRunError(
                f"{continues} To come back to it: `{back}`. To stop it: "
                f"`{self.target.command('stop', name)}`."
            ) from error
        # The SDK raises any error, such as that of a credential process.
        except Exception as error:
            if not _was_not_started(error):
                print_note(f"{continues} To come back to it: {back}")
            raise


def _was_not_started(error: Exception) -> bool:
    """Return whether an error says that AWS did not start the execution."""
    if not isinstance(error, CallError):
        return False
    failure = error.failure
    return failure.operation == "states:StartExecution" and not failure.may_have_taken_effect
