"""The JSON filter patterns of CloudWatch Logs, as far as this project uses them.

AWS does not document whether `!=` holds for a missing field, so that a caller decides it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Condition = Callable[[Mapping[str, Any]], bool]

MAX_CHARACTERS = 1024

_TOKENS = re.compile(
    r"\s*(?:(?P<field>\$[.\w]+)|(?P<text>\"[^\"]*\")|(?P<symbol>&&|\|\||!=|=|\(|\)|NOT EXISTS))"
)


def is_match(pattern: str, event: Mapping[str, Any], *, missing_differs: bool) -> bool:
    """Return whether an event matches a pattern.

    Args:
        pattern: The pattern.
        event: The event.
        missing_differs: Whether `!=` holds for a field that is missing.
    """
    assert len(pattern) <= MAX_CHARACTERS
    body = re.fullmatch(r"\{ ?(.*?) ?\}", pattern)
    assert body is not None
    parser = _Parser(tokens=_tokens(body[1]), missing_differs=missing_differs)
    condition = parser.parse_any()
    assert not parser.tokens
    return condition(event)


def _tokens(text: str) -> list[str]:
    tokens, end = [], 0
    for found in _TOKENS.finditer(text):
        assert found.start() == end, f"not understood: {text[end:]}"
        end = found.end()
        tokens.append(found[0].strip())
    assert end == len(text), f"not understood: {text[end:]}"
    return tokens


@dataclass(kw_only=True)
class _Parser:
    tokens: list[str] = field(default_factory=list)
    missing_differs: bool

    def parse_any(self) -> Condition:
        conditions = [self._parse_all()]
        while self._take("||"):
            conditions.append(self._parse_all())
        return lambda event: any(condition(event) for condition in conditions)

    def _parse_all(self) -> Condition:
        conditions = [self._parse_one()]
        while self._take("&&"):
            conditions.append(self._parse_one())
        return lambda event: all(condition(event) for condition in conditions)

    def _parse_one(self) -> Condition:
        if self._take("("):
            inside = self.parse_any()
            assert self._take(")")
            return inside
        name = self.tokens.pop(0)
        if self._take("NOT EXISTS"):
            return lambda event: _value(event, name) is None
        operator, expected = self.tokens.pop(0), self.tokens.pop(0).strip('"')
        assert operator in ("=", "!=")
        # CloudWatch Logs has wildcards at the beginning and at the end.
        expression = ".*".join(map(re.escape, expected.split("*")))

        def holds(event: Mapping[str, Any]) -> bool:
            value = _value(event, name)
            if value is None:
                return operator == "!=" and self.missing_differs
            return (re.fullmatch(expression, str(value)) is not None) == (operator == "=")

        return holds

    def _take(self, token: str) -> bool:
        if self.tokens[:1] == [token]:
            del self.tokens[0]
            return True
        return False


def _value(event: Mapping[str, Any], name: str) -> Any:
    value: Any = event
    for member in name.removeprefix("$.").split("."):
        value = value.get(member) if isinstance(value, dict) else None
    return value
