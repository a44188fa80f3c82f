"""A function's settings: one JSON environment variable, whose keys are checked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SETTINGS = "SETTINGS"


def read_settings(environment: Mapping[str, str], *, keys: Collection[str]) -> dict[str, Any]:
    """Return the settings that the construct wrote.

    Args:
        environment: the function's environment variables.
        keys: the keys that the function reads: all of them, and no other.

    Raises:
        SettingsError: there are no settings, or a key is missing or unknown.
    """
    try:
        settings = json.loads(environment[SETTINGS])
    except KeyError as error:
        raise SettingsError(
            f"The function has no environment variable {SETTINGS}. Deploy it by its construct."
        ) from error
    if not isinstance(settings, dict) or set(settings) != set(keys):
        given = ", ".join(sorted(settings)) if isinstance(settings, dict) else type(settings).__name__
        raise SettingsError(
            f"{SETTINGS} has {given or 'no keys'}; this function reads exactly {', '.join(sorted(keys))}. "
            "Deploy the construct and its function in the same version."
        )
    return settings
