"""The output of a command with a report, which is shown, saved and opened, with what comes next."""

from __future__ import annotations

import json
import os
import tempfile
import webbrowser
from collections.abc import Iterable
from pathlib import Path

import click

from common.next_step import NextStep
from root_tasks.aws.checksums import sha256
from root_tasks.report.next_steps import KEY_QUERY, next_steps
from root_tasks.report.render import as_csv

from ..base.command_errors import CommandError, ExitCode, failures_as
from ..base.options import Output, TargetOptions
from ..base.terminal import CSV, JSON, MARKDOWN, TABLE, print_note
from .deployed_runs import Runs
from .exit_codes import exit_code
from .reports import find_plan_state, report_of_execution
from .step_functions import RunExecution
from .stored_report import REPORT_HTML, Doubt, StoredReport


def show_result(
    runs: Runs, execution: RunExecution, *, output: Output, ended: str = "has ended"
) -> ExitCode:
    """Show the report of an execution that has ended, and the next steps.

    Args:
        runs: The runs of its deployment.
        execution: The execution.
        output: How to show it.
        ended: What the execution has done, as the end of a sentence.

    Returns:
        The exit code of the command.

    Raises:
        CommandError: The report cannot be shown, or not be saved.
    """
    look = runs.target.command("report", execution.run_id)
    what_failed = (
        f"Run {execution.run_id} {ended}, but its report cannot be shown (to look at it: `{look}`)"
    )
    with failures_as(what_failed):
        stored = report_of_execution(runs, execution)
        show_report(stored, output=output)
    if output.format == TABLE:
        show_next_steps(runs, stored)
    return end_with_report(stored, output=output)


def show_next_steps(runs: Runs, stored: StoredReport) -> None:
    """Print the next steps, or why a plan can no longer be executed."""
    report, target = stored.report, runs.target
    # The report has said how the run failed, and nothing follows from an audit or a plan of which
    # no report was written.
    if stored.doubt is Doubt.ENDED_WITHOUT_REPORT and report.executed_plan is None:
        return
    # Nothing follows from a plan that was executed, or that has expired.
    state = find_plan_state(runs, report)
    if state is not None:
        if state.obstacle is not None:
            print_note(state.obstacle)
            return
        print_note(f"SHA-256 of its report.json, for --approved-report: {sha256(stored.body)}")
    print_steps(next_steps(report), target=target)


def print_steps(steps: Iterable[NextStep], *, target: TargetOptions) -> None:
    """Print next steps, with commands that work where this one does."""
    for place, step in enumerate(steps):
        note = step.what
        # A query fills a screen, and the page has a button that copies it.
        if step.command == KEY_QUERY:
            note = "Find out who uses the access keys: the report's page, --open, has the query."
        elif step.command is not None:
            note = f"{note}: {target.with_options(step.command)}"
        if place == 0:
            note = f"Next, {note[0].lower()}{note[1:]}"
        print_note(note)


def show_report(stored: StoredReport, *, output: Output) -> None:
    """Show a report in the format of the output; if it cannot be written, save it all the same."""
    try:
        if output.format == JSON:
            # Decoded and encoded again: a report that was not checked may have any character, and
            # JSON escapes those that are not ASCII.
            click.echo(json.dumps(json.loads(stored.body), separators=(",", ":")))
        elif output.format == MARKDOWN:
            from ..show.markdown import as_markdown

            digest = sha256(stored.body)
            click.echo(
                as_markdown(stored.report, sha256=digest, everything=output.show_clean), nl=False
            )
        elif output.format == CSV:
            # The file is for spreadsheets: on stdout, a pipe wants neither its mark nor CRLF.
            click.echo(as_csv(stored.report).decode("utf-8-sig").replace("\r\n", "\n"), nl=False)
        else:
            # Nothing else needs the time of rich's import.
            from ..show import screen

            screen.show_report(stored.report, everything=output.show_clean)
    except OSError:
        # The reader of stdout is gone, or the disk is full. Nothing else has the report of an audit
        # without a deployment.
        _save_report(stored, output.path)
        raise
    print_doubt(stored)


def print_doubt(stored: StoredReport) -> None:
    """Say why it could not be checked that its run wrote a report."""
    if stored.doubt not in (None, Doubt.ENDED_WITHOUT_REPORT):
        unchecked = f"That run {stored.report.run_id} wrote this report could not be checked."
        print_note(f"{unchecked} {stored.doubt.value}")


def end_with_report(stored: StoredReport, *, output: Output) -> ExitCode:
    """End a command that has shown a report: save and open it, if the command asks for that.

    Returns:
        The exit code; a note says why the command has no result.

    Raises:
        CommandError: It cannot be saved.
    """
    _save_report(stored, output.path)
    if output.open:
        print_note(_open_page(stored))
    code, reasons = exit_code(stored.report, named_accounts=stored.named_accounts)
    if stored.doubt is Doubt.ENDED_WITHOUT_REPORT:
        code, reasons = ExitCode.NO_RESULT, stored.doubt.value
    if reasons:
        print_note(f"Exit code {code:d}: {reasons}")
    return code


def _save_report(stored: StoredReport, path: Path | None) -> None:
    """Save a report, by the suffix of the file, or all its files in a folder.

    Only its owner can read it.

    Args:
        stored: The report.
        path: The file or folder; None to save nothing.

    Raises:
        CommandError: It cannot be saved.
    """
    if path is None:
        return
    files = stored.files()
    # The suffix says which file it is: audit.html is what report.html is. A path without one of
    # these suffixes is a folder for all of them.
    name_of_file = f"report{path.suffix.lower()}"
    if path.is_dir() or name_of_file not in files:
        targets = {path / name: body for name, body in files.items()}
    else:
        targets = {path: files[name_of_file]}
    for target, body in targets.items():
        try:
            if target != path:
                # Only its owner may read a new folder, or one that was deleted meanwhile.
                path.mkdir(mode=0o700, exist_ok=True)
            _write_private(target, body)
        except OSError as error:
            raise CommandError(
                f"Unable to save the report as {target}: {error.strerror}."
            ) from error
    print_note(f"Saved: {path}")


def _open_page(stored: StoredReport) -> str:
    """Open the report's page in the browser from a file that only its owner can read.

    Returns:
        Whether it opens, and the file, which stays as long as the machine keeps temporary files.

    Raises:
        CommandError: It cannot be saved.
    """
    try:
        page = Path(tempfile.mkdtemp(prefix="centralized-root-access-")) / REPORT_HTML
        _write_private(page, stored.files()[REPORT_HTML])
    except OSError as error:
        raise CommandError(
            f"Unable to save the page in a temporary folder: {error.strerror}."
        ) from error
    if webbrowser.open(page.as_uri()):
        return f"Opening: {page}"
    return f"No browser opened. The page: {page}"


def _write_private(path: Path, body: bytes) -> None:
    """Write a file that only its owner can read, in place of one that is there.

    The file is complete before it gets its name, so that no one reads a part of it.
    """
    # mkstemp makes a file that only its owner can read.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
