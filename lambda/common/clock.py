"""The time and the random numbers of a process, which tests replace."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Time, as the caller has it. Default: the system's.

    Attributes:
        now: Seconds on a clock that never goes back.
        utc_now: The date and time, in UTC.
        sleep: Waits for a number of seconds.
        random: A number from 0 up to 1, for the jitter.
    """

    now: Callable[[], float] = time.monotonic
    utc_now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random
