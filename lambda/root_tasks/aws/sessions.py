"""Root sessions in member accounts: one for an account and a task, and the calls in it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from aws_calls.calls import call, pages
from aws_calls.retry import RetryBudget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.config import Config
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import CredentialsTypeDef

    from aws_calls.calls import Response
    from aws_calls.retry import Clock

    from ..model.report import Task

ASSUME_ROOT = "sts:AssumeRoot"

# The maximum that AWS allows. A batch ends before its sessions do: its function has 10 minutes.
_SESSION_SECONDS = 900
# An account that is throttled for long must not use up the time of the others in its batch.
_MAX_ACCOUNT_SECONDS = 180.0


class ClientFactory(Protocol):
    """Creates the clients of root sessions. Several threads call it."""

    def __call__(self, service: str, *, credentials: CredentialsTypeDef, region: str | None) -> Any:
        """Return a client in a Region; None is the function's own."""


def client_factory(config: Config) -> ClientFactory:
    """Return a factory of boto3 clients.

    Args:
        config: The clients' settings: one attempt a call.
    """
    import boto3

    session = boto3.Session()
    # A session must not be used by two threads at once; its clients may.
    lock = threading.Lock()

    def create_client(service: str, *, credentials: CredentialsTypeDef, region: str | None) -> Any:
        with lock:
            return session.client(
                service,  # type: ignore[call-overload]
                region_name=region,
                config=config,
                aws_access_key_id=credentials["AccessKeyId"],
                aws_secret_access_key=credentials["SecretAccessKey"],
                aws_session_token=credentials["SessionToken"],
            )

    return create_client


@dataclass(frozen=True, kw_only=True)
class RootSession:
    """A session as the root user of a member account, limited to one task.

    Attributes:
        account_id: The member account.
        credentials: The session's credentials.
        create_client: Creates the session's clients.
        budget: How long to retry transient failures.
    """

    account_id: str
    credentials: CredentialsTypeDef
    create_client: ClientFactory
    budget: RetryBudget

    def client(self, service: str, *, region: str | None = None) -> Any:
        """Return a client that acts as the root user; by default in the function's Region."""
        return self.create_client(service, credentials=self.credentials, region=region)

    def call(self, function: Callable[[], Mapping[str, Any]], *, operation: str) -> Response:
        """Call AWS.

        Raises:
            CallError: The call failed, or did not succeed in time.
        """
        return call(function, operation=operation, budget=self.budget)

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
            function,
            operation=operation,
            budget=self.budget,
            items=items,
            request_token=request_token,
            response_token=response_token,
        )


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Opens root sessions for one task.

    Attributes:
        sts: A client of a Region's own STS; the global one does not have AssumeRoot.
        create_client: Creates the sessions' clients.
        task: The task.
        partition: The partition, for example aws.
        clock: The time.
        deadline: When the last session ends, on the clock.
    """

    sts: STSClient
    create_client: ClientFactory
    task: Task
    partition: str
    clock: Clock
    deadline: float

    def open(self, account_id: str) -> RootSession:
        """Open a session in an account.

        Raises:
            CallError: AWS refused, or did not respond in time.
        """
        deadline = min(self.deadline, self.clock.now() + _MAX_ACCOUNT_SECONDS)
        budget = RetryBudget(clock=self.clock, deadline=deadline)
        response = call(
            lambda: self.sts.assume_root(
                TargetPrincipal=account_id,
                TaskPolicyArn={"arn": f"arn:{self.partition}:iam::aws:policy/root-task/{self.task}"},
                DurationSeconds=_SESSION_SECONDS,
            ),
            operation=ASSUME_ROOT,
            budget=budget,
        )
        return RootSession(
            account_id=account_id,
            credentials=response.require("Credentials"),
            create_client=self.create_client,
            budget=budget,
        )
