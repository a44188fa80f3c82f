"""The execute command: do exactly what a plan lists, after a look at it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .failures import failures_as
from .options import JSON, RunId, output_options, target_options
from .waiting import find_runs

if TYPE_CHECKING:
    from .environment import Environment
    from .exit_code import ExitCode
    from .options import Output, Target


@click.command(short_help="Execute a plan.")
@click.argument("run", type=RunId())
@click.option("--yes", is_flag=True, help="Do not ask. Needed where there is no terminal.")
@click.option(
    "--approved-report",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Execute the plan only if its report.json is this file: the one that somebody has read, as "
    "`plan --output FILE.json` has saved it.",
)
@output_options
@target_options
@click.pass_obj
def execute(
    environment: Environment,
    *,
    run: str,
    yes: bool,
    approved_report: Path | None,
    output: Output,
    target: Target,
) -> ExitCode:
    """Execute the plan RUN: exactly what its report lists, once. It shows the plan, and asks.

    Exit code: 0 done, 1 something failed, 2 not executed, or executed by a run whose report cannot be shown.
    """
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask at. Read the plan, then use --yes.")
    with failures_as("Unable to execute", as_json=output.format == JSON):
        runs = find_runs(target, environment=environment)
        from root_tasks.report.summary import is_plan
        from root_tasks.run.plans import PLAN
        from root_tasks.run.report_hash import REPORT_SHA256

        from .errors import NotAPlanError, NothingPlannedError, NothingToExecuteError, OtherReportError
        from .executions import AUDIT_FOLDER
        from .exit_code import ExitCode
        from .flow import hint_if_in_doubt, show_result_of
        from .reports import is_executable
        from .screen import show_report

        state_machine_arn = runs.deployment.execute_state_machine_arn
        if state_machine_arn is None:
            raise NothingToExecuteError(runs.deployment.stack)
        stored = runs.find_report(run, folders=[AUDIT_FOLDER])
        plan = stored.report
        if not is_plan(plan):
            raise NotAPlanError(run)
        if not is_executable(plan):
            raise NothingPlannedError(run)
        if approved_report is not None and approved_report.read_bytes() != stored.body:
            raise OtherReportError(str(approved_report), run_id=run)
        if not yes:
            show_report(plan, stderr=True, whole=True)
            hint_if_in_doubt(stored)
            if not _is_confirmed():
                return ExitCode.NO_RESULT
        # Whoever altered the report that was shown would have had something else approved.
        input_ = {PLAN: run, REPORT_SHA256: stored.sha256}
        execution = runs.run("execute", input_, state_machine_arn=state_machine_arn)
    return show_result_of(runs, execution, output=output, ended="has executed the plan")


def _is_confirmed() -> bool:
    """Ask whether to execute the plan. Ctrl-C and the end of the input are a no, and are called one."""
    from .screen import hint

    try:
        confirmed = click.confirm("Execute this plan?", err=True)
    except click.Abort:
        hint("", "Not executed. Nothing was changed.")
        raise
    if not confirmed:
        hint("Not executed. Nothing was changed.")
    return confirmed
