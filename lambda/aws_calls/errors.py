"""The base of every error that is meant for people, and what keeps its text short and printable."""

from __future__ import annotations

import bisect
import json
from typing import ClassVar


class RootAccessError(Exception):
    """Raised with a sentence that says what failed, in which account, and what to do.

    Subclasses keep their data as attributes and derive the sentence from it.
    """

    is_for_people: ClassVar[bool] = True
    """Whether it has a sentence: the custom resource's entry point, which imports nothing, asks."""


def truncate_json(text: str, *, max_bytes: int) -> str:
    """Return the text, shortened to a number of bytes in its JSON form."""
    if len(json.dumps(text)) <= max_bytes:
        return text
    fits = bisect.bisect(range(len(text)), max_bytes, key=lambda size: len(json.dumps(text[:size] + "…")))
    return text[: max(fits - 1, 0)] + "…"


def excerpt(text: str, max_characters: int) -> str:
    """Return the beginning of a text, printable."""
    return printable(text if len(text) <= max_characters else f"{text[:max_characters]}…")


def printable(text: str) -> str:
    """Return a text with escapes for what could break a line, or is half of a surrogate pair."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
