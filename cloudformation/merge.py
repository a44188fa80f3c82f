"""Merge two values of a template into one that a condition decides, as small as possible."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

NO_VALUE = {"Ref": "AWS::NoValue"}
# A text in quotation marks, what is between two punctuation marks of JSON, or one of these.
_JSON_TOKENS = re.compile(r'"[^"]*"|[^",:{}\[\]]+|.', re.DOTALL)


def merge_values(condition: str, first: Any, second: Any) -> Any:
    """Return the value that is the first one under a condition, and otherwise the second one.

    It decides only what differs. For example, of ``{"Name": "a", "Key": "b"}`` and ``{"Name":
    "a"}``: ``{"Name": "a", "Key": {"Fn::If": [condition, "b", NO_VALUE]}}``.

    Args:
        condition: The name of the condition.
        first: The value under it.
        second: The value otherwise.
    """
    if first == second:
        return first
    # Go down as far as both have the same form. A function of CloudFormation is one value.
    match first, second:
        case dict(), dict() if not _is_function(first) and not _is_function(second):
            return {
                key: merge_values(condition, first.get(key, NO_VALUE), second.get(key, NO_VALUE))
                for key in first | second
            }
        case [_, *_], [_, *_]:
            return _merge_lists(condition, first, second)
        # What another condition decides in both is merged in each of its branches.
        case {"Fn::If": [name, *values]}, {"Fn::If": [other_name, *others]} if name == other_name:
            return {"Fn::If": [name] + _merge_pairs(condition, values, others)}
    return _merge_texts(condition, first, second)


def _merge_pairs(condition: str, first: list[Any], second: list[Any]) -> list[Any]:
    """Merge each value of a list with the one at the same place of another list."""
    return [merge_values(condition, one, other) for one, other in zip(first, second, strict=True)]


def _merge_lists(condition: str, first: list[Any], second: list[Any]) -> list[Any]:
    """Merge two lists, in which a statement may have changed, and others may be added."""
    merged: list[Any] = []
    for is_same, of_first, of_second in _alignment(first, second, key=_identity):
        if is_same:
            merged += _merge_pairs(condition, of_first, of_second)
        else:
            merged += [{"Fn::If": [condition, element, NO_VALUE]} for element in of_first]
            merged += [{"Fn::If": [condition, NO_VALUE, element]} for element in of_second]
    return merged


def _merge_texts(condition: str, first: Any, second: Any) -> Any:
    """Merge two texts, such as definitions of a state machine, by deciding only the differences.

    A value that is not a text is a single token, so that all of it is decided.
    """
    merged: list[Any] = []
    for is_same, of_first, of_second in _alignment(_tokens(first), _tokens(second), key=json.dumps):
        if is_same:
            merged += of_first
        else:
            merged.append({"Fn::If": [condition, join_text(of_first), join_text(of_second)]})
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
    match joined:
        case []:
            return ""
        case [piece]:
            return piece
    return {"Fn::Join": ["", joined]}


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
    """Yield what both lists have, and what only one of them has, in their order.

    For example, of ``[1, 2, 3]`` and ``[1, 4, 3]``: ``(True, [1], [1])``, ``(False, [2], [4])`` and
    ``(True, [3], [3])``.

    Args:
        first: One list.
        second: The other one.
        key: Returns the text by which elements of the two are the same.
    """
    # Without autojunk, which takes what is frequent in a long list, such as a comma, for noise.
    # https://docs.python.org/3/library/difflib.html#difflib.SequenceMatcher
    keys, other_keys = [key(it) for it in first], [key(it) for it in second]
    matcher = SequenceMatcher(None, keys, other_keys, autojunk=False)
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        yield tag == "equal", first[start:end], second[other_start:other_end]


def _identity(element: Any) -> str:
    """Return the text by which elements of two lists are the same, even if they differ within.

    A statement of a policy has a ``Sid``, a metric of an alarm an ``Id``.
    """
    match element:
        # An earlier merge has made it exist under a condition.
        case {"Fn::If": [_, value, {"Ref": "AWS::NoValue"}]}:
            return _identity(value)
        case {"Fn::If": [_, {"Ref": "AWS::NoValue"}, value]}:
            return _identity(value)
        case {"Sid": name} | {"Id": name}:
            return f"named {name}"
    return json.dumps(element)


def _is_function(value: Mapping[str, Any]) -> bool:
    """Return whether a value is a function of CloudFormation, such as ``{"Ref": "Key"}``."""
    return len(value) == 1 and all(key == "Ref" or key.startswith("Fn::") for key in value)
