"""Root sessions in member accounts: one for an account and a task, and the calls in it."""

from __future__ import annotations

import concurrent.futures
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from aws_calls.calls import AwsCalls, Response
from aws_calls.retry import RetryBudget

from ..model.report_schema import Task
from ..model.task import ASSUME_ROOT
from .invocation import Aws
from .session_clients import SessionClients

if TYPE_CHECKING:
    from mypy_boto3_sts.type_defs import CredentialsTypeDef


T = TypeVar("T")

# An account whose calls are retried for long must not use up the time of the others in its batch.
_MAX_ACCOUNT_SECONDS = 180.0
# An account's calls, a last attempt, and clock skew. AWS allows at most 900.
_SESSION_SECONDS = 240
# No session is opened with less time left for its calls.
_CALLS_RESERVE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class RootSession(AwsCalls):
    """A session as the root user of a member account, limited to one task.

    Attributes:
        clients: The clients of a Region.
        budget: How long to retry transient failures.
        account_id: The member account.
        credentials: The session's credentials.
        sessions: The clients of all sessions.
        executor: Makes calls in parallel.
    """

    account_id: str
    credentials: CredentialsTypeDef
    sessions: SessionClients
    executor: Executor

    def in_region(self, region: str | None) -> RootSession:
        """Return the same session in a Region; None stands for the function's Region."""
        return replace(self, clients=functools.partial(self.sessions.client, region=region))

    def call(self, operation: str, **parameters: object) -> Response:
        """Make a call, signed as the root user of this account, and otherwise like any other."""
        with self.sessions.acting_as(self.credentials):
            return super().call(operation, **parameters)

    def in_parallel(self, functions: Sequence[Callable[[], T]]) -> list[T]:
        """Return what functions return, in their order. They run in parallel, and have all ended.

        They must not use this themselves: all of an account's waiting is done by one thread of
        another pool, so a pool that is full of waiting threads never waits for itself.

        Raises:
            Exception: What the first of them in the order raises that raises anything.
        """
        futures = [self.executor.submit(function) for function in functions]
        # Once this returns, no call is under way: not even if one of them has failed.
        concurrent.futures.wait(futures)
        return [future.result() for future in futures]


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
        run_id: The run, which the user agent of AssumeRoot ends with.
        task: The task.
        deadline: When the session ends, on the clock.
        executor: Makes the calls in the session that are made in parallel.

    Raises:
        CallError: AWS refused, or did not respond in time.
    """
    # https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoot.html
    # It is opened early enough to leave time for its calls.
    clock = aws.clock
    budget = RetryBudget(clock=clock, deadline=deadline - _CALLS_RESERVE_SECONDS)
    policy_arn = f"arn:{aws.function.partition}:iam::aws:policy/root-task/{task.policy}"
    with aws.clients.for_run(run_id):
        response = aws.with_budget(budget).call(
            ASSUME_ROOT,
            TargetPrincipal=account_id,
            TaskPolicyArn={"arn": policy_arn},
            DurationSeconds=_SESSION_SECONDS,
        )

    # Its calls end before it does: _MAX_ACCOUNT_SECONDS is less than _SESSION_SECONDS.
    sessions = aws.clients.sessions
    return RootSession(
        account_id=account_id,
        credentials=response.require("Credentials"),
        clients=functools.partial(sessions.client, region=None),
        sessions=sessions,
        executor=executor,
        budget=RetryBudget(clock=clock, deadline=min(deadline, clock.now() + _MAX_ACCOUNT_SECONDS)),
    )
