"""The exit codes of the command line."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended, for scripts."""

    AS_WANTED = 0
    NOT_AS_WANTED = 1
    NO_RESULT = 2
    INTERRUPTED = 130
    # As shells have it for a command that wrote to a pipe which nobody reads any more.
    BROKEN_PIPE = 141
