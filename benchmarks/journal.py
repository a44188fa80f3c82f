"""What the organization's journal of calls says of one run."""

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
        calls: how many there were.
        writes: how many of them change something.
        round_trips: the longest chain of calls that do not overlap; None where calls take no time.
    """

    calls: int
    writes: int
    round_trips: int | None


def journal(calls: Iterable[Call], *, latency: float) -> Journal:
    """Returns what the calls of one run say.

    Args:
        calls: the calls that reached the organization.
        latency: how many seconds each was on its way.
    """
    calls = tuple(calls)
    return Journal(
        calls=len(calls),
        writes=sum(call.is_write for call in calls),
        round_trips=round_trips(calls, latency=latency) if latency else None,
    )


def round_trips(calls: Iterable[Call], *, latency: float) -> int:
    """Returns the length of the longest chain of calls that do not overlap.

    A call leaves so many seconds before the time in the journal, which is when it arrives. Taking the
    earliest to arrive of those that left after the last one gives the longest chain.

    Args:
        calls: the calls that reached the organization.
        latency: how many seconds each was on its way.
    """
    arrivals = sorted(call.at.timestamp() for call in calls)
    chain: list[float] = []
    for arrival in arrivals:
        if not chain or arrival - latency >= chain[-1]:
            chain.append(arrival)
    return len(chain)
