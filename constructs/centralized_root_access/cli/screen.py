"""What a command shows: tables, a progress bar, hints. Nothing of it reaches a terminal unescaped."""

from __future__ import annotations

import json
import sys
import textwrap
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from root_tasks.messages import describe_preflight
from root_tasks.model.report import Outcome
from root_tasks.report.summary import summary

from .table import rows
from .text import printable, printable_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rich.console import RenderableType

    from root_tasks.model.report import Report

    from .executions import Execution
    from .table import Row

# For a program or a file; a terminal has its own width.
_WIDTH_WITHOUT_TERMINAL = 140
# Narrower than this, a report is a list, without organizational units.
_MIN_TABLE_WIDTH = 110
_MAX_ROWS = 200
# A longer text of a row is a note below the table, in its full width.
_MAX_CELL_CHARACTERS = 60
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
_USE_WORDS = {"never": "never used", "unknown": "last use unknown"}
_STATUS_STYLES = {"SUCCEEDED": "green", "RUNNING": "cyan"}


def console(*, stderr: bool = False) -> Console:
    """Return a console that has colours only on a terminal, and takes no text for markup."""
    stream = sys.stderr if stderr else sys.stdout
    probe = Console(file=stream)
    return Console(
        file=stream,
        width=probe.width if probe.is_terminal or "COLUMNS" in probe._environ else _WIDTH_WITHOUT_TERMINAL,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=False,
    )


def show_report(report: Report, *, stderr: bool = False, whole: bool = False) -> None:
    """Show a report as a table, the policies of a plan in full, and the summary in a sentence or two.

    Args:
        report: The report.
        stderr: Whether to show it on stderr.
        whole: Whether to show every row, however many there are.
    """
    target = console(stderr=stderr)
    _print(target, _report_table(report, width=target.width, max_rows=None if whole else _MAX_ROWS))
    for line in _policies_of_plan(report):
        # Not by rich, which wraps lines, and drops blanks where it does.
        click.echo(line, err=stderr)
    _print(
        target,
        [
            *(Text(printable(f"Warning: {warning}"), "yellow") for warning in report.warnings),
            Text(printable(summary(report)), "bold"),
        ],
    )


def show_runs(executions: Sequence[Execution]) -> None:
    """Show executions as a table."""
    table = new_table("run", "state machine", "status", "started", "took")
    for execution in executions:
        table.add_row(
            Text(printable(execution.run_id)),
            "Audit" if execution.folder == "runs" else "Execute",
            Text(printable(execution.status), _STATUS_STYLES.get(execution.status, "bold red")),
            f"{execution.started_at:%Y-%m-%d %H:%M UTC}",
            _duration(execution),
        )
    _print(console(), [table])


def show_lines(lines: Iterable[RenderableType]) -> None:
    """Show tables and lines."""
    _print(console(), lines)


def hint(*sentences: str) -> None:
    """Write sentences to stderr, where they are in nobody's way."""
    for sentence in sentences:
        click.echo(printable(sentence), err=True)


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
    with Progress(*columns, console=target, transient=True, disable=not target.is_terminal) as progress:
        task = progress.add_task(printable(what), total=None, counted="")

        def update(done: int, total: int, noun: str) -> None:
            progress.update(task, completed=done, total=total, counted=f"{done:,} of {total:,} {noun}")

        yield update


def _report_table(report: Report, *, width: int, max_rows: int | None) -> Iterator[RenderableType]:
    listed = rows(report)
    first = list(islice(listed, max_rows))
    notes: dict[str, str] = {}
    shown = [
        row
        if len(row.what) <= _MAX_CELL_CHARACTERS
        else replace(row, what=notes.setdefault(row.what, f"see note {len(notes) + 1}"))
        for row in first
    ]
    if shown:
        yield from [_row_table(shown)] if width >= _MIN_TABLE_WIDTH else _account_list(shown)
        yield Text()
    for number, note in enumerate(notes, start=1):
        yield Text(f"Note {number}: {printable(note)}")
    if notes:
        yield Text()
    if left := sum(1 for _ in listed):
        yield Text(f"{left:,} more rows: --format csv and --open have all of them.")
    if report.preflight is not None and not report.preflight.checked:
        yield Text(printable(f"Pre-flight: {describe_preflight(report.preflight)}"))


def _policies_of_plan(report: Report) -> Iterator[str]:
    """Yield what one decides by: the policies that a plan removes or attaches."""
    for result in report.results:
        for item in result.items:
            if item.outcome is not Outcome.PLANNED or item.policy is None:
                continue
            corrected = "Corrected policy" if item.corrected else "Policy"
            yield printable(f"{corrected} of {item.id} in {result.account_id}:")
            yield printable_lines(textwrap.indent(_pretty(item.policy), "  "))
            yield ""


def _pretty(policy: str) -> str:
    """Return a policy over several lines; as it is where it is not JSON, or has a key twice."""
    try:
        return json.dumps(json.loads(policy, object_pairs_hook=_without_duplicates), indent=2)
    except (ValueError, RecursionError):
        return policy


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("A key is there twice.")
    return members


def _row_table(shown: Sequence[Row]) -> Table:
    """Return a table with a column for each fact; one that no row has is left out."""
    cells = {
        "account": [row.account_id for row in shown],
        "name": [row.name for row in shown],
        "OU": [row.organizational_unit for row in shown],
        "what": [row.what for row in shown],
        "last use": [row.last_use for row in shown],
    }
    columns = {name: values for name, values in cells.items() if any(values)}
    table = new_table("outcome", *columns)
    previous: Outcome | None = None
    for row, values in zip(shown, zip(*columns.values(), strict=True), strict=True):
        # An outcome stands for all rows of its account that follow, until another one.
        again = not row.account_id and row.outcome is previous
        previous = row.outcome
        table.add_row(
            Text("" if again else row.outcome, _STYLES.get(row.outcome, "")),
            *(Text(printable(value)) for value in values),
        )
    return table


def _account_list(shown: Sequence[Row]) -> Iterator[RenderableType]:
    """Yield a line for each account, and its rows below it: columns would break IDs and names."""
    outcome: Outcome | None = None
    for row in shown:
        if row.account_id:
            outcome = row.outcome
            yield Text.assemble(
                (row.outcome, _STYLES.get(row.outcome, "")), printable(f"  {row.account_id}  {row.name}")
            )
        what = row.what if row.outcome is outcome else f"{row.outcome}: {row.what}"
        use = row.last_use and _USE_WORDS.get(row.last_use, f"used {row.last_use}")
        if line := ", ".join(filter(None, (what, use))):
            yield Padding(Text(printable(line)), (0, 0, 0, 2))


def new_table(*columns: str) -> Table:
    """Return an empty table."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
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
            target.print(line)
    if text := "\n".join(line.rstrip() for line in captured.get().splitlines()):
        click.echo(text, file=target.file, color=True)


def _duration(execution: Execution) -> str:
    if execution.ended_at is None:
        return ""
    minutes, seconds = divmod(int((execution.ended_at - execution.started_at).total_seconds()), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
