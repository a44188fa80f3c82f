"""A stand-in for what an audit calls, made for load: STS, IAM, Organizations.

It has AWS's latency and AWS's limits, and serves several thousand calls a second from one core, so
a benchmark measures the client. Its clients trust the authorities that they have without it, and
its own: the SDKs read all of these. Its responses are recorded from the local AWS. Kinder than AWS
are still:

- Each call has the same latency, where some of AWS's are slow, and opening a connection has none,
where the
  network takes two round trips.
- Its certificate is its own authority, where two more are between AWS's and an authority.
- It leaves idle connections open.
- No call fails except by a limit, no account is denied, and each page but the last one is full.
- IAM has no limit, because AWS publishes none. That of AssumeRoot is assumed.
- It verifies no signature.
"""

from __future__ import annotations

import os
import resource
from asyncio.sslproto import SSLProtocol
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.limits import ASSUME_ROOT, Limit
from local_aws.emulation.records import MANAGEMENT_ACCOUNT_ID

HOST = "localhost"
SERVICES = ("iam", "organizations", "sts")
ONE_IN_N_HAS_CREDENTIALS = 50

_FIRST_MEMBER = 200_000_000_000
_BUFFER_BYTES = 32 * 1024


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What the stand-in is for one run.

    Attributes:
        members: The number of member accounts.
        latency: How many seconds each call takes.
        status: True if accounts have their former `Status`, too, which aws-root-manager needs.
        assume_root: The limit of AssumeRoot.
    """

    members: int
    latency: float = 0.0
    status: bool = False
    assume_root: Limit = ASSUME_ROOT

    @property
    def member_ids(self) -> tuple[str, ...]:
        """The member accounts."""
        return tuple(str(_FIRST_MEMBER + number) for number in range(self.members))

    def has_credentials(self, account_id: str) -> bool:
        """Return whether the root user of an account has a password and an access key."""
        return (int(account_id) - _FIRST_MEMBER) % ONE_IN_N_HAS_CREDENTIALS == 0


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What reached the stand-in since the scenario began.

    Attributes:
        calls: The calls of each operation, those that were throttled included.
        throttled: The throttled calls of each operation.
    """

    calls: Mapping[str, int]
    throttled: Mapping[str, int]


class StandInFailedError(Exception):
    """The stand-in has ended, so nothing can be measured."""


class StandIn:
    """The handle on a running stand-in.

    Args:
        connection: The connection to its process.
        authorities: The file with the authorities that its clients trust.

    Attributes:
        urls: Where each service is served.
        authorities: The same file.
    """

    def __init__(self, connection: Connection, *, authorities: str) -> None:
        self._connection = connection
        ports = self._receive_response()
        self.urls = {
            service: f"https://{HOST}:{port}" for service, port in zip(SERVICES, ports, strict=True)
        }
        self.authorities = authorities

    @property
    def environment(self) -> dict[str, str]:
        """The complete environment of a process whose SDK calls it, and nothing else."""
        return {
            **{f"AWS_ENDPOINT_URL_{service.upper()}": url for service, url in self.urls.items()},
            "AWS_CA_BUNDLE": self.authorities,
            "AWS_ACCESS_KEY_ID": MANAGEMENT_ACCOUNT_ID,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "PATH": os.environ["PATH"],
        }

    def begin(self, scenario: Scenario) -> None:
        """Begin a scenario: nothing is counted yet, and no limit is used up."""
        self._send(scenario)

    def traffic(self) -> Traffic:
        """Return what reached it since the scenario began."""
        traffic: Traffic = self._send(None)
        return traffic

    def _send(self, scenario: Scenario | None) -> Any:
        """Send a scenario to begin, or None to go on, and return the response of the process."""
        self._connection.send(scenario)
        return self._receive_response()

    def _receive_response(self) -> Any:
        """Return the next response of the process."""
        try:
            return self._connection.recv()
        except EOFError as error:
            raise StandInFailedError(
                "The stand-in for AWS has ended. Its last lines say why."
            ) from error


def allow_many_connections() -> None:
    """Let this process have as many connections as the system allows, with small buffers."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # asyncio's buffers are 256 KB, which are gigabytes for the connections of 10,000 accounts.
    SSLProtocol.max_size = _BUFFER_BYTES
