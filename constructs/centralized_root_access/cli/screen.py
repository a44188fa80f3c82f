"""What a command shows: tables and a progress bar. Nothing of it reaches a terminal unescaped."""

from __future__ import annotations

import itertools
import json
import sys
import textwrap
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import click
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from aws_calls.text import printable, unique_keys
from root_tasks.messages import describe_preflight
from root_tasks.model.report import Outcome
from root_tasks.report.summary import duration, minute, summary, words_of

from .executions import executions_of_plans
from .report_rows import ReportRow, rows_of
from .terminal import printable_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from root_tasks.model.report import AccountResult, Report

    from .executions import RunExecution
    from .plan_state import PlanState

# For a program or a file, which finds a name by its whole line; a terminal has its own width.
_UNWRAPPED = 1_000_000
# Narrower than this, a report is a list, without organizational units.
_MIN_TABLE_WIDTH = 110
_MAX_ROWS = 200
# Between two columns.
_GAP = 2
# A longer reason is a note below the table, in its full width. What a row is about is never in a note.
_MAX_REASON_CHARACTERS = 60
_STYLES = {
    Outcome.HAS_CREDENTIALS: "bold red",
    Outcome.UNKNOWN: "bold red",
    Outcome.FAILED: "bold red",
    Outcome.INACCESSIBLE: "yellow",
    Outcome.PLANNED: "cyan",
    Outcome.IN_USE: "yellow",
    Outcome.DONE: "green",
    Outcome.NOTHING_TO_DO: "dim",
    Outcome.SKIPPED: "dim",
}
# What nobody has to do anything about is counted.
_COUNTED = frozenset({Outcome.NOTHING_TO_DO, Outcome.CLEAN})
_RUN_COLUMNS = ("run", "action", "accounts", "status", "plan", "requested by", "started", "took")
_STATUS_STYLES = {"SUCCEEDED": "green", "RUNNING": "cyan", "REFUSED": "yellow"}


def console(*, stderr: bool = False) -> Console:
    """Return a console that has colours only on a terminal, and takes no text for markup."""
    stream = sys.stderr if stderr else sys.stdout
    probe = Console(file=stream)
    # Not is_terminal: FORCE_COLOR makes it true of a pipe, which has no width.
    has_width = stream.isatty() or "COLUMNS" in probe._environ
    return Console(
        file=stream,
        # COLUMNS=0 is what some programs set where there is no terminal.
        width=(probe.width if has_width else 0) or _UNWRAPPED,
        markup=False,
        highlight=False,
        emoji=False,
    )


def safe_text(text: str = "", style: str = "") -> Text:
    """Return a text in which nothing is a command for the terminal."""
    return Text(printable(text), style)


def whole_line(text: str) -> Text:
    """Return a line that can be copied: one that rich wraps has line ends in it."""
    return Text(printable(text), no_wrap=True)


def show_report(report: Report, *, everything: bool = False) -> None:
    """Show a report as a table, the policies of a plan in full, and the summary in a sentence or two.

    Args:
        report: The report.
        everything: Whether to list the accounts with nothing to do, and the clean ones, too, however many
            there are. Otherwise the summary counts them.
    """
    listed = [result for result in report.results if everything or result.outcome not in _COUNTED]
    _show_report(report, listed, max_rows=None if everything else _MAX_ROWS)


def show_plan(report: Report, *, everything: bool = False) -> None:
    """Show a plan on stderr, before it is executed: each account that would be changed.

    Args:
        report: The report of the plan.
        everything: Whether to list the other accounts, too.
    """
    listed = [result for result in report.results if everything or result.outcome is Outcome.PLANNED]
    _show_report(report, listed, max_rows=None, stderr=True)


def _show_report(
    report: Report, listed: Iterable[AccountResult], *, max_rows: int | None, stderr: bool = False
) -> None:
    target = console(stderr=stderr)
    _print(target, _report_table(report, listed, width=target.width, max_rows=max_rows))
    for line in _policies_of_plan(report):
        # Not by rich, which wraps lines, and drops blanks where it does.
        click.echo(line, err=stderr)
    _print(
        target,
        [
            *(safe_text(f"Warning: {warning}", "yellow") for warning in report.warnings),
            safe_text(summary(report), "bold"),
        ],
    )


