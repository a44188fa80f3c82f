"""Commands that tests run as processes of their own."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from local_aws.services import POLL_OFTEN, LocalAws

AWS_CLI = Path(sys.prefix) / "aws-cli"
# It asks CloudFormation every 30 seconds whether a stack is done; a local one is done in one.
_IMPATIENT_AWS_CLI = f"""\
#!{sys.executable}
import runpy, sys, time
sys.path.insert(0, "{AWS_CLI}")
sleep = time.sleep
time.sleep = lambda seconds: sleep(min(seconds, 0.2))
runpy.run_path("{AWS_CLI}/bin/aws", run_name="__main__")
"""


def run_process(*command: str | Path, **arguments: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with its output as text."""
    return subprocess.run(command, capture_output=True, text=True, check=False, **arguments)


def run_successfully(*command: str | Path, **arguments: Any) -> str:
    """Run a command that has to succeed, and return its output."""
    finished = run_process(*command, **arguments)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def run_command_line(
    local_aws: LocalAws, *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, on a local AWS."""
    command = (sys.executable, "-m", "centralized_root_access")
    return run_process(*command, *arguments, env=local_aws.environment)


def run_with_aws_cli(
    text: str, *, local_aws: LocalAws, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run a script of the shell with the AWS CLI, on a local AWS.

    Args:
        text: The script.
        local_aws: The local AWS.
        folder: The folder to run it in.
    """
    # The AWS CLI and the CDK ask whether a stack is done: here often, as it is done soon.
    cli = folder / "aws"
    cli.write_text(_IMPATIENT_AWS_CLI)
    cli.chmod(0o755)
    environment = {**local_aws.environment, "NODE_OPTIONS": f'--require "{POLL_OFTEN}"'}
    environment["PATH"] = f"{folder}:{environment['PATH']}"
    return run_process("sh", "-eu", "-c", text, cwd=folder, env=environment)
