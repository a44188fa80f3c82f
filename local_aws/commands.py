"""A caller's commands in a local AWS: one that runs to its end, or a shell."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from local_aws.emulation.records import MANAGEMENT_ACCOUNT_ID
from local_aws.processes import ChildProcess, Interrupted, child_process, foreground_process
from local_aws.shells import shell_command

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


def open_shell(*, environment: Mapping[str, str]) -> int:
    """Open the user's shell, and return its exit code.

    Args:
        environment: Its environment variables.
    """
    print(
        f"A shell in the local AWS, as the management account {MANAGEMENT_ACCOUNT_ID}."
        " As another account: export AWS_ACCESS_KEY_ID=222222222222\n"
        "The local AWS ends with the shell: exit, or Ctrl-D.",
        flush=True,
    )
    command, variables = shell_command(environment)
    return run_command(command, environment={**environment, **variables})


def _start(command: Sequence[str], environment: Mapping[str, str]) -> AbstractContextManager[ChildProcess]:
    if os.isatty(0):
        return foreground_process(command, environment=environment, grace=_GRACE_SECONDS)
    return child_process(command, environment=environment, stdin=None, grace=_GRACE_SECONDS)
