"""Why a command could not do what it was asked for, as one sentence that says what to do."""

from __future__ import annotations

from typing import IO, Any

import click

from .exit_code import ExitCode
from .text import printable


class CommandError(click.ClickException):
    """Raised where a command has no result. The message is shown as it is, and nothing else.

    Args:
        message: What failed, and what to do. It may have text of somebody else.
        exit_code: The command's exit code.
    """

    def __init__(self, message: str, *, exit_code: ExitCode = ExitCode.NO_RESULT) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click sets it for the class alone

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message to stderr."""
        click.echo(printable(self.message), file=file, err=True)


class NotDeployedError(CommandError):
    """Raised where no stack has the outputs of RootTasks.

    Attributes:
        account_id: The account of the credentials.
        region: The Region that was looked at.
    """

    def __init__(self, *, account_id: str, region: str) -> None:
        super().__init__(
            f"No stack of account {account_id} in {region} has the outputs of RootTasks. Use --profile and "
            "--region for where it is deployed; without a deployment, use `audit --from-here`."
        )
        self.account_id = account_id
        self.region = region


class StackNotFoundError(CommandError):
    """Raised where the stack of --stack does not exist, or is not a stack of RootTasks.

    Attributes:
        stack: The name.
        account_id: The account of the credentials.
        region: The Region that was looked at.
    """

    def __init__(self, stack: str, *, account_id: str, region: str) -> None:
        super().__init__(
            f"Stack {stack} of account {account_id} in {region} does not exist, or does not have the outputs "
            "of RootTasks. Use --profile and --region for where it is deployed."
        )
        self.stack = stack
        self.account_id = account_id
        self.region = region


class StackNotNamedError(CommandError):
    """Raised where the caller may not read all stacks, so that the one to work with has to be named."""

    def __init__(self) -> None:
        super().__init__(
            "These credentials may not read all stacks, which is right for those of grant_audit, grant_plan, "
            "grant_execute and grant_read_reports. Name the stack: --stack STACK."
        )


class SeveralDeploymentsError(CommandError):
    """Raised where more than one RootTasks was found.

    Attributes:
        names: Each as stack or as stack:construct, as --stack takes it.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(
            f"RootTasks is deployed more than once. Choose one: --stack {' or --stack '.join(names)}"
        )
        self.names = names


class NothingToExecuteError(CommandError):
    """Raised where the stack has no state machine that executes plans.

    Attributes:
        stack: The stack.
    """

    def __init__(self, stack: str) -> None:
        super().__init__(
            f"Stack {stack} lists no task that makes changes, so that it cannot execute plans. Add one to "
            "RootTasks(tasks=[...]) and deploy."
        )
        self.stack = stack


class NotAPlanError(CommandError):
    """Raised where the run to execute is not a plan.

    Attributes:
        run_id: The run.
    """

    def __init__(self, run_id: str) -> None:
        super().__init__(f"Run {run_id} is not a plan. Create one with `plan`. Nothing was changed.")
        self.run_id = run_id


class ReportAlteredError(CommandError):
    """Raised where the stored report of a run is not the one that the run wrote.

    Attributes:
        location: Where it is stored.
    """

    def __init__(self, location: str) -> None:
        super().__init__(
            f"{location} was altered: its SHA-256 is not the one that the run's execution holds. Do not act "
            "on it, and find out who can write to the bucket."
        )
        self.location = location


class NotAFullAuditError(CommandError):
    """Raised where the latest report is another one than that of a full audit.

    Attributes:
        location: Where it is stored.
    """

    def __init__(self, location: str) -> None:
        super().__init__(
            f"{location} is not the report of a full audit, so no run has stored it there. Do not act on it, "
            "and find out who can write to the bucket."
        )
        self.location = location


class SeveralRunsError(CommandError):
    """Raised where both state machines have an execution of this name.

    Attributes:
        run_id: The name.
    """

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"Both state machines have a run {run_id}. The reports are in the bucket: runs/{run_id}/ and "
            f"executions/{run_id}/."
        )
        self.run_id = run_id


class OtherReportError(CommandError):
    """Raised where the report that was approved is not that of the plan to execute.

    Attributes:
        path: The file of the approved report.
        run_id: The plan.
    """

    def __init__(self, path: str, *, run_id: str) -> None:
        super().__init__(
            f"{path} is not the report.json of plan {run_id} as it is stored now. Read that one with "
            f"`report {run_id}`, or save it with `report {run_id} --output FILE.json`. Nothing was changed."
        )
        self.path = path
        self.run_id = run_id


class NothingPlannedError(CommandError):
    """Raised where the plan to execute lists nothing that would change.

    Attributes:
        run_id: The run.
    """

    def __init__(self, run_id: str) -> None:
        super().__init__(f"Plan {run_id} lists nothing to execute; `report {run_id}` shows why.")
        self.run_id = run_id


class RunNotFoundError(CommandError):
    """Raised where neither state machine has an execution of this name.

    Attributes:
        run_id: The name.
    """

    def __init__(self, run_id: str) -> None:
        super().__init__(f"There is no run {run_id}. `runs` lists them.")
        self.run_id = run_id


class RunFailedError(CommandError):
    """Raised where an execution ended without a report.

    Attributes:
        run_id: The run.
        status: Its status in Step Functions.
        cause: Why, in the words of the function that refused it.
    """

    def __init__(self, run_id: str, *, status: str, cause: str) -> None:
        super().__init__(f"Run {run_id} ended as {status}: {cause or 'Step Functions gives no cause.'}")
        self.run_id = run_id
        self.status = status
        self.cause = cause


class NoReportError(CommandError):
    """Raised where a report cannot be read.

    Attributes:
        location: Its S3 URL.
        code: S3's error code.
    """

    def __init__(self, location: str, *, code: str) -> None:
        super().__init__(
            f"There is no report at {location}, or these credentials may not read it ({code}). It needs "
            "grant_read_reports; the latest report is there once a full audit has ended."
        )
        self.location = location
        self.code = code


class InterruptedRunError(click.Abort):
    """Raised where a person interrupts a command whose execution goes on.

    Attributes:
        message: How to come back to it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
