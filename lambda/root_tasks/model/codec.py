"""Dataclasses as JSON and back: how a run's files are kept in S3."""

from __future__ import annotations

import dataclasses
import json
import types
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


class DecodingError(ValueError):
    """Raised for JSON that is not what was expected."""


def encoded(value: object) -> bytes:
    """Returns a dataclass as JSON. The same value gives the same bytes."""
    return json.dumps(
        dataclasses.asdict(value),  # type: ignore[call-overload]
        default=_time,
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()


def decoded(type_: type[T], text: bytes) -> T:
    """Returns the dataclass that `encoded` made the JSON of.

    Raises:
        DecodingError: it is the JSON of something else, or no JSON.
    """
    try:
        return _value(type_, json.loads(text))  # type: ignore[no-any-return]
    except (KeyError, TypeError, ValueError) as error:
        raise DecodingError(f"This is no {type_.__name__}.") from error


def _time(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} cannot be kept as JSON.")


def _value(type_: Any, value: Any) -> Any:
    origin = get_origin(type_)
    if origin is types.UnionType:
        return None if value is None else _value(_other_than_none(type_), value)
    if origin is tuple:
        inner = get_args(type_)[0]
        return tuple(_value(inner, each) for each in _instance(value, list))
    if isinstance(type_, type) and dataclasses.is_dataclass(type_):
        hints = _hints(type_)
        return type_(**{name: _value(hints[name], each) for name, each in _instance(value, dict).items()})
    if type_ is datetime:
        return datetime.fromisoformat(value)
    if issubclass(type_, StrEnum):
        return type_(value)
    return _instance(value, type_)


def _instance(value: Any, type_: type[T]) -> T:
    if not isinstance(value, type_):
        raise TypeError(f"something in it is no {type_.__name__}")
    return value


def _other_than_none(type_: Any) -> Any:
    return next(each for each in get_args(type_) if each is not types.NoneType)


@cache
def _hints(type_: Any) -> dict[str, Any]:
    return get_type_hints(type_, localns={"datetime": datetime})
