"""One AWS call, made again while its failures may pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from aws_calls.failures import CallError, Failure, FailureKind, call_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_calls.retry import RetryBudget

T = TypeVar("T")


def made(call: Callable[[], T], *, operation: str, budget: RetryBudget) -> T:
    """Returns what the call returns.

    Args:
        call: one call by a client that makes one attempt.
        operation: the call, named as in an IAM policy.
        budget: how long to wait for a call that fails for now.

    Raises:
        CallError: it failed, or did not succeed in time.
    """

    def attempt() -> T:
        with call_errors(operation):
            return call()

    return budget.attempt(attempt, operation=operation)


def member(answer: Mapping[str, Any], name: str, *, operation: str) -> Any:
    """Returns a member of an answer. One that is missing is never taken for an empty one.

    Raises:
        CallError: the answer lacks it.
    """
    if name not in answer:
        raise CallError(
            Failure(
                operation=operation,
                kind=FailureKind.REFUSED,
                code="IncompleteAnswer",
                message=f"the answer lacks {name}",
            )
        )
    return answer[name]
