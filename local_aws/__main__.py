"""The command line of the local AWS: `run`, `shell`, `up` and `down`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from local_aws.commands import open_shell, run_command
from local_aws.environment import FOLDER_VARIABLE, exports
from local_aws.processes import Interrupted, StartError, raise_interrupted_on_signals
from local_aws.runs import end_run, find_runs_up, record_up
from local_aws.seed import seed_organization
from local_aws.services import LocalAws, running_local_aws

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        arguments: The arguments; default: this process's.
    """
    options = _parser().parse_args(arguments)
    if options.action == "down":
        return _end(all_runs=options.all)
    if options.action == "up" and options.detach:
        return _run_in_background(options)
    return _run_local_aws(options)


def _run_local_aws(options: argparse.Namespace) -> int:
    raise_interrupted_on_signals()
    try:
        with running_local_aws(region=options.region, logs=options.logs) as aws:
            if options.seed:
                seed_organization(aws.organization)
            if options.action == "up":
                return _stay_up(aws, options)
            if options.action == "shell":
                return open_shell(environment=aws.callers_environment)
            return run_command(options.command, environment=aws.callers_environment)
    except StartError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="local-aws",
        description="An AWS on this machine: MiniStack, and moto for IAM, Organizations and STS.",
    )
    actions = parser.add_subparsers(dest="action", required=True)
    run = actions.add_parser("run", help="run a command in it, and exit with the command's code")
    shell = actions.add_parser("shell", help="open a shell in it")
    up = actions.add_parser("up", help="keep it running, and print the exports for a shell")
    down = actions.add_parser("down", help="end the one that `up` started")
    for action in (run, shell, up):
        action.add_argument("--region", default="us-east-1", help="default: %(default)s")
        action.add_argument("--seed", action="store_true", help="start with an organization worth looking at")
        action.add_argument(
            "--logs", type=Path, metavar="FOLDER", help="keep the servers' logs in this folder"
        )
    up.add_argument("--detach", action="store_true", help="return once it runs; end it by `down`")
    up.add_argument(
        "--exports", type=Path, metavar="FILE", help="write the exports to this file once it runs"
    )
    down.add_argument("--all", action="store_true", help="end all of yours, not only this shell's")
    run.add_argument("command", nargs="+", metavar="COMMAND", help="after `--`: what to run")
    return parser


def _stay_up(aws: LocalAws, options: argparse.Namespace) -> int:
    record_up(aws.addresses.folder)
    lines = exports(os.environ, aws.callers_environment)
    if options.exports is None:
        print("\n".join(lines))
    else:
        _write_exports(options.exports, lines)
    print(f"# The local AWS runs until {'`local-aws down`' if options.detach else 'Ctrl-C'}.", flush=True)
    if options.detach:
        _close_output()
    try:
        while True:
            signal.pause()
    except Interrupted as interruption:
        if interruption.signum == signal.SIGINT:
            return 0
        raise


def _write_exports(file: Path, lines: Sequence[str]) -> None:
    """Write a file that others cannot read, for it has the secret, and that is never there in part."""
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text("\n".join([*lines, ""]), encoding="utf-8")
    part.replace(file)


def _run_in_background(options: argparse.Namespace) -> int:
    """Run the local AWS in a process of its own session; print what it prints until it runs."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.setsid()
        os.close(reading)
        os.dup2(writing, sys.stdout.fileno())
        os.close(writing)
        return _run_local_aws(options)
    os.close(writing)
    try:
        with open(reading, encoding="utf-8") as output:  # noqa: PTH123 # a file descriptor
            text = output.read()
    except KeyboardInterrupt:
        os.kill(child, signal.SIGTERM)
        text = ""
    print(text, end="", flush=True)
    if text:
        return 0
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) or 1


def _close_output() -> None:
    """Close the output, whose readers wait for its end."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)


def _end(*, all_runs: bool) -> int:
    runs = find_runs_up()
    folder = os.environ.get(FOLDER_VARIABLE)
    if not all_runs and folder is not None:
        runs = tuple(run for run in runs if str(run.folder) == folder)
    if not runs:
        print("There is no local AWS to end that `up` started.", file=sys.stderr)
        return 1
    if len(runs) > 1 and not all_runs:
        print(
            f"{len(runs)} local AWSs run. End one in a shell that has its exports, or all of them by --all.",
            file=sys.stderr,
        )
        return 1
    for run in runs:
        try:
            end_run(run)
        except TimeoutError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
