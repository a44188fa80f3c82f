"""The runs of a deployment: start one, wait for its end, say how to come back to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from aws_calls.failures import CallError, FailureKind
from root_tasks.model.task import Task
from root_tasks.run.parse_input import parse_request
from root_tasks.run.plans import parse_plan_request
from root_tasks.tasks.task_input import REQUESTED_BY, end_of_recovery

from ..base.caller import Caller, find_caller
from ..base.command_errors import InterruptedRunError, RunNotFoundError
from ..base.options import TargetOptions
from ..base.terminal import print_note, progress_bar, run_name
from .deployment import AUDIT_FOLDER, Deployment, find_deployment
from .step_functions import REFUSED_STATUS, Executions, RunExecution, run_failed_error
from .stored_report import Doubt


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The runs of a deployment, as the commands use them.

    Attributes:
        target: The profile, the Region and the stack that the command was given.
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
            RunRefusedError: The function would refuse the input.
            CommandError: It ended without a report.
            InterruptedRunError: A person interrupted the command.
        """
        name = run_name(prefix, clock=self.target.clock)
        with_requester = {**input_, REQUESTED_BY: self.caller.arn}
        # By the function's own check, because each run that it refuses stays in the list of runs.
        # Only the function knows the tasks of its stack.
        if folder == AUDIT_FOLDER:
            request = parse_request(with_requester, tasks=tuple(Task))
            if request.until is not None:
                end_of_recovery(request.until, now=self.target.clock.utc_now())
        else:
            parse_plan_request(with_requester)
        # If the response to the start is lost, no one knows whether the run was started.
        with self._saying_how_to_come_back(
            name, continues=f"If run {name} was started, it continues"
        ):
            self.executions.start(folder, name=name, input_=with_requester)
        with self._saying_how_to_come_back(name, continues=f"Run {name} continues"):
            execution = self._wait(folder, name)
        # A run that was refused, or failed early, has written no report.
        if not execution.has_report:
            if execution.status != REFUSED_STATUS:
                look = self.target.command("report", name)
                print_note(f"To see what it had done, if it had begun: {look}")
            raise run_failed_error(execution)
        return execution

    def wait_for(self, run: str) -> RunExecution | Doubt:
        """Return the execution of a run, when it has ended, or why no report can be checked by it.

        Args:
            run: Its name, which may follow the folder of its state machine and a slash.

        Raises:
            CommandError: Either of two runs may be meant.
            InterruptedRunError: A person interrupted the command.
        """
        try:
            execution = self.executions.find(run)
            folder, name = execution.folder, execution.run_id
            if not execution.running:
                # Nothing has to be said about an interrupt: the run does not continue.
                return self._wait(folder, name)
            with self._saying_how_to_come_back(name, continues=f"Run {name} continues"):
                return self._wait(folder, name)
        except RunNotFoundError:
            return Doubt.EXECUTION_GONE
        except CallError as error:
            if error.failure.kind is not FailureKind.ACCESS_DENIED:
                raise
            return Doubt.EXECUTION_DENIED

    def _wait(self, folder: str, name: str) -> RunExecution:
        """Wait until an execution has ended, and show its progress."""
        with progress_bar(name, of="batches of accounts") as update:
            return self.executions.wait(folder, name, show=update)

    @contextmanager
    def _saying_how_to_come_back(self, name: str, *, continues: str) -> Iterator[None]:
        """Say how to come back to a run if the command ends before it.

        Args:
            name: The run.
            continues: The beginning of the sentence that the run continues in AWS.
        """
        back = self.target.command("report", name)
        try:
            yield
        except KeyboardInterrupt as error:
            raise InterruptedRunError(
                f"{continues} in AWS. To come back to it: `{back}`. To stop it: "
                f"`{self.target.command('stop', name)}`."
            ) from error
        # The SDK raises any error, such as that of a credential process.
        except Exception as error:
            if not _was_not_started(error):
                print_note(f"{continues} in AWS. To come back to it: {back}")
            raise


def _was_not_started(error: Exception) -> bool:
    """Return whether an error of a start says that AWS did not start the execution."""
    if not isinstance(error, CallError):
        return False
    failure = error.failure
    return failure.operation == "states:StartExecution" and not failure.may_have_taken_effect
