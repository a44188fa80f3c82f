"""A function's settings: one JSON environment variable, whose keys and types are checked."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from common.errors import RootAccessError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SETTINGS = "SETTINGS"


@dataclass(eq=False, kw_only=True)
class SettingsError(RootAccessError):
    """The function's settings are not the ones that its code reads."""

    problem: str

    def __str__(self) -> str:
        return (
            f"The function's environment variable SETTINGS {self.problem}. Deploy the construct and its "
            "function in the same version."
        )


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
        """Return the setting from its value in JSON, or raise SettingsError."""
        if value is None and self.optional:
            return None
        try:
            # Not isinstance: true is an int.
            if type(value) is self.type:
                return self.parse(value)
        except ValueError:
            pass
        expected = self.expected or f"a value of type {self.type.__name__}"
        raise SettingsError(problem=f"has {value!r} as {key}, which must be {expected}")


def setting(type_: type, **how: Any) -> dict[str, Setting]:
    """Return the metadata of a setting's field: the type of its value in JSON, and how else to read it."""
    return {"setting": Setting(type=type_, **how)}


@dataclass(frozen=True, kw_only=True)
class FunctionSettings:
    """The settings of a function: its dataclass has a field for each, whose metadata is its `setting`."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Return the settings that the construct wrote: all of them, and no other.

        Raises:
            SettingsError: A key is missing or unknown, or has a value that cannot be used.
        """
        known = {field.name: field.metadata["setting"] for field in dataclasses.fields(cls)}
        keys = {name: how.key or _camel_case(name) for name, how in known.items()}
        try:
            values = dict(json.loads(environment.get(SETTINGS, "")))
        except (TypeError, ValueError) as error:
            raise SettingsError(problem="is not a JSON object") from error
        if set(values) != set(keys.values()):
            given, read = sorted(values), sorted(keys.values())
            raise SettingsError(problem=f"has the keys {', '.join(given)}; its code reads {', '.join(read)}")
        return cls(**{name: known[name].read(values[key], key=key) for name, key in keys.items()})


def _camel_case(name: str) -> str:
    return re.sub("_(.)", lambda match: match[1].upper(), name)
