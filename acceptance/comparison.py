"""Compares a response with the expected one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from acceptance.model import Response

NUMBER_OF_KEYS = "{number of keys}"
AND_MORE = "{and more}"

_SESSION = timedelta(seconds=900)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When the call was made.

    Attributes:
        at: The time.
        tolerance: By how much the clocks of AWS and of this machine may differ.
    """

    at: datetime
    tolerance: timedelta

    def is_session_end(self, time: object) -> bool:
        """Return whether a session that was opened by the call ends at this time."""
        if not isinstance(time, datetime):
            return False
        return abs(time - (self.at.replace(microsecond=0) + _SESSION)) <= self.tolerance


def differences(actual: Response, expected: Response, *, moment: Moment) -> tuple[str, ...]:
    """Return in what a normalized response differs from the expected one, if in anything."""
    found = []
    for name in ("code", "http", "message", "reason"):
        wanted, got = getattr(expected, name), getattr(actual, name)
        # Success (no code) and a reason always matter; the rest only where it is expected.
        if wanted != got and (wanted is not None or name in ("code", "reason")):
            found.append(f"{name}: {got!r}, expected {wanted!r}")
    if expected.output is not None and actual.output is not None:
        wanted_output = {**expected.output, AND_MORE: True}
        found += _differences("output", actual.output, wanted_output, moment)
    return tuple(found)


def _differences(path: str, actual: Any, expected: Any, moment: Moment) -> Iterator[str]:
    """Yield in what a member of a response differs from the expected one.

    Args:
        path: Where the member is in the response, such as output.Features[0].
        actual: What the response has there.
        expected: What is expected there: a value, a placeholder, or a list or members of these.
        moment: When the call was made.
    """
    match expected:
        case dict():
            yield from _differences_of_members(path, actual, expected, moment)
        case ["{each}", pattern]:
            if not isinstance(actual, list) or not actual:
                yield f"{path}: {actual!r}, expected a list with entries"
                return
            for number, entry in enumerate(actual):
                yield from _differences(f"{path}[{number}]", entry, pattern, moment)
        case ["{in any order}", *entries]:
            if not isinstance(actual, list) or sorted(map(str, actual)) != sorted(
                map(str, entries)
            ):
                yield f"{path}: {actual!r}, expected {entries!r} in any order"
        case list():
            yield from _differences_of_entries(path, actual, expected, moment)
        case _ if not _is_match(actual, expected, moment):
            yield f"{path}: {actual!r}, expected {expected!r}"


def _differences_of_entries(
    path: str, actual: Any, expected: list[Any], moment: Moment
) -> Iterator[str]:
    """Yield the differences of lists, entry by entry."""
    if not isinstance(actual, list) or len(actual) != len(expected):
        yield f"{path}: {actual!r}, expected {expected!r}"
        return
    for number, (got, wanted) in enumerate(zip(actual, expected, strict=True)):
        yield from _differences(f"{path}[{number}]", got, wanted, moment)


def _differences_of_members(
    path: str, actual: Any, expected: dict[str, Any], moment: Moment
) -> Iterator[str]:
    """Yield the differences of objects, key by key; {and more} allows other keys."""
    wanted = dict(expected)
    allows_more = wanted.pop(AND_MORE, False)
    count = wanted.pop(NUMBER_OF_KEYS, None)
    if not isinstance(actual, dict):
        yield f"{path}: {actual!r}, expected {wanted!r}"
        return
    if count is not None and len(actual) != count:
        yield f"{path}: {len(actual)} keys, expected {count}"
    is_partial = allows_more or count is not None
    for key in sorted(actual.keys() | wanted.keys()):
        if key not in actual:
            yield f"{path}.{key}: missing"
        elif key in wanted:
            yield from _differences(f"{path}.{key}", actual[key], wanted[key], moment)
        elif not is_partial:
            yield f"{path}.{key}: {actual[key]!r}, not expected"


def _is_match(actual: Any, expected: Any, moment: Moment) -> bool:
    """Return whether a value is the expected one, or one of the kind that a placeholder names."""
    match expected:
        case "{any}":
            return True
        case "{text}":
            return isinstance(actual, str) and bool(actual)
        case "{time}":
            return isinstance(actual, datetime)
        case "{900 seconds later}":
            return moment.is_session_end(actual)
        case _:
            return bool(actual == expected and isinstance(actual, type(expected)))
