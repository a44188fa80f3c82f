"""The command line of the local AWS: `python -m local_aws run -- COMMAND` and `python -m local_aws up`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from local_aws.environment import exports
from local_aws.processes import (
    ChildProcess,
    Interrupted,
    StartError,
    child_process,
    foreground_process,
    raise_interrupted_on_signals,
)
from local_aws.services import LocalAws, running_local_aws

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

_COMMAND_NOT_FOUND = 127
_COMMAND_GRACE_SECONDS = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        arguments: The arguments; default: this process's.
    """
    options = _parser().parse_args(arguments)
    raise_interrupted_on_signals()
    try:
        with running_local_aws(region=options.region, logs=options.logs) as aws:
            if options.action == "up":
                return _stay_up(aws)
            return _run(options.command, aws)
    except StartError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local_aws",
        description="An AWS on this machine: MiniStack, and moto for IAM, Organizations and STS.",
    )
    actions = parser.add_subparsers(dest="action", required=True)
    run = actions.add_parser("run", help="run a command in it, and exit with the command's code")
    up = actions.add_parser("up", help="keep it running until Ctrl-C")
    for action in (run, up):
        action.add_argument("--region", default="us-east-1", help="default: %(default)s")
        action.add_argument(
            "--logs", type=Path, metavar="FOLDER", help="keep the servers' logs in this folder"
        )
    run.add_argument("command", nargs="+", metavar="COMMAND", help="after `--`: what to run")
    return parser


def _run(command: Sequence[str], aws: LocalAws) -> int:
    try:
        with _start(command, aws) as child:
            try:
                return child.wait()
            except Interrupted as interruption:
                child.terminate(grace=_COMMAND_GRACE_SECONDS, signum=interruption.signum)
                return child.wait()
    except OSError as error:
        print(f"The command did not start: {error}.", file=sys.stderr)
        return _COMMAND_NOT_FOUND


def _start(command: Sequence[str], aws: LocalAws) -> AbstractContextManager[ChildProcess]:
    environment = aws.environment
    if os.isatty(0):
        return foreground_process(command, environment=environment, grace=_COMMAND_GRACE_SECONDS)
    return child_process(command, environment=environment, stdin=None, grace=_COMMAND_GRACE_SECONDS)


def _stay_up(aws: LocalAws) -> int:
    print("\n".join(exports(os.environ, aws.environment)))
    print("# The local AWS runs until Ctrl-C.", flush=True)
    try:
        while True:
            signal.pause()
    except Interrupted as interruption:
        if interruption.signum == signal.SIGINT:
            return 0
        raise


if __name__ == "__main__":
    sys.exit(main())
