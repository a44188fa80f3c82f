"""The environment variables of the local AWS's processes and of the commands that use it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local_aws.emulation.control import URL_VARIABLE
from local_aws.emulation.records import MANAGEMENT_ACCOUNT_ID

ORGANIZATION_SERVICES = ("iam", "organizations", "securityhub", "sts")

# These would point an SDK, the CDK CLI or an emulation to another AWS.
_USER_PREFIXES = ("AWS_", "BOTO_", "CDK_", "MINISTACK_", "MOTO_")
_PROXIES = ("all_proxy", "ftp_proxy", "http_proxy", "https_proxy", "no_proxy")
# A service inherits nothing but the search path and the locale.
_INHERITED_VARIABLES = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")


@dataclass(frozen=True, kw_only=True)
class LocalAddresses:
    """The addresses and the files of one local AWS.

    Attributes:
        aws_url: MiniStack, for every other service.
        organization_url: The moto server, for IAM, Organizations, Security Hub and STS.
        region: The Region of the clients.
        folder: The folder of this local AWS, which is deleted at the end.
        node: The Node program that CDK apps and Lambda functions run on.
        session_token: What all callers have; other users of this machine do not know it.
    """

    aws_url: str
    organization_url: str
    region: str
    folder: Path
    node: Path
    session_token: str = field(repr=False)

    @property
    def programs(self) -> Path:
        """The folder with Node, which comes first in every search path."""
        return self.folder / "bin"

    def url_of(self, service: str) -> str:
        """Return the address of an AWS service, given its name in boto3."""
        return self.organization_url if service in ORGANIZATION_SERVICES else self.aws_url


def aws_variables(addresses: LocalAddresses) -> dict[str, str]:
    """Return the variables that make any SDK call the local AWS and nothing else."""
    return {
        "AWS_ENDPOINT_URL": addresses.aws_url,
        **{
            f"AWS_ENDPOINT_URL_{service.upper()}": addresses.url_of(service)
            for service in ORGANIZATION_SERVICES
        },
        # To MiniStack and moto, an access key id of twelve digits is an account id.
        "AWS_ACCESS_KEY_ID": MANAGEMENT_ACCOUNT_ID,
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": addresses.session_token,
        "AWS_REGION": addresses.region,
        "AWS_DEFAULT_REGION": addresses.region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # Without any proxy variable, Python on macOS uses the system's proxies.
        "NO_PROXY": "*",
        "no_proxy": "*",
    }


def ministack_variables(addresses: LocalAddresses, *, port: int) -> dict[str, str]:
    """Return MiniStack's settings: this machine only, no Docker, all files in one folder."""
    return {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": MANAGEMENT_ACCOUNT_ID,
        "MINISTACK_REGION": addresses.region,
        "STATE_DIR": str(addresses.folder / "state"),
        # Each would open another port.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # If MiniStack finds a Docker daemon, it removes containers of other MiniStacks.
        "LAMBDA_EXECUTOR": "local",
        "DOCKER_HOST": f"unix://{addresses.folder / 'no-docker.sock'}",
    }


def service_environment(
    inherited: Mapping[str, str], addresses: LocalAddresses, *, settings: Mapping[str, str]
) -> dict[str, str]:
    """Return the complete environment of one of the local AWS's own processes.

    Lambda functions inherit it, so it has none of the user's own variables.

    Args:
        inherited: The environment of this process.
        addresses: The local AWS that the process belongs to.
        settings: The service's own settings.
    """
    return {
        **{name: inherited[name] for name in _INHERITED_VARIABLES if name in inherited},
        "HOME": str(addresses.folder / "home"),
        "TMPDIR": str(addresses.folder / "tmp"),
        "PATH": _search_path([addresses.programs], inherited),
        **aws_variables(addresses),
        "JSII_NODE": str(addresses.node),
        **settings,
    }


def project_environment(
    inherited: Mapping[str, str], addresses: LocalAddresses, *, programs: Iterable[Path]
) -> dict[str, str]:
    """Return the complete environment of this project's own commands on the local AWS.

    Args:
        inherited: The user's environment. Variables that point to another AWS are removed.
        addresses: The local AWS to use.
        programs: The folders that come first in the search path, after Node's.
    """
    return {
        **callers_environment(inherited, addresses, programs=()),
        "PATH": _search_path([addresses.programs, *programs], inherited),
        "JSII_NODE": str(addresses.node),
    }


def callers_environment(
    inherited: Mapping[str, str], addresses: LocalAddresses, *, programs: Iterable[Path]
) -> dict[str, str]:
    """Return the complete environment of a caller's own commands on the local AWS.

    Their programs, virtual environment and packages stay the caller's.

    Args:
        inherited: The caller's environment. Variables that point to another AWS are removed.
        addresses: The local AWS to use.
        programs: Folders with programs for callers that have none by that name, in addition to
            Node's.
    """
    return {
        **{name: value for name, value in inherited.items() if not _is_user_setting(name)},
        "PATH": _search_path([], inherited, last=[addresses.programs, *programs]),
        **aws_variables(addresses),
        URL_VARIABLE: addresses.organization_url,
        # The CLI caches account ids by access key there.
        "CDK_HOME": str(addresses.folder / "cdk"),
        # Each of the three would call a server on the internet.
        "CDK_NOTICES": "false",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "true",
    }


def _is_user_setting(name: str) -> bool:
    """Return whether a variable would lead a process to another AWS or to a proxy."""
    return name.startswith(_USER_PREFIXES) or name.lower() in _PROXIES


def _search_path(
    first: Iterable[Path], inherited: Mapping[str, str], last: Iterable[Path] = ()
) -> str:
    """Return a PATH: these folders, the inherited ones, and then the others."""
    folders = [*map(str, first), inherited.get("PATH", os.defpath), *map(str, last)]
    return os.pathsep.join(folders)
