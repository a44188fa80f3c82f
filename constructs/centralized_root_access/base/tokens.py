"""The values of tokens: whether and how they compare, and how long they can become."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_cdk import Token

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aws_cdk import Stack

# No partition has a longer name.
_PSEUDO_PARAMETER_CHARACTERS = {"AWS::AccountId": 12, "AWS::Partition": 10}
_ROLE_ID_CHARACTERS = 21
# The ARN of a role with the longest name, and a path like the default one.
_ROLE_ARN_CHARACTERS = 120


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


def longest_value(resolved: Any) -> Any:
    """Return a value of a template in which unknown texts are as long as they can become."""
    match resolved:
        case list():
            return [longest_value(element) for element in resolved]
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(map(longest_value, parts))
        case {"Ref": str(name)} if name in _PSEUDO_PARAMETER_CHARACTERS:
            return "x" * _PSEUDO_PARAMETER_CHARACTERS[name]
        case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::ImportValue": _} | {"Fn::GetStackOutput": _}:
            is_id = "RoleId" in json.dumps(resolved)
            return "x" * (_ROLE_ID_CHARACTERS if is_id else _ROLE_ARN_CHARACTERS)
        case dict():
            return {key: longest_value(member) for key, member in resolved.items()}
    return resolved
