"""What a command shows: tables and a progress bar. Nothing of it reaches a terminal unescaped."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from aws_calls.text import printable, unique_keys
from root_tasks.messages import describe_preflight, quantity
from root_tasks.model.report import ItemType, Outcome
from root_tasks.report.summary import credentials_of, duration, item_counts, summary, types_without_list

from .executions import executions_of_plans
from .terminal import printable_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from rich.console import RenderableType

    from root_tasks.model.report import (
        AccessKey,
        AccountResult,
        CredentialDetails,
        Item,
        Report,
        RootCredentials,
    )

    from .executions import RunExecution

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
_STATUS_STYLES = {"SUCCEEDED": "green", "RUNNING": "cyan", "REFUSED": "yellow"}


@dataclass(frozen=True, kw_only=True)
class ReportRow:
    """One row of a report: what a person decides by. Somebody else chose the texts.

    Attributes:
        outcome: How the task ended in the account, or for this item.
        account_id: The account; empty in its second row and those after it.
        name: Its name.
        organizational_unit: Where it is in the organization.
        what: The item, or why there is none.
        last_use: When it was last used.
    """

    outcome: Outcome
    account_id: str = ""
    name: str = ""
    organizational_unit: str = ""
    what: str = ""
    last_use: str = ""


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
    )


def safe_text(text: str = "", style: str = "") -> Text:
    """Return a text in which nothing is a command for the terminal."""
    return Text(printable(text), style)


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
            *(safe_text(f"Warning: {warning}", "yellow") for warning in report.warnings),
            safe_text(summary(report), "bold"),
        ],
    )


def show_runs(executions: Sequence[RunExecution]) -> None:
    """Show executions as a table."""
    of_plans = executions_of_plans(executions)
    columns = ("run", "action", "accounts", "status", "plan or execution", "requested by", "started", "took")
    table = new_table(*columns)
    for execution in executions:
        table.add_row(
            safe_text(execution.run_id),
            safe_text(execution.action),
            "" if execution.accounts is None else f"{execution.accounts:,}",
            safe_text(execution.status, _STATUS_STYLES.get(execution.status, "bold red")),
            safe_text(execution.plan or of_plans.get(execution.run_id, "")),
            # Without the account and the role, in whose place the command states a person.
            safe_text(execution.requester.rpartition("/")[2]),
            f"{execution.started_at:%Y-%m-%d %H:%M UTC}",
            "" if execution.ended_at is None else duration(execution.started_at, execution.ended_at),
        )
    _print(console(), [table])


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
    with Progress(*columns, console=target, transient=True, disable=not target.is_terminal) as progress:
        task = progress.add_task(printable(what), total=None, counted="")

        def update(done: int, total: int, noun: str) -> None:
            progress.update(task, completed=done, total=total, counted=f"{done:,} of {total:,} {noun}")

        yield update


def _rows(report: Report) -> Iterator[ReportRow]:
    """Yield the rows of a report. A clean account has none: the summary counts it."""
    for result in report.results:
        if result.outcome is Outcome.CLEAN:
            continue
        first, *others = list(_rows_of(result, now=report.finished_at)) or [ReportRow(outcome=result.outcome)]
        yield replace(
            first,
            account_id=result.account_id,
            name=result.name or "",
            organizational_unit=result.organizational_unit or "",
        )
        yield from others


def _rows_of(result: AccountResult, *, now: datetime) -> Iterator[ReportRow]:
    if result.credentials is not None:
        for what, last_use in _credential_lines(result, result.credentials, now=now):
            yield ReportRow(outcome=result.outcome, what=what, last_use=last_use)
    for item in result.items:
        yield ReportRow(outcome=item.outcome, what=_item_text(item), last_use=_item_use(item, now=now))
    # Where there are items, they say it themselves.
    if notes := " ".join(filter(None, (result.reason, result.hint))):
        yield ReportRow(outcome=result.outcome, what=notes)


def _credential_lines(
    result: AccountResult, has: RootCredentials, *, now: datetime
) -> Iterator[tuple[str, str]]:
    if has.password:
        yield "password", _last_use(has.password_last_used_at, now, unread=has.password_last_use_unread)
    for key in has.access_keys or ():
        yield f"access key {key.access_key_id}, {key.status}", _use_with_service(key, now)
    unlisted = types_without_list(result)
    # Of these, the number says it all.
    counted = {ItemType.SIGNING_CERTIFICATE, ItemType.MFA_DEVICE} - unlisted
    if others := item_counts(Counter(type_ for type_, _ in credentials_of(result) if type_ in counted)):
        yield others, ""
    for type_ in ItemType:
        if type_ in unlisted:
            yield f"{type_} that could not be listed", "unknown"


def _item_text(item: Item) -> str:
    details = item.credential
    facts = [" ".join(filter(None, (item.type, _short(item.id))))]
    if item.region:
        facts.append(item.region)
    if details is not None and details.status:
        facts.append(details.status)
    if details is not None and details.created_at is not None:
        facts.append(f"created {details.created_at:%Y-%m-%d}")
    text = ", ".join(facts)
    return f"{text}: {item.message}" if item.message else text


def _short(id_: str | None) -> str | None:
    """Return an ARN without what the row says anyway: the service, the account."""
    return re.split("[:/]", id_)[-1] if id_ is not None and id_.startswith("arn:") else id_


def _item_use(item: Item, *, now: datetime) -> str:
    details = item.credential
    if details is None or item.type not in (ItemType.PASSWORD, ItemType.ACCESS_KEY):
        return ""
    return _use_with_service(details, now)


def _use_with_service(used: AccessKey | CredentialDetails, now: datetime) -> str:
    words = _last_use(used.last_used_at, now, unread=used.last_use_unread)
    return f"{words}, {used.last_used_service}" if used.last_used_at and used.last_used_service else words


def _last_use(moment: datetime | None, now: datetime, *, unread: bool) -> str:
    if unread:
        return "unknown"
    if moment is None:
        return "never"
    days = (now - moment).days
    ago = "today" if days < 1 else f"{quantity(days, 'day')} ago"
    return f"{moment:%Y-%m-%d} ({ago})"


def _report_table(report: Report, *, width: int, max_rows: int | None) -> Iterator[RenderableType]:
    listed = _rows(report)
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
        yield safe_text()
    for number, note in enumerate(notes, start=1):
        yield safe_text(f"Note {number}: {note}")
    if notes:
        yield safe_text()
    if left := sum(1 for _ in listed):
        yield safe_text(f"{left:,} more rows: --format csv and --open have all of them.")
    if report.preflight is not None and not report.preflight.checked:
        yield safe_text(f"Pre-flight: {describe_preflight(report.preflight)}")


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
        return json.dumps(json.loads(policy, object_pairs_hook=unique_keys), indent=2)
    except (ValueError, RecursionError):
        return policy


def _row_table(shown: Sequence[ReportRow]) -> Table:
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
            safe_text("" if again else row.outcome, _STYLES.get(row.outcome, "")),
            *map(safe_text, values),
        )
    return table


def _account_list(shown: Sequence[ReportRow]) -> Iterator[RenderableType]:
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
            yield Padding(safe_text(line), (0, 0, 0, 2))


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
