"""Policy documents, parsed once. Of one that cannot be parsed nothing is known, not even a Deny."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from common.identifier import Identifier
from common.json_text import refuse_constant, unique_keys

from .operators import OPERATORS, Operator
from .policy_text import Template, lowercase, parse_template


class PolicyType(Identifier):
    """The two types of policies that limit what is allowed, under AWS's names."""

    SERVICE_CONTROL_POLICY = "SERVICE_CONTROL_POLICY"
    RESOURCE_CONTROL_POLICY = "RESOURCE_CONTROL_POLICY"


class Effect(StrEnum):
    """The effect of a statement."""

    ALLOW = "Allow"
    DENY = "Deny"


class Quantifier(StrEnum):
    """An operator's way with a key of several values."""

    FOR_ALL_VALUES = "ForAllValues"
    FOR_ANY_VALUE = "ForAnyValue"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One key of one operator of a condition block.

    Attributes:
        operator_name: The operator as written, with its prefix and suffix.
        key: The condition key as written.
        operator: The operator; None if it is Null or not known.
        quantifier: Its prefix.
        if_exists: Whether it has the suffix IfExists.
    """

    operator_name: str
    key: str
    values: tuple[Template, ...]
    operator: Operator | None
    quantifier: Quantifier | None
    if_exists: bool


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A statement of a policy.

    Attributes:
        number: Its place in the policy, from 1.
        sid: Its Sid; "" if it has none.
        effect: Allow or Deny.
        actions: What Action or NotAction lists, in lowercase.
        not_action: Whether it is NotAction.
        resources: What Resource or NotResource lists.
        not_resource: Whether it is NotResource.
        conditions: Its conditions; all must hold.
    """

    number: int
    sid: str
    effect: Effect
    actions: tuple[Template, ...]
    not_action: bool
    resources: tuple[Template, ...]
    not_resource: bool
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A policy.

    Attributes:
        policy_id: For example p-FullAWSAccess.
        content: Its document, JSON; "" if it could not be read.
        statements: Its statements; none if it has a problem.
        problem: Why nothing is known of it: it could not be read or parsed, so it may allow or deny
            anything; "" if it is known.
    """

    policy_id: str
    name: str
    content: str = ""
    statements: tuple[Statement, ...] = ()
    problem: str = ""


def parse_policy(
    content: str,
    *,
    policy_id: str,
    name: str,
    policy_type: PolicyType = PolicyType.SERVICE_CONTROL_POLICY,
) -> Policy:
    """Return the policy of a document; one that cannot be parsed gives a policy with a problem.

    Args:
        content: The document, JSON.
        policy_id: Its ID.
        name: Its name.
        policy_type: Its type. Only resource control policies have a Principal, and it is always
            "*".
    """
    try:
        # A number stays the text that it is in the document: conditions compare that.
        document = json.loads(
            content,
            object_pairs_hook=unique_keys,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=refuse_constant,
        )
        statements = _statements(document, policy_type)
    except ValueError as error:
        problem = f"It is not JSON: {error}."
    except RecursionError:
        problem = "It is nested too deeply."
    except _UnknownLanguageError as error:
        problem = str(error)
    else:
        return Policy(policy_id=policy_id, name=name, content=content, statements=statements)
    return Policy(policy_id=policy_id, name=name, problem=problem)


class _Number(str):
    """A number of a document, as written; conditions take it for a text."""

    __slots__ = ()


class _UnknownLanguageError(Exception):
    """The document is not what the policy language of today allows."""


_DOCUMENT_ELEMENTS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_ELEMENTS = frozenset(
    {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition", "Principal"}
)
# Without a Version it is the old language, which knows no variables.
_OLD_VERSION = "2008-10-17"
_VERSIONS = (_OLD_VERSION, "2012-10-17")
_ANYBODY = ("*", {"AWS": "*"})


def _statements(document: object, policy_type: PolicyType) -> tuple[Statement, ...]:
    """Return the statements of a document as JSON has it."""
    members = _members(document, "The document", _DOCUMENT_ELEMENTS)
    # A document that names no version has the old one, which knows no policy variables.
    version = members.get("Version", _OLD_VERSION)
    if version not in _VERSIONS:
        raise _UnknownLanguageError(
            f"Its Version is {version!r}; known are {' and '.join(_VERSIONS)}."
        )
    statements = members.get("Statement")
    if not isinstance(statements, list):
        statements = [statements]
    if not statements:
        raise _UnknownLanguageError("It has no statement.")
    has_variables = version != _OLD_VERSION
    return tuple(
        _statement(statement, number, variables=has_variables, policy_type=policy_type)
        for number, statement in enumerate(statements, start=1)
    )


def _statement(
    statement: object, number: int, *, variables: bool, policy_type: PolicyType
) -> Statement:
    """Return a statement as JSON has it, parsed.

    Args:
        statement: The statement.
        number: Its place in the policy, from 1.
        variables: Whether the policy's version knows policy variables.
        policy_type: The type of the policy.
    """
    place = f"Statement {number}"
    # First of all, whether it is a statement of this type of policy.
    members = _members(statement, place, _STATEMENT_ELEMENTS)
    effect = members.get("Effect")
    if effect not in list(Effect):
        raise _UnknownLanguageError(f"{place}: its Effect is {effect!r}; known are Allow and Deny.")
    sid = members.get("Sid", "")
    if not isinstance(sid, str) or isinstance(sid, _Number):
        raise _UnknownLanguageError(f"{place}: its Sid is not a text.")
    principal = members.get("Principal")
    if policy_type is PolicyType.RESOURCE_CONTROL_POLICY:
        is_valid = principal in _ANYBODY
    else:
        is_valid = "Principal" not in members
    if not is_valid:
        raise _UnknownLanguageError(
            f"{place}: its Principal is {principal!r}, which a {policy_type} cannot have."
        )
    # Then what it is about. AWS compares actions without case, and they have no variables.
    actions, not_action = _one_of(members, "Action", "NotAction", place)
    resources, not_resource = _one_of(members, "Resource", "NotResource", place)
    return Statement(
        number=number,
        sid=sid,
        effect=Effect(str(effect)),
        actions=tuple(parse_template(lowercase(action), variables=False) for action in actions),
        not_action=not_action,
        resources=tuple(parse_template(resource, variables=variables) for resource in resources),
        not_resource=not_resource,
        conditions=_conditions(members.get("Condition", {}), place, variables=variables),
    )


def _one_of(
    members: dict[str, object], name: str, negated: str, place: str
) -> tuple[tuple[str, ...], bool]:
    """Return what Action lists, for example, or NotAction, and whether it is NotAction."""
    is_negated = negated in members
    if is_negated == (name in members):
        raise _UnknownLanguageError(f"{place}: it needs either {name} or {negated}.")
    listed = members[negated] if is_negated else members[name]
    return _texts(listed, f"{place}: its {name}"), is_negated


def _conditions(block: object, place: str, *, variables: bool) -> tuple[Condition, ...]:
    """Return the conditions of a block such as {"Bool": {"aws:SecureTransport": "false"}}."""
    conditions = []
    for operator_name, keys in _members(block, f"{place}: its Condition").items():
        quantifier, operator, if_exists = _parse_operator(operator_name)
        for key, values in _members(keys, f"{place}: {operator_name}").items():
            texts = _texts(values, f"{place}: {operator_name} {key}", in_condition=True)
            condition = Condition(
                operator_name=operator_name,
                key=key,
                values=tuple(parse_template(text, variables=variables) for text in texts),
                operator=operator,
                quantifier=quantifier,
                if_exists=if_exists,
            )
            conditions.append(condition)
    return tuple(conditions)


_IF_EXISTS = "IfExists"
# Prefixes are compared without case.
_QUANTIFIERS = {quantifier.lower(): quantifier for quantifier in Quantifier}


def _parse_operator(name: str) -> tuple[Quantifier | None, Operator | None, bool]:
    """Return the prefix, the operator and whether there is the suffix IfExists.

    For example ForAnyValue, StringLike and True for ForAnyValue:StringLikeIfExists.
    """
    base = name
    prefix, colon, rest = name.partition(":")
    quantifier = _QUANTIFIERS.get(lowercase(prefix)) if colon else None
    if quantifier is not None:
        base = rest
    if_exists = base.endswith(_IF_EXISTS)
    return quantifier, OPERATORS.get(base.removesuffix(_IF_EXISTS)), if_exists


def _members(value: object, place: str, known: frozenset[str] | None = None) -> dict[str, object]:
    """Return the members of an object of JSON, or refuse what is none or has unknown members.

    Args:
        value: What JSON has there.
        place: How an error names it, such as "Statement 2".
        known: The names that its members may have; None if any.
    """
    if not isinstance(value, dict):
        raise _UnknownLanguageError(f"{place} is not an object.")
    if known is not None and not value.keys() <= known:
        unknown = ", ".join(sorted(value.keys() - known))
        raise _UnknownLanguageError(f"{place} has an unknown element: {unknown}.")
    return value


def _texts(value: object, place: str, *, in_condition: bool = False) -> tuple[str, ...]:
    """Return a text, or a list of texts, as a tuple.

    Args:
        value: What JSON has there.
        place: How an error names it.
        in_condition: Whether booleans and numbers count as texts, as they do in conditions.
    """
    items = value if isinstance(value, list) else [value]
    if not items:
        raise _UnknownLanguageError(f"{place} is empty.")
    texts = []
    for item in items:
        if in_condition and isinstance(item, bool):
            # As JSON has it: true, not True.
            texts.append(str(item).lower())
        # A number is a str as well, as a _Number.
        elif isinstance(item, str) and (in_condition or not isinstance(item, _Number)):
            texts.append(str(item))
        else:
            raise _UnknownLanguageError(f"{place} is not a text or a list of texts.")
    return tuple(texts)
