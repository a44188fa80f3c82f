"""Three-valued logic: what is not known stays unknown until something known decides."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Truth(StrEnum):
    """The truth of a statement: it holds, it does not, or that is unknown.

    For example, a condition on ``aws:SourceIp`` is unknown, because a later request decides it.
    """

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"

    @property
    def negation(self) -> Truth:
        """The opposite; unknown stays unknown."""
        return _NEGATIONS[self]


_NEGATIONS = {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE, Truth.UNKNOWN: Truth.UNKNOWN}


def truth_of(value: bool) -> Truth:
    """Return a boolean as a truth."""
    if value:
        return Truth.TRUE
    return Truth.FALSE


def all_of(truths: Iterable[Truth]) -> Truth:
    """Return whether all hold. One that does not hold decides, regardless of the others."""
    result = Truth.TRUE
    for truth in truths:
        if truth is Truth.FALSE:
            return truth
        if truth is Truth.UNKNOWN:
            result = truth
    return result


def any_of(truths: Iterable[Truth]) -> Truth:
    """Return whether one holds. One that holds decides, regardless of the others."""
    return all_of(truth.negation for truth in truths).negation


def agreement(truths: Iterable[Truth]) -> Truth:
    """Return what all say; unknown if they differ, or if there are none."""
    different = set(truths)
    if len(different) == 1:
        return different.pop()
    return Truth.UNKNOWN
