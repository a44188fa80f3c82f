"""The goals of the measurements, and how the page says whether they are met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.table import table

if TYPE_CHECKING:
    from collections.abc import Iterable


MACHINE = "Missed in this run; nothing but the machine's load is known to stand in the way."


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A goal, and what was measured.

    Attributes:
        name: What is measured.
        measured: The measurement.
        bound: The largest value that meets the goal; the smallest one if `is_minimum`.
        text: The measurement in words.
        target: The bound in words.
        is_minimum: Whether more is better.
        obstacle: What stands in the way where it is missed.
    """

    name: str
    measured: float
    bound: float
    text: str
    target: str
    is_minimum: bool = False
    obstacle: str = MACHINE

    @property
    def is_met(self) -> bool:
        """Whether the goal is met."""
        return self.measured >= self.bound if self.is_minimum else self.measured <= self.bound


def goal_table(goals: Iterable[Goal]) -> str:
    """Return the table of some goals."""
    return table(
        ("", "measured", "goal", "met"),
        ((it.name, it.text, it.target, "yes" if it.is_met else f"no. {it.obstacle}") for it in goals),
    )
