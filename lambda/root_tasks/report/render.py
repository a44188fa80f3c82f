"""A report in the forms that programs and people read: JSON, CSV and a page. Pure."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from common.typed_json import format_time
from common.untrusted import printable

from ..model.codec import encode
from ..model.report_schema import (
    AccountResult,
    ChangeType,
    CredentialDetails,
    Item,
    ItemType,
    Outcome,
    Report,
    Task,
)
from ..tasks.task_definition import TaskWords
from .facts import is_plan
from .next_steps import approval_step, next_steps
from .plan_warnings import accepted_warning, in_use_warning, warnings_before_execution
from .risk import RECENT, all_credentials
from .summary import headline, summary
from .words import (
    details_of_change,
    duration,
    minute,
    request_in_words,
    requesters,
    title,
    what_it_does,
    words_of,
)

_PAGE = Path(__file__).with_name("page.html")

# A spreadsheet takes what starts with one of these for a formula: full-width signs and minus sign,
# too.
_FORMULA_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\u2212"
# Spreadsheets of other locales, and other programs, start a cell after each of the first signs,
# too, and drop blanks and quotation marks at its start.
_FORMULA = re.compile(f"""(^|[;,|\n])([ "]*)(?=[{_FORMULA_SIGNS}])""")

# The columns of report.csv. `_cells` fills them, and docs/reference/machine-interface.md has a
# table of them. Those of the page are COLUMNS in page.html, and the terminal and Markdown have the
# rows of the command line's cli/show/report_rows.py.
_COLUMNS = (
    "accountId",
    "name",
    "email",
    "organizationalUnit",
    "outcome",
    "reason",
    "hint",
    "password",
    "passwordLastUsedAt",
    "accessKeys",
    "activeAccessKeys",
    "accessKeyIds",
    "oldestAccessKeyCreatedAt",
    "accessKeysLastUsedAt",
    "signingCertificates",
    "mfaDevices",
    "items",
    "task",
    "setsPolicy",
    "runReason",
)


def as_json(report: Report, *, stored: bool = True) -> bytes:
    """Return the report as one line of JSON in plain ASCII, as machine-interface.md describes it.

    `root_tasks.model.codec.decode` reads it.

    Args:
        report: The report.
        stored: Whether another command can read it, and take its accounts.

    Raises:
        ValueError: A time has no time zone.
    """
    derived = {
        "summary": summary(report),
        "totals": report.totals,
        "nextSteps": next_steps(report, stored=stored),
    }
    return encode(report, derived=derived)


def as_csv(report: Report) -> bytes:
    """Return a row for each account, in the report's order.

    Cells are empty where credentials were not read.

    It begins with the mark by which spreadsheets recognize UTF-8.
    """
    cells_of_rows = [_cells(report, result) for result in report.results]
    rows = [[cells.get(column) for column in _COLUMNS] for cells in cells_of_rows]
    return csv_table(_COLUMNS, rows, line_end="\r\n").encode("utf-8-sig")


def csv_table(
    columns: Iterable[str], rows: Iterable[Iterable[object]], *, line_end: str = "\n"
) -> str:
    """Return a table as CSV, in cells that no spreadsheet takes for a formula.

    Args:
        columns: The names of the columns.
        rows: The values of each row.
        line_end: What ends a row: a line feed for a terminal, CRLF for a file.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(columns)
    writer.writerows(map(_csv_cell, row) for row in rows)
    return text.getvalue()


def as_html(report: Report, report_json: bytes) -> bytes:
    """Return one page, in UTF-8, that needs nothing else and runs no script but its own.

    Its table is drawn, as text, from the embedded JSON. Its security policy names its style and its
    script by their hashes, so it must be kept byte for byte.

    Args:
        report: The report.
        report_json: Its report.json, which the page carries, and whose SHA-256 it shows.
    """
    page = _PAGE.read_text(encoding="utf-8")
    report_sha256 = hashlib.sha256(report_json).hexdigest()
    approval = approval_step(report, report_sha256=report_sha256)
    facts = [*facts_of(report), ("SHA-256 of report.json", report_sha256)]
    is_dangerous = (
        in_use_warning(report)
        or accepted_warning(report)
        or report.sets_policy
        or report.task is Task.RECOVER
    )
    values = {
        "style-hash": _csp_hash(page, "style"),
        "script-hash": _csp_hash(page, "script"),
        "columns": "credentials" if report.task is Task.AUDIT else "items",
        "recent-days": str(RECENT.days),
        "words": _markup(json.dumps(_words_of_identifiers(words_of(report)))),
        "changes": _markup(json.dumps(list(map(details_of_change, report.changes or ())))),
        "approval": _markup(json.dumps([asdict(approval)] if approval else [])),
        "organization": _markup(report.organization_id),
        "title": _markup(title(report)),
        "headline": _markup(headline(report)),
        "notice": _markup(_notice(report)),
        "notice-tone": "warn" if is_dangerous else "plan",
        "report": _embeddable(report_json.decode()),
        "facts": "".join(
            f"<div><dt>{_markup(name)}</dt><dd>{_markup(value)}</dd></div>" for name, value in facts
        ),
    }
    # Replaced in one pass: what looks like a placeholder in a value stays as it is.
    return re.sub(r"%%([\w.-]+)%%", lambda match: values[match[1]], page).encode()


def _cells(report: Report, result: AccountResult) -> dict[str, object]:
    """Return the cells of an account by their columns in report.csv, which `_COLUMNS` lists.

    What was not read has no cell.
    """
    # What every result has.
    cells: dict[str, object] = {
        "accountId": result.account_id,
        "name": result.name,
        "email": result.email,
        "organizationalUnit": result.organizational_unit,
        "outcome": result.outcome,
        "reason": result.reason,
        "hint": result.hint,
        "items": "\n".join(map(_item_line, result.items)),
        "task": report.task,
        "setsPolicy": report.sets_policy,
        "runReason": report.reason,
    }
    # What was read of its credentials.
    has = all_credentials(result)
    if has is None:
        return cells
    cells["password"] = has.password
    cells["passwordLastUsedAt"] = has.password_last_used_at
    if has.access_keys is not None:
        keys = has.access_keys
        created = [key.created_at for key in keys if key.created_at is not None]
        used = [key.last_used_at for key in keys if key.last_used_at is not None]
        cells["accessKeys"] = len(keys)
        cells["activeAccessKeys"] = sum(key.status == "Active" for key in keys)
        cells["accessKeyIds"] = " ".join(key.access_key_id for key in keys)
        cells["oldestAccessKeyCreatedAt"] = min(created, default=None)
        cells["accessKeysLastUsedAt"] = max(used, default=None)
    if has.signing_certificates is not None:
        cells["signingCertificates"] = len(has.signing_certificates)
    if has.mfa_devices is not None:
        cells["mfaDevices"] = len(has.mfa_devices)
    return cells


def _item_line(item: Item) -> str:
    """Return an item in one line, with what is known of it in parentheses.

    For example, "ACCESS_KEY AKIAIOSFODNN7EXAMPLE: PLANNED (Active, created 2024-06-03T04:10:00Z.)".
    """
    line = str(item.type)
    if item.id:
        line += f" {item.id}"
    line += f": {item.outcome}"
    # An item's policy is not in it: a policy can be longer than a cell, and report.json has it.
    more = []
    if item.credential is not None:
        more.append(_details_line(item.credential))
    if item.message:
        more.append(item.message)
    if item.backup:
        more.append(f"Backup: {item.backup}")
    return f"{line} ({' '.join(more)})" if more else line


def _details_line(details: CredentialDetails) -> str:
    """Return the status, the age and the last use of a credential, as far as they are known."""
    facts = []
    if details.status:
        facts.append(details.status)
    if details.created_at is not None:
        facts.append(f"created {format_time(details.created_at)}")
    if details.last_use_unread:
        facts.append("last use unknown")
    elif details.last_used_at is not None:
        used = f"last used {format_time(details.last_used_at)}"
        if details.last_used_service:
            used += f" with {details.last_used_service}"
        facts.append(used)
    return f"{', '.join(facts)}."


def _csv_cell(value: object) -> str:
    """Return a cell that no spreadsheet takes for a formula, printable but for its line breaks.

    A cell that would be one begins with an apostrophe: "=1+1" becomes "'=1+1".
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return format_time(value)
    text = "\n".join(map(printable, str(value).split("\n")))
    text = _FORMULA.sub(r"\1\2'", text)
    # Some programs drop line breaks at the start of a cell.
    return f"'{text}" if text.startswith("\n") else text


def _words_of_identifiers(task_words: TaskWords) -> dict[str, str]:
    """Return the words of each outcome, type of item and type of change, by its identifier.

    For example, PLANNED is "to be deleted" if the task deletes.
    """
    words: dict[str, str] = {outcome: task_words.outcome(outcome) for outcome in Outcome}
    words.update((type_, type_.words) for type_ in ItemType)
    words.update((type_, type_.words) for type_ in ChangeType)
    return words


def _markup(text: str) -> str:
    """Return a text as HTML that shows it, also where others chose it."""
    return html.escape(printable(text))


def _csp_hash(page: str, element: str) -> str:
    """Return the hash by which the page's security policy names the content of an element."""
    content = page.partition(f"<{element}>")[2].partition(f"</{element}>")[0]
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _embeddable(json_text: str) -> str:
    """Return JSON that no browser takes for markup in a script element: "<" becomes an escape."""
    return json_text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _notice(report: Report) -> str:
    """Return what a person has to know before a plan is executed; nothing for another report."""
    if not is_plan(report):
        return ""
    what = f"This is a plan to {what_it_does(report)}."
    if Outcome.PLANNED not in report.totals:
        return f"{what} It lists nothing to execute."
    if report.plan_expires_at is None:
        return f"{what} It cannot be executed: its run ended without a report."
    once = f"It can be executed once, exactly as listed, until {minute(report.plan_expires_at)}."
    return " ".join([what, once, *warnings_before_execution(report)])


def facts_of(report: Report) -> Iterable[tuple[str, str]]:
    """Yield the facts about a run, each with its name, for the head of its page."""
    # What run it was.
    run = "Audit of selected accounts"
    if report.executed_plan is not None:
        run = f"Execution of plan {report.executed_plan}"
    elif is_plan(report):
        run = "Plan"
    elif report.full:
        run = "Audit of every account"
    yield "Run", run
    yield "Task", report.task
    # Who ran it, who asked for it, and why.
    role = "delegated administrator"
    if report.account_id == report.management_account_id:
        role = "management account"
    yield "Run by", f"{report.account_id}, the {role}"
    principals = requesters(report)
    if principals:
        yield "Requested by", f"{principals}, as the command states"
    if report.reason is not None:
        yield "Reason", report.reason
    # When it ran, and what it was to be about.
    took = duration(report.started_at, report.finished_at)
    yield "Started", f"{minute(report.started_at)}, took {took}"
    yield "Run ID", report.run_id
    if report.selection is not None:
        yield "Selected", request_in_words(report.selection)
