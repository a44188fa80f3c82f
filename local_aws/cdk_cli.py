"""The project's own CDK CLI, run against a local AWS."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from local_aws.processes import StartError, child_process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local_aws.environment import LocalAddresses

REPOSITORY = Path(__file__).resolve().parents[1]
CLI_PROGRAMS = REPOSITORY / "node_modules" / ".bin"
_POLL_OFTEN = Path(__file__).with_name("poll_often.cjs")


def run_cdk(
    arguments: Sequence[str],
    *,
    addresses: LocalAddresses,
    environment: Mapping[str, str],
    folder: Path = REPOSITORY,
    output: IO[bytes] | None = None,
    timeout: float = 300.0,
) -> int:
    """Run the CLI, terminate all processes that it started, and return its exit code.

    Args:
        arguments: The CLI's arguments. The folder for the synthesized app is added: a new one for each run,
            because parallel runs in one folder lock each other out.
        addresses: The local AWS to deploy to.
        environment: The environment of the CLI and of the CDK app.
        folder: The folder with the CDK app and its `cdk.json`.
        output: The file for its output; default: this process's output.
        timeout: The time limit in seconds.

    Raises:
        StartError: The CLI is not installed.
        TimeoutError: The time limit was exceeded.
    """
    if not (CLI_PROGRAMS / "cdk").exists():
        raise StartError(f"The CDK CLI is not at {CLI_PROGRAMS}. Run `make setup`.")
    scratch = addresses.folder / "tmp"
    cloud_assembly = tempfile.mkdtemp(prefix="cdk-out-", dir=scratch)
    try:
        with child_process(
            [
                *(str(addresses.node), "--require", str(_POLL_OFTEN)),
                *(str(CLI_PROGRAMS / "cdk"), *arguments, "--output", cloud_assembly),
            ],
            # CDK apps leave folders there when they are terminated.
            environment={**environment, "TMPDIR": str(scratch)},
            folder=folder,
            output=output,
            grace=5.0,
        ) as cdk:
            return cdk.wait(timeout)
    finally:
        shutil.rmtree(cloud_assembly, ignore_errors=True)
