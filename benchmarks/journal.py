"""The calls of one run, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local_aws.emulation import Call


@dataclass(frozen=True, kw_only=True)
class Journal:
    """The calls of one run.

    Attributes:
        calls: How many there were.
        writes: How many of them change anything.
        round_trips: The longest chain of calls that do not overlap; None without latency.
    """

    calls: int
    writes: int
    round_trips: int | None


def journal(calls: Iterable[Call], *, latency: float) -> Journal:
    """Return the numbers of one run's calls.

    Args:
        calls: The calls that reached the organization.
        latency: How many seconds each took to arrive.
    """
    calls = tuple(calls)
    return Journal(
        calls=len(calls),
        writes=sum(call.is_write for call in calls),
        round_trips=round_trips(calls, latency=latency) if latency else None,
    )


def round_trips(calls: Iterable[Call], *, latency: float) -> int:
    """Return the length of the longest chain of calls that do not overlap.

    A call's time is its arrival; it was sent `latency` seconds before. The longest chain continues
    with the first to arrive of the calls that were sent after the previous one arrived.

    Args:
        calls: The calls that reached the organization.
        latency: How many seconds each took to arrive.
    """
    arrivals = sorted(call.at.timestamp() for call in calls)
    chain: list[float] = []
    for arrival in arrivals:
        if not chain or arrival - latency >= chain[-1]:
            chain.append(arrival)
    return len(chain)
