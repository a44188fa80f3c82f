"""The runs command: the latest executions of both state machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..errors import ExitCode, failures_as
from ..options import CSV, JSON, TABLE, format_option, target_options
from . import find_runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..executions import RunExecution
    from ..plan_state import PlanState
    from ..target import TargetOptions

_DEFAULT_LIMIT = 20
_ROW_KEYS = (
    "run",
    "stateMachine",
    "action",
    "accounts",
    "status",
    "requestedBy",
    "plan",
    "execution",
    "startedAt",
    "endedAt",
    "planExpiresAt",
)


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

        if format_ == TABLE:
            screen.show_runs(found, states)
        else:
            rows = _rows(found, states)
            click.echo(_to_json(rows) if format_ == JSON else _to_csv(rows), nl=format_ == JSON)
        return ExitCode.AS_WANTED


def _to_json(rows: list[dict[str, str | int | None]]) -> str:
    import json

    return json.dumps({"runs": rows})


def _to_csv(rows: list[dict[str, str | int | None]]) -> str:
    from root_tasks.report.render import csv_table

    return csv_table(_ROW_KEYS, (row.values() for row in rows))


def _rows(found: list[RunExecution], states: Mapping[str, PlanState]) -> list[dict[str, str | int | None]]:
    from ..executions import executions_of_plans

    of_plans = executions_of_plans(found)
    return [
        _row(execution, states.get(execution.run_id), of_plans.get(execution.run_id)) for execution in found
    ]


def _row(
    execution: RunExecution, state: PlanState | None, executed_by: str | None
) -> dict[str, str | int | None]:
    from root_tasks.model.codec import format_time

    expires_at = None if state is None else state.expires_at
    return {
        "run": execution.run_id,
        "stateMachine": execution.state_machine,
        "action": execution.action or None,
        "accounts": execution.accounts,
        "status": execution.status,
        "requestedBy": execution.requester or None,
        "plan": execution.plan or None,
        "execution": executed_by or (None if state is None else state.executed_by),
        "startedAt": format_time(execution.started_at),
        "endedAt": None if execution.ended_at is None else format_time(execution.ended_at),
        "planExpiresAt": None if expires_at is None else format_time(expires_at),
    }
