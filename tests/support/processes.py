"""Commands that tests run as processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local_aws.services import LocalAws

AWS_CLI = Path(sys.prefix) / "aws-cli"


def run(*command: str | Path, **arguments: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with its output as text."""
    return subprocess.run(command, capture_output=True, text=True, check=False, **arguments)


def run_successfully(*command: str | Path, **arguments: Any) -> str:
    """Run a command that has to succeed, and return its output."""
    finished = run(*command, **arguments)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def run_with_aws_cli(
    text: str, *, local_aws: LocalAws, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run a script of the shell with the AWS CLI, on a local AWS."""
    cli = folder / "aws"
    cli.write_text(
        f'#!/bin/sh\nPYTHONPATH="{AWS_CLI}" exec "{sys.executable}" "{AWS_CLI}/bin/aws" "$@"\n'
    )
    cli.chmod(0o755)
    environment = local_aws.environment
    path = f"{folder}:{environment['PATH']}"
    return run("sh", "-eu", "-c", text, cwd=folder, env=environment | {"PATH": path})
