"""Numbers as a reader wants them, and tables in Markdown."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")

NOTHING = "-"


def median_of(runs: Iterable[T], figure: Callable[[T], float | None]) -> float | None:
    """Returns the median of what the runs have of a figure; None if none has it."""
    figures = [value for run in runs if (value := figure(run)) is not None]
    return median(figures) if figures else None


def in_seconds(seconds: float | None) -> str:
    """Returns a time as text: in milliseconds below one second."""
    if seconds is None:
        return NOTHING
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def in_megabytes(size: float | None) -> str:
    """Returns a size of memory as text."""
    return NOTHING if size is None else f"{size / 1e6:.0f} MB"


def counted(number: float | None) -> str:
    """Returns a number of things as text."""
    return NOTHING if number is None else f"{number:,.0f}"


def ratio(one: float | None, other: float | None) -> str:
    """Returns how many times the other the one is, as text."""
    return NOTHING if one is None or not other else f"{one / other:.2f}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, rule: str = "---:") -> str:
    """Returns a table in Markdown.

    Args:
        header: the columns' names.
        rows: the cells.
        rule: how Markdown aligns the columns after the first; by default to the right, for numbers.
    """
    rules = ["---", *[rule] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rules, *rows)) + "\n"
