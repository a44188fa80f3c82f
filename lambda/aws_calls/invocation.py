"""AWS as one invocation uses it: calls in its account, with its time and log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from common.arn import Arn
from common.clock import Clock
from common.log import log_sdk_version, write_line

from .calls import AwsCalls
from .retry import RetryBudget
from .runtime import LambdaContext


@dataclass(frozen=True, kw_only=True)
class Invocation(AwsCalls):
    """AWS as one invocation of a function uses it, or one command on a person's machine.

    Attributes:
        budget: How long to retry transient failures; it ends with the invocation.
        find_function: Returns an ARN with the partition, Region and account that it runs in.
        log: Writes one event, given as keyword arguments.
    """

    find_function: Callable[[], Arn]
    log: Callable[..., None]

    @classmethod
    def begin(cls, context: LambdaContext, *, clients: Callable[[str], Any]) -> Self:
        """Return what a function works with in one invocation, and log the SDK's version."""
        log_sdk_version()
        clock = Clock()
        function = Arn.parse(context.invoked_function_arn)
        remaining_seconds = context.get_remaining_time_in_millis() / 1000
        return cls(
            clients=clients,
            budget=RetryBudget(clock=clock, deadline=clock.now() + remaining_seconds),
            find_function=lambda: function,
            log=write_line,
        )

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
