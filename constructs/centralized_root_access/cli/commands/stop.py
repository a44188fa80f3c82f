"""The stop command: stop a run, and say what it had done."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ..errors import CommandError, ExitCode, failures_as
from ..options import run_id_or_key, target_options
from ..terminal import print_note, waiting_line
from . import find_runs

if TYPE_CHECKING:
    from ..executions import RunExecution
    from ..stopped_run import StoppedRun
    from ..target import TargetOptions

# Until then a function that was invoked has claimed its batch.
_START_SECONDS = 5.0
# The timeout of the functions that act.
_MAX_MINUTES_LEFT = 10


@click.command(short_help="Stop a run.")
@click.argument("run", type=run_id_or_key)
@click.option("--yes", is_flag=True, help="Do not ask. Needed where there is no terminal.")
@target_options
def stop(*, run: str, yes: bool, target: TargetOptions) -> ExitCode:
    """Stop RUN, and show what it had done. What is done stays done, and batches that have started continue.

    Exit code: 0 stopped; 2 not stopped, or what it had done cannot be shown.
    """
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask at. Use --yes.")
    with failures_as("Unable to stop the run"):
        runs = find_runs(target)
        from ..deployment import EXECUTE_FOLDER, FOLDERS

        folder, _, name = run.rpartition("/")
        execution = runs.executions.find(name, folders=[folder] if folder else FOLDERS)
        if not execution.running:
            raise _not_running_error(execution)
        acts = execution.folder == EXECUTE_FOLDER
        if not yes and not _is_confirmed(execution, acts=acts):
            return ExitCode.NO_RESULT
        cause = f"Stopped by {runs.caller.arn}, as its command line states."
        runs.executions.stop(execution, cause=cause)
    with failures_as(f"Whether run {name} was stopped is not known"):
        # StopExecution has no error for an execution that has ended meanwhile.
        ended = runs.executions.wait(execution, show=lambda done, total: None)  # noqa: ARG005
    if ended.status != "ABORTED":
        raise _not_running_error(ended)
    print_note(f"Run {name} was stopped.")
    if not acts:
        print_note("It changed nothing in any account, and has no report.")
        return ExitCode.AS_WANTED
    with failures_as(f"Run {name} was stopped, but what it had done cannot be shown. Audit its accounts"):
        from ..stopped_run import read_stopped_run

        with waiting_line("Waiting for functions that had just been invoked ..."):
            runs.caller.clock.sleep(_START_SECONDS)
        done = read_stopped_run(runs.caller, runs.deployment, f"{execution.folder}/{name}")
        _show(done, target=target)
    return ExitCode.AS_WANTED


def _not_running_error(execution: RunExecution) -> CommandError:
    return CommandError(f"Run {execution.run_id} is not running: it ended as {execution.status}.")


def _is_confirmed(execution: RunExecution, *, acts: bool) -> bool:
    from root_tasks.report.summary import minute

    effect = (
        "What it has done stays done, and its plan cannot be executed again."
        if acts
        else "It changes nothing in any account."
    )
    plan = f", which executes {execution.plan}," if execution.plan else ""
    print_note(f"Run {execution.run_id}{plan} started at {minute(execution.started_at)}. {effect}")
    confirmed = click.confirm("Stop it?", err=True)
    if not confirmed:
        print_note("Not stopped. The run continues.")
    return confirmed


def _show(stopped: StoppedRun | None, *, target: TargetOptions) -> None:
    """Show the accounts that it had come to, and how to go on."""
    from root_tasks.messages import quantity
    from root_tasks.model.report import Outcome

    from .. import screen

    if stopped is None:
        print_note("It had not come to any account.")
        return
    table = screen.new_table("outcome", "account", "name")
    for account_id, outcome in sorted(stopped.outcomes.items(), key=lambda pair: (pair[1].rank, pair[0])):
        table.add_row(
            stopped.words.outcome(outcome), account_id, screen.safe_text(stopped.names.get(account_id, ""))
        )
    screen.show_lines([table])
    print_note(f"Not started: {quantity(len(stopped.not_started), 'account')}.")
    if unknown := [id_ for id_, outcome in stopped.outcomes.items() if outcome is Outcome.UNKNOWN]:
        look = target.command("audit", "--account", ",".join(sorted(unknown)))
        print_note(
            f"Unknown: {quantity(len(unknown), 'account')}. Their functions had started, and may run for up "
            f"to {_MAX_MINUTES_LEFT} more minutes. Then audit them: {look}"
        )
