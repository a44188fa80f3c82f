"""The pace at which the threads of a function make a call whose limit they share with others."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from .failures import CallError, Failure, FailureKind
from .retry import Clock, RetryBudget

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# Calls that are throttled at the same time are one sign, not several: one decrease for all of them.
_WINDOW_SECONDS = 1.0
# After a throttle, drop to this share of the rate that AWS accepted.
_DECREASE = 0.7
# Calls a second, each second: the limit that others use up today may be free in a moment.
_INCREASE = 2.0
# When several functions start together, some are throttled on their first call: that says nothing
# about the limit.
_FIRST_RATE = 4.0
_MIN_RATE = 0.2
# Burst, in calls: AWS's minus a margin, because calls that leave evenly do not arrive evenly.
_BURST = 0.9
# Errors that are not about the rate: AWS has counted these calls, too.
_LET_THROUGH = frozenset({FailureKind.ACCESS_DENIED, FailureKind.REFUSED})


@dataclass(kw_only=True)
class Pace:
    """The pace of one call. Several threads use it.

    Other callers share AWS's limit, so there is no pacing until the first throttle, except at the
    documented rate. From then on calls are spaced at the rate that AWS accepted lately, which rises
    each second and drops at the next throttle. So functions that share a limit find their shares on
    their own.

    Attributes:
        clock: The time.
        period: The seconds for a call by AWS's documented rate, with a burst of two; 0 without one.
    """

    clock: Clock
    period: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _rate: float | None = None
    _next_turn: float = float("-inf")
    _periods_end: float = float("-inf")
    _decreased_at: float = float("-inf")
    _successes: deque[float] = field(default_factory=deque)

    def take_turn(self) -> float:
        """Take a turn and return 0; or return in how many seconds to ask again."""
        with self._lock:
            now = self.clock.now()
            turn = max(self._next_turn, self._periods_end - _BURST * self.period)
            if now >= turn:
                self._periods_end = max(self._periods_end, now) + self.period
                # With jitter: the functions that were throttled together must not stay in step.
                self._next_turn = now + (0.5 + self.clock.random()) / (self._rate or math.inf)
                return 0.0
            return turn - now

    def note_success(self) -> None:
        """Take note of a call that was not throttled."""
        with self._lock:
            self._successes.append(self.clock.now())
            self._forget()
            if self._rate is not None:
                self._rate += _INCREASE / max(self._rate, 1.0)

    def note_throttling(self) -> None:
        """Take note of a call that was throttled."""
        with self._lock:
            now = self.clock.now()
            if now - self._decreased_at < _WINDOW_SECONDS:
                return
            self._decreased_at = now
            self._forget()
            passed = len(self._successes) / _WINDOW_SECONDS
            if self._rate is None:
                self._rate = max(_FIRST_RATE, passed * _DECREASE)
            else:
                self._rate = max(
                    _MIN_RATE, min(self._rate, max(passed, self._rate / 2)) * _DECREASE
                )

    def _forget(self) -> None:
        since = self.clock.now() - _WINDOW_SECONDS
        while self._successes and self._successes[0] < since:
            self._successes.popleft()


@dataclass(eq=False, kw_only=True)
class PacedRetryBudget(RetryBudget):
    """The time in which one invocation retries a call whose limit it shares with others.

    Attributes:
        pace: The pace of the call.
    """

    pace: Pace

    def attempt(self, call: Callable[[], T], *, operation: str) -> T:
        """Return what the call returns, as RetryBudget does, at the pace that AWS allows."""
        try:
            result = super().attempt(call, operation=operation)
        except CallError as error:
            if error.failure.kind in _LET_THROUGH:
                self.pace.note_success()
            raise
        self.pace.note_success()
        return result

    def _wait(self, attempts: int, failure: Failure) -> bool:
        if failure.kind is not FailureKind.THROTTLED:
            return super()._wait(attempts, failure)
        self.pace.note_throttling()
        # The pace already slows down: do not back off twice.
        return super()._wait(1, failure)

    def _take_turn(self) -> bool:
        while seconds := self.pace.take_turn():
            if self.abandoned() or seconds > self.remaining_seconds:
                return False
            self.clock.sleep(seconds)
        return super()._take_turn()
