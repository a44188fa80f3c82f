"""The machine and the terminal of a command: time, randomness, notes to its reader."""

from __future__ import annotations

import random
import shutil
import sys
import textwrap
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from common.untrusted import printable

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = "centralized-root-access"
# Without those that are easily taken for another one.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_SUFFIX_LENGTH = 4


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The machine: the time in UTC, a clock that never goes back, waiting, and numbers from 0 up to 1."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random

    def run_name(self, prefix: str) -> str:
        """Return a name for a run that people can read, say and sort, such as audit-20261125-0432-x7k2.

        Args:
            prefix: What the run is for.
        """
        suffix = "".join(_ALPHABET[int(self.random() * len(_ALPHABET))] for _ in range(_SUFFIX_LENGTH))
        return f"{prefix}-{self.now():%Y%m%d-%H%M}-{suffix}"


def print_note(*sentences: str) -> None:
    """Write sentences to stderr, to keep stdout machine-readable.

    A terminal breaks lines between words. A command to paste has a line of its own, which nothing breaks.
    """
    for sentence in sentences:
        text = printable(sentence)
        if sys.stderr.isatty():
            words, command, options = text.partition(f"{PROGRAM} ")
            width = shutil.get_terminal_size().columns
            lines = textwrap.wrap(words, width, break_long_words=False, break_on_hyphens=False) or [""]
            text = "\n".join([*lines, *([f"  {command}{options}"] if command else [])])
        click.echo(text, err=True)


def confirm(question: str, *, otherwise: str) -> bool:
    """Ask a person on stderr. Ctrl-C and the end of the input mean no, and end the command.

    Args:
        question: The question.
        otherwise: What a no means, as a sentence.
    """
    try:
        # The oldest supported click writes a space to stdout, where the output in CSV or JSON follows.
        with redirect_stdout(sys.stderr):
            confirmed = click.confirm(question, err=True)
    except click.Abort:
        print_note("", otherwise)
        raise
    if not confirmed:
        print_note(otherwise)
    return confirmed
