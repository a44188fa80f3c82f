"""The text of a policy: wildcards, policy variables, and how both are matched."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


ARN_PARTS = 6


class Wildcard(StrEnum):
    """The two wildcards of the policy language."""

    MANY = "*"
    ONE = "?"


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A policy variable, ${key} or ${key, 'default'}.

    Attributes:
        key: The condition key as written.
        default: The text that stands for it where the request lacks the key; None if there is none.
    """

    key: str
    default: str | None = None


@dataclass(frozen=True, kw_only=True)
class BrokenVariable:
    """Something that starts like a policy variable; what AWS makes of it is not documented."""

    text: str


Token = str | Wildcard | Variable | BrokenVariable


class Unresolved(StrEnum):
    """Why a variable has no text."""

    ABSENT = "the request lacks the key"
    MULTIVALUED = "the key has a list of values"
    UNKNOWN = "the value is not known"


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A text with wildcards and without variables.

    Attributes:
        chunks: The parts between the asterisks; in each, None stands for a question mark.
    """

    chunks: tuple[str | tuple[str | None, ...], ...]

    @cached_property
    def _min_length(self) -> int:
        return sum(map(len, self.chunks))

    @cached_property
    def _longest_text(self) -> str:
        return max((chunk for chunk in self.chunks if isinstance(chunk, str)), key=len, default="")

    @cached_property
    def characters(self) -> frozenset[str]:
        """The characters that a matching text must have."""
        return frozenset(char for chunk in self.chunks for char in chunk if char is not None)

    def matches(self, text: str) -> bool:
        """Return whether it matches the whole text.

        Each chunk is looked for where the one before ended and never again, so the time grows with the
        product of the lengths at most, however many asterisks there are.
        """
        if self._min_length > len(text) or self._longest_text not in text:
            return False
        first, last = self.chunks[0], self.chunks[-1]
        if len(self.chunks) == 1:
            return len(first) == len(text) and _is_at(first, text, 0)
        end = len(text) - len(last)
        if not _is_at(first, text, 0) or not _is_at(last, text, end):
            return False
        position = len(first)
        for chunk in self.chunks[1:-1]:
            found = _find(chunk, text, position, end)
            if found < 0:
                return False
            position = found + len(chunk)
        return position <= end


def _is_at(chunk: str | tuple[str | None, ...], text: str, position: int) -> bool:
    """Return whether a chunk is at a position from which the text is long enough."""
    if isinstance(chunk, str):
        return text.startswith(chunk, position)
    return all(char is None or char == text[position + offset] for offset, char in enumerate(chunk))


def _find(chunk: str | tuple[str | None, ...], text: str, start: int, end: int) -> int:
    if isinstance(chunk, str):
        return text.find(chunk, start, end)
    for position in range(start, end - len(chunk) + 1):
        if _is_at(chunk, text, position):
            return position
    return -1


@dataclass(frozen=True, kw_only=True)
class Template:
    """A text of a policy as written, taken apart once.

    Attributes:
        raw: As written.
        tokens: Its parts in order.
    """

    raw: str
    tokens: tuple[Token, ...]

    @cached_property
    def matches_everything(self) -> bool:
        """Whether it consists of asterisks."""
        return bool(self.tokens) and all(token is Wildcard.MANY for token in self.tokens)

    @cached_property
    def is_fixed(self) -> bool:
        """Whether it has no variables."""
        return not any(isinstance(token, Variable | BrokenVariable) for token in self.tokens)

    @cached_property
    def pattern(self) -> Pattern:
        """The pattern of a template without variables."""
        return pattern_of(self.tokens)

    @cached_property
    def arn_parts(self) -> tuple[Template, ...]:
        """The parts between the first five colons; colons within a variable do not count."""
        return self._split(":", ARN_PARTS - 1)

    @property
    def is_arn(self) -> bool:
        """Whether it has all the parts of an ARN."""
        return len(self.arn_parts) == ARN_PARTS and self.arn_parts[0].tokens == ("arn",)

    def resolve(self, value_of: Callable[[str], str | Unresolved]) -> tuple[Token, ...] | Unresolved:
        """Return the tokens with the variables' values as plain text, or why that cannot be.

        Args:
            value_of: The value of a condition key of the request.
        """
        if self.is_fixed:
            return self.tokens
        resolved: list[Token] = []
        result: Unresolved | None = None
        for token in self.tokens:
            if isinstance(token, BrokenVariable):
                return Unresolved.UNKNOWN
            if not isinstance(token, Variable):
                resolved.append(token)
                continue
            value = value_of(token.key)
            if value is Unresolved.ABSENT and token.default is not None:
                value = token.default
            if value is Unresolved.UNKNOWN:
                return value
            if isinstance(value, Unresolved):
                result = value
            resolved.append(value)
        return result or tuple(resolved)

    def _split(self, separator: str, count: int) -> tuple[Template, ...]:
        parts: list[list[Token]] = [[]]
        for token in self.tokens:
            if not isinstance(token, str) or isinstance(token, Wildcard):
                parts[-1].append(token)
                continue
            head, *others = token.split(separator, count + 1 - len(parts))
            parts[-1].append(head)
            parts += [[other] for other in others]
        return tuple(Template(raw=self.raw, tokens=tuple(filter(None, part))) for part in parts)


class Index:
    """The templates of a list by what they start with: nearly all are ruled out without a comparison.

    Args:
        templates: Each with what a text surely starts with if it matches; "" if that is not known.
    """

    def __init__(self, templates: Iterable[tuple[str, Template]]) -> None:
        self._by_start: dict[str, list[tuple[int, Template]]] = {}
        for place, (start, template) in enumerate(templates):
            self._by_start.setdefault(start, []).append((place, template))
        self._lengths = sorted(set(map(len, self._by_start)))

    def candidates(self, text: str) -> Sequence[Template]:
        """Return the templates that may match a text, in their order."""
        found = [
            each
            for length in self._lengths
            if length <= len(text)
            for each in self._by_start.get(text[:length], ())
        ]
        return [template for _, template in sorted(found, key=itemgetter(0))]


def start_of_arn(template: Template) -> str:
    """Return what the key of an ARN starts with if the ARN matches; "" if that is not known.

    A template with a variable may match anything, or it may not be known what.
    """
    if not template.is_fixed or not template.is_arn:
        return ""
    *_, account_id, name = template.arn_parts
    return text_before_wildcard((*name.tokens, ":", *account_id.tokens))


def key_of_arn(*, account_id: str, name: str) -> str:
    """Return the key by which the templates of ARNs are found.

    ARNs differ in their names and accounts. What comes before is the same in nearly all of them.
    """
    return f"{name}:{account_id}"


def pattern_of(tokens: Sequence[Token]) -> Pattern:
    """Return the pattern of resolved tokens."""
    chunks: list[list[str | None]] = [[]]
    for token in tokens:
        if token is Wildcard.MANY:
            if len(chunks) == 1 or chunks[-1]:
                chunks.append([])
        elif token is Wildcard.ONE:
            chunks[-1].append(None)
        elif isinstance(token, str):
            chunks[-1] += token
    return Pattern(chunks=tuple(_chunk(chunk) for chunk in chunks))


def _chunk(chars: list[str | None]) -> str | tuple[str | None, ...]:
    known = [char for char in chars if char is not None]
    return "".join(known) if len(known) == len(chars) else tuple(chars)


def text_before_wildcard(tokens: Sequence[Token]) -> str:
    """Return the text with which everything starts that resolved tokens match."""
    return plain_text(tuple(itertools.takewhile(lambda token: not isinstance(token, Wildcard), tokens)))


def plain_text(tokens: Sequence[Token]) -> str:
    """Return resolved tokens as text, for the operators that take wildcards as they are written."""
    return "".join(token for token in tokens if isinstance(token, str))


# The special characters are variables with fixed values: ${*}, ${?} and ${$}. A default value stands in
# single quotes after a comma and a space. Nothing else is documented.
_VARIABLE = re.compile(r"\$\{(?:(?P<special>[*?$])|(?P<key>[^\s{}',$]+)(?:, '(?P<default>[^'}]*)')?)\}")


def parse_template(text: str, *, variables: bool) -> Template:
    """Return a text of a policy taken apart.

    Args:
        text: As written.
        variables: Whether the policy's version knows variables; otherwise they are plain text.
    """
    tokens: list[Token] = []
    start = position = 0

    def add(token: Token | None, length: int) -> None:
        nonlocal start, position
        if start < position:
            tokens.append(text[start:position])
        if token is not None:
            tokens.append(token)
        start = position = position + length

    while position < len(text):
        if text[position] in "*?":
            add(Wildcard(text[position]), 1)
        elif variables and text.startswith("${", position):
            match = _VARIABLE.match(text, position)
            if match is None:
                add(BrokenVariable(text=text[position:]), len(text) - position)
            elif match["special"]:
                add(match["special"], len(match[0]))
            else:
                add(Variable(key=match["key"], default=match["default"]), len(match[0]))
        else:
            position += 1
    add(None, 0)
    return Template(raw=text, tokens=tuple(tokens))
