"""Root sessions in member accounts: one for an account and a task, and the calls in it."""

from __future__ import annotations

import concurrent.futures
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from aws_calls.calls import call, pages
from aws_calls.pace import PacedRetryBudget
from aws_calls.retry import RetryBudget

from .authorization_ids import keep_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager

    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import CredentialsTypeDef

    from aws_calls.calls import Response
    from aws_calls.pace import Pace
    from aws_calls.retry import Clock

    from ..model.report import Task

T = TypeVar("T")

ASSUME_ROOT = "sts:AssumeRoot"

# An account whose calls are retried for long must not use up the time of the others in its batch.
_MAX_ACCOUNT_SECONDS = 180.0
# As long as the calls of an account may take, their last attempt, and a difference between two clocks. AWS
# allows 900 at most.
_SESSION_SECONDS = 240
# A session that is opened late is of use only if there is time for its calls.
_CALLS_RESERVE_SECONDS = 60.0


class SharedClients(Protocol):
    """The clients that all root sessions share. Several threads use them."""

    def client(self, service: str, *, region: str | None) -> Any:
        """Return the client of a service in a Region; None is the function's own."""

    def acting_as(self, credentials: CredentialsTypeDef) -> AbstractContextManager[None]:
        """Sign the requests of this thread with the credentials of a session."""


@dataclass(frozen=True, kw_only=True)
class RootSession:
    """A session as the root user of a member account, limited to one task.

    Attributes:
        account_id: The member account.
        credentials: The session's credentials.
        clients: The clients of all sessions.
        executor: Makes calls in parallel.
        budget: How long to retry transient failures.
        authorization_ids: Gets the IDs of denied calls, by which AWS explains them.
    """

    account_id: str
    credentials: CredentialsTypeDef
    clients: SharedClients
    executor: Executor
    budget: RetryBudget
    authorization_ids: list[str] = field(default_factory=list)

    def client(self, service: str, *, region: str | None = None) -> Any:
        """Return a client; by default in the function's Region.

        It acts as the root user of this account inside of `call` and `pages`, and nowhere else.
        """
        return self.clients.client(service, region=region)

    def call(self, function: Callable[[], Mapping[str, Any]], *, operation: str) -> Response:
        """Call AWS.

        Raises:
            CallError: The call failed, or did not succeed in time.
        """
        return call(self._with_credentials(function), operation=operation, budget=self.budget)

    def pages(
        self,
        function: Callable[..., Mapping[str, Any]],
        *,
        operation: str,
        items: str,
        request_token: str,
        response_token: str,
    ) -> Iterator[Any]:
        """Yield the entries of a list, page by page.

        Raises:
            CallError: A page failed or is incomplete, or the list does not end.
        """
        return pages(
            self._with_credentials(function),
            operation=operation,
            budget=self.budget,
            items=items,
            request_token=request_token,
            response_token=response_token,
        )

    def in_parallel(self, *functions: Callable[[], T]) -> list[T]:
        """Return what functions return, in their order. They run in parallel, and end before this returns.

        They must not use this themselves: all of an account's waiting is done by one thread, so a pool
        that is full of waiting threads never waits for itself.

        Raises:
            Exception: What the first of them in the order raises that raises anything.
        """
        others = [self.executor.submit(function) for function in functions[1:]]
        try:
            first = [function() for function in functions[:1]]
        finally:
            concurrent.futures.wait(others)
        return [*first, *(other.result() for other in others)]

    def _with_credentials(
        self, function: Callable[..., Mapping[str, Any]]
    ) -> Callable[..., Mapping[str, Any]]:
        """Return a function that makes its call as the root user of this account."""

        def sign_and_call(**parameters: Any) -> Mapping[str, Any]:
            with self.clients.acting_as(self.credentials):
                return function(**parameters)

        return keep_apart(sign_and_call, self.authorization_ids)


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Opens root sessions for one task.

    Attributes:
        sts: A client of a Region's own STS; the global one does not have AssumeRoot.
        clients: The clients of all sessions.
        task: The task.
        partition: The partition, for example aws.
        clock: The time.
        deadline: When the last session ends, on the clock.
        pace: How often AssumeRoot is called: its limit is that of the function's account, which the batches
            that run in parallel share.
    """

    sts: STSClient
    clients: SharedClients
    task: Task
    partition: str
    clock: Clock
    deadline: float
    pace: Pace

    def open(
        self, account_id: str, *, executor: Executor, authorization_ids: list[str] | None = None
    ) -> RootSession:
        """Open a session in an account.

        As long as there is time, a call that is throttled is repeated: the account has nothing to do with it.

        Args:
            account_id: The account.
            executor: Makes the calls in the session that are made in parallel.
            authorization_ids: Gets the IDs of denied calls, by which AWS explains them.

        Raises:
            CallError: AWS refused, or did not respond in time.
        """
        denials = [] if authorization_ids is None else authorization_ids
        assume_root = functools.partial(
            self.sts.assume_root,
            TargetPrincipal=account_id,
            TaskPolicyArn={"arn": f"arn:{self.partition}:iam::aws:policy/root-task/{self.task}"},
            DurationSeconds=_SESSION_SECONDS,
        )
        response = call(
            keep_apart(assume_root, denials),
            operation=ASSUME_ROOT,
            budget=PacedRetryBudget(clock=self.clock, deadline=self.deadline, pace=self.pace).reserving(
                _CALLS_RESERVE_SECONDS
            ),
        )
        return RootSession(
            account_id=account_id,
            credentials=response.require("Credentials"),
            clients=self.clients,
            executor=executor,
            budget=RetryBudget(
                clock=self.clock, deadline=min(self.deadline, self.clock.now() + _MAX_ACCOUNT_SECONDS)
            ),
            authorization_ids=denials,
        )
