"""A report as programs and people read it: JSON, CSV, a page, a message. Pure."""

from __future__ import annotations

import base64
import csv
import dataclasses
import hashlib
import html
import io
import json
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..model.report import (
    SCHEMA_VERSION,
    AccessKey,
    AccountResult,
    Item,
    ItemType,
    Outcome,
    Report,
    RootCredentials,
    Task,
)
from .changes import Change, ChangeType, change_message, changes
from .summary import by_attention, headline, is_plan, minute, summary, title

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Change",
    "ChangeType",
    "UnreadableReportError",
    "as_csv",
    "as_html",
    "as_json",
    "change_message",
    "changes",
    "from_json",
    "summary",
]

T = TypeVar("T")

_PAGE = Path(__file__).with_name("page.html")

_ABOUT_AN_ACCOUNT = ("accountId", "name", "email", "outcome", "reason", "hint")
_ABOUT_CREDENTIALS = (
    "password",
    "passwordLastUsedAt",
    "accessKeys",
    "activeAccessKeys",
    "accessKeyIds",
    "accessKeysLastUsedAt",
    "signingCertificates",
    "mfaDevices",
)
# A spreadsheet takes a cell that starts with one of these for a formula.
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class UnreadableReportError(ValueError):
    """Raised for a text that is no report, or one of another schema version."""


def as_json(report: Report) -> str:
    """Returns the report as one line of JSON in plain ASCII; docs/report-schema.md describes it.

    Raises:
        ValueError: a time has no time zone.
    """
    document = {
        "schemaVersion": SCHEMA_VERSION,
        "summary": summary(report),
        "totals": report.totals,
        **_plain(report),
    }
    return json.dumps(document, separators=(",", ":")) + "\n"


def from_json(text: str) -> Report:
    """Returns the report that `as_json` made the text of. Keys that it does not know are passed over.

    Raises:
        UnreadableReportError: the text is something else, or of another schema version.
    """
    try:
        document = _Object(json.loads(text))
        version = document["schemaVersion"]
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableReportError(f"This is no report of a root task: {_cause(error)}.") from error
    if version != SCHEMA_VERSION:
        raise UnreadableReportError(
            f"This report has schema version {version!r}, and this release reads version {SCHEMA_VERSION}. "
            "Read it with the release that wrote it, or run the task again."
        )
    try:
        return _report(document)
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableReportError(f"This report is damaged: {_cause(error)}.") from error


