"""Merge two values of a template into one that a condition decides, as small as possible."""

from __future__ import annotations

import json
import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

NO_VALUE = {"Ref": "AWS::NoValue"}
# A shorter text is easier to read as a whole, in both forms.
_MIN_CHARACTERS_TO_MERGE = 100
_JSON_TOKENS = re.compile(r'"[^"]*"|[^",:{}\[\]]+|.', re.DOTALL)


def merge_values(condition: str, first: Any, second: Any) -> Any:
    """Return the value that is the first one under a condition, and otherwise the second one.

    Args:
        condition: The name of the condition.
        first: The value under it.
        second: The value otherwise; None if there is none.
    """
    if first == second or second is None:
        return first
    match first, second:
        case dict(), dict() if not _is_function(first) and not _is_function(second):
            return {
                key: merge_values(condition, first.get(key, NO_VALUE), second.get(key, NO_VALUE))
                for key in first | second
            }
        case [_, *_], [_, *_]:
            return _merge_lists(condition, first, second)
        case {"Fn::If": [name, *values]}, {"Fn::If": [other, *others]} if name == other:
            branches = [merge_values(condition, *pair) for pair in zip(values, others, strict=True)]
            return {"Fn::If": [name, *branches]}
    texts = _text_tokens(first), _text_tokens(second)
    if min(map(len, map(json.dumps, (first, second)))) >= _MIN_CHARACTERS_TO_MERGE and all(texts):
        return _merge_texts(condition, *texts)
    return {"Fn::If": [condition, first, second]}


def _merge_lists(condition: str, first: list[Any], second: list[Any]) -> list[Any]:
    merged: list[Any] = []
    for same, ours, theirs in _alignment(first, second, key=_identity):
        if same:
            merged += [merge_values(condition, *pair) for pair in zip(ours, theirs, strict=True)]
            continue
        merged += [{"Fn::If": [condition, element, NO_VALUE]} for element in ours]
        merged += [{"Fn::If": [condition, NO_VALUE, element]} for element in theirs]
    return merged


def _merge_texts(condition: str, first: list[Any], second: list[Any]) -> Any:
    merged: list[Any] = []
    for same, ours, theirs in _alignment(first, second, key=json.dumps):
        merged += ours if same else [{"Fn::If": [condition, join_text(ours), join_text(theirs)]}]
    return join_text(merged)


def join_text(parts: Sequence[Any]) -> Any:
    """Return the concatenation of texts and functions, as short as possible."""
    joined: list[Any] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part != "":
            joined.append(part)
    if all(isinstance(part, str) for part in joined):
        return "".join(joined)
    return joined[0] if len(joined) == 1 else {"Fn::Join": ["", joined]}


def _text_tokens(value: Any) -> list[Any]:
    """Return the tokens of a text, of which some may be functions; none for what is not a text."""
    match value:
        case str():
            return _JSON_TOKENS.findall(value)
        case {"Fn::Join": ["", [*parts]]}:
            return [
                token
                for part in parts
                for token in (_text_tokens(part) if isinstance(part, str) else [part])
            ]
    return []


def _alignment(
    first: list[Any], second: list[Any], *, key: Callable[[Any], str]
) -> Iterator[tuple[bool, list[Any], list[Any]]]:
    """Yield what both lists have, and what only one of them has, in their order."""
    matcher = SequenceMatcher(None, [*map(key, first)], [*map(key, second)], autojunk=False)
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        yield tag == "equal", first[start:end], second[other_start:other_end]


def _identity(element: Any) -> str:
    """Return by what elements of two lists are known to be the same: statements and metrics have a name."""
    match element:
        case {"Fn::If": [_, value, {"Ref": "AWS::NoValue"}]} | {
            "Fn::If": [_, {"Ref": "AWS::NoValue"}, value]
        }:
            return _identity(value)
        case {"Sid": name} | {"Id": name}:
            return f"named {name}"
    return json.dumps(element)


def _is_function(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and all(key == "Ref" or key.startswith("Fn::") for key in value)
