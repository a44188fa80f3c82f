"""The one place that waits: how often a call is retried, how long, and when to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from common.clock import Clock

from .failures import CallError, Failure, FailureKind, error_of_call

T = TypeVar("T")

# One attempt takes up to 20 s (5 to connect, 15 to read); the rest is for a response to the caller.
ATTEMPT_RESERVE_SECONDS = 35.0

_FIRST_WAIT_SECONDS = 0.5
_MAX_WAIT_SECONDS = 8.0

_TRANSIENT = frozenset(
    {
        FailureKind.RETRYABLE,
        FailureKind.EFFECT_UNKNOWN,
        FailureKind.INCONSISTENT_READS,
    }
)


@dataclass(eq=False, kw_only=True)
class RetryBudget:
    """The time in which one invocation retries AWS calls.

    Attributes:
        clock: The time.
        deadline: When the invocation ends, on the clock. No attempt starts in the last 35 seconds
            before.
        new_permissions_until: Until when a denied call is retried, on the clock: a role's new
            policy needs seconds to take effect. None: a denial is final at once.
        stopped: Once it is set, no attempt starts: the result is no longer wanted.
        waits_for: Returns whether to wait for another attempt, by the failure of the last one and
            the seconds between the first attempt and the next one.
    """

    clock: Clock
    deadline: float
    new_permissions_until: float | None = None
    stopped: threading.Event = field(default_factory=threading.Event)
    waits_for: Callable[[Failure, float], bool] = lambda failure, seconds: True  # noqa: ARG005
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock.now()

    @property
    def remaining_seconds(self) -> float:
        """The seconds in which an attempt may start."""
        return self.deadline - ATTEMPT_RESERVE_SECONDS - self.clock.now()

    def within(self, seconds: float) -> RetryBudget:
        """Return a budget in which no attempt starts later than so many seconds from now."""
        # The deadline becomes earlier by what is too much, and never later.
        return replace(self, deadline=self.deadline - max(0.0, self.remaining_seconds - seconds))

    def attempt(self, call: Callable[[], T], *, operation: str) -> T:
        """Return what the call returns, repeating it while its failures are transient.

        Raises:
            CallError: The failure is not transient, or no attempt succeeded in time.
        """
        # Without time for an attempt there is no call, so none may have taken effect.
        started = self.clock.now()
        if self.remaining_seconds < 0 or self.stopped.is_set():
            raise error_of_call(
                operation, FailureKind.OUT_OF_TIME, "no time was left for this call"
            )
        may_have_taken_effect = False
        attempts = 0
        while True:
            attempts += 1
            try:
                return call()
            except CallError as error:
                # The call made attempts of its own, and has used up their budget.
                if error.failure.timed_out:
                    raise
                may_have_taken_effect |= error.failure.kind is FailureKind.EFFECT_UNKNOWN
                is_transient = self._is_transient(error.failure)
                if is_transient and self._wait(attempts, error.failure, started=started):
                    continue
                # Say how long it was tried, and whether any of the attempts may have succeeded.
                failure = replace(
                    error.failure,
                    # The call may have made attempts of its own, such as to wait for a policy.
                    attempts=attempts - 1 + error.failure.attempts,
                    waited=self.clock.now() - started,
                    timed_out=is_transient,
                    may_have_taken_effect=may_have_taken_effect,
                )
                raise CallError(failure) from error

    def pause(self, *, times: int, error: CallError) -> None:
        """Wait for a change to become visible, the longer the more `times` this was needed.

        Raises:
            CallError: There is no time left; its failure is the given one.
        """
        if not self._wait(times, error.failure, started=self._started):
            waited = self.clock.now() - self._started
            failure = replace(error.failure, attempts=times, waited=waited, timed_out=True)
            raise CallError(failure) from error

    def _is_transient(self, failure: Failure) -> bool:
        """Return whether another attempt may succeed; a denial only while a policy is new."""
        if failure.kind is not FailureKind.ACCESS_DENIED:
            return failure.kind in _TRANSIENT
        until = self.new_permissions_until
        return until is not None and self.clock.now() < until

    def _wait(self, attempts: int, failure: Failure, *, started: float) -> bool:
        """Wait before the next attempt, and return whether it may start."""
        # The bound keeps the power from becoming too large for a float.
        doublings = min(attempts - 1, 10)
        longest = min(_MAX_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0**doublings)
        # With jitter: calls that were throttled together must not stay in step.
        # https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
        wait = longest * (0.5 + 0.5 * self.clock.random())
        if wait > self.remaining_seconds:
            return False
        if not self.waits_for(failure, self.clock.now() + wait - started):
            return False
        self.clock.sleep(wait)
        return not self.stopped.is_set()
