"""A function's settings: one JSON environment variable, whose keys and types are checked."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import RootAccessError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Set

    from _typeshed import DataclassInstance

    SettingsT = TypeVar("SettingsT", bound=DataclassInstance)

SETTINGS = "SETTINGS"
_SAME_VERSION = "Deploy the construct and its function in the same version."


class SettingsError(RootAccessError):
    """The function's settings are not the ones that its code reads."""


@dataclass(eq=False, kw_only=True)
class SettingsKeysError(SettingsError):
    """Settings are missing, or have other keys than the function reads.

    Attributes:
        expected: The keys that the function reads.
        given: The keys that the settings have; None if they are not a JSON object.
    """

    expected: Set[str]
    given: Set[str] | None

    def __str__(self) -> str:
        return f"The function's environment variable SETTINGS {self._problem()}. {_SAME_VERSION}"

    def _problem(self) -> str:
        if self.given is None:
            return "is not a JSON object"
        missing, unknown = self.expected - self.given, self.given - self.expected
        problems = [f"has no {', '.join(sorted(missing))}"] if missing else []
        problems += [f"has unknown keys: {', '.join(sorted(unknown))}"] if unknown else []
        return " and ".join(problems)


@dataclass(eq=False, kw_only=True)
class InvalidSettingError(SettingsError):
    """A setting has a value of another type, or one that cannot be used."""

    key: str
    value: object
    expected: str

    def __str__(self) -> str:
        return f"The setting {self.key} must be {self.expected}, got {self.value!r}. {_SAME_VERSION}"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a setting is written, and read.

    Attributes:
        type: The type of its value in JSON.
        key: Its key; None: its name in camelCase.
        parse: Returns it from such a value, or raises ValueError.
        expected: What its value must be.
        optional: Whether its value may be null.
    """

    type: type
    key: str | None = None
    parse: Callable[[Any], Any] = lambda value: value
    expected: str = ""
    optional: bool = False

    def read(self, value: object, *, key: str) -> Any:
        """Return the setting from its value in JSON, or raise InvalidSettingError."""
        if value is None and self.optional:
            return None
        try:
            # Not isinstance: true is an int.
            if type(value) is self.type:
                return self.parse(value)
        except ValueError:
            pass
        expected = self.expected or f"a value of type {self.type.__name__}"
        raise InvalidSettingError(key=key, value=value, expected=expected)


def read_settings(
    settings: type[SettingsT], environment: Mapping[str, str], *, known: Mapping[str, Setting]
) -> SettingsT:
    """Return the settings that the construct wrote: all of them, and no other.

    Args:
        settings: The dataclass of the settings.
        environment: The function's environment variables.
        known: How each setting is read, by the name of its field.

    Raises:
        SettingsError: A key is missing or unknown, or has a value that cannot be used.
    """
    names = [field.name for field in dataclasses.fields(settings)]
    keys = {name: known[name].key or re.sub("_(.)", lambda match: match[1].upper(), name) for name in names}
    try:
        values = json.loads(environment.get(SETTINGS, ""))
    except json.JSONDecodeError as error:
        raise SettingsKeysError(expected=set(keys.values()), given=None) from error
    given = set(values) if isinstance(values, dict) else None
    if given != set(keys.values()):
        raise SettingsKeysError(expected=set(keys.values()), given=given)
    return settings(**{name: known[name].read(values[key], key=key) for name, key in keys.items()})
