"""A function's settings: one environment variable of JSON, with exactly the keys that it reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from .errors import RootAccessError
from .typed_json import FieldError, from_json

SETTINGS = "SETTINGS"


@dataclass(eq=False, kw_only=True)
class SettingsError(RootAccessError):
    """The function's settings are not the ones that its code reads.

    Attributes:
        path: Which setting, such as ``tasks[1]``; empty for all of them.
        problem: What is wrong with it, in a few words.
    """

    path: str
    problem: str

    def __str__(self) -> str:
        return (
            f"The function's environment variable SETTINGS cannot be used: {self.path or 'it'} "
            f"{self.problem}. Deploy the construct and its function in the same version."
        )


@dataclass(frozen=True, kw_only=True)
class FunctionSettings:
    """The base of a function's settings: a dataclass with a field for each, without defaults."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Return the settings that the construct wrote: all of them, and no other.

        Raises:
            SettingsError: A key is missing or unknown, or a value is not of its field's type.
        """
        try:
            settings: Self = from_json(
                cls, json.loads(environment.get(SETTINGS, "")), refuse_unknown=True
            )
        # Neither sentence has a value: it may be a person's.
        except FieldError as error:
            raise SettingsError(path=error.path, problem=error.problem) from error
        except ValueError as error:
            raise SettingsError(path="", problem="is not JSON") from error
        return settings
