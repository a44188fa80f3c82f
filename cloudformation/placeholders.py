"""Replace what a construct needs to know at synth, such as a list's accounts, by parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .merge import join_text


@dataclass(frozen=True, kw_only=True)
class Placeholders:
    """The values that stand for parameters while a template is built.

    For example, 100000000003 and 100000000004 stand for the protected accounts, wherever a template
    has both of them in a list, or in a text.

    Attributes:
        texts: What stands for a text, and the function that takes its place.
        lists: The two elements that stand for a list, and the parameter that has it, separated by
            commas. What is between the two becomes what is between any two of them.
    """

    texts: Mapping[str, Any] = field(default_factory=dict)
    lists: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def replace(self, value: Any) -> Any:
        """Return a value in which parameters have taken the places."""
        match value:
            case str():
                return join_text(self._parts(value))
            case {"Fn::Join": ["", [*parts]]}:
                return join_text(self._flat(parts))
            case dict():
                return {key: self.replace(member) for key, member in value.items()}
            case [str(first), str(second)]:
                return self._list(first, second) or [self.replace(first), self.replace(second)]
            case list():
                return [self.replace(element) for element in value]
        return value

    def _flat(self, parts: list[Any]) -> list[Any]:
        """Return the parts of a text, of which one may have become several."""
        flat: list[Any] = []
        for part in parts:
            match self.replace(part):
                case {"Fn::Join": ["", [*inner]]}:
                    flat += inner
                case replaced:
                    flat.append(replaced)
        return flat

    def _parts(self, text: str) -> list[Any]:
        """Return the pieces of a text: the texts between what is replaced, and the functions."""
        # Lists come first: they take what is between their two elements as well.
        for (first, second), parameter in self.lists.items():
            match = re.search(rf"{re.escape(first)}(.+?){re.escape(second)}", text, re.DOTALL)
            if match:
                before, after = text[: match.start()], text[match.end() :]
                elements = _list_text(parameter, separator=match[1])
                return self._parts(before) + [elements] + self._parts(after)
        # The group makes re.split keep what it splits at.
        pieces = re.split(f"({'|'.join(map(re.escape, self.texts))})", text)
        return [self.texts.get(piece, piece) for piece in pieces]

    def _list(self, first: str, second: str) -> Any:
        """Return the list that two elements stand for; None if they stand for none."""
        for (one, other), parameter in self.lists.items():
            # The elements may be parts of texts, such as of ARNs.
            before, found, after = first.partition(one)
            if not found or second != f"{before}{other}{after}":
                continue
            if not before and not after:
                return _split(parameter)
            elements = _list_text(parameter, separator=f"{after},{before}")
            return {"Fn::Split": [",", join_text([before, elements, after])]}
        return None


def _split(parameter: str) -> dict[str, Any]:
    return {"Fn::Split": [",", {"Ref": parameter}]}


def _list_text(parameter: str, *, separator: str) -> dict[str, Any]:
    """Return the elements of a parameter's list as a text, with another separator if it has one."""
    if separator == ",":
        return {"Ref": parameter}
    return {"Fn::Join": [separator, _split(parameter)]}
