"""The values of tokens: whether and how they compare."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aws_cdk import Token

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aws_cdk import Stack


def are_known(*values: object) -> bool:
    """Return whether no value is a token, so that they can be compared at synth."""
    return not any(Token.is_unresolved(value) for value in values)


def values_in_order(stack: Stack, values: Iterable[str]) -> list[str]:
    """Return the values, each once, then the tokens by what a stack's template has for them.

    A token's own name changes with the app's others.
    """

    def place(value: str) -> tuple[bool, str]:
        return Token.is_unresolved(value), json.dumps(stack.resolve(value), sort_keys=True)

    return sorted(dict.fromkeys(values), key=place)
