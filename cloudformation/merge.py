"""Merge the templates that a construct makes for different arguments into one template with conditions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_NO_VALUE = {"Ref": "AWS::NoValue"}
_DEPENDS_ON, _METADATA = "DependsOn", "Metadata"
# A shorter text is easier to read as a whole, in both forms.
_MIN_CHARACTERS_TO_MERGE = 100
_JSON_TOKENS = re.compile(r'"[^"]*"|[^",:{}\[\]]+|.', re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Option:
    """One of the ways in which a construct can be made.

    Attributes:
        condition: The name of the condition under which it is made so; None for the last option, which is for
            every other case.
        arguments: The construct's arguments.
    """

    condition: str | None
    arguments: Mapping[str, object]


def merge(
    choices: Sequence[Sequence[Option]],
    build: Callable[[Mapping[str, object]], dict[str, Any]],
    chosen: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """Return the resources and outputs of all combinations, with a `Condition` where not all have them.

    Here a `Condition` is an expression; `name_conditions` gives it a name.

    Args:
        choices: The options of each choice.
        build: Returns the template for some arguments.
        chosen: The arguments that are chosen already.
    """
    chosen = chosen or {}
    if not choices:
        template = build(chosen)
        return template | {
            "Resources": {id_: _with_references(own) for id_, own in template["Resources"].items()}
        }
    first, *others = choices
    merged: dict[str, Any] = {}
    for option in reversed(first):
        template = merge(others, build, {**chosen, **option.arguments})
        merged = template if option.condition is None else _merge_both(option.condition, template, merged)
    return merged


def name_conditions(template: Mapping[str, Any], conditions: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template whose conditions are defined in its section: those that it uses, and no others.

    Args:
        template: The result of `merge`.
        conditions: The definitions of the options' conditions.
    """
    defined = dict(conditions)
    sections: dict[str, Any] = {}
    for section, entries in template.items():
        sections[section] = {}
        for name, entry in entries.items():
            attributes = _with_dependencies(
                {key: value for key, value in entry.items() if key != "Condition"}
            )
            expression = entry.get("Condition", True)
            if expression is not True:
                condition = _name(expression)
                defined.setdefault(condition, expression)
                attributes["Condition"] = condition
            sections[section][name] = attributes
    used = set(_used_conditions(sections))
    while more := set(_used_conditions([defined[name] for name in used])) - used:
        used |= more
    return {"Conditions": {name: defined[name] for name in sorted(used)}, **sections}


def _with_references(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource whose metadata refers to what it depends on: DependsOn can have no conditions."""
    referring = {key: value for key, value in resource.items() if key != _DEPENDS_ON}
    if _DEPENDS_ON in resource:
        referring[_METADATA] = {_DEPENDS_ON: [{"Ref": id_} for id_ in resource[_DEPENDS_ON]]}
    return referring


def _with_dependencies(resource: dict[str, Any]) -> dict[str, Any]:
    """Return a resource whose metadata refers only to what does not exist in every case."""
    references = resource.pop(_METADATA, {}).get(_DEPENDS_ON, [])
    if isinstance(references, list):
        if always := [reference["Ref"] for reference in references if "Ref" in reference]:
            resource[_DEPENDS_ON] = always
        references = [reference for reference in references if "Ref" not in reference]
    if references:
        resource[_METADATA] = {_DEPENDS_ON: references}
    return resource


def _merge_both(condition: str, first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    return {
        section: {
            name: _merge_entries(condition, first[section].get(name), second[section].get(name))
            for name in first[section] | second[section]
        }
        for section in first
    }


def _merge_entries(
    condition: str, first: Mapping[str, Any] | None, second: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return a resource or an output that exists in one of two templates, or in both."""
    exists = _either(
        condition,
        first is not None and first.get("Condition", True),
        second is not None and second.get("Condition", True),
    )
    one, other = first or second or {}, second or first or {}
    merged: dict[str, Any] = {}
    for key in one | other:  # type: ignore[operator]
        if key in ("Properties", "Value", _METADATA):
            merged[key] = _merge_values(condition, one.get(key, {}), other.get(key, {}))
        elif key != "Condition":
            if one.get(key) != other.get(key):
                raise ValueError(f"{key} cannot depend on a condition: {one.get(key)}, {other.get(key)}.")
            merged[key] = one[key]
    return merged if exists is True else {**merged, "Condition": exists}


def _merge_values(condition: str, first: Any, second: Any) -> Any:
    if first == second:
        return first
    match first, second:
        case dict(), dict() if not _is_function(first) and not _is_function(second):
            return {
                key: _merge_values(condition, first.get(key, _NO_VALUE), second.get(key, _NO_VALUE))
                for key in first | second
            }
        case [_, *_], [_, *_]:
            return _merge_lists(condition, first, second)
        case {"Fn::If": [name, *values]}, {"Fn::If": [other, *others]} if name == other:
            branches = [_merge_values(condition, *pair) for pair in zip(values, others, strict=True)]
            return {"Fn::If": [name, *branches]}
    texts = _text_tokens(first), _text_tokens(second)
    if min(map(len, map(json.dumps, (first, second)))) >= _MIN_CHARACTERS_TO_MERGE and all(texts):
        return _merge_texts(condition, *texts)
    return {"Fn::If": [condition, first, second]}


def _merge_lists(condition: str, first: list[Any], second: list[Any]) -> list[Any]:
    merged: list[Any] = []
    for same, ours, theirs in _alignment(first, second, key=_identity):
        if same:
            merged += [_merge_values(condition, *pair) for pair in zip(ours, theirs, strict=True)]
            continue
        merged += [{"Fn::If": [condition, element, _NO_VALUE]} for element in ours]
        merged += [{"Fn::If": [condition, _NO_VALUE, element]} for element in theirs]
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
                token for part in parts for token in (_text_tokens(part) if isinstance(part, str) else [part])
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


def _either(condition: str, first: Any, second: Any) -> Any:
    """Return the expression that is the first one under a condition, and otherwise the second one."""
    holds: Any = {"Condition": condition}
    fails: Any = {"Fn::Not": [holds]}
    if first == second:
        return first
    if second is False:
        return _all_of(holds, first)
    if first is False:
        return _all_of(fails, second)
    if first is True:
        return _any_of(holds, second)
    if second is True:
        return _any_of(fails, first)
    return _any_of(_all_of(holds, first), _all_of(fails, second))


def _all_of(*expressions: Any) -> Any:
    return _combination("Fn::And", expressions)


def _any_of(*expressions: Any) -> Any:
    return _combination("Fn::Or", expressions)


def _combination(function: str, expressions: Sequence[Any]) -> Any:
    terms: list[Any] = []
    for expression in expressions:
        terms += expression[function] if function in _keys(expression) else [expression]
    terms = [term for term in terms if term is not True]
    return terms[0] if len(terms) == 1 else {function: terms}


def _keys(expression: Any) -> set[str]:
    return set(expression) if isinstance(expression, dict) else set()


def _name(expression: Any) -> str:
    """Return a name for an expression that says what it is."""
    match expression:
        case {"Condition": name}:
            return str(name)
        case {"Fn::Not": [negated]}:
            return f"Not{_name(negated)}"
        case {"Fn::And": terms}:
            return "And".join(map(_name, terms))
        case {"Fn::Or": terms}:
            return "Or".join(map(_name, terms))
    raise ValueError(f"{expression} is not an expression of conditions.")


def _used_conditions(value: Any) -> Iterator[str]:
    match value:
        case {"Fn::If": [name, *_]}:
            yield name
        case {"Condition": str(name)}:
            yield name
    if isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _used_conditions(member)
