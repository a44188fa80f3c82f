"""One line that shows how far a deployment by the CDK CLI is, from what the CLI writes to its log."""

from __future__ import annotations

import re
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_EVENT = re.compile(rb"\|\s+(\d+)/(\d+) \|")
_REPORT_SECONDS = 2.0
_REDRAW_SECONDS = 0.2
_BAR_CHARACTERS = 20
_ERASE_LINE = "\r\x1b[K"


@contextmanager
def progress_line(command: str, *, log: Path) -> Iterator[Callable[[str], None]]:
    """Show the seconds, and on a terminal how many resources are done, until the context ends.

    Args:
        command: What the line begins with.
        log: The log of the CDK CLI, which is read from its present end on.

    Yields:
        What sets the words that the line ends with.
    """
    offset = log.stat().st_size
    started_at = time.monotonic()
    is_terminal = sys.stdout.isatty()
    ended = threading.Event()
    outcome = "interrupted"

    def set_outcome(words: str) -> None:
        nonlocal outcome
        outcome = words

    def report() -> None:
        while not ended.wait(_REDRAW_SECONDS if is_terminal else _REPORT_SECONDS):
            seconds = f"{time.monotonic() - started_at:.0f} s"
            if is_terminal:
                print(f"{_ERASE_LINE}{command} {_bar(log, offset)} {seconds}", end="", flush=True)
            else:
                print(f" {seconds}", end="", flush=True)

    print(f"{command} ...", end="", flush=True)
    thread = threading.Thread(target=report, name="progress")
    thread.start()
    try:
        yield set_outcome
    finally:
        ended.set()
        thread.join()
        if is_terminal:
            print(f"{_ERASE_LINE}{command} ...", end="")
        print(f" {outcome} in {time.monotonic() - started_at:.0f} s", flush=True)


def _bar(log: Path, offset: int) -> str:
    with log.open("rb") as file:
        file.seek(offset)
        events = _EVENT.findall(file.read())
    if not events:
        return "..."
    done, total = map(int, events[-1])
    return f"[{'#' * (done * _BAR_CHARACTERS // total):.<{_BAR_CHARACTERS}}] {done}/{total}"
