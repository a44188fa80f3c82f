"""The report command: show the report of a run, or of the latest full audit."""

from __future__ import annotations

import click

from ..base.command_errors import ExitCode, failures_as
from ..base.options import (
    Output,
    TargetOptions,
    example,
    output_options,
    run_id_or_key,
    target_options,
)
from ..base.terminal import TABLE, print_note


@click.command(
    short_help="Show a report, or come back to a run.",
    epilog=example("report audit-20261125-0432-x7k2 --open"),
)
@click.argument("run", type=run_id_or_key, required=False)
@output_options
@target_options
def report(*, run: str | None, output: Output, target: TargetOptions) -> ExitCode:
    """Show the report of RUN; without RUN, of the latest full audit.

    It waits for a run that has not ended.

    If both state machines have a run of this name, write runs/RUN or executions/RUN.

    Exit code: as that of the command that started the run.
    """
    with failures_as("Unable to show the report"):
        from root_tasks.report.words import minute

        from ..runs.deployed_runs import Runs
        from ..runs.report_output import end_with_report, show_next_steps, show_report
        from ..runs.reports import latest_report, report_of_run

        runs = Runs.find(target)
        stored = latest_report(runs) if run is None else report_of_run(runs, run)
        show_report(stored, output=output)
        if run is None:
            # Whoever can write to the bucket can put an earlier audit's report in the place of the
            # latest one. It passes the checks, because it is genuine: only its time tells.
            ended = minute(stored.report.finished_at)
            print_note(f"This is run {stored.report.run_id}, which ended at {ended}.")
        if output.format == TABLE:
            show_next_steps(runs, stored)
    return end_with_report(stored, output=output)
