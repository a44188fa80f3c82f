"""Text from other accounts, made safe for a terminal, a log or a message."""

from __future__ import annotations

import re
from collections.abc import Mapping

ACCOUNT_ID = re.compile("[0-9]{12}")
UNKNOWN = "unknown"

# Unicode calls them printable, but they render as nothing: fillers, joiners, selectors, empty
# symbols.
_FILLERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)


def printable(text: str) -> str:
    """Return a text in which nothing can hide, move the cursor, change colors, reorder or forge a line.

    Account names, AWS's messages and policies come from member accounts. Everything that is not
    printable is escaped: control characters, line breaks, marks of direction, halves of surrogate
    pairs, fillers, tags.
    """
    if text.isprintable() and not _FILLERS.search(text):
        return text
    return "".join(
        character
        if character.isprintable() and not _FILLERS.match(character)
        else ascii(character)[1:-1]
        for character in text
    )


def excerpt(text: str, max_characters: int) -> str:
    """Return the beginning of a text, printable."""
    return printable(text if len(text) <= max_characters else f"{text[:max_characters]}…")


def text_or_unknown(value: object, max_characters: int) -> str:
    """Return the beginning of a text, printable; anything else, or an empty text, is unknown."""
    return excerpt(value, max_characters) if isinstance(value, str) and value else UNKNOWN


def account_id_or_unknown(value: object) -> str:
    """Return an account's ID; anything else is unknown."""
    return value if isinstance(value, str) and ACCOUNT_ID.fullmatch(value) else UNKNOWN


def members(value: object) -> Mapping[str, object]:
    """Return the members of an object of JSON; anything else has none."""
    return value if isinstance(value, Mapping) else {}
