"""Text from other accounts, made safe for a terminal, a log or a message."""

from __future__ import annotations

import re
from collections.abc import Mapping

ACCOUNT_ID = re.compile("[0-9]{12}")
UNKNOWN = "unknown"

# Unicode calls them printable, but they render as nothing: fillers, joiners, selectors, empty
# symbols.
_RENDERED_AS_NOTHING = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)


def printable(text: str) -> str:
    """Return a text in which nothing can hide, move the cursor, change colors or forge a line.

    Account names, AWS's messages and policies come from member accounts. Everything that is not
    printable is escaped: control characters, line breaks, marks of direction, halves of surrogate
    pairs, fillers, tags.
    """
    if text.isprintable() and not _RENDERED_AS_NOTHING.search(text):
        return text
    return "".join(map(_printable_character, text))


def _printable_character(character: str) -> str:
    r"""Return a character, or what stands for one that is not printable, such as \n or \u200b."""
    if character.isprintable() and not _RENDERED_AS_NOTHING.match(character):
        return character
    # As Python writes it in a string, without the quotation marks.
    return ascii(character)[1:-1]


def excerpt(text: str, max_characters: int) -> str:
    """Return a text, printable. One that is longer ends with … after this many characters."""
    if len(text) > max_characters:
        text = f"{text[:max_characters]}…"
    return printable(text)


def text_or_unknown(value: object, max_characters: int) -> str:
    """Return the beginning of a text, printable; anything else, or an empty text, is unknown."""
    if isinstance(value, str) and value:
        return excerpt(value, max_characters)
    return UNKNOWN


def account_id_or_unknown(value: object) -> str:
    """Return an account's ID; anything else is unknown."""
    if isinstance(value, str) and ACCOUNT_ID.fullmatch(value):
        return value
    return UNKNOWN


def members(value: object) -> Mapping[str, object]:
    """Return the members of an object of JSON; anything else has none."""
    if isinstance(value, Mapping):
        return value
    return {}
