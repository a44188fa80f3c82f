"""AWS as one invocation uses it: calls in its account, with its time and log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aws_calls.calls import AwsCalls
from aws_calls.failures import incomplete_response
from aws_calls.runtime import Clock
from common.arn import Arn

from .clients import RunClients

LIST_ROOTS = "organizations:ListRoots"
# The maximum that Organizations allows.
MAX_ENTRIES_PER_PAGE = 20
# Organizations allows eight concurrent calls for most List APIs.
MAX_ORGANIZATIONS_CALLS_IN_PARALLEL = 8


@dataclass(frozen=True, kw_only=True)
class Aws(AwsCalls):
    """AWS as one invocation of a function uses it, or one command on a person's machine.

    Attributes:
        budget: How long to retry transient failures; it ends with the invocation.
        find_function: Returns an ARN with the partition, Region and account that it runs in.
        now: Returns the time in UTC.
        log: Writes one event, given as keyword arguments.
    """

    clients: RunClients
    find_function: Callable[[], Arn]
    now: Callable[[], datetime]
    log: Callable[..., None]

    @property
    def clock(self) -> Clock:
        """The time that waiting is measured by."""
        return self.budget.clock

    @property
    def function(self) -> Arn:
        """An ARN with the partition, Region and account that it runs in.

        Raises:
            CallError: This is a person's machine, and AWS refused to say whose the credentials are.
        """
        return self.find_function()

    @property
    def account_id(self) -> str:
        """The account that the function or the command runs in."""
        return self.function.account_id

    def entries(self, operation: str, *, items: str, **parameters: str) -> Iterator[Any]:
        """Yield the entries of a list of Organizations.

        Args:
            operation: The call, named as in an IAM policy.
            items: The member of the response that has the entries.
            parameters: What the call is about, such as a ParentId.

        Raises:
            CallError: A page failed or is incomplete, or the list does not end.
        """
        return self.pages(operation, items=items, MaxResults=MAX_ENTRIES_PER_PAGE, **parameters)

    def organization_roots(self) -> list[Any]:
        """Return the roots of the organization, of which it has one.

        Raises:
            CallError: The read failed, or no root came back: nothing may be concluded from that.
        """
        roots = list(self.entries(LIST_ROOTS, items="Roots"))
        if not roots:
            raise incomplete_response(LIST_ROOTS, "root")
        return roots
