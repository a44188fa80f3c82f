"""The list of a report's accounts. Nothing reaches a terminal unescaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import click
from rich.text import Text

from common.untrusted import printable
from root_tasks.model.report_schema import AccountResult, Outcome, Report
from root_tasks.report.summary import summary
from root_tasks.report.words import request_in_words, requesters, words_of

from ..base.terminal import PROGRAM, console, wrap
from .report_rows import ReportRow, heading_of, listed_results, policies_of_plan, rows_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# An account, and one of its rows.
_AccountRow = tuple[AccountResult, ReportRow]

# A longer reason is a note below the list. An item never is.
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


def wrapped(text: str, *, width: int, style: str = "", indent: str = "") -> Text:
    """Return a text for rich in lines of a width, which break between words only."""
    return Text(wrap(text, width, indent=indent), style)


def show_report(report: Report, *, everything: bool = False, to_decide: bool = False) -> None:
    """Show a report as a list, the policies of a plan in full, and the summary.

    Args:
        report: The report.
        everything: Whether to list also accounts that need no action, which the summary counts
            otherwise.
        to_decide: Whether a person is asked next whether to execute it: it is shown on stderr, and
            lists what would be changed.
    """
    target = console(stderr=to_decide)
    width = target.width
    account_rows = [
        (result, row)
        for result in listed_results(report, everything=everything)
        for row in rows_of(report, result)
    ]
    if to_decide and not everything:
        account_rows = [
            (result, row) for result, row in account_rows if row.outcome is Outcome.PLANNED
        ]

    # What was asked for goes above the list: after the list comes the question, and the planner
    # chooses how long the request is.
    if to_decide and report.selection is not None:
        selected = f"Selected: {request_in_words(report.selection)}."
        show_lines([wrapped(selected, width=width), safe_text()], target=target)
    show_lines(_list_with_notes(report, account_rows, width=width), target=target)
    # Each policy, in full.
    for name, text in policies_of_plan(report):
        # Rich is not used here: it wraps lines, and drops blanks where it does.
        click.echo(printable(name), err=to_decide)
        for line in text.replace("\r\n", "\n").split("\n"):
            click.echo(f"  {printable(line)}", err=to_decide)
        click.echo(err=to_decide)
    # Who asked for it and why, what to know, and the result in words.
    lines = []
    if report.executed_plan is not None:
        lines.append(wrapped(f"Requested by {requesters(report)}.", width=width))
    if report.reason is not None:
        lines.append(wrapped(f"Reason: {report.reason}", width=width))
    lines += [
        wrapped(f"Warning: {warning}", width=width, style="yellow") for warning in report.warnings
    ]
    lines.append(wrapped(summary(report), width=width, style="bold"))
    show_lines(lines, target=target)


def _list_with_notes(
    report: Report, rows: Iterable[_AccountRow], *, width: int
) -> Iterator[RenderableType]:
    """Yield the rows as lists of accounts; a long reason stands below, once for all its rows."""
    # The texts of each note, a reason and a hint. They differ at most in the accounts they name.
    notes: dict[tuple[str, str], list[tuple[str, str]]] = {}
    numbers: dict[tuple[str, str], int] = {}
    short_rows = []
    for result, row in rows:
        if len(f"{row.reason}{row.hint}") > _MAX_REASON_CHARACTERS:
            cause = (
                _of_any_account(row.reason, result.account_id),
                _of_any_account(row.hint, result.account_id),
            )
            notes.setdefault(cause, []).append((row.reason, row.hint))
            number = numbers.setdefault(cause, len(numbers) + 1)
            short_rows.append((result, replace(row, reason=f"see note {number}", hint="")))
        else:
            short_rows.append((result, row))
    yield from _account_lists(report, short_rows, width=width)
    # The command in a hint has a line of its own, to be copied. A reason may be someone else's.
    for cause, texts in notes.items():
        reason, hint = cause if len(set(texts)) > 1 else texts[0]
        words, command, options = hint.partition(f"`{PROGRAM} ")
        note = " ".join(filter(None, (f"Note {numbers[cause]}:", reason, words)))
        yield wrapped(note, width=width)
        if command:
            yield safe_text(f"  {PROGRAM} {options.removesuffix('`.')}")
    if notes:
        yield safe_text()


def _of_any_account(reason: str, account_id: str) -> str:
    """Return a reason without the account, so that accounts with the same cause have the same."""
    # The command in a hint is then the one for all accounts, as on the page.
    return reason.replace(f" --account {account_id}`", "`").replace(account_id, "ACCOUNT")


def _account_lists(
    report: Report, account_rows: Iterable[_AccountRow], *, width: int
) -> Iterator[RenderableType]:
    """Yield a list for each heading: the accounts, with a line for each item."""
    # What a plan leaves out of an account has a heading of its own.
    lists_by_heading: dict[
        tuple[Outcome, str], dict[str, tuple[AccountResult, list[ReportRow]]]
    ] = {}
    for result, row in account_rows:
        accounts = lists_by_heading.setdefault(heading_of(report, result, row), {})
        _, rows = accounts.setdefault(result.account_id, (result, []))
        rows.append(row)
    for outcome, heading in sorted(lists_by_heading, key=lambda key: key[0].rank):
        yield safe_text(heading, _STYLES.get(outcome, "bold"))
        for result, rows in lists_by_heading[outcome, heading].values():
            # Bold, to tell names from items.
            names = (result.account_id, result.name, result.organizational_unit)
            account = "  ".join(filter(None, names))
            yield wrapped(account, width=width, style="bold")
            for row in rows:
                text = row.what
                # The heading says the outcome of most rows.
                if row.outcome is not outcome:
                    text = f"{words_of(report).outcome(row.outcome)}: {text}"
                if text:
                    yield wrapped(text, width=width, indent="  ")
        yield safe_text()


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
            # Rich would break a text at the width: an ARN could not be copied.
            target.print(line, soft_wrap=isinstance(line, Text))
    text = "\n".join(line.rstrip() for line in captured.get().splitlines())
    if text:
        click.echo(text, file=target.file, color=True)
