"""Numbers as text, and tables in Markdown."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")

NO_VALUE = "-"


def median_of(runs: Iterable[T], figure: Callable[[T], float | None]) -> float | None:
    """Return the median of a figure of the runs that have it, or None."""
    figures = [value for run in runs if (value := figure(run)) is not None]
    return median(figures) if figures else None


def format_seconds(seconds: float | None) -> str:
    """Return a duration as text, in milliseconds below one second."""
    if seconds is None:
        return NO_VALUE
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def format_megabytes(size: float | None) -> str:
    """Return a size of memory as text."""
    return NO_VALUE if size is None else f"{size / 1e6:.0f} MB"


def format_count(number: float | None) -> str:
    """Return a number of things as text."""
    return NO_VALUE if number is None else f"{number:,.0f}"


def format_ratio(number: float | None, divisor: float | None) -> str:
    """Return the quotient of two numbers as text."""
    return NO_VALUE if number is None or not divisor else f"{number / divisor:.2f}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown, with the columns after the first aligned to the right.

    Args:
        header: The columns' names.
        rows: The cells.
    """
    rules = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rules, *rows)) + "\n"
