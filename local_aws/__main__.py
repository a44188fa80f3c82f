"""The command line of the local AWS: `local-aws run -- COMMAND`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from local_aws.processes import StartError, raise_interrupted_on_signals, run_command
from local_aws.seed import seed_organization
from local_aws.services import running_local_aws


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        arguments: The arguments; default: this process's.
    """
    options = _parser().parse_args(arguments)
    raise_interrupted_on_signals()
    try:
        with running_local_aws(region=options.region, logs=options.logs) as aws:
            if options.seed:
                seed_organization(aws.organization)
            return run_command(options.command, environment=aws.callers_environment)
    except StartError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="local-aws",
        description="An AWS on this machine: MiniStack, and moto for IAM, Organizations and STS.",
    )
    run = parser.add_subparsers(required=True).add_parser(
        "run", help="start one, run a command in it, and exit with the command's code"
    )
    run.add_argument("--region", default="us-east-1", help="default: %(default)s")
    run.add_argument(
        "--seed", action="store_true", help="start with an organization worth looking at"
    )
    run.add_argument(
        "--logs", type=Path, metavar="FOLDER", help="keep the servers' logs in this folder"
    )
    run.add_argument(
        "command", nargs="+", metavar="COMMAND", help="after `--`: what to run, such as bash"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
