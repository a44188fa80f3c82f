"""Tables and lists. Nothing reaches a terminal unescaped."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import click
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from common.untrusted import printable
from root_tasks.model.report_schema import Outcome
from root_tasks.report.summary import request_in_words, requesters, summary, words_of

from ..base.terminal import PROGRAM, UNWRAPPED, console
from .report_rows import ReportRow, listed_results, policies_of_plan, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rich.console import Console, RenderableType

    from root_tasks.model.report_schema import AccountResult, Report

    _AccountRows = tuple[AccountResult, Sequence[ReportRow]]

# Between two columns.
_GAP = 2
# A longer reason is a note below the table, in its full width. An item never is.
_MAX_REASON_CHARACTERS = 60
_STYLES = {
    Outcome.UNPROTECTED: "bold red",
    Outcome.HAS_CREDENTIALS: "bold red",
    Outcome.UNKNOWN: "bold red",
    Outcome.FAILED: "bold red",
    Outcome.INACCESSIBLE: "yellow",
    Outcome.PLANNED: "cyan",
    Outcome.IN_USE: "yellow",
    Outcome.ACCEPTED: "cyan",
    Outcome.DONE: "green",
    Outcome.NOTHING_TO_DO: "dim",
    Outcome.PROTECTED: "green",
    Outcome.SKIPPED: "dim",
}


def safe_text(text: str = "", style: str = "") -> Text:
    """Return a text in which nothing is a command for the terminal."""
    return Text(printable(text), style)


def whole_line(text: str) -> Text:
    """Return a line that can be copied: one that rich wraps has line ends in it."""
    return Text(printable(text), no_wrap=True)


def show_report(report: Report, *, everything: bool = False, to_decide: bool = False) -> None:
    """Show a report as a table, the policies of a plan in full, and the summary in a sentence or two.

    Args:
        report: The report.
        everything: Whether to list also accounts that need no action, which the summary counts
            otherwise.
        to_decide: Whether a person is asked next whether to execute it: it is shown on stderr, and
            lists what would be changed.
    """
    target = console(stderr=to_decide)
    listed = listed_results(report, everything=everything)
    if to_decide and not everything:
        listed = [result for result in report.results if result.outcome is Outcome.PLANNED]
    show_lines(_report_table(report, listed, width=target.width), target=target)
    for name, text in policies_of_plan(report):
        # Not by rich, which wraps lines, and drops blanks where it does.
        click.echo(printable(name), err=to_decide)
        for line in text.replace("\r\n", "\n").split("\n"):
            click.echo(f"  {printable(line)}", err=to_decide)
        click.echo(err=to_decide)
    warnings = (safe_text(f"Warning: {warning}", "yellow") for warning in report.warnings)
    asked = report.selection if to_decide else None
    lines = [] if asked is None else [safe_text(f"Asked for: {request_in_words(asked)}.")]
    if report.planned_by is not None:
        lines.append(safe_text(f"Requested by {requesters(report)}."))
    show_lines([*lines, *warnings, safe_text(summary(report), "bold")], target=target)


def _report_table(
    report: Report, listed: Iterable[AccountResult], *, width: int
) -> Iterator[RenderableType]:
    notes: dict[str, int] = {}
    shown = [
        (result, [replace(row, reason=_remark(row, notes)) for row in rows_of(report, result)])
        for result in listed
    ]
    in_words = words_of(report).outcome
    if shown and width == UNWRAPPED:
        yield _row_table(shown, in_words=in_words)
        yield safe_text()
    else:
        yield from _account_lists(shown, in_words=in_words)
    for note, number in notes.items():
        words, command, options = f"Note {number}: {note}".rpartition(f"`{PROGRAM} ")
        yield safe_text(words or options)
        if command:
            yield whole_line(f"  {PROGRAM} {options.removesuffix('`.')}")
    if notes:
        yield safe_text()


def _remark(row: ReportRow, notes: dict[str, int]) -> str:
    """Return the end of a row. A long reason becomes a note, once for all rows that have it."""
    if len(row.reason) <= _MAX_REASON_CHARACTERS:
        return f": {row.reason}" if row.item and row.reason else row.reason
    note = f"see note {notes.setdefault(row.reason, len(notes) + 1)}"
    return f" ({note})" if row.item else note


def _row_table(shown: Sequence[_AccountRows], *, in_words: Callable[[Outcome], str]) -> Table:
    """Return a table for a program or a file: a line for each row, which names its account."""
    table = new_table("outcome", "account", "name", "OU", "what")
    for result, rows in shown:
        for row in rows:
            outcome = safe_text(in_words(row.outcome), _STYLES.get(row.outcome, ""))
            table.add_row(outcome, *map(safe_text, (*_names(result), row.item + row.reason)))
    return table


def _account_lists(
    shown: Sequence[_AccountRows], *, in_words: Callable[[Outcome], str]
) -> Iterator[RenderableType]:
    """Yield a list for each outcome, for a person: each account, and a line for each of its items below."""
    for outcome, accounts in itertools.groupby(shown, key=lambda account: account[0].outcome):
        yield safe_text(in_words(outcome), _STYLES.get(outcome, "bold"))
        for result, rows in accounts:
            # Bold, to tell names from items.
            yield safe_text("  ".join(filter(None, _names(result))), "bold")
            for row in rows:
                said = f"{row.item}{row.reason}"
                line = said if row.outcome is outcome else f"{in_words(row.outcome)}: {said}"
                if line:
                    yield Padding(safe_text(line), (0, 0, 0, 2))
        yield safe_text()


def _names(result: AccountResult) -> tuple[str, str, str]:
    """Return an account, its name and where it is in the organization."""
    return result.account_id, result.name or "", result.organizational_unit or ""


def new_table(*columns: str) -> Table:
    """Return an empty table."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name in ("outcome", "result", "account"))
    return table


def show_lines(lines: Iterable[RenderableType], *, target: Console | None = None) -> None:
    """Show tables and lines.

    Args:
        lines: The tables and lines.
        target: Where to show them; None for stdout.
    """
    target = target or console()
    # Through click: rich ends the process by itself if the pipe is closed.
    with target.capture() as captured:
        for line in lines:
            target.print(line, soft_wrap=isinstance(line, Text) and bool(line.no_wrap))
    if text := "\n".join(line.rstrip() for line in captured.get().splitlines()):
        click.echo(text, file=target.file, color=True)
