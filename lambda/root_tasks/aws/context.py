"""The means of one invocation: its function, clients, time and log, and the lists of Organizations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aws_calls.failures import FailureKind, error_of_call
from aws_calls.responses import call, function_of, pages
from aws_calls.retry import RetryBudget
from aws_calls.runtime import FunctionArn

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from aws_calls.responses import Response
    from aws_calls.retry import Clock
    from aws_calls.runtime import LambdaContext

    from .clients import Clients

# The client of a service, by the prefix of its calls.
_CLIENTS = {"iam": "iam", "organizations": "organizations", "states": "step_functions"}
LIST_ROOTS = "organizations:ListRoots"
# The maximum that Organizations allows.
MAX_ENTRIES_PER_PAGE = 20
# Organizations allows eight concurrent calls for most List APIs.
MAX_ORGANIZATIONS_CALLS_IN_PARALLEL = 8


@dataclass(frozen=True, kw_only=True)
class Aws:
    """The means of one invocation.

    Attributes:
        find_function: Returns the partition, the Region and the account that it runs in.
        clients: Its clients.
        now: Returns the time in UTC.
        log: Writes one event, given as keyword arguments.
        budget: How long to retry transient failures; it ends with the invocation.
    """

    find_function: Callable[[], FunctionArn]
    clients: Clients
    now: Callable[[], datetime]
    log: Callable[..., None]
    budget: RetryBudget

    @classmethod
    def of_invocation(
        cls,
        context: LambdaContext,
        *,
        clients: Clients,
        clock: Clock,
        now: Callable[[], datetime],
        log: Callable[..., None],
    ) -> Aws:
        """Return what an invocation of a function works with."""
        function = FunctionArn.parse(context.invoked_function_arn)
        deadline = clock.now() + context.get_remaining_time_in_millis() / 1000
        return cls(
            find_function=lambda: function,
            clients=clients,
            now=now,
            log=log,
            budget=RetryBudget(clock=clock, deadline=deadline),
        )

    @property
    def clock(self) -> Clock:
        """The time that waiting is measured by."""
        return self.budget.clock

    @property
    def function(self) -> FunctionArn:
        """The partition, the Region and the account that it runs in.

        Raises:
            CallError: This is a person's machine, and AWS refused to say whose the credentials are.
        """
        return self.find_function()

    @property
    def account_id(self) -> str:
        """The account that it runs in."""
        return self.function.account_id

    def call(self, operation: str, **parameters: str) -> Response:
        """Call IAM, Organizations or Step Functions; the call is named as in an IAM policy.

        Raises:
            CallError: The call failed, or did not succeed in time.
        """
        client = getattr(self.clients, _CLIENTS[operation.partition(":")[0]])
        function = function_of(client, operation)
        return call(function, operation=operation, budget=self.budget, **parameters)

    def entries(self, operation: str, *, items: str, **parameters: str) -> Iterator[Any]:
        """Yield the entries of a list of Organizations.

        Args:
            operation: The call, named as in an IAM policy.
            items: The member of the response that has the entries.
            parameters: What the call is about, such as a ParentId.

        Raises:
            CallError: A page failed or is incomplete, or the list does not end.
        """
        return pages(
            function_of(self.clients.organizations, operation),
            operation=operation,
            budget=self.budget,
            items=items,
            MaxResults=MAX_ENTRIES_PER_PAGE,
            **parameters,
        )

    def organization_roots(self) -> list[Any]:
        """Return the roots of the organization, of which it has one.

        Raises:
            CallError: The read failed, or no root came back: nothing may be concluded from that.
        """
        roots = list(self.entries(LIST_ROOTS, items="Roots"))
        if not roots:
            raise error_of_call(
                LIST_ROOTS, FailureKind.INCOMPLETE_RESPONSE, "the response has no root"
            )
        return roots

    def with_budget(self, budget: RetryBudget) -> Aws:
        """Return the same with another budget."""
        return replace(self, budget=budget)

    def within(self, seconds: float) -> Aws:
        """Return the same, which starts no call later than so many seconds from now."""
        return self.with_budget(self.budget.within(seconds))

    def until(self, event: threading.Event) -> Aws:
        """Return the same, which starts no call once the event is set."""
        return self.with_budget(self.budget.until(event))
