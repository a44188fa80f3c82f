"""The stop command: stop a run, and show what it had done."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ..base.command_errors import CommandError, ExitCode, InterruptedRunError, failures_as
from ..base.options import TargetOptions, example, run_id_or_key, target_options
from ..base.terminal import confirm, print_note

if TYPE_CHECKING:
    from ..runs.deployed_runs import Runs
    from ..runs.step_functions import RunExecution


_NO_CHANGE = "It changes nothing in any account."


@click.command(short_help="Stop a run.", epilog=example("stop execute-20261125-0440-k3mp"))
@click.argument("run", type=run_id_or_key)
@click.option("--yes", is_flag=True, help="Do not ask. Needed if there is no terminal.")
@target_options
def stop(*, run: str, yes: bool, target: TargetOptions) -> ExitCode:
    """Stop RUN for good, and show what an execution had done; `report RUN` shows it again.

    Changes that were made stay made, and batches that have started may still finish.

    Exit code: 0 stopped; 2 not stopped, or what it had done cannot be shown.
    """
    if not yes and not sys.stdin.isatty():
        raise CommandError("There is no terminal to ask at. Use --yes.")
    with failures_as("Unable to stop the run"):
        from ..runs.deployed_runs import Runs
        from ..runs.deployment import EXECUTE_FOLDER

        runs = Runs.find(target)
        execution = runs.executions.find(run)
        if not execution.running:
            raise _not_running_error(execution)
        makes_changes = execution.folder == EXECUTE_FOLDER
        if not yes and not _is_confirmed(execution, makes_changes=makes_changes):
            return ExitCode.NO_RESULT
    cause = f"Stopped by {runs.caller.arn}, as its command line states."
    unknown = f"Whether run {execution.run_id} was stopped is not known"
    try:
        with failures_as("Unable to stop the run"):
            runs.executions.stop(execution, cause=cause)
        with failures_as(unknown):
            # The run may have ended by itself meanwhile, which is no error for StopExecution.
            ended = runs.executions.wait(
                execution.folder,
                execution.run_id,
                show=lambda done, total: None,  # noqa: ARG005
            )
    except KeyboardInterrupt as error:
        raise InterruptedRunError(
            f"{unknown}. To look: `{target.command('report', run)}`."
        ) from error
    # Step Functions' status of an execution that was stopped.
    if ended.status != "ABORTED":
        raise _not_running_error(ended)
    print_note(f"Run {ended.run_id} was stopped.")
    if not makes_changes:
        print_note(_NO_CHANGE)
        return ExitCode.AS_WANTED
    return _show_what_it_did(runs, ended)


def _not_running_error(execution: RunExecution) -> CommandError:
    """Return the error about a run that has ended by itself."""
    return CommandError(f"Run {execution.run_id} is not running: it ended as {execution.status}.")


def _is_confirmed(execution: RunExecution, *, makes_changes: bool) -> bool:
    """Say what stopping a run means, and ask whether to stop it."""
    from root_tasks.report.words import minute

    subject = f"Run {execution.run_id}"
    if execution.plan:
        subject += f", which executes {execution.plan},"
    effect = _NO_CHANGE
    if makes_changes:
        effect = (
            "Changes that it has made stay made, and its plan is used up, unless it is still being "
            "checked."
        )
    print_note(f"{subject} started at {minute(execution.started_at)}. {effect}")
    return confirm("Stop it?", otherwise="Not stopped. The run continues.")


def _show_what_it_did(runs: Runs, execution: RunExecution) -> ExitCode:
    """Show what an execution had done, as far as its batches have ended."""
    what_failed = (
        f"Run {execution.run_id} was stopped, but what it had done cannot be shown. Audit every "
        f"account of plan {execution.plan}, or plan again for policies; the plan's report says if "
        "it can still be executed"
    )
    with failures_as(what_failed):
        from root_tasks.model.outcome import Outcome

        from ..runs.report_output import show_next_steps
        from ..runs.reports import report_of_execution
        from ..show import screen

        stored = report_of_execution(runs, execution)
        screen.show_report(stored.report)
        if Outcome.UNKNOWN in stored.report.totals:
            # A function runs for up to 10 minutes.
            print_note(
                "Batches that had started may still be finishing, for up to 10 more minutes."
            )
        show_next_steps(runs, stored)
    return ExitCode.AS_WANTED
