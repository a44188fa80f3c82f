"""The checks of the constructs' arguments: each argument is returned in the form that a function reads."""

from __future__ import annotations

import json
import re
from enum import EnumType, StrEnum
from typing import TYPE_CHECKING, TypeVar

from aws_cdk import Annotations, Aws, Duration, Stack, Token
from aws_cdk.region_info import RegionInfo

from ._permissions import MAX_PROTECTED_ACCOUNTS, MAX_SETTINGS_CHARACTERS
from ._tokens import TemplateValue, template_value
from .enums import CredentialType, RootAccessFeature, RootTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from constructs import Construct

Member = TypeVar("Member", bound=StrEnum)

# IAM and Organizations are global; CloudTrail delivers their events here.
REGION_OF_GLOBAL_EVENTS = "us-east-1"

_MAX_PLAN_LIFETIME_HOURS = 24
# AWS documents no maximum of a rate; an audit less often than this is a mistake.
_MAX_AUDIT_INTERVAL_DAYS = 365
_MAX_CONCURRENCY = 1000

# What CDK puts into the list that stands for a list token, such as that of a CommaDelimitedList.
_LIST_TOKEN = "#{Token["

ACCOUNT_ID = r"[0-9]{12}"
UNIT_ID = r"ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}"
# The ID of the organization's root, of an organizational unit or of an account.
_TARGET = rf"r-[0-9a-z]{{4,32}}|{UNIT_ID}|{ACCOUNT_ID}"
_DOMAIN = r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}"
_PATH = r"(?=.{1,512}$)/([A-Za-z0-9+=,.@_-]+/)*"

# Regions by the beginning of their names: where AWS does not offer centralized root access, as far as known.
_NOT_OFFERED = ("eusc-", "us-iso", "eu-iso")
GOVCLOUD = "us-gov-"


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
    own = {template_value(stack, account_id).text for account_id in (stack.account, Aws.ACCOUNT_ID)}
    listed: dict[TemplateValue, str] = {}
    for account_id in _list(argument, account_ids):
        value = template_value(stack, account_id)
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
        ValueError: An account ID is not 12 digits, or a function's environment has no room for so many.
        TypeError: The argument is not a list, a tuple or a set.
    """
    # One that turned out to be something else at deployment would silently protect nothing.
    parsed = _account_ids("protected_accounts", account_ids)
    if len(parsed) > MAX_PROTECTED_ACCOUNTS:
        raise ValueError(
            f"protected_accounts lists {len(parsed)} accounts; a function's environment has room "
            f"for {MAX_PROTECTED_ACCOUNTS}. Use a service control policy for the rest."
        )
    return parsed


def parse_credential_types(argument: str, types: Iterable[CredentialType | str]) -> list[CredentialType]:
    """Return the types in the order of the enum, each once.

    Raises:
        ValueError: A value is not a type of root credential, or the list is empty.
        TypeError: The argument is not a list, a tuple or a set.
    """
    parsed = _parse_members(argument, types, CredentialType)
    if not parsed:
        raise ValueError(f"{argument} is empty. List CredentialType.MFA_DEVICE, for example.")
    return parsed


def parse_root_email_domains(domains: Iterable[str]) -> list[str]:
    """Return the domains in lower case, sorted, each once.

    Raises:
        ValueError: A value is not the name of a domain.
        TypeError: The argument is not a list, a tuple or a set.
    """
    argument = "root_email_domains"
    listed = _list(argument, domains)
    for domain in listed:
        require_known(argument, domain)
        if not re.fullmatch(_DOMAIN, domain.lower()):
            raise ValueError(
                f"{argument} must contain names of domains; {domain!r} is not one. Write example.com, for "
                "example, without @ or *; a subdomain is a domain of its own."
            )
    return sorted({domain.lower() for domain in listed})


def parse_role_path(path: str) -> str:
    """Return the IAM path of roles.

    Raises:
        ValueError: It is not the path of a role.
        TypeError: It is not a string.
    """
    remedy = "Write /security/root-access/, for example."
    if not isinstance(path, str):
        raise wrong_type("role_path", path, expected="a string", remedy=remedy)
    require_known("role_path", path)
    if not re.fullmatch(_PATH, path):
        raise ValueError(f"role_path must begin and end with a slash, got {path!r}. {remedy}")
    return path


def require_room(settings: Mapping[str, object]) -> None:
    """Refuse arguments for which a function's environment has no room.

    Raises:
        ValueError: They are too long.
    """
    # As Lambda measures them: the settings are a text in JSON.
    texts = (json.dumps(value, separators=(",", ":")) for value in settings.values())
    characters = sum(len(json.dumps(text)) - len('""') for text in texts)
    if characters > MAX_SETTINGS_CHARACTERS:
        raise ValueError(
            f"{' and '.join(settings)} would have {characters} characters in a function's environment, which "
            f"has room for {MAX_SETTINGS_CHARACTERS}. List less."
        )


def parse_delegate_ids(account_ids: Iterable[str]) -> list[str]:
    """Return the accounts of delegated administrators, sorted, each once.

    Raises:
        ValueError: An account ID is not 12 digits.
        TypeError: The argument is not a list, a tuple or a set.
    """
    return _account_ids("delegated_administrators", account_ids)


def parse_targets(
    targets: Iterable[str], *, allow_organization_root: bool, stack: Stack, required: bool = True
) -> list[str]:
    """Return what a policy is attached to, sorted, each once. A token in the list is not checked.

    Args:
        targets: Organizational units, accounts, or the organization's root.
        allow_organization_root: Whether the root may be listed.
        stack: The stack that has the policy.
        required: Whether one must be listed.

    Raises:
        ValueError: None is listed, an ID is malformed, or the root is listed and may not be.
        TypeError: The argument is not a list, a tuple or a set.
    """
    listed = {template_value(stack, target): target for target in _list("targets", targets)}
    if required and not listed:
        raise ValueError(
            "targets is empty: the guardrail would protect nothing. List the ID of an organizational unit, "
            "for example."
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
    parsed = _account_ids("exempt_accounts", account_ids)
    for account_id in parsed:
        if account_id in targets:
            raise ValueError(
                f"exempt_accounts lists {account_id}, which is one of the targets as well. Remove it from "
                "one of them."
            )
    return parsed


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


def require_audit_for_findings(security_hub_findings: object, *, tasks: Iterable[RootTask]) -> None:
    """Refuse findings of audits that cannot be started.

    Raises:
        ValueError: The audit is not listed.
        TypeError: It is not a bool.
    """
    require_bool("security_hub_findings", security_hub_findings)
    if security_hub_findings and RootTask.AUDIT not in tasks:
        raise ValueError("security_hub_findings imports what audits find. Add RootTask.AUDIT to tasks.")


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
        raise wrong_type(argument, value, expected="True or False", remedy="Write True or False.")


def require_max_concurrency(max_concurrency: object) -> None:
    """Refuse a concurrency that a Distributed Map is not to have.

    Raises:
        ValueError: It is not from 1 to 1,000.
        TypeError: It is not an int.
    """
    if not isinstance(max_concurrency, int) or isinstance(max_concurrency, bool):
        raise wrong_type(
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


def require_partition(construct: Construct, *, manages_credentials: bool = False) -> None:
    """Refuse the China Regions, and warn of others where AWS does not offer centralized root access.

    Args:
        construct: The construct.
        manages_credentials: Whether it needs the management of root credentials.

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
    if region.startswith(GOVCLOUD) and manages_credentials:
        # https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-iam.html
        Annotations.of(construct).add_warning_v2(
            "centralized-root-access:notOffered",
            f"The Region is {region}: AWS GovCloud (US) has root sessions, which unlock bucket and queue "
            "policies, but no central management of root credentials. List RootAccessFeature.ROOT_SESSIONS "
            "alone, and no tasks but those that unlock. Nothing was tried there.",
        )
    if region.startswith(_NOT_OFFERED):
        Annotations.of(construct).add_warning_v2(
            "centralized-root-access:notOffered",
            f"The Region is {region}: as far as known, AWS does not offer centralized root access in this "
            "partition. Nothing was tried there.",
        )


