"""The base of every error that is meant for people, and what fits into a response."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class RootAccessError(Exception):
    """Raised with a message that says what failed, in which account, and what to do.

    Subclasses keep their data as attributes and derive the message from it.
    """

    is_for_people: ClassVar[bool] = True
    """Whether the message is a sentence: the custom resource's entry point, which imports nothing, asks."""


class PartitionNotSupportedError(RootAccessError):
    """Raised in the China partition.

    Attributes:
        account_id: The account of the function.
    """

    def __init__(self, *, account_id: str) -> None:
        super().__init__(
            f"Account {account_id} is in the China partition, where centralized root access is not "
            "available. Deploy this stack in a management account of another partition. Nothing was changed."
        )
        self.account_id = account_id


class SettingsError(RootAccessError):
    """Raised where a function's settings are not the ones that its code reads."""


class SettingsKeysError(SettingsError):
    """Raised where settings are missing, or have other keys than the function reads.

    Attributes:
        expected: The keys that the function reads.
        given: The keys that the settings have; None if they are not a JSON object.
    """

    def __init__(self, *, expected: Iterable[str], given: Iterable[str] | None) -> None:
        self.expected = frozenset(expected)
        self.given = None if given is None else frozenset(given)
        super().__init__(
            f"The function's environment variable SETTINGS {self._problem()}. "
            "Deploy the construct and its function in the same version."
        )

    def _problem(self) -> str:
        if self.given is None:
            return "is not a JSON object"
        missing, unknown = self.expected - self.given, self.given - self.expected
        problems = [f"has no {', '.join(sorted(missing))}"] if missing else []
        problems += [f"has unknown keys: {', '.join(sorted(unknown))}"] if unknown else []
        return " and ".join(problems)


def truncate_json(text: str, *, max_bytes: int) -> str:
    """Return the text, shortened to a number of bytes in its JSON form."""
    if len(json.dumps(text)) <= max_bytes:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if len(json.dumps(text[:middle] + "…")) <= max_bytes:
            low = middle
        else:
            high = middle - 1
    return text[:low] + "…"
