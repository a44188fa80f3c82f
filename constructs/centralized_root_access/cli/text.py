"""Text that somebody else chose, as a terminal may get it."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text in which nothing can move the cursor, change colours, reorder or forge a line.

    Account names, AWS's messages and policies come from member accounts. Everything that is not printable is
    escaped: control characters, line breaks, marks of direction, halves of surrogate pairs.
    """
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def printable_lines(text: str) -> str:
    """Return a text of several lines, each of them printable."""
    return "\n".join(map(printable, text.replace("\r\n", "\n").split("\n")))
