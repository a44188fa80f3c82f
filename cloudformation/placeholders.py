"""Replace what a construct needs to know at synth, such as a list's accounts, by a template's parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .merge import join_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, kw_only=True)
class Placeholders:
    """The values that stand for parameters while a template is built.

    Attributes:
        texts: What stands for a text, and the function that takes its place.
        numbers: What stands for a number, and the function that takes its place.
        lists: The two elements that stand for a list, and the parameter that has it, separated by
            commas. What is between the two becomes what is between any two of them.
    """

    texts: Mapping[str, Any] = field(default_factory=dict)
    numbers: Mapping[int, Any] = field(default_factory=dict)
    lists: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def replace(self, value: Any) -> Any:
        """Return a value in which parameters have taken the places."""
        match value:
            case int():
                return self.numbers.get(value, value)
            case str():
                return join_text([*self._parts(value)])
            case {"Fn::Join": ["", [*parts]]}:
                return join_text([*self._flat(parts)])
            case dict():
                return {key: self.replace(member) for key, member in value.items()}
            case [str(first), str(second)]:
                return self._list(first, second) or [self.replace(first), self.replace(second)]
            case list():
                return [self.replace(element) for element in value]
        return value

    def _flat(self, parts: list[Any]) -> Iterator[Any]:
        for part in parts:
            match self.replace(part):
                case {"Fn::Join": ["", [*inner]]}:
                    yield from inner
                case replaced:
                    yield replaced

    def _parts(self, text: str) -> Iterator[Any]:
        """Yield the pieces of a text: the texts between what is replaced, and the functions."""
        for (first, second), parameter in self.lists.items():
            match = re.search(rf"{first}(.+?){second}", text, re.DOTALL)
            if match:
                yield from self._parts(text[: match.start()])
                yield _list_text(parameter, separator=match[1])
                yield from self._parts(text[match.end() :])
                return
        for piece in re.split(f"({'|'.join(map(re.escape, self.texts))})", text):
            yield self.texts.get(piece, piece)

    def _list(self, first: str, second: str) -> Any:
        """Return the list that two elements stand for; None if they stand for none."""
        for (one, other), parameter in self.lists.items():
            before, found, after = first.partition(one)
            if found and second == f"{before}{other}{after}":
                if not before and not after:
                    return _split(parameter)
                elements = _list_text(parameter, separator=f"{after},{before}")
                return {"Fn::Split": [",", join_text([before, elements, after])]}
        return None


def _split(parameter: str) -> dict[str, Any]:
    return {"Fn::Split": [",", {"Ref": parameter}]}


def _list_text(parameter: str, *, separator: str) -> dict[str, Any]:
    return {"Ref": parameter} if separator == "," else {"Fn::Join": [separator, _split(parameter)]}
