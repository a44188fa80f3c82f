"""Compares a policy with the requests of a function, to show that it is least privilege."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from local_aws.emulation import Call
from support.accounts import MANAGEMENT
from support.template_reading import text_with_references

_PSEUDO_PARAMETERS = {
    "AWS::Partition": "aws",
    "AWS::AccountId": MANAGEMENT,
    "AWS::Region": "us-east-1",
}

# The supported condition operators: whether the value of a key matches the policy's.
_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringLike": fnmatchcase,
    "ArnEquals": fnmatchcase,
    "ArnLike": fnmatchcase,
}

# From the Service Authorization Reference: which calls act on an account, and which have the key
# organizations:ServicePrincipal. A key that a call does not have is never in its request's context.
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

_LISTING_ACTIONS = {
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
}


@dataclass(frozen=True, kw_only=True)
class PolicyRequest:
    """What a policy decides about: a call, its resource and its context.

    Attributes:
        action: The call, named as in an IAM policy.
        resource: The ARN on which the call acts; "*" for a call that does not act on a resource.
        context: The values of the condition keys that the call has.
    """

    action: str
    resource: str = "*"
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PolicyStatement:
    """One statement with the effect Allow, with its references resolved."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[PolicyCondition, ...] = ()

    def allows(self, request: PolicyRequest) -> bool:
        """Return whether the statement allows a request."""
        return (
            any(_matches_action(request, action) for action in self.actions)
            and any(fnmatchcase(request.resource, resource) for resource in self.resources)
            and all(any(condition.matches(request)) for condition in self.conditions)
        )


@dataclass(frozen=True, kw_only=True)
class PolicyCondition:
    """One key of a statement's conditions, and the values that it may have."""

    operator: str
    key: str
    values: tuple[str, ...]

    def matches(self, request: PolicyRequest) -> list[bool]:
        """Return whether each of the values is the request's."""
        value = request.context.get(self.key)
        return [
            value is not None and _OPERATORS[self.operator](value, wanted) for wanted in self.values
        ]


@dataclass(frozen=True, kw_only=True)
class PolicyComparison:
    """How a policy and the requests differ.

    Attributes:
        missing: The requests that no statement allows.
        unused: What the statements allow but no request needs: an action, a resource, a condition's
            value.
    """

    missing: tuple[PolicyRequest, ...] = ()
    unused: tuple[str, ...] = ()


def compare_policy(
    statements: Sequence[PolicyStatement], requests: Iterable[PolicyRequest]
) -> PolicyComparison:
    """Compare a policy with the requests under it.

    Args:
        statements: The policy.
        requests: Every request.

    Returns:
        The requests without permission, and the permissions without a request.
    """
    requests = list(requests)
    return PolicyComparison(
        missing=tuple(
            request
            for request in requests
            if not any(statement.allows(request) for statement in statements)
        ),
        unused=tuple(
            unused for statement in statements for unused in _find_unused(statement, requests)
        ),
    )


def parse_statements(
    statements: Iterable[Mapping[str, Any]], *, references: Mapping[str, str] | None = None
) -> tuple[PolicyStatement, ...]:
    """Parse the statements of a policy document in a template.

    Args:
        statements: The statements.
        references: The values of a Ref ("Bucket") or an attribute ("Bucket.Arn"); others remain in
            the text as "${Bucket.Arn}".

    Raises:
        ValueError: A statement has something that would be misread: a Deny, a NotAction, an unknown
            operator.
    """
    return tuple(
        _parse_statement(statement, {**_PSEUDO_PARAMETERS, **(references or {})})
        for statement in statements
    )


def request_of_root_access_call(call: Call, *, organization_id: str) -> PolicyRequest:
    """Return the request by which a policy decides about a call of root access to the emulation."""
    action = f"{call.service}:{call.operation}"
    resource = "*"
    if action in _ON_AN_ACCOUNT:
        account_id = call.parameters["AccountId"]
        resource = f"arn:aws:organizations::{MANAGEMENT}:account/{organization_id}/{account_id}"
    context = {}
    if action in _FOR_A_SERVICE and "ServicePrincipal" in call.parameters:
        context["organizations:ServicePrincipal"] = str(call.parameters["ServicePrincipal"])
    return PolicyRequest(action=action, resource=resource, context=context)


def request_of_task_call(action: str, parameters: Mapping[str, Any]) -> PolicyRequest:
    """Return the request by which a policy decides about a call of root tasks."""
    match action:
        case "s3:ListObjectsV2" | "s3:ListObjectVersions":
            return PolicyRequest(
                action=_LISTING_ACTIONS[action],
                resource=f"arn:aws:s3:::{parameters['Bucket']}",
                context={"s3:prefix": parameters["Prefix"]},
            )
        case "s3:GetObject" | "s3:PutObject":
            key = f"arn:aws:s3:::{parameters['Bucket']}/{parameters['Key']}"
            if "VersionId" in parameters:
                action = "s3:GetObjectVersion"
            return PolicyRequest(action=action, resource=key)
        case "sts:AssumeRoot":
            return PolicyRequest(
                action=action,
                resource=f"arn:aws:iam::{parameters['TargetPrincipal']}:root",
                context={"sts:TaskPolicyArn": parameters["TaskPolicyArn"]["arn"]},
            )
        case "securityhub:BatchImportFindings":
            return PolicyRequest(action=action, resource=parameters["Findings"][0]["ProductArn"])
    return PolicyRequest(action=action)


def _parse_statement(
    statement: Mapping[str, Any], references: Mapping[str, str]
) -> PolicyStatement:
    """Return a statement of a template; raise if it has an element that would be misread."""
    misread = set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition"}
    misread |= set(statement.get("Condition", {})) - set(_OPERATORS)
    if misread or statement["Effect"] != "Allow":
        raise ValueError(
            f"{statement} cannot be compared: {sorted(misread) or statement['Effect']}"
        )
    return PolicyStatement(
        sid=statement.get("Sid", "no Sid"),
        actions=_texts(statement["Action"], references),
        resources=_texts(statement["Resource"], references),
        conditions=tuple(
            PolicyCondition(operator=operator, key=key, values=_texts(values, references))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        ),
    )


def _find_unused(statement: PolicyStatement, requests: Sequence[PolicyRequest]) -> Iterable[str]:
    """Yield each action, resource and condition value of a statement that no request needs."""
    allowed = [request for request in requests if statement.allows(request)]
    for action in statement.actions:
        if not any(_matches_action(request, action) for request in allowed):
            yield f"{statement.sid}: {action}"
    for resource in statement.resources:
        if not any(fnmatchcase(request.resource, resource) for request in allowed):
            yield f"{statement.sid}: {resource}"
    for condition in statement.conditions:
        for position, value in enumerate(condition.values):
            if not any(condition.matches(request)[position] for request in allowed):
                yield f"{statement.sid}: {condition.key} = {value}"


def _matches_action(request: PolicyRequest, action: str) -> bool:
    """Return whether an action of a policy is the request's; IAM ignores their case."""
    return request.action.lower() == action.lower()


def _texts(value: Any, references: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of a statement's element, which may be one without a list."""
    values = value if isinstance(value, list) else [value]
    return tuple(
        re.sub(
            r"\$\{([\w:.]+)\}",
            lambda found: references.get(found[1], found[0]),
            text_with_references(inner),
        )
        for inner in values
    )
