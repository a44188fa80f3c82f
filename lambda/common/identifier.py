"""Enums whose values programs read as identifiers, and people in words."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Identifier(StrEnum):
    """A value that JSON, CSV and metrics have as an identifier, and that people read in words."""

    words: str

    def __new__(cls, value: str, words: str | None = None) -> Self:
        """Return a member. Its words are those of its identifier, unless it has others.

        For example, HAS_CREDENTIALS has the words "has credentials".
        """
        member = str.__new__(cls, value)
        member._value_ = value
        if words is None:
            words = value.lower().replace("_", " ")
        member.words = words
        return member

    @property
    def option(self) -> str:
        """Its name on the command line: that of HAS_CREDENTIALS is has-credentials."""
        return self.lower().replace("_", "-")
