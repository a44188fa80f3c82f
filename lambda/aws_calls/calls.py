"""Calls to AWS: one call or all pages of a list, each repeated while its failures are transient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from botocore import xform_name

from .failures import FailureKind, call_errors, error_of_call, incomplete_response
from .retry import RetryBudget

# The SDK's names, where they are not those of an IAM policy.
_SDK_SERVICES = {"states": "stepfunctions"}
_SDK_OPERATIONS = {
    "s3:ListAllMyBuckets": "ListBuckets",
    "s3:ListBucket": "ListObjectsV2",
    "s3:ListBucketVersions": "ListObjectVersions",
}
# The calls whose response lacks a list that is empty.
_WITHOUT_EMPTY_LISTS = frozenset({"s3:ListBucket"})


@dataclass(frozen=True, kw_only=True)
class Response:
    """The response of AWS to a call, which is named as in an IAM policy."""

    operation: str
    members: Mapping[str, Any]

    def require(self, name: str) -> Any:
        """Return a member, or raise CallError: one that is missing is not an empty one."""
        return require(self.members, name, operation=self.operation)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a member that AWS may leave out."""
        return self.members.get(name, default)


@dataclass(frozen=True, kw_only=True)
class AwsCalls:
    """Calls to AWS by one identity, each named as in an IAM policy.

    Example::

        response = aws.call("organizations:DescribeAccount", AccountId="222222222222")
        account = response.require("Account")

    Attributes:
        clients: Returns the SDK's client of a service, which makes one attempt per call.
        budget: How long to retry transient failures.
    """

    clients: Callable[[str], Any]
    budget: RetryBudget

    def call(self, operation: str, **parameters: object) -> Response:
        """Make a call.

        Raises:
            CallError: The call failed, or did not succeed in time.
        """
        # As boto3 names it: organizations:ListRoots is list_roots of the client "organizations".
        service, _, name = operation.partition(":")
        client = self.clients(_SDK_SERVICES.get(service, service))
        function = getattr(client, xform_name(_SDK_OPERATIONS.get(operation, name)))

        def attempt() -> Mapping[str, Any]:
            with call_errors(operation):
                members: Mapping[str, Any] = function(**parameters)
                return members

        members = self.budget.attempt(attempt, operation=operation)
        return Response(operation=operation, members=members)

    def pages(
        self,
        operation: str,
        *,
        items: str,
        token: str = "NextToken",
        response_token: str | None = None,
        **parameters: object,
    ) -> Iterator[Any]:
        """Yield the entries of a list; a transient failure repeats only its page.

        Args:
            operation: The call.
            items: The member of the response that has the entries.
            token: The name of the next page's token, in the request.
            response_token: Its name in the response, if that is another one.
            parameters: The other parameters of the call.

        Raises:
            CallError: A page failed or is incomplete, or a token came twice.
        """
        response_token = response_token or token
        next_page: dict[str, str] = {}
        seen_tokens: set[str] = set()
        while True:
            page = self.call(operation, **parameters, **next_page)
            # Most responses have an empty list; one without the list would be incomplete.
            if items in page.members or operation not in _WITHOUT_EMPTY_LISTS:
                yield from page.require(items)
            if page.get("IsTruncated") is False:
                return
            # In some lists AWS says whether a page is the last one: then no token may be missing.
            value = page.get(response_token)
            if page.get("IsTruncated"):
                value = page.require(response_token)
            # An empty page is not the last one, a page without a token is.
            if not value:
                return
            # The list would never end.
            if value in seen_tokens:
                message = "the list repeats a page"
                raise error_of_call(operation, FailureKind.INCONSISTENT_READS, message)
            seen_tokens.add(value)
            next_page = {token: value}

    def with_budget(self, budget: RetryBudget) -> Self:
        """Return the same with another budget."""
        return replace(self, budget=budget)

    def within(self, seconds: float) -> Self:
        """Return the same, which starts no call later than so many seconds from now."""
        return self.with_budget(self.budget.within(seconds))


def require(members: Mapping[str, Any], name: str, *, operation: str) -> Any:
    """Return a member of a part of a response, such as an entry of a list.

    Args:
        members: The part of the response.
        name: The member.
        operation: The call, named as in an IAM policy.

    Raises:
        CallError: The member is missing, which does not mean that it is empty.
    """
    if name in members:
        return members[name]
    raise incomplete_response(operation, name)
