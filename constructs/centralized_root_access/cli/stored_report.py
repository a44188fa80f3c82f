"""The report of a run: its files, and how it is shown, kept and opened."""

from __future__ import annotations

import json
import os
import tempfile
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aws_calls.failures import CallError
from root_tasks.aws.bucket import Bucket
from root_tasks.aws.stores import REPORT_JSON
from root_tasks.model.codec import decode
from root_tasks.model.report import Outcome, Report
from root_tasks.report.render import as_csv, as_html
from root_tasks.report.summary import is_plan

from . import screen
from .errors import CommandError, ExitCode, NoReportError
from .options import CSV, JSON
from .terminal import print_note
from .verdict import exit_code, explicit_accounts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .aws import Caller
    from .deployment import Deployment
    from .options import Output

_CSV, _HTML = "report.csv", "report.html"
_BY_SUFFIX = {".json": REPORT_JSON, ".csv": _CSV, ".html": _HTML}


@dataclass(frozen=True, kw_only=True)
class StoredFiles:
    """What a run has stored in the bucket of a deployment.

    Attributes:
        caller: The caller.
        deployment: The deployment.
        folder: Where it is in the bucket.
    """

    caller: Caller
    deployment: Deployment
    folder: str

    def location(self, name: str) -> str:
        """Return the URL of a file."""
        return f"s3://{self.deployment.bucket}/{self.folder}/{name}"

    def read(self, name: str) -> bytes:
        """Return a file, such as report.json.

        Raises:
            NoReportError: There is none, or the caller may not read it.
            CallError: S3 did not respond in time.
        """
        bucket = Bucket(
            s3=self.caller.client("s3"),
            name=self.deployment.bucket,
            account_id=self.deployment.account_id,
            budget=self.caller.budget(),
        )
        try:
            return bucket.read(f"{self.folder}/{name}")
        except CallError as error:
            # Without permission to list the bucket, S3 denies what does not exist.
            if error.failure.name not in ("NoSuchKey", "AccessDenied"):
                raise
            raise NoReportError(
                f"There is no report at {self.location(name)}, or these credentials may not read it "
                f"({error.failure.code}). It needs grant_read_reports; the latest report is there once a "
                "full audit has ended. A RootTasks that was renamed or moved starts with an empty bucket."
            ) from error


@dataclass(frozen=True, kw_only=True)
class StoredReport:
    """A report, and the bytes that it is stored as.

    Only report.json is held by hash, so the page and the CSV are made of it here, not read.

    Attributes:
        report: The report.
        body: Its report.json.
        named_accounts: The accounts that the input of its run names one by one.
        unchecked: Why it is not known whether its run wrote it; None if it is.
        in_bucket: Whether it is in the bucket of a deployment.
        unfinished: Whether its run ended without it, and it was made here.
    """

    report: Report
    body: bytes
    named_accounts: frozenset[str] = frozenset()
    unchecked: str | None = None
    in_bucket: bool = True
    unfinished: bool = False

    @classmethod
    def of(
        cls, body: bytes, *, input_: Mapping[str, object] | None = None, unchecked: str | None = None
    ) -> StoredReport:
        """Return the report of a report.json, with the input of its run, if it is known.

        Raises:
            DecodingError: It is not one, or of another version.
        """
        report = decode(Report, body)
        named = explicit_accounts(input_ or {}, report)
        return cls(report=report, body=body, named_accounts=named, unchecked=unchecked)

    def json(self) -> str:
        """Return the report as one line of ASCII JSON, as the functions write it."""
        return f"{json.dumps(json.loads(self.body), separators=(',', ':'))}\n"

    def csv(self) -> str:
        """Return the report as CSV, without the mark by which spreadsheets recognize UTF-8."""
        return as_csv(self.report)

    def file(self, name: str) -> bytes:
        """Return a file of the report: report.json, report.csv or report.html."""
        if name == REPORT_JSON:
            return self.body
        if name == _CSV:
            return self.csv().encode("utf-8-sig")
        return as_html(self.report, stored=self.in_bucket)


def is_executable(report: Report) -> bool:
    """Return whether it is a plan that has something to execute."""
    return is_plan(report) and Outcome.PLANNED in report.totals


def show_report(stored: StoredReport, *, output: Output) -> None:
    """Show a report in the format of the output."""
    if output.format == JSON:
        click.echo(stored.json(), nl=False)
    elif output.format == CSV:
        click.echo(stored.csv().replace("\r\n", "\n"), nl=False)
    else:
        screen.show_report(stored.report, everything=output.all)
    print_doubt(stored)


def print_doubt(stored: StoredReport) -> None:
    """Say that a report is unchecked, and why."""
    if stored.unfinished and stored.unchecked is not None:
        print_note(stored.unchecked)
    elif stored.unchecked is not None:
        print_note(
            f"Whether run {stored.report.run_id} wrote this report was not checked. {stored.unchecked}"
        )


def keep_report(stored: StoredReport, *, output: Output) -> ExitCode:
    """Save a report that was shown, and open it, if the command asks for it.

    Returns:
        How the command ends; a note says why it has no result.

    Raises:
        CommandError: It cannot be saved.
    """
    if output.path is not None:
        _save_report(stored, output.path)
        print_note(f"Saved: {output.path}")
    if output.open:
        page, opened = _open_page(stored)
        print_note(f"{'Opened' if opened else 'No browser could be started. The page is'}: {page}")
    ended, missing = exit_code(
        stored.report, named_accounts=stored.named_accounts, checked=stored.unchecked is None
    )
    if stored.unfinished:
        ended, missing = ExitCode.NO_RESULT, "The run ended without a report."
    if missing:
        print_note(f"Exit code {ended:d}: {missing}")
    return ended


def _save_report(stored: StoredReport, path: Path) -> None:
    """Save a report for its owner alone: the page, or JSON or CSV by the file's suffix; all in a folder.

    Raises:
        CommandError: It cannot be saved.
    """
    if path.is_dir():
        targets = {path / name: name for name in _BY_SUFFIX.values()}
    else:
        targets = {path: _BY_SUFFIX[path.suffix.lower()]}
    for target, name in targets.items():
        try:
            _write_private(target, stored.file(name))
        except OSError as error:
            raise CommandError(f"Unable to save the report as {target}: {error.strerror}.") from error


def _open_page(stored: StoredReport) -> tuple[Path, bool]:
    """Open the report's page in the browser, from a file that only its owner can read.

    Returns:
        The file, which stays as long as the machine keeps temporary files, and whether a browser opened it.

    Raises:
        CommandError: It cannot be saved.
    """
    try:
        page = Path(tempfile.mkdtemp(prefix="centralized-root-access-")) / _HTML
        _write_private(page, stored.file(_HTML))
    except OSError as error:
        raise CommandError(f"Unable to save the page in a temporary folder: {error.strerror}.") from error
    try:
        return page, webbrowser.open(page.as_uri())
    except webbrowser.Error:
        return page, False


def _write_private(path: Path, body: bytes) -> None:
    # In one step: a file that is there stays whole until the new one is.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
