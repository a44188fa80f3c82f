"""The runs command: the latest executions of both state machines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from ..base.command_errors import ExitCode, failures_as
from ..base.options import TargetOptions, example, format_option, target_options
from ..base.terminal import CSV, JSON, TABLE, print_note

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ..runs.plan_state import PlanState
    from ..runs.step_functions import RunExecution

_STATUS_STYLES = {"SUCCEEDED": "green", "RUNNING": "cyan", "REFUSED": "yellow"}


@click.command(short_help="List the latest runs.", epilog=example("runs --limit 5"))
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    metavar="N",
    default=20,
    show_default=True,
    help="How many.",
)
@format_option(TABLE, JSON, CSV)
@target_options
def runs(*, limit: int, format_: str, target: TargetOptions) -> ExitCode:
    """List the audits, plans and executions that ran last; `report` shows one of them.

    Exit code: 0 listed; 2 not listed.
    """
    with failures_as("Unable to list the runs"):
        from common.typed_json import format_time
        from root_tasks.report.render import csv_table

        from ..runs.deployed_runs import Runs
        from ..runs.reports import find_plan_states

        runs_of_stack = Runs.find(target)
        executions = runs_of_stack.executions.latest(limit=limit)
        states = find_plan_states(runs_of_stack, executions)
        if not executions:
            print_note(
                f"Stack {runs_of_stack.deployment.stack} has no runs yet. "
                "A RootTasks that was renamed or moved starts without its earlier runs."
            )
        if format_ == TABLE:
            _show_list(executions, states)
            return ExitCode.AS_WANTED
        rows = [_row(execution, states.get(execution.run_id)) for execution in executions]
        if format_ == JSON:
            click.echo(json.dumps({"runs": rows}, default=format_time))
        elif rows:
            click.echo(csv_table(rows[0], (row.values() for row in rows)), nl=False)
        return ExitCode.AS_WANTED


def _show_list(executions: Sequence[RunExecution], states: Mapping[str, PlanState]) -> None:
    """Show a line for each execution, and its facts below.

    Args:
        executions: The executions.
        states: The states of the plans among them, by the names of their runs.
    """
    from rich.padding import Padding
    from rich.text import Text

    from ..show.screen import safe_text, show_lines

    lines: list[RenderableType] = []
    for execution in executions:
        status = safe_text(execution.status, _STATUS_STYLES.get(execution.status, "bold red"))
        lines.append(Text.assemble(status, "  ", safe_text(execution.run_id)))
        facts = _facts(execution, states.get(execution.run_id))
        lines.append(Padding.indent(safe_text(", ".join(facts)), 2))
    show_lines(lines)


def _facts(execution: RunExecution, state: PlanState | None) -> Iterator[str]:
    """Yield what an execution did, for whom, and when."""
    from root_tasks.messages import quantity
    from root_tasks.report.words import duration, minute

    yield execution.command
    if execution.accounts is not None:
        yield quantity(execution.accounts, "account")
    if execution.plan:
        yield f"executes {execution.plan}"
    elif state is not None:
        yield state.words
    if execution.requester:
        # Without the account and the role: the last part names the person.
        yield f"requested by {execution.requester.rpartition('/')[2]}"
    if execution.reason:
        yield f"reason: {execution.reason}"
    yield f"started {minute(execution.started_at)}"
    if execution.ended_at is not None:
        yield f"took {duration(execution.started_at, execution.ended_at)}"


def _row(execution: RunExecution, state: PlanState | None) -> dict[str, object]:
    """Return the values of an execution, by the names that they have in JSON and CSV."""
    from ..runs.deployment import AUDIT_FOLDER

    return {
        "run": execution.run_id,
        # As the stack's outputs name it.
        "stateMachine": "Audit" if execution.folder == AUDIT_FOLDER else "Execute",
        "command": execution.command,
        "accounts": execution.accounts,
        "status": execution.status,
        "requestedBy": execution.requester,
        "reason": execution.reason,
        "plan": execution.plan,
        "execution": None if state is None else state.claimed_by,
        "startedAt": execution.started_at,
        "endedAt": execution.ended_at,
        "planExpiresAt": execution.plan_expires_at,
    }
