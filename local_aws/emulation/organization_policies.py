"""Decides what service control policies and resource control policies deny.

The emulation has its own evaluator: a mistake in the library's cannot confirm itself. It knows what
is true of a request, so its result is yes or no. What it does not know of the language it refuses
loudly: variables, set operators, numbers, dates and addresses in conditions, and unknown keys.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

SERVICE_CONTROL_POLICY = "SERVICE_CONTROL_POLICY"
RESOURCE_CONTROL_POLICY = "RESOURCE_CONTROL_POLICY"
POLICY_TYPE_NAMES = {
    SERVICE_CONTROL_POLICY: "service control policy",
    RESOURCE_CONTROL_POLICY: "resource control policy",
}
# Since May 2026; moto has older numbers or none.
MAX_POLICIES_PER_TARGET = {SERVICE_CONTROL_POLICY: 10, RESOURCE_CONTROL_POLICY: 5}

NOTHING_ALLOWS = "nothing allows it"

_Matches: TypeAlias = Callable[[str, str], bool]
_Context: TypeAlias = Mapping[str, str]

_ARN_PARTS = 6
_VERSIONS = ("2012-10-17", "2008-10-17")
_ELEMENTS = frozenset(
    {"Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
# None of the requests that policies apply to here has these, except where its context says so.
_ABSENT_KEYS = re.compile(
    r"aws:(username|multifactorauth(present|age)|principaltag/.*|requesttag/.*|tagkeys|federatedprovider"
    r"|sourceidentity|source(vpc|vpce|vpcarn)|vpcsourceip|vpce(account|org(id|paths))|calledvia(first|last)?"
    r"|principalservicename(slist)?|sourcearn|sourceaccount|source(org(id|paths))|ec2.*)|iam:resourcetag/.*"
)


class UnsupportedPolicyError(Exception):
    """A policy that this evaluator cannot decide."""


class MalformedPolicyError(ValueError):
    """A document that Organizations does not accept."""


@dataclass(frozen=True, kw_only=True)
class AttachedPolicy:
    """A policy that is attached on the path of an account."""

    arn: str
    content: str


def find_policy_denial(
    levels: Iterable[Sequence[AttachedPolicy]],
    *,
    action: str,
    resource: str | None,
    context: _Context,
) -> str | None:
    """Return the ARN of the policy that denies a request, or None if the policies allow it.

    If a level allows nothing, this returns `NOTHING_ALLOWS`.

    Args:
        levels: The policies attached to the organization's root, to each organizational unit down
            to the account, and to the account.
        action: The action as in a policy.
        resource: What it acts on; None if the emulation does not know that of the operation.
        context: The condition keys that are present, in lower case.

    Raises:
        UnsupportedPolicyError: If a policy has something that this evaluator does not know.
    """
    a_level_allows_nothing = False
    for policies in levels:
        level_allows = False
        for policy in policies:
            for statement in _statements(policy.content):
                if not _applies(statement, action, resource, context):
                    continue
                if statement["Effect"] == "Deny":
                    return policy.arn
                level_allows = True
        a_level_allows_nothing = a_level_allows_nothing or not level_allows
    return NOTHING_ALLOWS if a_level_allows_nothing else None


def require_valid_policy(content: str, *, policy_type: str) -> None:
    """Require a document that Organizations accepts as a policy of a type.

    Raises:
        MalformedPolicyError: Organizations does not accept it.
    """
    for statement in _statements(content):
        principal = statement.get("Principal")
        if policy_type == SERVICE_CONTROL_POLICY:
            is_valid = principal is None
        else:
            is_valid = (
                principal in ("*", {"AWS": "*"})
                and statement["Effect"] == "Deny"
                and "Action" in statement
                and not any(
                    action.lower().startswith("iam:") for action in _to_list(statement["Action"])
                )
            )
        if not is_valid:
            raise MalformedPolicyError(
                f"A {POLICY_TYPE_NAMES[policy_type]} cannot have the statement "
                f"{json.dumps(statement)}."
            )


def _statements(content: str) -> list[dict[str, Any]]:
    """Return the statements of a document; raise if Organizations would not accept it."""
    try:
        document = json.loads(content)
    except ValueError as error:
        raise MalformedPolicyError(str(error)) from error
    if not isinstance(document, dict) or document.get("Version", _VERSIONS[0]) not in _VERSIONS:
        raise MalformedPolicyError("The document is not an object with a valid Version.")
    statements = _to_list(document.get("Statement", []))
    if not statements:
        raise MalformedPolicyError("The document has no Statement.")
    for statement in statements:
        if (
            not isinstance(statement, dict)
            or statement.keys() - _ELEMENTS
            or statement.get("Effect") not in ("Allow", "Deny")
            or ("Action" in statement) == ("NotAction" in statement)
            or ("Resource" in statement) == ("NotResource" in statement)
        ):
            raise MalformedPolicyError(f"The statement {json.dumps(statement)} is not valid.")
    return statements


def _applies(
    statement: Mapping[str, Any], action: str, resource: str | None, context: _Context
) -> bool:
    """Return whether a statement is about a request, whatever its effect is."""
    return (
        _names_action(statement, action)
        and _names_resource(statement, resource)
        and all(
            _condition_holds(operator, key, values, context)
            for operator, block in statement.get("Condition", {}).items()
            for key, values in block.items()
        )
    )


def _names_action(statement: Mapping[str, Any], action: str) -> bool:
    """Return whether Action names the action, or NotAction does not."""
    patterns = statement.get("Action", statement.get("NotAction"))
    is_named = any(
        _matches_wildcards(action.lower(), pattern.lower()) for pattern in _to_list(patterns)
    )
    return is_named == ("Action" in statement)


def _names_resource(statement: Mapping[str, Any], resource: str | None) -> bool:
    """Return whether Resource names the resource, or NotResource does not."""
    patterns = _to_list(statement.get("Resource", statement.get("NotResource")))
    has_resource = "Resource" in statement
    if "*" in patterns:
        return has_resource
    if resource is None:
        raise UnsupportedPolicyError("The emulation does not know the resource of this operation.")
    for pattern in patterns:
        _require_no_variable(pattern)
        if len(pattern.split(":")) < _ARN_PARTS:
            raise UnsupportedPolicyError(f"The resource {pattern} is not an ARN.")
    return any(_matches_wildcards(resource, pattern) for pattern in patterns) == has_resource


def _condition_holds(operator: str, key: str, values: object, context: Mapping[str, str]) -> bool:
    """Return whether one key of a condition has one of the values that an operator wants."""
    name = operator.lower()
    expected = [_to_text(value) for value in _to_list(values)]
    value = _context_value(key.lower(), context)
    if name == "null":
        return any(_is_true(wanted) == (value is None) for wanted in expected)
    if_exists = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    negated = "not" in name
    matches = _OPERATORS.get(name.replace("not", ""))
    if matches is None:
        raise UnsupportedPolicyError(f"The operator {operator} is not supported.")
    for wanted in expected:
        _require_no_variable(wanted)
    if value is None:
        return if_exists or negated
    return any(matches(value, wanted) for wanted in expected) != negated


def _context_value(key: str, context: Mapping[str, str]) -> str | None:
    """Return the request's value of a condition key; None if AWS would not have the key either."""
    if key in context:
        return context[key]
    if key == "aws:assumedroot" or _ABSENT_KEYS.fullmatch(key):
        return None
    raise UnsupportedPolicyError(f"The condition key {key} is not supported.")


