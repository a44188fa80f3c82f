"""The checks of the constructs' arguments: each argument is returned in the form that a function reads."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import EnumType, StrEnum
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aws_cdk import (
    Annotations,
    Aws,
    DefaultTokenResolver,
    Duration,
    Reference,
    Stack,
    StringConcat,
    Token,
    Tokenization,
)
from aws_cdk import aws_logs as logs

from ._function import LogSettings
from ._permissions import MAX_PROTECTED_ACCOUNTS
from .enums import RootAccessFeature, RootTask

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aws_cdk import IPostProcessor, IResolvable, IResolveContext
    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_sns as sns
    from constructs import Construct, IConstruct

Member = TypeVar("Member", bound=StrEnum)

# IAM and Organizations are global; CloudTrail delivers their events here.
REGION_OF_GLOBAL_EVENTS = "us-east-1"

_MAX_PLAN_LIFETIME_HOURS = 24
# AWS documents no maximum of a rate; an audit less often than this is a mistake.
_MAX_AUDIT_INTERVAL_DAYS = 365
_MAX_CONCURRENCY = 1000

# What CDK puts into the list that stands for a list token, such as that of a CommaDelimitedList.
_LIST_TOKEN = "#{Token["

# The ID of the organization's root, of an organizational unit or of an account.
_TARGET = r"r-[0-9a-z]{4,32}|ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|[0-9]{12}"

# Regions by the beginning of their names: where AWS does not offer centralized root access, as far as known.
_NOT_OFFERED = ("us-gov-", "eusc-", "us-iso", "eu-iso")


def parse_features(features: Iterable[RootAccessFeature | str]) -> list[RootAccessFeature]:
    """Return the features in the API's order, each once.

    Raises:
        ValueError: A value is not a feature of root access.
        TypeError: The argument is not a list, a tuple or a set.
    """
    return _parse_members("features", features, RootAccessFeature)


def parse_tasks(tasks: Iterable[RootTask | str]) -> list[RootTask]:
    """Return the tasks in the order of the enum, each once.

    Raises:
        ValueError: A value is not a root task, or the list is empty.
        TypeError: The argument is not a list, a tuple or a set.
    """
    parsed = _parse_members("tasks", tasks, RootTask)
    if not parsed:
        raise ValueError("tasks is empty. List at least RootTask.AUDIT.")
    return parsed


def parse_delegated_administrators(account_ids: Iterable[str], *, stack: Stack) -> list[str]:
    """Return the account IDs, sorted: another order in the code does not change the stack.

    Args:
        account_ids: Member accounts. A token in the list is not checked, but that it is another account.
        stack: The stack, whose own account cannot be listed.

    Raises:
        ValueError: An account ID is not 12 digits, is listed twice, or is the stack's own account.
        TypeError: The argument is not a list, a tuple or a set, or an element is not a string.
    """
    argument = "delegated_administrators"
    own = {_template_value(stack, account_id).text for account_id in (stack.account, Aws.ACCOUNT_ID)}
    listed: dict[_TemplateValue, str] = {}
    for account_id in _list(argument, account_ids):
        value = _template_value(stack, account_id)
        if not Token.is_unresolved(account_id):
            _require_account_id(argument, account_id)
        if value.text in own:
            raise ValueError(
                f"{argument} lists {value}, the account of this stack. The management account cannot be a "
                "delegated administrator. List member accounts."
            )
        if value in listed:
            raise ValueError(f"{argument} lists {value} twice. List it once.")
        listed[value] = account_id
    return [listed[value] for value in sorted(listed)]


def parse_protected_accounts(account_ids: Iterable[str]) -> list[str]:
    """Return the account IDs, sorted, each once.

    Raises:
        ValueError: An account ID is not 12 digits, or a policy has no room for so many.
        TypeError: The argument is not a list, a tuple or a set.
    """
    listed = _list("protected_accounts", account_ids)
    for account_id in listed:
        # One that turned out to be something else at deployment would silently protect nothing.
        _require_known("protected_accounts", account_id)
        _require_account_id("protected_accounts", account_id)
    parsed = sorted(set(listed))
    if len(parsed) > MAX_PROTECTED_ACCOUNTS:
        raise ValueError(
            f"protected_accounts lists {len(parsed)} accounts; an inline policy has room for "
            f"{MAX_PROTECTED_ACCOUNTS}. Use a service control policy for the rest."
        )
    return parsed


def parse_targets(targets: Iterable[str], *, allow_organization_root: bool, stack: Stack) -> list[str]:
    """Return what a policy is attached to, sorted, each once. A token in the list is not checked.

    Args:
        targets: Organizational units, accounts, or the organization's root.
        allow_organization_root: Whether the root may be listed.
        stack: The stack that has the policy.

    Raises:
        ValueError: None is listed, an ID is malformed, or the root is listed and may not be.
        TypeError: The argument is not a list, a tuple or a set.
    """
    listed = {_template_value(stack, target): target for target in _list("targets", targets)}
    if not listed:
        raise ValueError(
            "targets is empty, so that the guardrail would protect nothing. List the ID of an organizational "
            "unit, for example."
        )
    parsed = [listed[value] for value in sorted(listed)]
    for target in parsed:
        if Token.is_unresolved(target):
            continue
        if not re.fullmatch(_TARGET, target):
            raise ValueError(
                f"targets must contain IDs of organizational units, accounts or the organization's root; "
                f"{target!r} is not one. Write ou-a1b2-c3d4e5f6, for example."
            )
        if target.startswith("r-") and not allow_organization_root:
            raise ValueError(
                f"targets lists {target}, the organization's root: the guardrail would apply to every member "
                "account at once. Try it on an organizational unit first; then add "
                "allow_organization_root=True."
            )
    return parsed


def parse_exempt_accounts(account_ids: Iterable[str], *, targets: Iterable[str]) -> list[str]:
    """Return the account IDs, sorted, each once.

    Raises:
        ValueError: An account ID is not 12 digits, or is a target as well.
        TypeError: The argument is not a list, a tuple or a set.
    """
    listed = sorted(set(_list("exempt_accounts", account_ids)))
    for account_id in listed:
        _require_known("exempt_accounts", account_id)
        _require_account_id("exempt_accounts", account_id)
        if account_id in targets:
            raise ValueError(
                f"exempt_accounts lists {account_id}, which is one of the targets as well. Remove it from "
                "one of them."
            )
    return listed


def parse_plan_lifetime(lifetime: Duration | None) -> Duration:
    """Return the lifetime of a plan; by default the longest.

    Raises:
        ValueError: It is 0, longer than 24 hours, or not whole seconds.
        TypeError: It is not a Duration.
    """
    maximum = Duration.hours(_MAX_PLAN_LIFETIME_HOURS)
    if lifetime is None:
        return maximum
    milliseconds = _milliseconds("plan_lifetime", lifetime)
    if milliseconds % 1000 or not 0 < milliseconds <= maximum.to_milliseconds():
        raise ValueError(
            "plan_lifetime must be whole seconds, more than 0 and at most 24 hours, got "
            f"{lifetime.to_human_string()}. Write Duration.hours(24), for example."
        )
    return lifetime


def require_audit_interval(interval: Duration, *, tasks: Iterable[RootTask]) -> None:
    """Refuse a schedule of audits that cannot be.

    Raises:
        ValueError: It is not whole minutes, or longer than a year; or the audit is not listed.
        TypeError: It is not a Duration.
    """
    require_interval("audit_interval", interval, maximum=Duration.days(_MAX_AUDIT_INTERVAL_DAYS))
    if RootTask.AUDIT not in tasks:
        raise ValueError("audit_interval schedules the audit. Add RootTask.AUDIT to tasks.")


def require_audit_of_new_accounts(
    *, tasks: Iterable[RootTask], notification_topic: object, region: str
) -> None:
    """Refuse an audit of new accounts that nothing would start, or that would not reach anybody.

    Raises:
        ValueError: The audit is not listed, there is no topic, or the Region has no events of Organizations.
    """
    if RootTask.AUDIT not in tasks:
        raise ValueError("audit_new_accounts starts the audit. Add RootTask.AUDIT to tasks.")
    if notification_topic is None:
        raise ValueError("audit_new_accounts publishes what it finds. Add a notification_topic.")
    if region != REGION_OF_GLOBAL_EVENTS:
        where = "an unknown Region" if Token.is_unresolved(region) else region
        raise ValueError(
            f"audit_new_accounts needs a stack in {REGION_OF_GLOBAL_EVENTS}, where CloudTrail delivers the "
            f"events of Organizations; this stack is in {where}. Give it "
            f'env=Environment(region="{REGION_OF_GLOBAL_EVENTS}", …).'
        )


def require_interval(argument: str, interval: Duration, *, maximum: Duration) -> None:
    """Refuse an interval that a schedule cannot have.

    Raises:
        ValueError: It is not whole minutes, or longer than the maximum.
        TypeError: It is not a Duration.
    """
    milliseconds = _milliseconds(argument, interval)
    if milliseconds % 60_000 or not 60_000 <= milliseconds <= maximum.to_milliseconds():
        raise ValueError(
            f"{argument} must be whole minutes, from 1 minute to {maximum.to_human_string()}, got "
            f"{interval.to_human_string()}. Write Duration.hours(1), for example."
        )


def require_bool(argument: str, value: object) -> None:
    """Refuse what only counts as true or false: the string "false" would count as true.

    Raises:
        TypeError: It is not a bool.
    """
    if not isinstance(value, bool):
        raise _wrong_type(argument, value, expected="True or False", remedy="Write True or False.")


def require_topic(argument: str, topic: sns.ITopic | None, *, stack: Stack) -> None:
    """Refuse a topic that nobody could publish to, and what is neither a topic nor None.

    Args:
        argument: The argument's name.
        topic: The topic.
        stack: The stack that has the alarms.

    Raises:
        ValueError: It is a FIFO topic, or known to be in another Region than the stack.
        TypeError: It is not a topic.
    """
    if topic is None:
        return
    if not isinstance(getattr(topic, "topic_arn", None), str):
        raise _wrong_type(
            argument,
            topic,
            expected="an SNS topic of the CDK",
            remedy='For an existing topic write sns.Topic.from_topic_arn(stack, "Topic", topic_arn).',
        )
    if attribute_of(topic, "fifo") is True:
        raise ValueError(
            f"{argument} is {topic.node.path}, a FIFO topic, which accepts no message without a group ID. "
            "Use a standard topic."
        )
    _require_region(
        argument, topic, stack=stack, noun="topic", why="an alarm can only notify a topic in its own Region"
    )


def require_log_group(argument: str, log_group: logs.ILogGroup, *, stack: Stack) -> None:
    """Refuse a log group that a metric filter of the stack could not watch, and what is not a log group.

    Args:
        argument: The argument's name.
        log_group: The log group.
        stack: The stack that has the metric filter.

    Raises:
        ValueError: It is known to be in another Region than the stack.
        TypeError: It is not a log group.
    """
    if not isinstance(getattr(log_group, "log_group_name", None), str):
        raise _wrong_type(
            argument,
            log_group,
            expected="a log group of the CDK",
            remedy='Write logs.LogGroup.from_log_group_name(stack, "Trail", name), for example.',
        )
    _require_region(
        argument,
        log_group,
        stack=stack,
        noun="log group",
        why="a metric filter watches the group of this name in its own Region",
    )


def parse_allowed_roles(roles: Iterable[iam.IRole]) -> list[iam.IRole]:
    """Return the roles, each once, by their paths: another order in the code does not change the stack.

    Raises:
        TypeError: The argument is not a list, a tuple or a set, or an element is not a role.
    """
    remedy = 'For an existing role write iam.Role.from_role_arn(stack, "Role", role_arn).'
    if not isinstance(roles, list | tuple | set | frozenset):
        raise _wrong_type("allowed_roles", roles, expected="a list, a tuple or a set", remedy=remedy)
    for role in roles:
        if not isinstance(getattr(role, "role_arn", None), str):
            raise _wrong_type("allowed_roles", role, expected="a list of roles of the CDK", remedy=remedy)
    by_path = {role.node.path: role for role in roles}
    return [by_path[path] for path in sorted(by_path)]


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
        _require_key("encryption_key", encryption_key, stack=stack)
    if not isinstance(log_retention, logs.RetentionDays):
        raise _wrong_type(
            "log_retention",
            log_retention,
            expected="a RetentionDays",
            remedy="Write logs.RetentionDays.ONE_YEAR, for example.",
        )
    return LogSettings(encryption_key=encryption_key, retention=log_retention)


def require_max_concurrency(max_concurrency: object) -> None:
    """Refuse a concurrency that a Distributed Map is not to have.

    Raises:
        ValueError: It is not from 1 to 1,000.
        TypeError: It is not an int.
    """
    if not isinstance(max_concurrency, int) or isinstance(max_concurrency, bool):
        raise _wrong_type(
            "max_concurrency",
            max_concurrency,
            expected="an int",
            remedy=f"Write a number from 1 to {_MAX_CONCURRENCY}.",
        )
    if not 1 <= max_concurrency <= _MAX_CONCURRENCY:
        raise ValueError(
            f"max_concurrency must be from 1 to {_MAX_CONCURRENCY}, got {max_concurrency}. Write 5, for "
            "example."
        )


def require_partition(construct: Construct) -> None:
    """Refuse the China Regions, and warn of others where AWS does not offer centralized root access.

    Raises:
        ValueError: The construct's stack is in a China Region.
    """
    region = Stack.of(construct).region
    if Token.is_unresolved(region):
        return
    if region.startswith("cn-"):
        raise ValueError(
            f"{construct.node.path} is in {region}: centralized root access is not available in the China "
            "Regions. Use a Region of another partition."
        )
    if region.startswith(_NOT_OFFERED):
        Annotations.of(construct).add_warning_v2(
            "centralized-root-access:notOffered",
            f"The Region is {region}: as far as known, AWS does not offer centralized root access in this "
            "partition. Nothing was tried there.",
        )


def attribute_of(construct: object, name: str) -> Any:
    """Return an attribute of a construct; None where it has none, or the CDK cannot say."""
    try:
        return getattr(construct, name, None)
    except RuntimeError:
        # What jsii makes of an error of the CDK, such as that for the ID of a role that is not created.
        return None


def _require_region(argument: str, construct: IConstruct, *, stack: Stack, noun: str, why: str) -> None:
    """Refuse what is known to be in another Region than the stack."""
    region = attribute_of(attribute_of(construct, "env"), "region")
    if not isinstance(region, str) or Token.is_unresolved(region) or Token.is_unresolved(stack.region):
        return
    if region != stack.region:
        raise ValueError(
            f"{argument} is {construct.node.path}, a {noun} in {region}; the stack is in {stack.region}, and "
            f"{why}. Use a {noun} in {stack.region}."
        )


def _require_key(argument: str, key: kms.IKey, *, stack: Stack) -> None:
    if not isinstance(getattr(key, "key_arn", None), str):
        raise _wrong_type(
            argument,
            key,
            expected="a KMS key of the CDK",
            remedy='For an existing key write kms.Key.from_key_arn(stack, "Key", key_arn).',
        )
    alias = attribute_of(key, "alias_name")
    if alias is None and ":alias/" in key.key_arn:
        alias = key.key_arn
    if alias is not None:
        if Token.is_unresolved(alias):
            alias = key.node.path
        raise ValueError(
            f"{argument} is the alias {alias}: a policy that names an alias does not apply to its key, so "
            "that no role could use the key. Pass the key itself: for an existing one write "
            'kms.Key.from_lookup(stack, "Key", alias_name=alias_name) or '
            'kms.Key.from_key_arn(stack, "Key", key_arn).'
        )
    _require_region(
        argument, key, stack=stack, noun="key", why="S3 and CloudWatch Logs use keys of their own Region"
    )


def _list(argument: str, value: Iterable[object]) -> list[str]:
    """Return the strings of a list, a tuple, a set or an enum.

    An iterator is empty when a second construct reads it, and a mapping's values would not count.
    """
    if isinstance(value, str):
        raise TypeError(f"{argument} must be a list, got the string {value!r}. Write [{value!r}].")
    if not isinstance(value, list | tuple | set | frozenset | EnumType):
        raise _wrong_type(
            argument, value, expected="a list, a tuple or a set", remedy="Write its values as a list."
        )
    listed: list[str] = []
    for element in value:
        if not isinstance(element, str):
            raise _wrong_type(
                argument, element, expected="a list of strings", remedy="Write each element as a string."
            )
        if _LIST_TOKEN in element:
            raise ValueError(
                f"{argument} is a list token, of a parameter for example: {element}. Its elements must be "
                "known at synth. Write a list; an element of it may be a token."
            )
        listed.append(element)
    return listed


def _parse_members(argument: str, names: Iterable[str], valid: type[Member]) -> list[Member]:
    listed = set(_list(argument, names))
    if unknown := listed.difference(valid):
        for name in sorted(unknown):
            _require_known(argument, name)
        names = ", ".join(sorted(repr(str(name)) for name in unknown))
        raise ValueError(f"{argument} contains {names}. Valid {argument}: {', '.join(valid)}.")
    return [member for member in valid if member in listed]


def _milliseconds(argument: str, duration: object) -> float:
    if not isinstance(duration, Duration):
        raise _wrong_type(
            argument, duration, expected="a Duration", remedy="Write Duration.hours(1), for example."
        )
    if duration.is_unresolved():
        raise ValueError(f"{argument} must be known at synth, got a token. Write Duration.hours(1).")
    return duration.to_milliseconds()


@dataclass(frozen=True, order=True)
class _TemplateValue:
    """What a string stands for, to compare and sort by: a token's own name changes with the app's others.

    Attributes:
        text: The string, or what the template has for a token, as JSON.
        elsewhere: The paths of what it refers to in other stacks, which may have the same logical ID.
    """

    text: str
    elsewhere: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.text} of {', '.join(self.elsewhere)}" if self.elsewhere else self.text


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


def _template_value(stack: Stack, value: str) -> _TemplateValue:
    if not Token.is_unresolved(value):
        return _TemplateValue(value)
    finder = _ReferenceFinder()
    Tokenization.resolve(value, scope=stack, resolver=finder, preparing=False)
    targets = (it.target for it in finder.references)
    elsewhere = {target.node.path for target in targets if Stack.of(target) is not stack}
    return _TemplateValue(json.dumps(stack.resolve(value), sort_keys=True), tuple(sorted(elsewhere)))


def _require_known(argument: str, value: str) -> None:
    if Token.is_unresolved(value):
        raise ValueError(
            f"{argument} contains a token, {value}. Its elements must be known at synth. Write the value."
        )


def _require_account_id(argument: str, account_id: str) -> None:
    if not re.fullmatch(r"[0-9]{12}", account_id):
        raise ValueError(
            f"{argument} must contain 12-digit account IDs as strings; {account_id!r} is not one. Write all "
            "12 digits."
        )


def _wrong_type(argument: str, value: object, *, expected: str, remedy: str) -> TypeError:
    return TypeError(f"{argument} must be {expected}, got {value!r} of type {type(value).__name__}. {remedy}")
