"""What a command waits for, at once and on one line: before it has imported the SDK, and asked AWS."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .environment import Environment
    from .flow import Runs
    from .options import Target

_CLEAR_LINE = "\r\x1b[K"


@contextmanager
def waiting_line(sentence: str) -> Iterator[None]:
    """Show a sentence on stderr until the command goes on. Only a terminal gets it, for it is taken back.

    Args:
        sentence: What the command waits for.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield
        return
    click.echo(sentence, err=True, nl=False)
    try:
        yield
    finally:
        click.echo(_CLEAR_LINE, err=True, nl=False)


def find_runs(target: Target, *, environment: Environment) -> Runs:
    """Return the runs of the deployment that a command works with, and show meanwhile that it is looked for.

    Raises:
        CommandError: There is no such deployment, or more than one.
        CallError: It cannot be looked for.
    """
    with waiting_line("Looking for RootTasks ..."):
        from .flow import Runs

        return Runs.find(target, environment=environment)
