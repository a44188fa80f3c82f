"""A function's settings: one JSON environment variable, whose keys are checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import RootAccessError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Set

SETTINGS = "SETTINGS"


class SettingsError(RootAccessError):
    """Raised where a function's settings are not the ones that its code reads."""


@dataclass(eq=False, kw_only=True)
class SettingsKeysError(SettingsError):
    """Raised where settings are missing, or have other keys than the function reads.

    Attributes:
        expected: The keys that the function reads.
        given: The keys that the settings have; None if they are not a JSON object.
    """

    expected: Set[str]
    given: Set[str] | None

    def __str__(self) -> str:
        return (
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


def read_settings(environment: Mapping[str, str], *, keys: Collection[str]) -> dict[str, Any]:
    """Return the settings that the construct wrote.

    Args:
        environment: The function's environment variables.
        keys: The keys that the function reads: all of them, and no other.

    Raises:
        SettingsKeysError: There are no settings, or a key is missing or unknown.
    """
    try:
        settings: dict[str, Any] = json.loads(environment.get(SETTINGS, ""))
    except json.JSONDecodeError as error:
        raise SettingsKeysError(expected=set(keys), given=None) from error
    given = set(settings) if isinstance(settings, dict) else None
    if given != set(keys):
        raise SettingsKeysError(expected=set(keys), given=given)
    return settings
