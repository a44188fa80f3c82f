"""The runs command: the latest executions of both state machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ..errors import ExitCode, failures_as
from ..options import CSV, JSON, TABLE, format_option, target_options
from ..terminal import print_note
from . import find_runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..executions import RunExecution
    from ..plan_state import PlanState
    from ..target import TargetOptions

_DEFAULT_LIMIT = 20


@click.command(short_help="List the latest runs.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    metavar="N",
    default=_DEFAULT_LIMIT,
    show_default=True,
    help="How many.",
)
@format_option(TABLE, JSON, CSV)
@target_options
def runs(*, limit: int, format_: str, target: TargetOptions) -> ExitCode:
    """List the audits, plans and executions that started last; `report` shows one of them.

    Exit code: 0 listed; 2 not listed.
    """
    with failures_as("Unable to list the runs", as_json=format_ == JSON):
        runs_ = find_runs(target)
        found = runs_.executions.latest(limit=limit)
        states = runs_.states_of(found)
        from .. import screen

        if not found:
            print_note(
                f"Stack {runs_.deployment.stack} has no runs yet. A RootTasks that was renamed or moved "
                "starts without its earlier runs."
            )
        if format_ == TABLE:
            screen.show_runs(found, states)
        else:
            rows = _rows(found, states)
            click.echo(_to_csv(rows) if format_ == CSV else json.dumps({"runs": rows}), nl=format_ == JSON)
        return ExitCode.AS_WANTED


def _to_csv(rows: list[dict[str, object]]) -> str:
    from root_tasks.report.render import csv_table

    return csv_table(rows[0], (row.values() for row in rows)) if rows else ""


def _rows(found: list[RunExecution], states: Mapping[str, PlanState]) -> list[dict[str, object]]:
    from root_tasks.model.codec import format_time

    from ..executions import executions_of_plans

    of_plans = executions_of_plans(found)

    def row(execution: RunExecution) -> dict[str, object]:
        state = states.get(execution.run_id)
        expires_at = None if state is None else state.expires_at
        return {
            "run": execution.run_id,
            "stateMachine": execution.state_machine,
            "action": execution.action or None,
            "accounts": execution.accounts,
            "status": execution.status,
            "requestedBy": execution.requester or None,
            "plan": execution.plan or None,
            "execution": of_plans.get(execution.run_id) or (None if state is None else state.executed_by),
            "startedAt": format_time(execution.started_at),
            "endedAt": None if execution.ended_at is None else format_time(execution.ended_at),
            "planExpiresAt": None if expires_at is None else format_time(expires_at),
        }

    return list(map(row, found))
