"""The custom resource's function as Lambda runs it, on an emulated organization."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3

from aws_calls.invocation import Invocation
from aws_calls.retry import RetryBudget
from aws_calls.runtime import LambdaContext, one_attempt
from common.arn import Arn
from common.clock import Clock
from root_access.custom_resource import apply_request
from root_access.handler import respond
from root_access.organization import Organization
from support.accounts import MANAGEMENT

BOTH_FEATURES = ("RootCredentialsManagement", "RootSessions")

_TIMEOUT_SECONDS = 180.0


@dataclass(kw_only=True)
class FakeTime:
    """Seconds that pass only while something sleeps.

    Attributes:
        seconds: The time.
        starts: When each sleep ended, which is when the next attempt starts.
        utc_now: The date and time, which stay the same by default.
    """

    seconds: float = 0.0
    starts: list[float] = field(default_factory=list)
    utc_now: Callable[[], datetime] = lambda: datetime(2026, 12, 2, tzinfo=UTC)

    def sleep(self, seconds: float) -> None:
        """Let seconds pass."""
        self.seconds += seconds
        self.starts.append(self.seconds)

    def clock(self) -> Clock:
        """Return the clock that the function takes; its jitter is always half."""
        return Clock(
            now=lambda: self.seconds,
            utc_now=self.utc_now,
            sleep=self.sleep,
            random=lambda: 0.5,
        )

    def budget(self, *, seconds: float) -> RetryBudget:
        """Return the budget of an invocation that ends after so many seconds."""
        return RetryBudget(clock=self.clock(), deadline=self.seconds + seconds)

    def invocation(
        self,
        clients: Callable[[str], Any],
        *,
        seconds: float,
        log: Callable[..., None] = lambda **_: None,
        account_id: str = MANAGEMENT,
    ) -> Invocation:
        """Return what a function works with in an invocation that ends after so many seconds."""
        function = Arn.parse(f"arn:aws:lambda:us-east-1:{account_id}:function:Function")
        return Invocation(
            clients=clients,
            budget=self.budget(seconds=seconds),
            find_function=lambda: function,
            log=log,
        )


@dataclass(frozen=True, kw_only=True)
class FakeContext:
    """Lambda's context object.

    Attributes:
        time: The time.
        ends_at: When Lambda ends the invocation.
        account_id: The account of the function.
    """

    time: FakeTime
    ends_at: float = _TIMEOUT_SECONDS
    account_id: str = MANAGEMENT

    @property
    def invoked_function_arn(self) -> str:
        """The ARN of the function."""
        return f"arn:aws:lambda:us-east-1:{self.account_id}:function:RootAccess"

    def get_remaining_time_in_millis(self) -> int:
        """Return the time until Lambda ends the invocation."""
        return int((self.ends_at - self.time.seconds) * 1000)


@dataclass(kw_only=True)
class CustomResourceFunction:
    """The deployed function.

    Attributes:
        account_id: The account that it is deployed in.
        time: Its time.
        log: What it logged.
        error: Why its last response was FAILED; None if it was SUCCESS.
    """

    account_id: str = MANAGEMENT
    time: FakeTime = field(default_factory=FakeTime)
    log: list[Mapping[str, object]] = field(default_factory=list)
    error: Exception | None = None
    _clients: dict[str, Any] = field(default_factory=dict)

    def __call__(self, event: Mapping[str, Any]) -> Exception | None:
        """Invoke the function, and return why its response was FAILED."""
        self.error = None
        respond(
            event,
            FakeContext(
                time=self.time,
                ends_at=self.time.seconds + _TIMEOUT_SECONDS,
                account_id=self.account_id,
            ),
            handle=self._apply_request,
            sleep=self.time.sleep,
            log=self._record,
        )
        return self.error

    def _apply_request(
        self, event: Mapping[str, Any], context: LambdaContext, *, abandoned: threading.Event
    ) -> dict[str, Any]:
        """Do the work of the entry module's `handle`, and remember what came of it for the test."""
        seconds = context.get_remaining_time_in_millis() / 1000
        try:
            return apply_request(event, aws=self.invocation(seconds), abandoned=abandoned)
        except Exception as error:
            self.error = error
            raise

    def _record(self, **event: object) -> None:
        """Record a line of the log."""
        self.log.append(event)

    def client(self, service: str) -> Any:
        """Return a client of the function, built once."""
        if service not in self._clients:
            # A new session for each: moto needs that. All share botocore's loader, by a fixture.
            self._clients[service] = boto3.Session().client(
                service,  # type: ignore[call-overload]
                region_name="us-east-1",
                aws_access_key_id=self.account_id,
                aws_secret_access_key="secret",
                config=one_attempt(),
            )
        return self._clients[service]

    def on_event(self, event: str, handler: Callable[..., Any]) -> None:
        """Register a handler of a botocore event with the clients of the function."""
        for service in ("iam", "organizations"):
            self.client(service).meta.events.register(event, handler)

    def organization(self) -> Organization:
        """Return the organization as the function sees it, with the budget of one invocation."""
        return Organization(aws=self.invocation())

    def invocation(self, seconds: float = _TIMEOUT_SECONDS) -> Invocation:
        """Return what the function works with in an invocation that ends after so many seconds."""
        return self.time.invocation(
            self.client, seconds=seconds, log=self._record, account_id=self.account_id
        )