def show_runs(executions: Sequence[RunExecution], states: Mapping[str, PlanState]) -> None:
    """Show executions, and until when each plan can be executed: as a table where it breaks no name."""
    of_plans = executions_of_plans(executions)
    rows = [_run_row(execution, _plan_words(execution, states, of_plans)) for execution in executions]
    target = console()
    widths = [
        max(cell.cell_len for cell in cells) for cells in zip(map(Text, _RUN_COLUMNS), *rows, strict=True)
    ]
    if sum(widths) + _GAP * (len(widths) - 1) > target.width:
        _print(target, _run_list(rows))
        return
    table = new_table(*_RUN_COLUMNS)
    for row in rows:
        table.add_row(*row)
    _print(target, [table])


def _run_row(execution: RunExecution, plan_words: str) -> list[Text]:
    return [
        safe_text(execution.run_id),
        safe_text(execution.action),
        safe_text("" if execution.accounts is None else f"{execution.accounts:,}"),
        safe_text(execution.status, _STATUS_STYLES.get(execution.status, "bold red")),
        safe_text(plan_words),
        # Without the account and the role, in whose place the command states a person.
        safe_text(execution.requester.rpartition("/")[2]),
        safe_text(minute(execution.started_at)),
        safe_text("" if execution.ended_at is None else duration(execution.started_at, execution.ended_at)),
    ]


def _run_list(rows: Iterable[Sequence[Text]]) -> Iterator[RenderableType]:
    """Yield a line for each execution, and what there is to know about it below."""
    for row in rows:
        cells = dict(zip(_RUN_COLUMNS, row, strict=True))
        yield Text.assemble(cells.pop("status"), "  ", cells.pop("run"))
        facts = ", ".join(f"{name} {cell.plain}" for name, cell in cells.items() if cell)
        yield Padding(Text(facts), (0, 0, 0, 2))


def _plan_words(execution: RunExecution, states: Mapping[str, PlanState], of_plans: Mapping[str, str]) -> str:
    """Return what became of a plan, or which one an execution executes; an empty text of another run."""
    if execution.plan:
        return f"executes {execution.plan}"
    # Who may not read the plan's mark may see the execution.
    if executed_by := of_plans.get(execution.run_id):
        return f"executed by {executed_by}"
    return states[execution.run_id].words if execution.run_id in states else ""


def show_lines(lines: Iterable[RenderableType]) -> None:
    """Show tables and lines."""
    _print(console(), lines)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """Show a progress bar on stderr, where it is a terminal.

    Args:
        what: What is in progress.

    Yields:
        What updates the bar with how many are done, of how many, and of what.
    """
    target = console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[counted]}", markup=False),
        TimeElapsedColumn(),
    )
    shown = target.is_terminal and target.file.isatty()
    with Progress(*columns, console=target, transient=True, disable=not shown) as progress:
        task = progress.add_task(printable(what), total=None, counted="")

        def update(done: int, total: int, noun: str) -> None:
            progress.update(task, completed=done, total=total, counted=f"{done:,} of {total:,} {noun}")

        yield update


def _report_table(
    report: Report, listed: Iterable[AccountResult], *, width: int, max_rows: int | None
) -> Iterator[RenderableType]:
    rows = rows_of(listed, now=report.finished_at, each_whole=width == _UNWRAPPED)
    notes: dict[str, int] = {}
    shown = [replace(row, reason=_remark(row, notes)) for row in itertools.islice(rows, max_rows)]
    if shown:
        in_words = words_of(report).outcome
        if width >= _MIN_TABLE_WIDTH:
            yield _row_table(shown, in_words=in_words, width=width)
            yield safe_text()
        else:
            yield from _account_lists(shown, in_words=in_words, width=width)
    for note, number in notes.items():
        yield safe_text(f"Note {number}: {note}")
    if notes:
        yield safe_text()
    if left := sum(1 for _ in rows):
        yield safe_text(f"{left:,} more rows: --all, --format csv and --open have all of them.")
    if report.preflight is not None and not report.preflight.checked:
        yield safe_text(f"Pre-flight: {describe_preflight(report.preflight)}")


def _remark(row: ReportRow, notes: dict[str, int]) -> str:
    """Return what a row ends with. A long reason becomes a note, once for all rows that have it."""
    if len(row.reason) <= _MAX_REASON_CHARACTERS:
        return f": {row.reason}" if row.item and row.reason else row.reason
    note = f"see note {notes.setdefault(row.reason, len(notes) + 1)}"
    return f" ({note})" if row.item else note


