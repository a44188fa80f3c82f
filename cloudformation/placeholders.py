"""Replace what a construct needs to know at synth, such as a list's accounts, by parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
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

    texts: Mapping[str, Any]
    lists: Mapping[tuple[str, str], str]

    def replace(self, value: Any) -> Any:
        """Return a value of a template in which parameters have taken the places."""
        match value:
            case str():
                return join_text(self._texts_and_functions(value))
            case {"Fn::Join": ["", [*parts]]}:
                return join_text([self.replace(part) for part in parts])
            case dict():
                return {key: self.replace(member) for key, member in value.items()}
            case [str(first), str(second)] if self._stand_for_list(first, second):
                return {"Fn::Split": [",", self.replace(f"{first},{second}")]}
            case list():
                return [self.replace(element) for element in value]
        return value

    def _stand_for_list(self, first: str, second: str) -> bool:
        """Return whether two elements of a list stand for a parameter's list.

        They are the list's two placeholders, or have them in them, such as the ARNs
        ``arn:*:iam::100000000003:root`` and ``arn:*:iam::100000000004:root``.
        """
        return any(one in first and other in second for one, other in self.lists)

    def _texts_and_functions(self, text: str) -> list[Any]:
        """Return what a text is joined of once the placeholders in it have become functions.

        For example, of ``Accounts: 100000000003 and 100000000004`` the text ``Accounts: `` and the
        function that joins the accounts of the parameter by `` and ``.
        """
        # Lists come first: they take what is between their two elements as well.
        for (first, second), parameter in self.lists.items():
            match = re.search(rf"{re.escape(first)}(.+?){re.escape(second)}", text, re.DOTALL)
            if match:
                before, separator, after = text[: match.start()], match[1], text[match.end() :]
                elements: dict[str, Any] = {"Ref": parameter}
                if separator != ",":
                    elements = {"Fn::Join": [separator, {"Fn::Split": [",", elements]}]}
                return (
                    self._texts_and_functions(before)
                    + [elements]
                    + self._texts_and_functions(after)
                )
        # The group makes re.split keep what it splits at.
        pieces = re.split(f"({'|'.join(map(re.escape, self.texts))})", text)
        return [self.texts.get(piece, piece) for piece in pieces]
