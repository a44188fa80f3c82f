"""The checks of the arguments that are resources of the CDK: topics, keys, log groups and roles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from aws_cdk import Stack, Token
from aws_cdk import aws_logs as logs

from .arguments import are_known, wrong_type
from .function import LogSettings

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_sns as sns
    from constructs import IConstruct

_EXAMPLE_ROLES = "arn:aws:iam::222222222222:role/centralized-root-access/*"
# With a path or a name: only a wildcard would be every role of the account.
_ROLE_ARN = r"arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_-][A-Za-z0-9+=,.@_/-]*\*?"


def require_topic(topic: sns.ITopic | None, *, stack: Stack) -> None:
    """Refuse a topic that cannot be published to, and what is neither a topic nor None.

    Raises:
        ValueError: It is a FIFO topic, or known to be in another Region than the stack.
        TypeError: It is not a topic.
    """
    if topic is None:
        return
    remedy = 'For an existing topic write sns.Topic.from_topic_arn(stack, "Topic", topic_arn).'
    _require_resource("notification_topic", topic, "topic", "topic_arn", stack=stack, remedy=remedy)
    if attribute_of(topic, "fifo") is True:
        raise ValueError(
            f"notification_topic is {topic.node.path}, a FIFO topic, which accepts no message "
            "without a group ID. Use a standard topic."
        )


def require_log_group(log_group: logs.ILogGroup, *, stack: Stack) -> None:
    """Refuse what is not a log group, or one that a metric filter could not watch.

    Raises:
        ValueError: It is known to be in another Region or account than the stack.
        TypeError: It is not a log group.
    """
    remedy = 'Write logs.LogGroup.from_log_group_name(stack, "Trail", name), for example.'
    _require_resource(
        "trail_log_group",
        log_group,
        "log group",
        "log_group_name",
        stack=stack,
        remedy=remedy,
        shared=("region", "account"),
    )


def parse_session_roles(roles: Iterable[iam.IRole | str]) -> list[iam.IRole | str]:
    """Return roles by their paths, then ARNs, so that their order does not change the stack.

    Args:
        roles: Roles, and ARNs of roles, which may end with a wildcard.

    Raises:
        ValueError: A string is not the ARN of a role, or one that would be every role of an
            account.
        TypeError: The argument is not a list, a tuple or a set, or an element is neither a role nor
            a string.
    """
    argument = "session_roles"
    remedy = f"Write {_EXAMPLE_ROLES}, for example."
    if not isinstance(roles, list | tuple | set | frozenset):
        raise wrong_type(argument, roles, expected="a list, a tuple or a set", remedy=remedy)
    # A role's token does not sort, its place in the app does.
    by_path: dict[str, iam.IRole | str] = {}
    arns: set[iam.IRole | str] = set()
    for role in roles:
        if isinstance(role, str):
            _require_role_arn(role, remedy=remedy)
            arns.add(role)
        elif isinstance(attribute_of(role, "role_arn"), str):
            by_path[role.node.path] = role
        else:
            expected = "a list of roles of the CDK and ARNs"
            raise wrong_type(argument, role, expected=expected, remedy=remedy)
    return [by_path[path] for path in sorted(by_path)] + sorted(arns, key=str)


def role_arn(role: iam.IRole | str) -> str:
    """Return the ARN of a role, which a list may have instead of the role itself."""
    return role if isinstance(role, str) else role.role_arn


def parse_log_settings(
    encryption_key: kms.IKey | None, log_retention: logs.RetentionDays, *, stack: Stack
) -> LogSettings:
    """Return the settings of the log groups.

    Args:
        encryption_key: The key.
        log_retention: How long the logs are kept.
        stack: The stack that has the log groups.

    Raises:
        ValueError: The key is an alias, or known to be in another Region than the stack.
        TypeError: The key is not a KMS key, or the retention not one of the CDK's.
    """
    if encryption_key is not None:
        _require_key(encryption_key, stack=stack)
    if not isinstance(log_retention, logs.RetentionDays):
        raise wrong_type(
            "log_retention",
            log_retention,
            expected="a RetentionDays",
            remedy="Write logs.RetentionDays.ONE_YEAR, for example.",
        )
    return LogSettings(encryption_key=encryption_key, retention=log_retention)


def attribute_of(construct: object, name: str) -> Any:
    """Return an attribute of a construct; None if it has none, or the CDK cannot say."""
    try:
        return getattr(construct, name, None)
    except RuntimeError:
        # jsii raises it for an error of the CDK, such as that for the ID of a role that is not
        # created.
        return None


def _require_role_arn(role: str, *, remedy: str) -> None:
    """Refuse a token, and what is not the ARN of a role or of several by a * at its end."""
    if Token.is_unresolved(role):
        raise ValueError(
            f"session_roles contains a token, {role}. Pass the role, or write its ARN."
        )
    if not re.fullmatch(_ROLE_ARN, role):
        raise ValueError(
            "session_roles must contain roles of the CDK and ARNs of roles, with a * at the end or "
            f"without; {role!r} is not one. {remedy}"
        )


def _require_key(key: kms.IKey, *, stack: Stack) -> None:
    """Refuse what is not a KMS key, an alias, and a key that is known to be in another Region."""
    remedy = 'For an existing key write kms.Key.from_key_arn(stack, "Key", key_arn).'
    _require_resource("encryption_key", key, "key", "key_arn", stack=stack, remedy=remedy)
    # An alias is an IKey of the CDK; imported by its ARN it does not even say so.
    alias = attribute_of(key, "alias_name")
    if alias is None and ":alias/" in key.key_arn:
        alias = key.key_arn
    if alias is not None:
        if Token.is_unresolved(alias):
            alias = key.node.path
        raise ValueError(
            f"encryption_key is the alias {alias}: a policy that names an alias does not apply to "
            "its key, so no role could use the key. Pass the key itself: for an existing one write "
            'kms.Key.from_lookup(stack, "Key", alias_name=alias_name) or '
            'kms.Key.from_key_arn(stack, "Key", key_arn).'
        )


def _require_resource(
    argument: str,
    value: IConstruct,
    noun: str,
    identifier: str,
    *,
    stack: Stack,
    remedy: str,
    shared: Sequence[str] = ("region",),
) -> None:
    """Refuse what is not a resource of a kind, and one that is known to be elsewhere.

    Args:
        argument: The argument's name.
        value: The resource.
        noun: What it is called.
        identifier: The attribute that each resource of the kind has, such as its ARN.
        stack: The stack.
        remedy: What to write instead.
        shared: What of its environment has to be the stack's: ``region`` or ``account``.
    """
    if not isinstance(attribute_of(value, identifier), str):
        raise wrong_type(argument, value, expected=f"a {noun} of the CDK", remedy=remedy)
    # An imported resource has the environment that is in its ARN.
    environment = attribute_of(value, "env")
    for name in shared:
        place, own = attribute_of(environment, name), getattr(stack, name)
        if isinstance(place, str) and place != own and are_known(place, own):
            raise ValueError(
                f"{argument} is {value.node.path}, in {place}; the stack is in {own}. "
                f"Use a {noun} in {own}."
            )
