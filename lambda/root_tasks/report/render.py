"""A report in the forms that programs and people read: JSON, CSV and a page. Pure."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from common.typed_json import format_time
from common.untrusted import printable

from ..model.codec import encode
from ..model.report_schema import AccessKey, ChangeType, ItemType, Outcome, RootCredentials, Task
from ..tasks import DEFINITIONS
from .controls import evidence
from .next_steps import approval_step, next_steps
from .risk import RECENT, all_credentials
from .summary import (
    accepted_warning,
    details_of_change,
    duration,
    headline,
    in_use_of,
    is_plan,
    minute,
    request_in_words,
    requesters,
    summary,
    title,
    warnings_before_execution,
    what_it_does,
    words_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from ..model.report_schema import (
        AccountResult,
        CredentialDetails,
        Item,
        Report,
    )
    from ..tasks.definition import TaskWords

_PAGE = Path(__file__).with_name("page.html")

# A spreadsheet takes what starts with one of these for a formula: full-width signs and minus sign,
# too.
_FORMULA_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\u2212"
# Spreadsheets of other locales, and other programs, start a cell after each of the first signs,
# too, and drop blanks and quotation marks at its start.
_FORMULA = re.compile(f"""(^|[;,|\n])([ "]*)(?=[{_FORMULA_SIGNS}])""")


def as_json(report: Report, *, stored: bool = True) -> bytes:
    """Return the report as one line of JSON in plain ASCII; docs/reference/report-schema.md describes it.

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
        "plannedInUse": in_use_of(report),
        "evidence": evidence(report),
        "nextSteps": next_steps(report, stored=stored),
    }
    return encode(report, derived=derived)


def as_csv(report: Report) -> bytes:
    """Return a row for each account, in the report's order. Cells are empty where credentials were not read.

    It begins with the mark by which spreadsheets recognize UTF-8.
    """
    of_run = (report.task, _YES_OR_NO[report.sets_policy], report.reason)
    rows = ([*(value(result) for _, value in _COLUMNS), *of_run] for result in report.results)
    data = io.BytesIO()
    with io.TextIOWrapper(data, encoding="utf-8-sig", newline="") as text:
        _write_table(
            text,
            [*(name for name, _ in _COLUMNS), "task", "setsPolicy", "runReason"],
            rows,
            line_end="\r\n",
        )
        text.flush()
        return data.getvalue()


def csv_table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a table as CSV, in cells that no spreadsheet takes for a formula.

    Args:
        columns: The names of the columns.
        rows: The values of each row.
    """
    text = io.StringIO(newline="")
    _write_table(text, columns, rows, line_end="\n")
    return text.getvalue()


def _write_table(
    text: TextIO, columns: Iterable[str], rows: Iterable[Iterable[object]], *, line_end: str
) -> None:
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(columns)
    writer.writerows(map(csv_cell, row) for row in rows)


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
    words = words_of(report)
    is_dangerous = (
        in_use_of(report)
        or accepted_warning(report)
        or report.sets_policy
        or report.task is Task.RECOVER
    )
    values = {
        "style-hash": _hash(page, "style"),
        "script-hash": _hash(page, "script"),
        "columns": "items" if DEFINITIONS[report.task].makes_changes else "credentials",
        "recent-days": str(RECENT.days),
        "words": _markup(json.dumps(_words(words))),
        "changes": _markup(json.dumps([*map(details_of_change, report.changes or ())])),
        "approval": _markup(json.dumps([asdict(approval)] if approval else [])),
        "organization": _markup(report.organization_id),
        "title": _markup(title(report)),
        "headline": _markup(headline(report)),
        "notice": _markup(_notice(report)),
        "notice-tone": "warn" if is_dangerous else "plan",
        "report": _embeddable(report_json.decode()),
        "facts": "".join(
            f"<div><dt>{_markup(name)}</dt><dd>{_markup(value)}</dd></div>"
            for name, value in (*_facts(report), ("SHA-256 of report.json", report_sha256))
        ),
    }
    # In one pass: nothing in a value is taken for a placeholder.
    return re.sub(r"%%([\w.-]+)%%", lambda match: values[match[1]], page).encode()


def _of_credentials(cell: Callable[[RootCredentials], object]) -> Callable[[AccountResult], object]:
    def of_result(result: AccountResult) -> object:
        has = all_credentials(result)
        return None if has is None else cell(has)

    return of_result


def _of_keys(cell: Callable[[Sequence[AccessKey]], object]) -> Callable[[AccountResult], object]:
    return _of_credentials(lambda has: None if has.access_keys is None else cell(has.access_keys))


def _number_of(listed: Sequence[str] | None) -> int | None:
    return None if listed is None else len(listed)


def _creation_of_oldest_key(keys: Sequence[AccessKey]) -> str | None:
    return _time_cell(min((key.created_at for key in keys if key.created_at), default=None))


def _last_use_of_keys(keys: Sequence[AccessKey]) -> str | None:
    return _time_cell(max((key.last_used_at for key in keys if key.last_used_at), default=None))


def _time_cell(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def _item_line(item: Item) -> str:
    name = " ".join(filter(None, (item.type, item.id)))
    # A policy can be longer than a cell; report.json has it.
    details = None if item.credential is None else _details_line(item.credential)
    more = " ".join(filter(None, (details, item.message, item.backup and f"Backup: {item.backup}")))
    return f"{name}: {item.outcome}{f' ({more})' if more else ''}"


def _details_line(details: CredentialDetails) -> str:
    used = "last use unknown" if details.last_use_unread else ""
    if details.last_used_at is not None:
        used = f"last used {format_time(details.last_used_at)}"
        used += f" with {details.last_used_service}" if details.last_used_service else ""
    created = None if details.created_at is None else f"created {format_time(details.created_at)}"
    return f"{', '.join(filter(None, (details.status, created, used)))}."


_YES_OR_NO: Mapping[bool | None, str] = {True: "yes", False: "no"}
_COLUMNS: Sequence[tuple[str, Callable[[AccountResult], object]]] = (
    ("accountId", lambda result: result.account_id),
    ("name", lambda result: result.name),
    ("email", lambda result: result.email),
    ("organizationalUnit", lambda result: result.organizational_unit),
    ("outcome", lambda result: result.outcome),
    ("reason", lambda result: result.reason),
    ("hint", lambda result: result.hint),
    ("password", _of_credentials(lambda has: _YES_OR_NO[has.password])),
    ("passwordLastUsedAt", _of_credentials(lambda has: _time_cell(has.password_last_used_at))),
    ("accessKeys", _of_keys(len)),
    ("activeAccessKeys", _of_keys(lambda keys: sum(key.status == "Active" for key in keys))),
    ("accessKeyIds", _of_keys(lambda keys: " ".join(key.access_key_id for key in keys))),
    ("oldestAccessKeyCreatedAt", _of_keys(_creation_of_oldest_key)),
    ("accessKeysLastUsedAt", _of_keys(_last_use_of_keys)),
    ("signingCertificates", _of_credentials(lambda has: _number_of(has.signing_certificates))),
    ("mfaDevices", _of_credentials(lambda has: _number_of(has.mfa_devices))),
    ("items", lambda result: "\n".join(map(_item_line, result.items))),
    ("emailOutside", lambda result: _YES_OR_NO.get(result.email_outside)),
)


def csv_cell(value: object) -> str:
    """Return a cell that no spreadsheet takes for a formula, printable but for its line breaks."""
    text = "" if value is None else "\n".join(map(printable, str(value).split("\n")))
    text = _FORMULA.sub(r"\1\2'", text)
    return f"'{text}" if text.startswith("\n") else text


def _words(of_task: TaskWords) -> dict[str, str]:
    """Return the words of each identifier in a report; outcomes in those of the run's task."""
    return {
        **{outcome: of_task.outcome(outcome) for outcome in Outcome},
        **{
            identifier: identifier.words for type_ in (ItemType, ChangeType) for identifier in type_
        },
    }


def _markup(text: str) -> str:
    return html.escape(printable(text))


def _hash(page: str, element: str) -> str:
    content = page.partition(f"<{element}>")[2].partition(f"</{element}>")[0]
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _embeddable(text: str) -> str:
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _notice(report: Report) -> str:
    if not is_plan(report):
        return ""
    what = f"This is a plan to {what_it_does(report)}."
    if Outcome.PLANNED not in report.totals:
        return f"{what} It lists nothing to execute."
    if report.plan_expires_at is None:
        return f"{what} It cannot be executed: its run ended without a report."
    once = f"It can be executed once, exactly as listed, until {minute(report.plan_expires_at)}."
    return " ".join([what, once, *warnings_before_execution(report)])


def _facts(report: Report) -> Iterable[tuple[str, str]]:
    if report.executed_plan is not None:
        yield "Run", f"Execution of plan {report.executed_plan}"
    elif is_plan(report):
        yield "Run", "Plan"
    else:
        yield "Run", "Audit of every account" if report.full else "Audit of selected accounts"
    yield "Task", report.task
    by_management = report.account_id == report.management_account_id
    role = "management account" if by_management else "delegated administrator"
    yield "Run by", f"{report.account_id}, the {role}"
    if principals := requesters(report):
        yield "Requested by", f"{principals}, as the command states"
    if report.reason is not None:
        yield "Reason", report.reason
    yield (
        "Started",
        f"{minute(report.started_at)}, took {duration(report.started_at, report.finished_at)}",
    )
    yield "Run ID", report.run_id
    if report.selection is not None:
        yield "Asked for", request_in_words(report.selection)