def as_csv(report: Report) -> str:
    """Returns a row an account, with what wants attention first. Cells are empty where nobody looked.

    Encoded as ``utf-8-sig``, it is read right by every spreadsheet.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow((*_ABOUT_AN_ACCOUNT, *_ABOUT_CREDENTIALS, "items"))
    for result in by_attention(report.results):
        writer.writerow([_cell(value) for value in _row(result)])
    return text.getvalue()


def as_html(report: Report) -> str:
    """Returns one page that needs nothing else and runs no script but its own.

    Its table is drawn, as text, from the embedded JSON. Its security policy names its style and its script
    by their hashes, so it must be kept byte for byte, in UTF-8.
    """
    page = _PAGE.read_text(encoding="utf-8")
    ordered = dataclasses.replace(report, results=tuple(by_attention(report.results)))
    values = {
        "style-hash": _hash(page, "style"),
        "script-hash": _hash(page, "script"),
        "organization": html.escape(report.organization_id),
        "title": html.escape(title(report)),
        "headline": html.escape(headline(report)),
        "notice": html.escape(_notice(report)),
        "facts": "".join(
            f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"
            for name, value in _facts(report)
        ),
        "report": _embeddable(as_json(ordered)),
    }
    # In one pass, so that nothing in a value is taken for a place to fill.
    return re.sub(r"%%([a-z-]+)%%", lambda place: values[place[1]], page)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {key: _plain(getattr(value, name)) for key, name in _keys(type(value)).items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return _iso(value) if isinstance(value, datetime) else value


@cache
def _keys(dataclass: type[Any]) -> dict[str, str]:
    names = [field.name for field in dataclasses.fields(dataclass)]
    return {_camel_case(name): name for name in names}


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _iso(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone.")
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


class _Object:
    """A JSON object whose values are taken out by type."""

    def __init__(self, value: object) -> None:
        if not isinstance(value, dict):
            raise TypeError(f"an object is expected in place of {value!r:.60}")
        self._values = value

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def text(self, key: str) -> str:
        return _instance(self[key], str, key)

    def text_or_none(self, key: str) -> str | None:
        return None if self[key] is None else self.text(key)

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(_instance(each, str, key) for each in _instance(self[key], list, key))

    def flag(self, key: str) -> bool:
        return _instance(self[key], bool, key)

    def time(self, key: str) -> datetime:
        moment = datetime.fromisoformat(self.text(key))
        if moment.tzinfo is None:
            raise ValueError(f"{key} has no time zone")
        return moment.astimezone(UTC)

    def time_or_none(self, key: str) -> datetime | None:
        return None if self[key] is None else self.time(key)

    def objects(self, key: str) -> Iterable[_Object]:
        return map(_Object, _instance(self[key], list, key))

    def object_or_none(self, key: str) -> _Object | None:
        return None if self[key] is None else _Object(self[key])


def _instance(value: object, type_: type[T], key: str) -> T:
    if not isinstance(value, type_):
        raise TypeError(f"{key} is {value!r:.60}")
    return value


def _cause(error: Exception) -> str:
    return f"the key {error} is missing" if isinstance(error, KeyError) else str(error).rstrip(".")


def _report(document: _Object) -> Report:
    return Report(
        run_id=document.text("runId"),
        task=Task(document.text("task")),
        executed_plan=document.text_or_none("executedPlan"),
        full=document.flag("full"),
        organization_id=document.text("organizationId"),
        management_account_id=document.text("managementAccountId"),
        account_id=document.text("accountId"),
        started_at=document.time("startedAt"),
        finished_at=document.time("finishedAt"),
        results=tuple(_result(each) for each in document.objects("results")),
    )


def _result(result: _Object) -> AccountResult:
    credentials = result.object_or_none("credentials")
    return AccountResult(
        account_id=result.text("accountId"),
        name=result.text("name"),
        email=result.text("email"),
        outcome=Outcome(result.text("outcome")),
        reason=result.text("reason"),
        hint=result.text("hint"),
        credentials=None if credentials is None else _credentials(credentials),
        items=tuple(_item(each) for each in result.objects("items")),
    )


def _credentials(credentials: _Object) -> RootCredentials:
    return RootCredentials(
        password=credentials.flag("password"),
        password_last_used_at=credentials.time_or_none("passwordLastUsedAt"),
        access_keys=tuple(_access_key(each) for each in credentials.objects("accessKeys")),
        mfa_devices=credentials.texts("mfaDevices"),
        signing_certificates=credentials.texts("signingCertificates"),
    )


def _access_key(key: _Object) -> AccessKey:
    return AccessKey(
        access_key_id=key.text("accessKeyId"),
        status=key.text("status"),
        created_at=key.time_or_none("createdAt"),
        last_used_at=key.time_or_none("lastUsedAt"),
        last_used_service=key.text_or_none("lastUsedService"),
    )


def _item(item: _Object) -> Item:
    return Item(
        type=ItemType(item.text("type")),
        id=item.text("id"),
        outcome=Outcome(item.text("outcome")),
        message=item.text("message"),
    )


def _row(result: AccountResult) -> tuple[object, ...]:
    return (
        result.account_id,
        result.name,
        result.email,
        result.outcome,
        result.reason,
        result.hint,
        *(_credential_cells(result.credentials) if result.credentials else [""] * len(_ABOUT_CREDENTIALS)),
        "\n".join(_told(item) for item in result.items),
    )


def _credential_cells(has: RootCredentials) -> tuple[object, ...]:
    uses = [key.last_used_at for key in has.access_keys if key.last_used_at]
    return (
        "yes" if has.password else "no",
        _iso(has.password_last_used_at) if has.password_last_used_at else "",
        len(has.access_keys),
        sum(key.status == "Active" for key in has.access_keys),
        " ".join(key.access_key_id for key in has.access_keys),
        _iso(max(uses)) if uses else "",
        len(has.signing_certificates),
        len(has.mfa_devices),
    )


def _told(item: Item) -> str:
    named = f"{item.type} {item.id}".rstrip()
    return f"{named}: {item.outcome}{f' ({item.message})' if item.message else ''}"


def _cell(value: object) -> str:
    # JSON can carry lone surrogates; UTF-8 cannot.
    text = str(value).encode(errors="replace").decode()
    return f"'{text}" if text.startswith(_STARTS_A_FORMULA) else text


def _hash(page: str, element: str) -> str:
    content = page.partition(f"<{element}>")[2].partition(f"</{element}>")[0]
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _embeddable(ascii_json: str) -> str:
    # U+2028 and U+2029 are escaped already, as all that is not ASCII.
    return ascii_json.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _notice(report: Report) -> str:
    if not is_plan(report):
        return ""
    return (
        "This is a plan: nothing has been changed. To do what it lists, and nothing else, start a run with "
        f'"execute": "{report.run_id}" before the plan is 24 hours old.'
    )


def _facts(report: Report) -> Iterable[tuple[str, str]]:
    if report.executed_plan is not None:
        yield "Run", f"Execution of plan {report.executed_plan}"
    elif is_plan(report):
        yield "Run", "Plan"
    else:
        yield "Run", "Audit of every account" if report.full else "Audit of selected accounts"
    yield "Task policy", report.task
    by_management = report.account_id == report.management_account_id
    role = "management account" if by_management else "delegated administrator"
    yield "Made from", f"{report.account_id}, the {role}"
    minutes, seconds = divmod(int((report.finished_at - report.started_at).total_seconds()), 60)
    took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    yield "Started", f"{minute(report.started_at)}, took {took}"
    yield "Run ID", report.run_id
