"""What tokens stand for: to compare them in any order of creation, and to know how long they can become."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from aws_cdk import DefaultTokenResolver, Reference, Stack, StringConcat, Token, Tokenization

if TYPE_CHECKING:
    from aws_cdk import IPostProcessor, IResolvable, IResolveContext

# No partition has a longer name.
_PSEUDO_PARAMETER_CHARACTERS = {"AWS::AccountId": 12, "AWS::Partition": 10}
_ROLE_ID_CHARACTERS = 21
# The ARN of a role with the longest name, and a path like the default one.
_ROLE_ARN_CHARACTERS = 120


@dataclass(frozen=True, order=True)
class TemplateValue:
    """What a string stands for, to compare and sort by: a token's own name changes with the app's others.

    Attributes:
        text: The string, or what the template has for a token, as JSON.
        elsewhere: The paths of what it refers to in other stacks, which may have the same logical ID.
    """

    text: str
    elsewhere: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.text} of {', '.join(self.elsewhere)}" if self.elsewhere else self.text


def template_value(stack: Stack, value: str) -> TemplateValue:
    """Return what a string stands for in the template of a stack."""
    if not Token.is_unresolved(value):
        return TemplateValue(value)
    finder = _ReferenceFinder()
    Tokenization.resolve(value, scope=stack, resolver=finder, preparing=False)
    targets = (reference.target for reference in finder.references)
    elsewhere = {target.node.path for target in targets if Stack.of(target) is not stack}
    return TemplateValue(json.dumps(stack.resolve(value), sort_keys=True), tuple(sorted(elsewhere)))


def longest_value(resolved: Any) -> Any:
    """Return a value of a template, with texts as long as they can become for what is not known at synth."""
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


class _ReferenceFinder(DefaultTokenResolver):
    """Finds what a string refers to, also within functions such as Fn::Select."""

    def __init__(self) -> None:
        super().__init__(StringConcat())
        self.references: list[Reference] = []

    def resolve_token(
        self, t: IResolvable, context: IResolveContext, post_processor: IPostProcessor
    ) -> object:
        if Reference.is_reference(t):
            self.references.append(cast("Reference", t))
        return super().resolve_token(t, context, post_processor)
