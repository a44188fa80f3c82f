"""Merge two values of a template into one that a condition decides, as small as possible."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

NO_VALUE = {"Ref": "AWS::NoValue"}
_JSON_TOKENS = re.compile(r'"[^"]*"|[^",:{}\[\]]+|.', re.DOTALL)


def merge_values(condition: str, first: Any, second: Any) -> Any:
    """Return the value that is the first one under a condition, and otherwise the second one.

    For example, of two roles that have another policy only that policy is decided.

    Args:
        condition: The name of the condition.
        first: The value under it.
        second: The value otherwise.
    """
    if first == second:
        return first
    # Go down as far as both have the same form.
    match first, second:
        case dict(), dict() if not _is_function(first) and not _is_function(second):
            return {
                key: merge_values(condition, first.get(key, NO_VALUE), second.get(key, NO_VALUE))
                for key in first | second
            }
        case [_, *_], [_, *_]:
            return _merge_lists(condition, first, second)
        # What another condition decides in both is merged in each of its branches.
        case {"Fn::If": [name, *values]}, {"Fn::If": [other, *others]} if name == other:
            return {"Fn::If": [name] + _merge_pairs(condition, values, others)}
    return _merge_texts(condition, first, second)


def _merge_pairs(condition: str, first: list[Any], second: list[Any]) -> list[Any]:
    return [merge_values(condition, one, other) for one, other in zip(first, second, strict=True)]


def _merge_lists(condition: str, first: list[Any], second: list[Any]) -> list[Any]:
    merged: list[Any] = []
    for same, ours, theirs in _alignment(first, second, key=_identity):
        if same:
            merged += _merge_pairs(condition, ours, theirs)
        else:
            merged += [{"Fn::If": [condition, element, NO_VALUE]} for element in ours]
            merged += [{"Fn::If": [condition, NO_VALUE, element]} for element in theirs]
    return merged


def _merge_texts(condition: str, first: Any, second: Any) -> Any:
    """Merge two texts, such as definitions of a state machine, by deciding only the differences.

    Other values differ as a whole.
    """
    merged: list[Any] = []
    for same, ours, theirs in _alignment(_tokens(first), _tokens(second), key=json.dumps):
        if same:
            merged += ours
        else:
            merged.append({"Fn::If": [condition, join_text(ours), join_text(theirs)]})
    return join_text(merged)


def join_text(parts: Sequence[Any]) -> Any:
    """Return the concatenation of texts and functions, as short as possible.

    For example, of ``"a"``, ``"b"`` and ``{"Ref": "Key"}``: ``{"Fn::Join": ["", ["ab", {"Ref":
    "Key"}]]}``.
    """
    pieces = [piece for part in parts for piece in _pieces(part)]
    joined: list[Any] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        elif piece != "":
            joined.append(piece)
    if not joined:
        return ""
    return joined[0] if len(joined) == 1 else {"Fn::Join": ["", joined]}


def _pieces(value: Any) -> list[Any]:
    """Return the texts and functions that a text is joined of; any other value is one piece."""
    match value:
        case {"Fn::Join": ["", [*pieces]]}:
            return list(pieces)
    return [value]


def _tokens(value: Any) -> list[Any]:
    """Return the tokens of a text, each function in it being one; any other value is one token."""
    tokens: list[Any] = []
    for piece in _pieces(value):
        if isinstance(piece, str):
            tokens += _JSON_TOKENS.findall(piece)
        else:
            tokens.append(piece)
    return tokens


def _alignment(
    first: list[Any], second: list[Any], *, key: Callable[[Any], str]
) -> Iterator[tuple[bool, list[Any], list[Any]]]:
    """Yield what both lists have, and what only one of them has, in their order."""
    # Without autojunk, which takes what is frequent in a long list, such as a comma, for noise.
    # https://docs.python.org/3/library/difflib.html#difflib.SequenceMatcher
    keys, other_keys = [key(it) for it in first], [key(it) for it in second]
    matcher = SequenceMatcher(None, keys, other_keys, autojunk=False)
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        yield tag == "equal", first[start:end], second[other_start:other_end]


def _identity(element: Any) -> str:
    """Return by what elements of two lists are the same: statements and metrics have a name."""
    match element:
        # Inserted under a condition by an earlier merge.
        case {"Fn::If": [_, value, {"Ref": "AWS::NoValue"}]}:
            return _identity(value)
        case {"Fn::If": [_, {"Ref": "AWS::NoValue"}, value]}:
            return _identity(value)
        case {"Sid": name} | {"Id": name}:
            return f"named {name}"
    return json.dumps(element)


def _is_function(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and all(key == "Ref" or key.startswith("Fn::") for key in value)
