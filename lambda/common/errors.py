"""The base of all exceptions whose sentence is for people."""

from __future__ import annotations

from typing import ClassVar


class RootAccessError(Exception):
    """A failure whose sentence says what failed, in which account, and what to do.

    Subclasses keep their data as attributes and derive the sentence from it.
    """

    is_for_people: ClassVar[bool] = True
    """True if it has a sentence: the custom resource's entry point, which imports nothing, asks."""
