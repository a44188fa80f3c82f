"""The execute command: do what a plan lists, once a person has confirmed it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ..base.command_errors import CommandError, ExitCode, RunNotFoundError, failures_as
from ..base.options import (
    Output,
    TargetOptions,
    example,
    output_options,
    reason_option,
    run_id,
    sha256_of_report,
    target_options,
)
from ..base.terminal import confirm

if TYPE_CHECKING:
    from ..runs.plan_state import PlanState
    from ..runs.stored_report import StoredReport


@click.command(
    short_help="Execute a plan.", epilog=example("execute plan-delete-20261125-0433-2345")
)
@click.argument("run", metavar="PLAN", type=run_id)
@click.option("--yes", is_flag=True, help="Do not ask. Needed if there is no terminal.")
@click.option(
    "--approved-report",
    "approved_sha256",
    type=sha256_of_report,
    metavar="SHA256|FILE",
    help="Execute the plan only if its report.json is the one that was approved: its SHA-256, "
    "which the page shows, or the file.",
)
@reason_option
@output_options
@target_options
def execute(
    *,
    run: str,
    yes: bool,
    approved_sha256: str | None,
    reason: str | None,
    output: Output,
    target: TargetOptions,
) -> ExitCode:
    """Execute PLAN once: what its report lists, and nothing else. It shows the plan, and asks.

    Exit code: 0 everything planned is done; 1 something planned is not done; 2 not executed,
    nothing was left to do, or the report cannot be shown.
    """
    if not yes and not sys.stdin.isatty():
        raise CommandError("There is no terminal to ask at. Read the plan, then use --yes.")
    with failures_as("Unable to execute", starts_run=True):
        from root_tasks.aws.checksums import sha256
        from root_tasks.aws.executions import REPORT_SHA256
        from root_tasks.run.plans import PLAN
        from root_tasks.tasks.task_input import REASON

        from ..runs.deployed_runs import Runs
        from ..runs.deployment import AUDIT_FOLDER, EXECUTE_FOLDER
        from ..runs.report_output import show_result
        from ..runs.reports import find_plan_state, report_of_run

        runs = Runs.find(target)
        # Without a task that makes changes, a stack has no state machine for executions.
        if EXECUTE_FOLDER not in runs.deployment.state_machine_arns:
            raise CommandError(
                f"Stack {runs.deployment.stack} lists no task that makes changes, so it cannot "
                "execute plans. Add one to RootTasks(tasks=[...]) and deploy."
            )
        try:
            stored = report_of_run(runs, f"{AUDIT_FOLDER}/{run}")
        except RunNotFoundError:
            raise CommandError(
                f"There is no plan {run}. `runs` lists the plans. Nothing was changed."
            ) from None

        # A person is not asked about a plan that the function would refuse to execute.
        problem = _problem_of(stored, find_plan_state(runs, stored.report), approved_sha256)
        if problem is not None:
            raise CommandError(f"{problem} Nothing was changed.")
        if not yes and not _is_confirmed(
            stored, runs.caller.arn, reason=reason, everything=output.show_clean
        ):
            return ExitCode.NO_RESULT

        # The function compares the hash, so that it executes what the person was shown.
        input_ = {PLAN: run, REPORT_SHA256: sha256(stored.body)}
        if reason is not None:
            input_[REASON] = reason
        execution = runs.run("execute", input_, folder=EXECUTE_FOLDER)
    return show_result(runs, execution, output=output, ended="has executed the plan")


def _problem_of(
    stored: StoredReport, state: PlanState | None, approved_sha256: str | None
) -> str | None:
    """Return why a run cannot be executed, or is not what was approved; None if it can be.

    Args:
        stored: The run's report.
        state: The state of its plan; None if the plan has nothing that can be executed.
        approved_sha256: The SHA-256 of the report.json that was approved; None if none was given.
    """
    from root_tasks.aws.checksums import sha256
    from root_tasks.report.facts import is_plan

    # Whether there is anything to execute.
    run = stored.report.run_id
    if not is_plan(stored.report):
        return f"Run {run} is not a plan. Create one with `plan`."
    if state is None:
        return f"Plan {run} has nothing that can be executed; `report {run}` shows why."
    # Whether it is what was approved.
    if approved_sha256 not in (None, sha256(stored.body)):
        return (
            f"The report that was approved is not that of plan {run}. Whoever approves the plan "
            f"has to read it with `report {run}`, which shows the SHA-256 to approve."
        )
    return state.obstacle


def _is_confirmed(
    plan: StoredReport, caller_arn: str, *, reason: str | None, everything: bool
) -> bool:
    """Show a plan, and ask whether to execute it."""
    from root_tasks.messages import quantity
    from root_tasks.model.outcome import Outcome
    from root_tasks.report.plan_warnings import warnings_before_execution
    from root_tasks.report.words import requesters, what_it_does

    from ..runs.report_output import print_doubt
    from ..show.screen import show_report

    # What would be done stands right above the question.
    show_report(plan.report, everything=everything, to_decide=True)
    print_doubt(plan)
    # The question says what is done, who planned it, why, and what cannot be taken back.
    accounts = quantity(plan.report.totals[Outcome.PLANNED], "account")
    planner = requesters(plan.report)
    if planner == caller_arn:
        planner += ", the same principal as yours"
    question = [
        f"Execute this plan to {what_it_does(plan.report)} in {accounts}?",
        f"It was planned by {planner}.",
    ]
    reason = reason or plan.report.reason
    if reason is not None:
        question.append(f"Reason: {reason}.")
    question += warnings_before_execution(plan.report)
    return confirm(" ".join(question), otherwise="Not executed. Nothing was changed.")