def _matches_wildcards(value: str, pattern: str) -> bool:
    """Return whether a value matches a pattern, whose * and ? are wildcards."""
    wildcards = {"*": ".*", "?": "."}
    expression = "".join(wildcards.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(expression, value, re.DOTALL) is not None


def _matches_arn(value: str, pattern: str) -> bool:
    """Return whether an ARN matches a pattern part by part: a wildcard does not span colons."""
    patterns = pattern.split(":", _ARN_PARTS - 1)
    if len(patterns) < _ARN_PARTS:
        raise UnsupportedPolicyError(f"The value {pattern} is not an ARN.")
    parts = value.split(":", _ARN_PARTS - 1)
    return len(parts) == _ARN_PARTS and all(map(_matches_wildcards, parts, patterns))


def _is_true(value: str) -> bool:
    """Return whether a text is "true", in any case."""
    return value.lower() == "true"


_OPERATORS: Mapping[str, _Matches] = {
    "stringequals": lambda value, expected: value == expected,
    "stringequalsignorecase": lambda value, expected: value.lower() == expected.lower(),
    "stringlike": _matches_wildcards,
    "arnequals": _matches_arn,
    "arnlike": _matches_arn,
    "bool": lambda value, expected: _is_true(value) == _is_true(expected),
}


def _to_list(value: Any) -> list[Any]:
    """Return the values of a policy's element, which may be one without a list."""
    return value if isinstance(value, list) else [value]


def _to_text(value: object) -> str:
    """Return a value of a policy as text, with booleans as JSON has them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _require_no_variable(value: str) -> None:
    """Raise if a value has a policy variable, which this evaluator does not know."""
    if "${" in value:
        raise UnsupportedPolicyError(f"The policy variable in {value} is not supported.")
