"""A function's settings: one JSON environment variable, whose keys are checked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .errors import SettingsKeysError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SETTINGS = "SETTINGS"


def read_settings(environment: Mapping[str, str], *, keys: Collection[str]) -> dict[str, Any]:
    """Return the settings that the construct wrote.

    Args:
        environment: The function's environment variables.
        keys: The keys that the function reads: all of them, and no other.

    Raises:
        SettingsKeysError: There are no settings, or a key is missing or unknown.
    """
    try:
        settings = json.loads(environment.get(SETTINGS, ""))
    except json.JSONDecodeError as error:
        raise SettingsKeysError(expected=keys, given=None) from error
    if not isinstance(settings, dict):
        raise SettingsKeysError(expected=keys, given=None)
    if set(settings) != set(keys):
        raise SettingsKeysError(expected=keys, given=settings)
    return settings
