"""Root sessions in member accounts: one for an account and a task, and the calls in it."""

from __future__ import annotations

import concurrent.futures
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from aws_calls.responses import call, function_of, pages
from aws_calls.retry import RetryBudget

from ..model.task import ASSUME_ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Executor

    from mypy_boto3_sts.type_defs import CredentialsTypeDef

    from aws_calls.responses import Response

    from ..model.report_schema import Task
    from .context import Aws
    from .session_clients import SessionClients

T = TypeVar("T")

# An account whose calls are retried for long must not use up the time of the others in its batch.
_MAX_ACCOUNT_SECONDS = 180.0
# An account's calls, a last attempt, and clock skew. AWS allows at most 900.
_SESSION_SECONDS = 240
# No session is opened with less time left for its calls.
_CALLS_RESERVE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class RootSession:
    """A session as the root user of a member account, limited to one task.

    Attributes:
        account_id: The member account.
        credentials: The session's credentials.
        run_id: The run, which the user agent of each request names.
        clients: The clients of all sessions.
        executor: Makes calls in parallel.
        budget: How long to retry transient failures.
    """

    account_id: str
    credentials: CredentialsTypeDef
    run_id: str
    clients: SessionClients
    executor: Executor
    budget: RetryBudget

    def client(self, service: str, *, region: str | None = None) -> Any:
        """Return a client; by default in the function's Region.

        It acts as the root user of this account inside of `call` and `pages`, and nowhere else.
        """
        return self.clients.client(service, region=region)

    def call(self, operation: str, *, region: str | None = None, **parameters: object) -> Response:
        """Call AWS, by default in the function's Region; the call is named as in an IAM policy.

        Raises:
            CallError: The call failed, or did not succeed in time.
        """
        client = self.client(operation.partition(":")[0], region=region)
        function = self._with_credentials(function_of(client, operation))
        return call(function, operation=operation, budget=self.budget, **parameters)

    def pages(
        self, function: Callable[..., Mapping[str, Any]], *, operation: str, items: str, token: str
    ) -> Iterator[Any]:
        """Yield the entries of a list, page by page; request and response have the same name for its token.

        Raises:
            CallError: A page failed or is incomplete, or the list does not end.
        """
        return pages(
            self._with_credentials(function),
            operation=operation,
            budget=self.budget,
            items=items,
            token=token,
        )

    def in_parallel(self, *functions: Callable[[], T]) -> list[T]:
        """Return what functions return, in their order. They run in parallel, and end before this returns.

        They must not use this themselves: all of an account's waiting is done by one thread, so a
        pool that is full of waiting threads never waits for itself.

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
            with self.clients.for_run(self.run_id), self.clients.acting_as(self.credentials):
                return function(**parameters)

        return sign_and_call


def open_session(
    aws: Aws,
    account_id: str,
    *,
    run_id: str,
    task: Task,
    deadline: float,
    executor: Executor,
) -> RootSession:
    """Open a root session in an account for one task.

    A call that is throttled is repeated for as long as there is time: its limit is that of the
    function's account, which all batches share, so the member account has nothing to do with it.

    Args:
        aws: The account that opens it.
        account_id: The account.
        run_id: The run, which the user agents of AssumeRoot and of the session's calls end with.
        task: The task.
        deadline: When the session ends, on the clock.
        executor: Makes the calls in the session that are made in parallel.

    Raises:
        CallError: AWS refused, or did not respond in time.
    """
    clock = aws.clock
    with aws.clients.sessions.for_run(run_id):
        response = call(
            aws.clients.sts.assume_root,
            operation=ASSUME_ROOT,
            budget=RetryBudget(clock=clock, deadline=deadline - _CALLS_RESERVE_SECONDS),
            TargetPrincipal=account_id,
            TaskPolicyArn={
                "arn": f"arn:{aws.function.partition}:iam::aws:policy/root-task/{task.policy}"
            },
            DurationSeconds=_SESSION_SECONDS,
        )
    return RootSession(
        account_id=account_id,
        run_id=run_id,
        credentials=response.require("Credentials"),
        clients=aws.clients.sessions,
        executor=executor,
        budget=RetryBudget(clock=clock, deadline=min(deadline, clock.now() + _MAX_ACCOUNT_SECONDS)),
    )
