"""The text of a policy: wildcards, policy variables, and how both are matched."""

from __future__ import annotations

import fnmatch
import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

ARN_PARTS = 6

_LOWERCASE = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def lowercase(text: str) -> str:
    """Return a text with A to Z in lowercase, and no other letter, even if it looks like one."""
    return text.translate(_LOWERCASE)


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


Token = str | Wildcard | Variable | BrokenVariable


class Unresolved(StrEnum):
    """The reason for which a variable has no text."""

    ABSENT = "the request lacks the key"
    MULTIVALUED = "the key has a list of values"
    UNKNOWN = "the value is not known"


@dataclass(frozen=True, kw_only=True)
class Template:
    """A text of a policy as written, taken apart once.

    What it matches, and the texts below, are only asked of a template without variables.

    Attributes:
        raw: As written.
        tokens: Its parts in order.
    """

    raw: str
    tokens: tuple[Token, ...]

    @cached_property
    def matches_everything(self) -> bool:
        """True if it consists of asterisks."""
        return bool(self.tokens) and all(token is Wildcard.MANY for token in self.tokens)

    @cached_property
    def is_fixed(self) -> bool:
        """True if it has no variables."""
        return not any(isinstance(token, Variable | BrokenVariable) for token in self.tokens)

    @cached_property
    def text(self) -> str:
        """The text as written: some operators take wildcards literally."""
        return "".join(map(str, self.tokens))

    @cached_property
    def characters(self) -> frozenset[str]:
        """The characters that a matching text must have."""
        return frozenset(
            "".join(str(token) for token in self.tokens if not isinstance(token, Wildcard))
        )

    @cached_property
    def arn_parts(self) -> tuple[Template, ...]:
        """The parts between the first five colons; colons within a variable do not count.

        For example arn, aws, iam, "", * and root for arn:aws:iam::*:root.
        """
        parts: list[list[Token]] = [[]]
        for token in self.tokens:
            # A wildcard is a str as well, as a member of a StrEnum.
            if not isinstance(token, str) or isinstance(token, Wildcard):
                parts[-1].append(token)
                continue
            # The text up to its first colon belongs to the last part, the others begin new ones.
            texts = token.split(":", ARN_PARTS - len(parts))
            parts[-1].append(texts[0])
            parts.extend([text] for text in texts[1:])
        # Without the empty texts next to colons.
        return tuple(Template(raw=self.raw, tokens=tuple(filter(None, part))) for part in parts)

    @cached_property
    def is_arn(self) -> bool:
        """True if it has all the parts of an ARN."""
        return len(self.arn_parts) == ARN_PARTS and self.arn_parts[0].tokens == ("arn",)

    @cached_property
    def in_lowercase(self) -> Template:
        """The same in lowercase, of a template that has no variables."""
        tokens = (
            token if isinstance(token, Wildcard) else lowercase(str(token)) for token in self.tokens
        )
        return Template(raw=self.raw, tokens=tuple(tokens))

    def matches(self, text: str) -> bool:
        """Return whether it matches the whole of a text."""
        return self._expression.fullmatch(text) is not None

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        """Its regular expression.

        The names of files have the same two wildcards. fnmatch matches the text between two
        asterisks once, so the time grows at most with the product of the lengths, however many
        asterisks there are.
        """
        file_pattern = ""
        for token in self.tokens:
            if isinstance(token, Wildcard):
                file_pattern += token
            else:
                # In brackets a character stands for itself: a variable's value may have asterisks.
                file_pattern += re.sub(r"[*?[]", r"[\g<0>]", str(token))
        return re.compile(fnmatch.translate(file_pattern))

    def resolve(self, value_of: Callable[[str], str | Unresolved]) -> Template | Unresolved:
        """Return the template with the variables' values as plain text, or why that cannot be.

        Args:
            value_of: The value of a condition key of the request.
        """
        if self.is_fixed:
            return self
        resolved: list[Token] = []
        missing: Unresolved | None = None
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
                # An unknown value of a later variable still counts more.
                missing = value
            resolved.append(value)
        return missing or Template(raw=self.raw, tokens=tuple(resolved))


# The special characters are variables with fixed values: ${*}, ${?} and ${$}. A default value
# stands in single quotes after a comma and a space. Nothing else is documented.
_WILDCARD = r"(?P<wildcard>[*?])"
_VARIABLE = r"\$\{(?:(?P<special>[*?$])|(?P<key>[^\s{}',$]+)(?:, '(?P<default>[^'}]*)')?)\}"
_TOKEN_WITHOUT_VARIABLES = re.compile(_WILDCARD)
_TOKEN = re.compile(rf"{_WILDCARD}|{_VARIABLE}|(?P<broken>\$\{{.*)", re.DOTALL)


def parse_template(text: str, *, variables: bool) -> Template:
    """Return a text of a policy taken apart.

    Args:
        text: As written.
        variables: Whether the policy's version knows variables; otherwise they are plain text.
    """
    expression = _TOKEN if variables else _TOKEN_WITHOUT_VARIABLES
    tokens: list[Token] = []
    end = 0
    for match in expression.finditer(text):
        tokens += [text[end : match.start()], _token(match)]
        end = match.end()
    tokens.append(text[end:])
    # Without the empty texts in between.
    return Template(raw=text, tokens=tuple(filter(None, tokens)))


def _token(match: re.Match[str]) -> Token:
    """Return the token of a match.

    It is a wildcard, a special variable as text, such as ``${*}``, a broken variable or a variable.
    """
    match match.lastgroup:
        case "wildcard":
            return Wildcard(match[0])
        case "special":
            return match["special"]
        case "broken":
            return BrokenVariable()
        case _:
            return Variable(key=match["key"], default=match["default"])
