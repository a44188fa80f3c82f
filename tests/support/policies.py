"""Whether a policy is least privilege: its statements against the requests that were made, both ways."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from local_aws.emulation import Call

_ACCOUNT = "111111111111"
_PSEUDO_PARAMETERS = {"AWS::Partition": "aws", "AWS::AccountId": _ACCOUNT, "AWS::Region": "us-east-1"}

# The condition operators that are understood: whether the value of a key matches the policy's.
_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringLike": fnmatchcase,
    "ArnEquals": fnmatchcase,
    "ArnLike": fnmatchcase,
}

# What the Service Authorization Reference says: which calls act on an account, and which know the key
# organizations:ServicePrincipal. A key that a call does not know is never in its request's context.
_ON_AN_ACCOUNT = {
    "organizations:DeregisterDelegatedAdministrator",
    "organizations:DescribeAccount",
    "organizations:ListDelegatedServicesForAccount",
    "organizations:RegisterDelegatedAdministrator",
}
_FOR_A_SERVICE = {
    "organizations:DeregisterDelegatedAdministrator",
    "organizations:DisableAWSServiceAccess",
    "organizations:EnableAWSServiceAccess",
    "organizations:ListDelegatedAdministrators",
    "organizations:RegisterDelegatedAdministrator",
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a policy decides a call by.

    Attributes:
        action: the action as policies spell it, such as ``iam:ListOrganizationsFeatures``.
        resource: the ARN that the call acts on; "*" for a call that acts on no resource.
        context: the values of the condition keys that the call knows.
    """

    action: str
    resource: str = "*"
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement that allows something, with everything in it resolved to text."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()

    def allows(self, request: Request) -> bool:
        """Whether the statement allows a request."""
        return (
            any(_matches_action(request, action) for action in self.actions)
            and any(fnmatchcase(request.resource, resource) for resource in self.resources)
            and all(any(condition.met_by(request)) for condition in self.conditions)
        )


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One key of a statement's conditions, and the values that it may have."""

    operator: str
    key: str
    values: tuple[str, ...]

    def met_by(self, request: Request) -> list[bool]:
        """Whether each of the values is the request's."""
        value = request.context.get(self.key)
        return [value is not None and _OPERATORS[self.operator](value, wanted) for wanted in self.values]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How a policy and the requests differ.

    Attributes:
        missing: the requests that no statement allows.
        unused: what the statements allow and no request needed: an action, a resource, a condition's value.
    """

    missing: tuple[Request, ...] = ()
    unused: tuple[str, ...] = ()


def compare(statements: Sequence[Statement], requests: Iterable[Request]) -> Comparison:
    """Compares a policy with the requests that were made under it.

    Args:
        statements: the policy.
        requests: every request.

    Returns:
        The requests without permission, and the permissions without a request.
    """
    made = list(requests)
    return Comparison(
        missing=tuple(request for request in made if not any(it.allows(request) for it in statements)),
        unused=tuple(unused for statement in statements for unused in _unused(statement, made)),
    )


def statements(
    listed: Iterable[Mapping[str, Any]], *, references: Mapping[str, str] | None = None
) -> tuple[Statement, ...]:
    """Reads a policy document's statements as a template has them.

    Args:
        listed: the statements.
        references: what a Ref ("Bucket") or an attribute ("Bucket.Arn") is; one that is not named here stays
            in the text as "${Bucket.Arn}".

    Raises:
        ValueError: a statement has something that would be misread: a Deny, a NotAction, an unknown operator.
    """
    return tuple(_statement(it, {**_PSEUDO_PARAMETERS, **(references or {})}) for it in listed)


def request(call: Call, *, organization_id: str) -> Request:
    """The request that a policy decides a call of the emulation by."""
    action = f"{call.service}:{call.operation}"
    if action == "sts:AssumeRoot":
        return _assume_root(call.parameters)
    resource = "*"
    if action in _ON_AN_ACCOUNT:
        resource = (
            f"arn:aws:organizations::{_ACCOUNT}:account/{organization_id}/{call.parameters['AccountId']}"
        )
    context = {}
    if action in _FOR_A_SERVICE and "ServicePrincipal" in call.parameters:
        context["organizations:ServicePrincipal"] = str(call.parameters["ServicePrincipal"])
    return Request(action=action, resource=resource, context=context)


def _assume_root(parameters: Mapping[str, Any]) -> Request:
    target = str(parameters["TargetPrincipal"])
    return Request(
        action="sts:AssumeRoot",
        resource=target if target.startswith("arn:") else f"arn:aws:iam::{target}:root",
        context={"sts:TaskPolicyArn": str(parameters["TaskPolicyArn"]["arn"])},
    )


def _statement(listed: Mapping[str, Any], references: Mapping[str, str]) -> Statement:
    misread = set(listed) - {"Sid", "Effect", "Action", "Resource", "Condition"}
    misread |= set(listed.get("Condition", {})) - set(_OPERATORS)
    if misread or listed["Effect"] != "Allow":
        raise ValueError(f"{listed} cannot be compared: {sorted(misread) or listed['Effect']}")
    return Statement(
        sid=listed.get("Sid", "no Sid"),
        actions=_texts(listed["Action"], references),
        resources=_texts(listed["Resource"], references),
        conditions=tuple(
            Condition(operator=operator, key=key, values=_texts(values, references))
            for operator, keys in listed.get("Condition", {}).items()
            for key, values in keys.items()
        ),
    )


def _unused(statement: Statement, made: Sequence[Request]) -> Iterable[str]:
    allowed = [request for request in made if statement.allows(request)]
    for action in statement.actions:
        if not any(_matches_action(request, action) for request in allowed):
            yield f"{statement.sid}: {action}"
    for resource in statement.resources:
        if not any(fnmatchcase(request.resource, resource) for request in allowed):
            yield f"{statement.sid}: {resource}"
    for condition in statement.conditions:
        for position, value in enumerate(condition.values):
            if not any(condition.met_by(request)[position] for request in allowed):
                yield f"{statement.sid}: {condition.key} = {value}"


def _matches_action(request: Request, action: str) -> bool:
    return fnmatchcase(request.action.lower(), action.lower())


def _texts(value: Any, references: Mapping[str, str]) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    return tuple(_text(inner, references) for inner in listed)


def _text(value: Any, references: Mapping[str, str]) -> str:
    match value:
        case str():
            return value
        case {"Ref": str(name)}:
            return references.get(name, f"${{{name}}}")
        case {"Fn::GetAtt": [str(logical_id), str(attribute)]}:
            name = f"{logical_id}.{attribute}"
            return references.get(name, f"${{{name}}}")
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(_text(part, references) for part in parts)
        case _:
            raise ValueError(f"{value} cannot be compared")
