"""What a command has from its machine and terminal: time, chance, a line to wait by, notes for its reader."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from aws_calls.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Without those that are easily taken for another one.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_SUFFIX_LENGTH = 4
_SLOW_SECONDS = 2.0
_CLEAR_LINE = "\r\x1b[K"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The machine, as far as it changes what a command does.

    Attributes:
        now: The time in UTC.
        monotonic: Seconds on a clock that never goes back.
        sleep: Waits for a number of seconds.
        random: A number from 0 up to 1.
    """

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    random: Callable[[], float]

    @classmethod
    def of_this_machine(cls) -> Environment:
        """Return the machine's own time and chance."""
        return cls(
            now=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
            sleep=time.sleep,
            random=random.random,
        )

    def run_name(self, prefix: str) -> str:
        """Return a name for a run that people can read, say and sort, such as audit-20261125-0432-x7k2.

        Args:
            prefix: What the run is for.
        """
        suffix = "".join(_ALPHABET[int(self.random() * len(_ALPHABET))] for _ in range(_SUFFIX_LENGTH))
        return f"{prefix}-{self.now():%Y%m%d-%H%M}-{suffix}"


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


@contextmanager
def note_if_slow(sentence: str) -> Iterator[None]:
    """Say what a command waits for, where that takes longer than two seconds.

    Args:
        sentence: What it waits for.
    """
    timer = threading.Timer(_SLOW_SECONDS, print_note, [sentence])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def print_note(*sentences: str) -> None:
    """Write sentences to stderr, where they are in nobody's way."""
    for sentence in sentences:
        click.echo(printable(sentence), err=True)


def printable_lines(text: str) -> str:
    """Return a text of several lines, each of them printable."""
    return "\n".join(map(printable, text.replace("\r\n", "\n").split("\n")))
