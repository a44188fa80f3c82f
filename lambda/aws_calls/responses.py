"""Calls to AWS: one call or a list of pages, each call repeated while its failures are transient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore import xform_name

from .failures import CallError, Failure, FailureKind, call_errors, error_of_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .retry import RetryBudget

# 100,000 entries at twenty a page: more accounts than an organization has.
_MAX_PAGES = 5000


@dataclass(frozen=True, kw_only=True)
class Response:
    """The response of AWS to a call, which is named as in an IAM policy."""

    operation: str
    members: Mapping[str, Any]

    def require(self, name: str) -> Any:
        """Return a member, or raise CallError. One that is missing is never taken for an empty one."""
        return require(self.members, name, operation=self.operation)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a member that AWS may leave out."""
        return self.members.get(name, default)


def call(
    function: Callable[..., Mapping[str, Any]],
    *,
    operation: str,
    budget: RetryBudget,
    **parameters: object,
) -> Response:
    """Call AWS by a client that makes one attempt, and retry transient failures.

    Raises:
        CallError: The call failed, or did not succeed in time.
    """

    def attempt() -> Mapping[str, Any]:
        with call_errors(operation):
            return function(**parameters)

    return Response(operation=operation, members=budget.attempt(attempt, operation=operation))


def function_of(client: object, operation: str) -> Callable[..., Mapping[str, Any]]:
    """Return the function of a client that makes a call, which is named as in an IAM policy."""
    function: Callable[..., Mapping[str, Any]] = getattr(
        client, xform_name(operation.partition(":")[2])
    )
    return function


def pages(
    function: Callable[..., Mapping[str, Any]],
    *,
    operation: str,
    budget: RetryBudget,
    items: str,
    token: str = "NextToken",
    response_token: str | None = None,
    **parameters: object,
) -> Iterator[Any]:
    """Yield the entries of a list; a transient failure repeats only its page. A page may be empty.

    The response has the entries in `items`, and the `token` of the next page by the same name,
    unless `response_token` is another one.

    Raises:
        CallError: A page failed or is incomplete, a token came twice, or there are too many.
    """
    response_token = response_token or token
    next_page: dict[str, str] = {}
    seen: set[str] = set()
    for _ in range(_MAX_PAGES):
        page = call(function, operation=operation, budget=budget, **parameters, **next_page)
        yield from page.require(items)
        value = (
            page.require(response_token) if page.get("IsTruncated") else page.get(response_token)
        )
        if not value or page.get("IsTruncated") is False:
            return
        if value in seen:
            raise _endless(operation, "RepeatedPageToken", "the list repeats a page")
        seen.add(value)
        next_page = {token: value}
    raise _endless(operation, "TooManyPages", f"the list has more than {_MAX_PAGES} pages")


def _endless(operation: str, code: str, message: str) -> CallError:
    return CallError(
        Failure(operation=operation, kind=FailureKind.REFUSED, code=code, message=message)
    )


def require(members: Mapping[str, Any], name: str, *, operation: str) -> Any:
    """Return a member of a part of a response, as Response.require does."""
    if name in members:
        return members[name]
    raise error_of_call(operation, FailureKind.INCOMPLETE_RESPONSE, f"the response has no {name}")
