"""A real terminal: what a command writes to it, and what stays on its screen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import sys
import termios
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTROL = re.compile(r"\x1b\[\??[0-9;]*[A-Za-z]")
_STREAMS = {"stdin": "r", "stdout": "w", "stderr": "w"}


@dataclass(kw_only=True)
class Terminal:
    """What a terminal got from a command.

    Attributes:
        blocks: The bytes that it got, with those that control it.
    """

    blocks: list[bytes] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The characters that it got."""
        return b"".join(self.blocks).decode()

    @property
    def lines(self) -> list[str]:
        """The lines that stay on the screen."""
        stays = self.text.rpartition("\x1b[2K")[2].rpartition("\x1b[K")[2]
        return [CONTROL.sub("", line).rstrip() for line in stays.replace("\r\n", "\n").split("\n")]

    def read(self, keyboard: int) -> None:
        """Read until its other end is closed, which Linux reports as an error."""
        with contextlib.suppress(OSError):
            while block := os.read(keyboard, 65_536):
                self.blocks.append(block)


def open_terminal(*, columns: int) -> tuple[int, int]:
    """Open a terminal: the end with the keyboard and the screen, and that of the command."""
    keyboard, its_end = pty.openpty()
    fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    return keyboard, its_end


@contextlib.contextmanager
def process_in_terminal(*, columns: int, typed: str = "") -> Iterator[Terminal]:
    """Give this process a terminal for its streams, and type into it."""
    terminal = Terminal()
    keyboard, its_end = open_terminal(columns=columns)
    streams = [os.dup(number) for number in range(len(_STREAMS))]
    reader = threading.Thread(target=terminal.read, args=[keyboard])
    reader.start()
    os.write(keyboard, typed.encode())
    try:
        with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as opened:
            patch.setenv("TERM", "xterm-256color")
            for number, (name, mode) in enumerate(_STREAMS.items()):
                # The width is that of the process's own streams, whatever Python writes to.
                os.dup2(its_end, number)
                patch.setattr(sys, name, opened.enter_context(os.fdopen(os.dup(its_end), mode)))
            yield terminal
    finally:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.close(its_end)
        reader.join()
        os.close(keyboard)
