"""A caller's command in a local AWS."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from local_aws.processes import ChildProcess, Interrupted, child_process, foreground_process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

_COMMAND_NOT_FOUND = 127
_GRACE_SECONDS = 10.0


def run_command(command: Sequence[str], *, environment: Mapping[str, str]) -> int:
    """Run a command, pass on what ends this process, and return the command's exit code.

    Args:
        command: The program and its arguments.
        environment: Its environment variables.
    """
    try:
        with _start(command, environment) as child:
            try:
                return child.wait()
            except Interrupted as interruption:
                child.terminate(grace=_GRACE_SECONDS, signum=interruption.signum)
                return child.wait()
    except OSError as error:
        print(f"The command did not start: {error}.", file=sys.stderr)
        return _COMMAND_NOT_FOUND


def _start(command: Sequence[str], environment: Mapping[str, str]) -> AbstractContextManager[ChildProcess]:
    if os.isatty(0):
        return foreground_process(command, environment=environment, grace=_GRACE_SECONDS)
    return child_process(command, environment=environment, stdin=None, grace=_GRACE_SECONDS)
