"""The report of a run: how it is shown, saved and opened."""

from __future__ import annotations

import json
import os
import tempfile
import webbrowser
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from root_tasks.aws.stores import REPORT_JSON, sha256
from root_tasks.model.codec import DecodingError, decode
from root_tasks.model.report_schema import Report
from root_tasks.model.run_documents import RUN_ID
from root_tasks.report.render import as_csv, as_html

from ..base.command_errors import CommandError, ExitCode
from ..base.options import CSV, JSON, MARKDOWN
from ..base.terminal import print_note
from .exit_codes import exit_code, explicit_accounts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..base.options import Output

_CSV, _HTML = "report.csv", "report.html"
_BY_SUFFIX = {".json": REPORT_JSON, ".csv": _CSV, ".html": _HTML}


@dataclass(frozen=True, kw_only=True)
class StoredReport:
    """A report, and the bytes that it is stored as.

    Only report.json is held by hash, so the page and the CSV are made of it here, not read.

    Attributes:
        report: The report.
        body: Its report.json.
        named_accounts: The accounts that the input of its run names one by one.
        doubt: Why it could not be checked that its run wrote it, as a sentence; None if it was.
        unfinished: Whether its run ended without it, and it was made here.
    """

    report: Report
    body: bytes
    named_accounts: frozenset[str] = frozenset()
    doubt: str | None = None
    unfinished: bool = False

    @classmethod
    def of(cls, body: bytes, *, input_: Mapping[str, object] | None = None) -> StoredReport:
        """Return the report of a report.json, with the input of its run, if it is known.

        Raises:
            DecodingError: It is not one, of another version, or names what cannot be a run.
        """
        report = decode(Report, body)
        if not RUN_ID.fullmatch(report.run_id):
            # Messages repeat the run ID, so it must be harmless.
            raise DecodingError(kind=Report.KIND, problem="is not the name of a run", path="runId")
        return cls(report=report, body=body, named_accounts=explicit_accounts(input_, report))

    def with_doubt(self, reason: str) -> StoredReport:
        """Return the same with the reason why it could not be checked that its run wrote it."""
        doubt = f"That run {self.report.run_id} wrote this report could not be checked. {reason}"
        return replace(self, doubt=doubt)

    def file(self, name: str) -> bytes:
        """Return a file of the report: report.json, report.csv or report.html."""
        if name == REPORT_JSON:
            return self.body
        if name == _CSV:
            return as_csv(self.report)
        return as_html(self.report, self.body)


def show_stored_report(stored: StoredReport, *, output: Output) -> None:
    """Show a report in the format of the output; if that cannot be written, save it all the same."""
    try:
        if output.format == JSON:
            # Encoded again: what no execution confirms may have any character.
            click.echo(json.dumps(json.loads(stored.body), separators=(",", ":")))
        elif output.format == MARKDOWN:
            from ..show.markdown import as_markdown

            digest = sha256(stored.body)
            click.echo(as_markdown(stored.report, sha256=digest, everything=output.all), nl=False)
        elif output.format == CSV:
            click.echo(as_csv(stored.report).decode("utf-8-sig").replace("\r\n", "\n"), nl=False)
        else:
            # Nothing else needs the time of rich's import.
            from ..show import screen

            screen.show_report(stored.report, everything=output.all)
    except OSError:
        # Its reader is gone, or the disk is full. An audit from here is stored nowhere else.
        _save_report(stored, output.path)
        raise
    print_doubt(stored)


def print_doubt(stored: StoredReport) -> None:
    """Say why a report could not be checked."""
    if stored.doubt is not None:
        print_note(stored.doubt)


def keep_report(stored: StoredReport, *, output: Output) -> ExitCode:
    """Save a report that was shown, and open it, if the command asks for it.

    Returns:
        How the command ends; a note says why it has no result.

    Raises:
        CommandError: It cannot be saved.
    """
    _save_report(stored, output.path)
    if output.open:
        print_note(_open_page(stored))
    ended, missing = exit_code(stored.report, named_accounts=stored.named_accounts)
    if stored.unfinished:
        ended, missing = ExitCode.NO_RESULT, "The run ended without a report."
    if missing:
        print_note(f"Exit code {ended:d}: {missing}")
    return ended


def _save_report(stored: StoredReport, path: Path | None) -> None:
    """Save a report, readable by its owner only: the page, JSON or CSV by the file's suffix; all in a folder.

    Args:
        stored: The report.
        path: The file or folder; None to save nothing.

    Raises:
        CommandError: It cannot be saved.
    """
    if path is None:
        return
    # A folder may be gone since the command began.
    if path.is_dir() or path.suffix.lower() not in _BY_SUFFIX:
        targets = {path / name: name for name in _BY_SUFFIX.values()}
    else:
        targets = {path: _BY_SUFFIX[path.suffix.lower()]}
    for target, name in targets.items():
        try:
            if target != path:
                # Only its owner may read a new one.
                path.mkdir(mode=0o700, exist_ok=True)
            _write_private(target, stored.file(name))
        except OSError as error:
            raise CommandError(
                f"Unable to save the report as {target}: {error.strerror}."
            ) from error
    print_note(f"Saved: {path}")


def _open_page(stored: StoredReport) -> str:
    """Open the report's page in the browser, if there is one, from a file that only its owner can read.

    Returns:
        Whether it opens, and the file, which stays as long as the machine keeps temporary files.

    Raises:
        CommandError: It cannot be saved.
    """
    try:
        page = Path(tempfile.mkdtemp(prefix="centralized-root-access-")) / _HTML
        _write_private(page, stored.file(_HTML))
    except OSError as error:
        raise CommandError(
            f"Unable to save the page in a temporary folder: {error.strerror}."
        ) from error
    opened = webbrowser.open(page.as_uri())
    return f"{'Opening' if opened else 'No browser opened. The page'}: {page}"


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