def _policies_of_plan(report: Report) -> Iterator[str]:
    """Yield what one decides by: the policies that a plan removes or attaches."""
    planned = words_of(report).planned
    for result in report.results:
        for item in result.items:
            if item.outcome is not Outcome.PLANNED or item.policy is None:
                continue
            corrected = "Corrected policy" if item.corrected else "Policy"
            yield printable(f"{corrected} of {item.id} in {result.account_id}, {planned}:")
            yield printable_lines(textwrap.indent(_pretty(item.policy), "  "))
            yield ""


def _pretty(policy: str) -> str:
    """Return a policy over several lines; as it is where it is not JSON, or has a key twice."""
    try:
        return json.dumps(json.loads(policy, object_pairs_hook=unique_keys), indent=2)
    except (ValueError, RecursionError):
        return policy


def _row_table(shown: Sequence[ReportRow], *, in_words: Callable[[Outcome], str], width: int) -> Table:
    """Return a table with a column for each fact; one that no row has is left out.

    So is the organizational unit where what is to happen would not have a line for each item.
    """
    cells = {
        "account": [row.account_id for row in shown],
        "name": [row.name for row in shown],
        "OU": [row.organizational_unit for row in shown],
        "what": [row.what + row.reason for row in shown],
    }
    columns = {name: values for name, values in cells.items() if any(values)}
    outcomes = [in_words(row.outcome) for row in shown]
    if sum(max(map(cell_len, values)) + _GAP for values in (outcomes, *columns.values())) - _GAP > width:
        columns.pop("OU", None)
    table = new_table("outcome", *columns)
    previous: Outcome | None = None
    for row, said, values in zip(shown, outcomes, zip(*columns.values(), strict=True), strict=True):
        # An outcome stands for all rows of its account that follow, until another one.
        again = not row.account_id and row.outcome is previous
        previous = row.outcome
        table.add_row(
            safe_text("" if again else said, _STYLES.get(row.outcome, "")),
            *map(safe_text, values),
        )
    return table


def _account_lists(
    shown: Sequence[ReportRow], *, in_words: Callable[[Outcome], str], width: int
) -> Iterator[RenderableType]:
    """Yield a list for each outcome: an account has one line, and its further items have lines below it.

    Only days have columns: more of them would break IDs and names.
    """
    lists: list[list[ReportRow]] = []
    for row in shown:
        if row.account_id and (not lists or lists[-1][0].account_outcome is not row.account_outcome):
            lists.append([])
        lists[-1].append(row)
    for rows in lists:
        yield _account_list(rows, in_words=in_words, width=width)
        yield safe_text()


def _account_list(rows: Sequence[ReportRow], *, in_words: Callable[[Outcome], str], width: int) -> Table:
    outcome = rows[0].account_outcome or rows[0].outcome
    days = {
        "created": [row.created for row in rows],
        "last used": [row.last_use.day if row.last_use else "" for row in rows],
    }
    columns = {name: values for name, values in days.items() if any(values)}
    table = new_table(in_words(outcome), *columns)
    table.columns[0].header_style = _STYLES.get(outcome, "bold")
    room = width - sum(max(map(len, (name, *values))) + _GAP for name, values in columns.items())
    for row, *values in zip(rows, *columns.values(), strict=True):
        service = f", used for {row.last_use.service}" if row.last_use and row.last_use.service else ""
        said = f"{row.item}{service}{row.reason}"
        line = safe_text(said if row.outcome is outcome else f"{in_words(row.outcome)}: {said}")
        # Bold, so that no name passes for an item.
        account = safe_text(f"{row.account_id}  {row.name}" if row.account_id else "", "bold")
        whole = safe_text("  ").join(filter(None, (account, line)))
        if account and (not line or whole.cell_len <= room):
            table.add_row(whole, *values)
            continue
        if account:
            table.add_row(account)
        table.add_row(Padding(line, (0, 0, 0, 2)), *values)
    return table


def new_table(*columns: str) -> Table:
    """Return an empty table."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for name in columns:
        table.add_column(
            name,
            overflow="fold",
            no_wrap=name in ("outcome", "result", "account", "status", "started", "took"),
        )
    return table


def _print(target: Console, lines: Iterable[RenderableType]) -> None:
    # Through click: rich ends the process by itself where nobody reads the pipe.
    with target.capture() as captured:
        for line in lines:
            target.print(line, soft_wrap=isinstance(line, Text) and bool(line.no_wrap))
    if text := "\n".join(line.rstrip() for line in captured.get().splitlines()):
        click.echo(text, file=target.file, color=True)
