"""Text that somebody else chose, as a terminal, a log or a message may get it."""

from __future__ import annotations

from typing import Any


def printable(text: str) -> str:
    """Return a text in which nothing can move the cursor, change colours, reorder or forge a line.

    Account names, AWS's messages and policies come from member accounts. Everything that is not printable is
    escaped: control characters, line breaks, marks of direction, halves of surrogate pairs.
    """
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def excerpt(text: str, max_characters: int) -> str:
    """Return the beginning of a text, printable."""
    return printable(text if len(text) <= max_characters else f"{text[:max_characters]}…")


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON. Of two equal keys one would count, and not every reader takes the same one.

    Raises:
        ValueError: It has a key twice.
    """
    if len(members := dict(pairs)) < len(pairs):
        raise ValueError("An object has the same key twice")
    return members
