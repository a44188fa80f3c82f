"""The custom resource's function as Lambda runs it, on an emulated organization and a clock of the test's."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.loaders import Loader, create_loader

from aws_calls.retry import Clock, RetryBudget
from aws_calls.runtime import one_attempt
from root_access.clients import Clients
from root_access.handler import respond
from root_access.organization import Organization

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.config import Config

MANAGEMENT_ACCOUNT = "111111111111"
BOTH = ("RootCredentialsManagement", "RootSessions")

_TIMEOUT = 180.0


@dataclass(kw_only=True)
class FakeTime:
    """Seconds that pass only when somebody sleeps.

    Attributes:
        seconds: the time.
        starts: when each sleep ended, which is when the next attempt starts.
        while_sleeping: called at each sleep: what somebody else does meanwhile.
    """

    seconds: float = 0.0
    starts: list[float] = field(default_factory=list)
    while_sleeping: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        """Lets so many seconds pass."""
        self.while_sleeping()
        self.seconds += seconds
        self.starts.append(self.seconds)

    def clock(self) -> Clock:
        """The clock that the function takes; its jitter is always half."""
        return Clock(now=lambda: self.seconds, sleep=self.sleep, random=lambda: 0.5)


@dataclass(frozen=True, kw_only=True)
class Context:
    """Lambda's context object."""

    invoked_function_arn: str
    remaining_seconds: float

    def get_remaining_time_in_millis(self) -> int:
        """The time until Lambda ends the invocation."""
        return int(self.remaining_seconds * 1000)


@dataclass(kw_only=True)
class Function:
    """The deployed function.

    Attributes:
        account_id: the account that it is deployed in.
        partition: the partition that it is deployed in.
        endpoint_url: where its calls go; None for an emulation in this process.
        config: its clients' settings.
        time: its time.
        log: what it logged.
    """

    account_id: str = MANAGEMENT_ACCOUNT
    partition: str = "aws"
    endpoint_url: str | None = None
    config: Config = field(default_factory=one_attempt)
    time: FakeTime = field(default_factory=FakeTime)
    log: list[Mapping[str, object]] = field(default_factory=list)
    _clients: Clients | None = None

    def __call__(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Invokes the function."""
        return respond(
            event,
            Context(
                invoked_function_arn=(
                    f"arn:{self.partition}:lambda:us-east-1:{self.account_id}:function:RootAccess"
                ),
                remaining_seconds=_TIMEOUT,
            ),
            clients=self.clients,
            clock=self.time.clock(),
            log=lambda **event: self.log.append(event),
        )

    def clients(self) -> Clients:
        """The clients of the function, built once."""
        if self._clients is None:
            self._clients = Clients(iam=self._client("iam"), organizations=self._client("organizations"))
        return self._clients

    def organization(self) -> Organization:
        """The organization as the function sees it, with the budget of one invocation."""
        clock = self.time.clock()
        budget = RetryBudget(clock=clock, deadline=clock.now() + _TIMEOUT)
        return Organization(clients=self.clients(), account_id=self.account_id, budget=budget)

    def _client(self, service: str) -> Any:
        return _session().client(
            service,  # type: ignore[call-overload]
            region_name="us-east-1",
            aws_access_key_id=self.account_id,
            aws_secret_access_key="secret",
            endpoint_url=self.endpoint_url,
            config=self.config,
        )


def _session() -> boto3.Session:
    """A session that does not read AWS's models anew; moto has every test make a new one."""
    core = botocore.session.get_session()
    core.register_component("data_loader", _models())
    return boto3.Session(botocore_session=core)


@functools.cache
def _models() -> Loader:
    return create_loader()


def waits(starts: list[float]) -> list[float]:
    """The time between one attempt and the next."""
    return [later - earlier for earlier, later in itertools.pairwise([0.0, *starts])]
