"""The base of every error that is meant for people, and what fits into a response."""

from __future__ import annotations

import bisect
import json
from typing import ClassVar


class RootAccessError(Exception):
    """A failure whose sentence says what failed, in which account, and what to do.

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
