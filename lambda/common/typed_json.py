"""Dataclasses as JSON and back, by their types: documents in S3, and the functions' settings.

Keys are camelCase. A field without a default must be there, and a value is of its field's type: a
dataclass, a tuple, a StrEnum, a datetime, a string, a number, a boolean, or one of these or None.
"""

from __future__ import annotations

import dataclasses
import types
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

# Every number counts accounts, audits, days or seconds.
_MAX_NUMBER = 1_000_000_000


@dataclass(eq=False)
class FieldError(Exception):
    """A value is not of its field's type. The value is never a part of the error."""

    path: str
    problem: str


def format_time(moment: datetime) -> str:
    """Return a time in ISO 8601, UTC, as all documents have it.

    Raises:
        ValueError: It has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone.")
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


@cache
def fields_by_key(type_: Any) -> dict[str, dataclasses.Field[Any]]:
    """Return a dataclass's fields by their JSON keys."""
    return {_camel_case(field.name): field for field in dataclasses.fields(type_)}


def to_json(value: Any) -> Any:
    """Return a dataclass, or a value of one, as what `json.dumps` writes.

    Raises:
        ValueError: A time has no time zone.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            key: to_json(getattr(value, field.name))
            for key, field in fields_by_key(type(value)).items()
        }
    if isinstance(value, dict):
        return {key: to_json(member) for key, member in value.items()}
    if isinstance(value, tuple):
        return [to_json(entry) for entry in value]
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, str):
        # A JSON response of AWS can have half of a surrogate pair, which UTF-8 cannot have.
        return value.encode(errors="replace").decode()
    return value


def from_json(type_: Any, value: Any, *, refuse_unknown: bool = False) -> Any:
    """Return a value of a type from what `json.loads` returned.

    Args:
        type_: The type.
        value: The value in JSON.
        refuse_unknown: Whether an object with a key that its dataclass does not have is an error.

    Raises:
        FieldError: The value is not of the type.
    """
    return _Reader(refuse_unknown=refuse_unknown).value(type_, value, path="")


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """Makes values of types out of JSON.

    Attributes:
        refuse_unknown: Whether a key that its dataclass does not have is an error.
    """

    refuse_unknown: bool

    def value(self, type_: Any, value: Any, *, path: str) -> Any:
        """Return a value of a type.

        Args:
            type_: The type: a dataclass, a tuple of one type, a type or None, or one without parts.
            value: The value in JSON.
            path: Where it is in the whole document, for errors, such as results[3].outcome.
        """
        origin = get_origin(type_)
        if origin is types.UnionType:
            if value is None:
                return None
            return self.value(_not_none(type_), value, path=path)
        if origin is tuple:
            entry_type = get_args(type_)[0]
            listed = _require_type(value, list, path, "is not a list")
            return tuple(
                self.value(entry_type, entry, path=f"{path}[{number}]")
                for number, entry in enumerate(listed)
            )
        if dataclasses.is_dataclass(type_):
            return self._object(type_, value, path=path)
        return _scalar(type_, value, path)

    def _object(self, type_: Any, value: Any, *, path: str) -> Any:
        """Return a dataclass from an object of JSON; missing keys have the field's default."""
        _require_type(value, dict, path, "is not an object")
        fields, types_by_name = fields_by_key(type_), _hints(type_)
        unknown = sorted(value.keys() - fields)
        if unknown and self.refuse_unknown:
            raise FieldError(path, f"has unknown keys: {', '.join(unknown)}")
        # An unknown key is otherwise ignored: a later release may have added it.
        arguments = {}
        for key, field in fields.items():
            key_path = key
            if path:
                key_path = f"{path}.{key}"
            if key in value:
                field_type = types_by_name[field.name]
                arguments[field.name] = self.value(field_type, value[key], path=key_path)
            elif field.default is dataclasses.MISSING:
                raise FieldError(key_path, "is missing")
        return type_(**arguments)


def _scalar(type_: type, value: Any, path: str) -> Any:
    """Return a value without parts: a boolean, a number, a time, a StrEnum's or a string."""
    if type_ is bool:
        return _require_type(value, bool, path, "is neither true nor false")
    if type_ is int:
        # A bool is an int, too.
        if type(value) is not int or not 0 <= value <= _MAX_NUMBER:
            raise FieldError(path, f"is not a number from 0 to {_MAX_NUMBER:,}")
        return value
    text = _string(value, path)
    if type_ is datetime:
        return _parse_time(text, path)
    if issubclass(type_, StrEnum):
        enum: type[str] = type_
        try:
            return enum(text)
        except ValueError:
            raise FieldError(path, f"is not a valid {type_.__name__}") from None
    return text


def _require_type(value: Any, type_: type, path: str, problem: str) -> Any:
    """Return a value that is of one of JSON's types, or refuse it as a problem of its path."""
    if not isinstance(value, type_):
        raise FieldError(path, problem)
    return value


def _string(value: Any, path: str) -> str:
    """Return a value that is a string, and that UTF-8 can have."""
    text: str = _require_type(value, str, path, "is not a string")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise FieldError(path, "has half of a surrogate pair") from None
    return text


def _parse_time(text: str, path: str) -> datetime:
    """Return a time in ISO 8601 with a time zone, in UTC."""
    # OverflowError: a time near year 1 or 9999 may be in another year in UTC.
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise FieldError(path, "is not a time") from None
    raise FieldError(path, "has no time zone")


def _not_none(type_: Any) -> Any:
    """Return the type of `type or None`."""
    return next(member for member in get_args(type_) if member is not types.NoneType)


def _camel_case(name: str) -> str:
    """Return a field's name as a key of JSON: account_id is accountId."""
    first, _, others = name.partition("_")
    return first + others.title().replace("_", "")


@cache
def _hints(type_: Any) -> dict[str, Any]:
    """Return the types of a dataclass's fields, by their names."""
    return get_type_hints(type_)
