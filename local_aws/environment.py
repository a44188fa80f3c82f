"""The environment variables that the local AWS's processes, and the commands that use it, run with."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_aws.emulation.records import MANAGEMENT_ACCOUNT_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# The emulations look at the key only.
SECRET_ACCESS_KEY = "local"
ORGANIZATION_SERVICES = ("iam", "organizations", "sts")

# What makes an SDK, the CDK CLI or an emulation look or reach elsewhere.
_USERS_PREFIXES = ("AWS_", "BOTO_", "CDK_", "JSII_", "MINISTACK_", "MOTO_")
_PROXIES = ("all_proxy", "ftp_proxy", "http_proxy", "https_proxy", "no_proxy")
# What a shell may have set, though the process that prints its exports has not.
_CREDENTIALS_ELSEWHERE = ("AWS_PROFILE", "AWS_SESSION_TOKEN")
# What a service may know of the machine: where programs are, and how text is written.
_MACHINES_VARIABLES = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")


@dataclass(frozen=True, kw_only=True)
class LocalAddresses:
    """Where one local AWS listens, and where it keeps its files.

    Attributes:
        aws_url: MiniStack, which answers for every service but three.
        organization_url: The moto server, which answers for IAM, Organizations and STS.
        region: The Region that clients ask for.
        folder: The folder of this local AWS. It goes when the local AWS ends.
        node: The Node program that CDK apps and Lambda functions run on.
    """

    aws_url: str
    organization_url: str
    region: str
    folder: Path
    node: Path

    @property
    def programs(self) -> Path:
        """The folder with the one program that everything must find first: Node."""
        return self.folder / "bin"

    def url_of(self, service: str) -> str:
        """The address that answers for an AWS service, named as boto3 names it."""
        return self.organization_url if service in ORGANIZATION_SERVICES else self.aws_url


def aws_variables(addresses: LocalAddresses) -> dict[str, str]:
    """What any SDK needs in order to see the local AWS, and nothing else."""
    return {
        "AWS_ENDPOINT_URL": addresses.aws_url,
        **{
            f"AWS_ENDPOINT_URL_{service.upper()}": addresses.url_of(service)
            for service in ORGANIZATION_SERVICES
        },
        # MiniStack and moto take an access key of twelve digits for the account's id.
        "AWS_ACCESS_KEY_ID": MANAGEMENT_ACCOUNT_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_REGION": addresses.region,
        "AWS_DEFAULT_REGION": addresses.region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # Where no variable speaks of proxies, macOS asks its system settings.
        "NO_PROXY": "*",
        "no_proxy": "*",
        "JSII_NODE": str(addresses.node),
    }


def ministack_variables(addresses: LocalAddresses, *, port: int) -> dict[str, str]:
    """MiniStack's settings: this machine only, no Docker, all files in one folder."""
    return {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": MANAGEMENT_ACCOUNT_ID,
        "MINISTACK_REGION": addresses.region,
        "STATE_DIR": str(addresses.folder / "state"),
        # Each would open a port of its own.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # With a Docker daemon in sight MiniStack removes containers that other MiniStacks left.
        "LAMBDA_EXECUTOR": "local",
        "DOCKER_HOST": f"unix://{addresses.folder / 'no-docker.sock'}",
    }


def service_environment(
    inherited: Mapping[str, str], addresses: LocalAddresses, *, settings: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of one of the local AWS's own processes.

    It starts from nothing: Lambda functions inherit it, and must find no trace of the user.

    Args:
        inherited: The environment of the process that starts it.
        addresses: The local AWS it belongs to.
        settings: The service's own settings.
    """
    return {
        **{name: inherited[name] for name in _MACHINES_VARIABLES if name in inherited},
        "HOME": str(addresses.folder / "home"),
        "TMPDIR": str(addresses.folder / "tmp"),
        "PATH": _path(inherited, [addresses.programs]),
        **aws_variables(addresses),
        **settings,
    }


def command_environment(
    inherited: Mapping[str, str], addresses: LocalAddresses, *, programs: Iterable[Path]
) -> dict[str, str]:
    """The whole environment of a command that uses the local AWS.

    Args:
        inherited: The user's environment. Everything stays but what speaks of another AWS.
        addresses: The local AWS to use.
        programs: The folders whose programs the command finds first.
    """
    return {
        **{name: value for name, value in inherited.items() if not _is_users_setting(name)},
        "PATH": _path(inherited, [addresses.programs, *programs]),
        **aws_variables(addresses),
        "LOCAL_AWS_ORGANIZATION_URL": addresses.organization_url,
        # The CLI keeps account ids by access key there: those of this local AWS only.
        "CDK_HOME": str(addresses.folder / "cdk"),
        # Each of the three would call a server outside.
        "CDK_NOTICES": "false",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "true",
    }


def exports(inherited: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """The shell commands that turn one environment into another.

    Args:
        inherited: The environment as the shell has it.
        wanted: The environment of a command that uses the local AWS.
    """
    gone = sorted({*_CREDENTIALS_ELSEWHERE, *inherited} - wanted.keys())
    changed = {name: value for name, value in wanted.items() if inherited.get(name) != value}
    return [
        f"unset {' '.join(gone)}",
        *(f"export {name}={shlex.quote(value)}" for name, value in sorted(changed.items())),
    ]


def _is_users_setting(name: str) -> bool:
    return name.startswith(_USERS_PREFIXES) or name.lower() in _PROXIES


def _path(inherited: Mapping[str, str], first: Iterable[Path]) -> str:
    folders = [*map(str, first), inherited.get("PATH", os.defpath)]
    return os.pathsep.join(folders)
