"""A real terminal: what a command writes to it, and what stays on its screen."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import termios
from dataclasses import dataclass, field

CONTROL = re.compile(r"\x1b\[\??[0-9;]*[A-Za-z]")


@dataclass(kw_only=True)
class Terminal:
    """What a terminal got from a command.

    Attributes:
        blocks: The bytes that it got, with those that control it.
        exit_code: How the command ended.
    """

    blocks: list[bytes] = field(default_factory=list)
    exit_code: int | None = None

    @property
    def text(self) -> str:
        """The characters that it got."""
        return b"".join(self.blocks).decode()

    @property
    def lines(self) -> list[str]:
        """The lines that stay on the screen."""
        # These sequences clear the line of the progress.
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
