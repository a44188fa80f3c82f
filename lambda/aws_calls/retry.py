"""The one place that waits: how often a call is made again, how long for, and when to stop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from .failures import CallError, Failure, FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# The longest that one attempt takes (5 s to connect, 15 s to read) and a little to answer in.
ATTEMPT_RESERVE_SECONDS = 35.0

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 8.0

_PASSING = frozenset(
    {
        FailureKind.THROTTLED,
        FailureKind.SERVER_ERROR,
        FailureKind.CONNECTION_FAILED,
        FailureKind.NO_RESPONSE,
        FailureKind.CONCURRENT_MODIFICATION,
        FailureKind.INCONSISTENT_READS,
    }
)


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Time, as the caller has it.

    Attributes:
        now: seconds on a clock that never goes back.
        sleep: waits for so many seconds.
        random: a number from 0 up to 1, for the jitter.
    """

    now: Callable[[], float]
    sleep: Callable[[float], None]
    random: Callable[[], float]


class RetryBudget:
    """How long one invocation waits for AWS.

    Args:
        clock: the time.
        deadline: when the invocation ends, on the clock. No attempt starts in the last 35 seconds before.
        new_permissions_until: until when a denied call is made again, on the clock: a role's new policy
            needs seconds to take effect. None: a denial is final at once.
    """

    def __init__(self, *, clock: Clock, deadline: float, new_permissions_until: float | None = None) -> None:
        self._clock = clock
        self._started = clock.now()
        self._last_start = deadline - ATTEMPT_RESERVE_SECONDS
        self._new_permissions_until = new_permissions_until

    def attempt(self, call: Callable[[], T], *, operation: str, reserve: float = 0.0) -> T:
        """Returns what the call returns, making it again while its failures may pass.

        Args:
            call: one attempt; raises CallError.
            operation: the call's name, for the failure when there is no time to make it.
            reserve: seconds to leave for what must be possible after this call.

        Raises:
            CallError: a failure that does not pass, or none of the attempts succeeded in time.
        """
        started = self._clock.now()
        if started > self._last_start - reserve:
            raise CallError(_out_of_time(operation))
        may_have_taken_effect = False
        attempts = 0
        while True:
            attempts += 1
            try:
                return call()
            except CallError as error:
                may_have_taken_effect |= error.failure.may_have_taken_effect
                may_pass = self._may_pass(error.failure)
                if may_pass and self._wait(attempts, reserve=reserve):
                    continue
                raise CallError(
                    replace(
                        error.failure,
                        attempts=attempts,
                        waited=self._clock.now() - started,
                        timed_out=may_pass,
                        may_have_taken_effect=may_have_taken_effect,
                    )
                ) from error

    def pause(self, *, times: int, error: CallError) -> None:
        """Waits before another look at an organization that is not as it was made.

        Args:
            times: how often this was needed, from 1.
            error: why it is needed.

        Raises:
            CallError: there is no time left for another look; tells the given failure.
        """
        if not self._wait(times):
            waited = self._clock.now() - self._started
            raise CallError(replace(error.failure, attempts=times, waited=waited, timed_out=True)) from error

    def _may_pass(self, failure: Failure) -> bool:
        if failure.kind is FailureKind.ACCESS_DENIED:
            until = self._new_permissions_until
            return until is not None and self._clock.now() < until
        return failure.kind in _PASSING

    def _wait(self, attempts: int, *, reserve: float = 0.0) -> bool:
        longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(attempts - 1, 10))
        wait = longest * (0.5 + 0.5 * self._clock.random())
        if self._clock.now() + wait > self._last_start - reserve:
            return False
        self._clock.sleep(wait)
        return True


def _out_of_time(operation: str) -> Failure:
    return Failure(
        operation=operation,
        kind=FailureKind.OUT_OF_TIME,
        code="OutOfTime",
        message="the function's time was used up before this call could be made",
        attempts=0,
    )
