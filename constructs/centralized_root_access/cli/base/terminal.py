"""The terminal of a command: names that people can read, notes to its reader, progress."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

import click

from common.clock import Clock
from common.untrusted import printable

if TYPE_CHECKING:
    from rich.console import Console

PROGRAM = "centralized-root-access"
# The formats in which a command writes to stdout.
TABLE, JSON, CSV, MARKDOWN = "table", "json", "csv", "markdown"
# Without those that are easily taken for another one.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_SUFFIX_LENGTH = 4
# Lines for pipes and files never wrap: grep needs whole lines.
UNWRAPPED = 1_000_000


def run_name(prefix: str, *, clock: Clock) -> str:
    """Return a name for a run that people can read, say and sort: audit-20261125-0432-x7k2.

    Args:
        prefix: What the run is for.
        clock: The time, and the random numbers.
    """
    suffix = "".join(_ALPHABET[int(clock.random() * len(_ALPHABET))] for _ in range(_SUFFIX_LENGTH))
    return f"{prefix}-{clock.utc_now():%Y%m%d-%H%M}-{suffix}"


def print_note(note: str) -> None:
    """Write a sentence to stderr, to keep stdout machine-readable.

    In a terminal, lines break between words only, and a command at the end of the note, which a
    person may paste, has a line of its own that nothing breaks.
    """
    text = printable(note)
    if not sys.stderr.isatty():
        click.echo(text, err=True)
        return
    words, command, options = text.partition(f"{PROGRAM} ")
    click.echo(wrap(words, shutil.get_terminal_size().columns), err=True)
    if command:
        click.echo(f"  {command}{options}", err=True)


def wrap(text: str, width: int, *, indent: str = "") -> str:
    """Return a text in lines that break between words only, so that an ARN can be copied."""
    return textwrap.fill(
        printable(text),
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def console(*, stderr: bool = False) -> Console:
    """Return a console that has colors on a terminal or with FORCE_COLOR.

    It takes no text for markup.
    """
    # Only what is shown in colors needs the time of rich's import.
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = UNWRAPPED
    if stream.isatty() or "COLUMNS" in os.environ:
        width = shutil.get_terminal_size().columns
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


@contextmanager
def progress_bar(what: str, *, of: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on stderr, if that is a terminal, and yield the function that updates it.

    Args:
        what: What it shows the progress of.
        of: What is counted, in the plural.
    """
    # Without a terminal, the time of rich's import is not needed.
    target = console(stderr=True) if sys.stderr.isatty() else None
    if target is None or not target.is_terminal:
        yield lambda done, total: None  # noqa: ARG005
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[counted]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=target, transient=True) as progress:
        task = progress.add_task(printable(what), total=None, counted="")

        def update(done: int, total: int) -> None:
            progress.update(
                task, completed=done, total=total, counted=f"{of}: {done:,} of {total:,}"
            )

        yield update


def confirm(question: str, *, otherwise: str) -> bool:
    """Ask a person on stderr. Ctrl-C and the end of the input mean no, and end the command.

    Args:
        question: The question.
        otherwise: What a no means, as a sentence.
    """
    try:
        # The oldest supported click writes a space to stdout, where the output in CSV or JSON
        # follows.
        with redirect_stdout(sys.stderr):
            confirmed = click.confirm(printable(question), err=True)
    except click.Abort:
        # The question's line has no end yet.
        print_note("")
        print_note(otherwise)
        raise
    if not confirmed:
        print_note(otherwise)
    return confirmed