def warn_of_opt_in_region(construct: Construct) -> None:
    """Warn of a Region in which AWS refuses root sessions in the members that have not enabled it.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoot.html
    """
    region = Stack.of(construct).region
    if not Token.is_unresolved(region) and RegionInfo.get(region).is_opt_in_region:
        Annotations.of(construct).add_warning_v2(
            "centralized-root-access:optInRegion",
            f"The Region is {region}, which is disabled by default: AWS refuses root sessions in member "
            "accounts that have not enabled it. Use a Region that is enabled by default.",
        )


def _list(argument: str, value: Iterable[object]) -> list[str]:
    """Return the strings of a list, a tuple, a set or an enum.

    An iterator is empty when a second construct reads it, and a mapping's values would not count.
    """
    if isinstance(value, str):
        shown = _python(value)
        raise TypeError(f"{argument} must be a list, got the string {shown}. Write [{shown}].")
    if not isinstance(value, list | tuple | set | frozenset | EnumType):
        raise wrong_type(
            argument, value, expected="a list, a tuple or a set", remedy="Write its values as a list."
        )
    listed: list[str] = []
    for element in value:
        if not isinstance(element, str):
            raise wrong_type(
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
            require_known(argument, name)
        names = ", ".join(sorted(repr(str(name)) for name in unknown))
        raise ValueError(f"{argument} contains {names}. Valid {argument}: {', '.join(valid)}.")
    return [member for member in valid if member in listed]


def _account_ids(argument: str, account_ids: Iterable[str]) -> list[str]:
    parsed = sorted(set(_list(argument, account_ids)))
    for account_id in parsed:
        require_known(argument, account_id)
        _require_account_id(argument, account_id)
    return parsed


def _milliseconds(argument: str, duration: object) -> float:
    if not isinstance(duration, Duration):
        raise wrong_type(
            argument, duration, expected="a Duration", remedy="Write Duration.hours(1), for example."
        )
    if duration.is_unresolved():
        raise ValueError(f"{argument} must be known at synth, got a token. Write Duration.hours(1).")
    return duration.to_milliseconds()


def require_known(argument: str, value: str) -> None:
    """Refuse a token."""
    if Token.is_unresolved(value):
        raise ValueError(f"{argument} contains a token, {value}. It must be known at synth. Write the value.")


def _require_account_id(argument: str, account_id: str) -> None:
    if re.fullmatch(ACCOUNT_ID, account_id):
        return
    is_unit = re.fullmatch(UNIT_ID, account_id)
    raise ValueError(
        f"{argument} must contain 12-digit account IDs as strings; {account_id!r} is "
        + ("an organizational unit. List its accounts." if is_unit else "not one. Write all 12 digits.")
    )


def wrong_type(argument: str, value: object, *, expected: str, remedy: str) -> TypeError:
    """Return the error for an argument of another type."""
    shown = f"{_python(value)} of type {type(value).__name__}"
    return TypeError(f"{argument} must be {expected}, got {shown}. {remedy}")


def _python(value: object) -> str:
    """Return a value as a person writes it: a member of an enum by its name."""
    return f"{type(value).__name__}.{value.name}" if isinstance(value, StrEnum) else repr(value)
