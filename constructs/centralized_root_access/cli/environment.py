"""What a command has from the machine that it runs on: time, chance, and waiting."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The machine, as far as it changes what a command does.

    Attributes:
        now: The time in UTC.
        monotonic: Seconds on a clock that never goes back.
        sleep: Waits for a number of seconds.
        random: A number from 0 up to 1.
    """

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    random: Callable[[], float]

    @classmethod
    def of_this_machine(cls) -> Environment:
        """Return the machine's own time and chance."""
        return cls(
            now=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
            sleep=time.sleep,
            random=random.random,
        )


# Without those that are easily taken for another one.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_SUFFIX_LENGTH = 4


def run_name(prefix: str, *, environment: Environment) -> str:
    """Return a name for a run that people can read, say and sort, such as audit-20261125-0432-x7k2.

    Args:
        prefix: What the run is for.
        environment: The time, and what makes the name unique.
    """
    suffix = "".join(_ALPHABET[int(environment.random() * len(_ALPHABET))] for _ in range(_SUFFIX_LENGTH))
    return f"{prefix}-{environment.now():%Y%m%d-%H%M}-{suffix}"
