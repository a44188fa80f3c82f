"""Text that somebody else chose, as one line that forges nothing."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text with escapes for what could break or reorder a line, or is half of a surrogate pair."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def excerpt(text: str, max_characters: int) -> str:
    """Return the beginning of a text, printable."""
    return printable(text if len(text) <= max_characters else f"{text[:max_characters]}…")
