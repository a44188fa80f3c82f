"""The checks of the constructs' arguments: each argument is returned in the form that a function reads."""

from __future__ import annotations

import re
from enum import EnumType, StrEnum
from typing import TYPE_CHECKING, TypeVar

from aws_cdk import Duration, Stack, Token

from ._permissions import MAX_PROTECTED_ACCOUNTS
from .enums import RootAccessFeature, RootTask

if TYPE_CHECKING:
    from collections.abc import Iterable

    from constructs import Construct

Member = TypeVar("Member", bound=StrEnum)

_MAX_PLAN_LIFETIME = Duration.hours(24)
_MAX_CONCURRENCY = 1000


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


def parse_delegated_administrators(account_ids: Iterable[str], *, own_account: str) -> list[str]:
    """Return the account IDs, sorted: another order in the code does not change the stack.

    Args:
        account_ids: Member accounts. A token is not checked.
        own_account: The stack's account, which may be a token.

    Raises:
        ValueError: An account ID is not 12 digits, is listed twice, or is the stack's own account.
        TypeError: The argument is not a list, a tuple or a set.
    """
    listed = _list("delegated_administrators", account_ids)
    for account_id in listed:
        if Token.is_unresolved(account_id):
            continue
        _require_account_id("delegated_administrators", account_id)
        if listed.count(account_id) > 1:
            raise ValueError(f"delegated_administrators lists {account_id} twice. List it once.")
        if account_id == own_account:
            raise ValueError(
                f"delegated_administrators lists {account_id}, the account of this stack. The management "
                "account cannot be a delegated administrator. List member accounts."
            )
    return sorted(listed)


def parse_protected_accounts(account_ids: Iterable[str]) -> list[str]:
    """Return the account IDs, sorted, each once.

    Raises:
        ValueError: An account ID is not 12 digits, or a policy has no room for so many.
        TypeError: The argument is not a list, a tuple or a set.
    """
    listed = _list("protected_accounts", account_ids)
    for account_id in listed:
        _require_account_id("protected_accounts", account_id)
    parsed = sorted(set(listed))
    if len(parsed) > MAX_PROTECTED_ACCOUNTS:
        raise ValueError(
            f"protected_accounts lists {len(parsed)} accounts; an inline policy has room for "
            f"{MAX_PROTECTED_ACCOUNTS}. Use a service control policy for the rest."
        )
    return parsed


def parse_plan_lifetime(lifetime: Duration | None) -> Duration:
    """Return the lifetime of a plan.

    Raises:
        ValueError: It is 0, or longer than 24 hours.
    """
    lifetime = lifetime or _MAX_PLAN_LIFETIME
    if not 0 < lifetime.to_milliseconds() <= _MAX_PLAN_LIFETIME.to_milliseconds():
        raise ValueError(
            f"plan_lifetime must be more than 0 and at most 24 hours, got {lifetime.to_human_string()}."
        )
    return lifetime


def require_interval(argument: str, interval: Duration, *, maximum: Duration | None = None) -> None:
    """Refuse an interval that a schedule cannot have.

    Raises:
        ValueError: It is not whole minutes, or longer than the maximum.
    """
    milliseconds = interval.to_milliseconds()
    too_long = maximum is not None and milliseconds > maximum.to_milliseconds()
    if milliseconds % 60_000 or milliseconds < 60_000 or too_long:
        limits = f"from 1 minute to {maximum.to_human_string()}" if maximum else "1 minute or more"
        raise ValueError(f"{argument} must be whole minutes, {limits}, got {interval.to_human_string()}.")


def require_audit(tasks: Iterable[RootTask]) -> None:
    """Refuse a schedule of audits where the audit is not listed.

    Raises:
        ValueError: It is not.
    """
    if RootTask.AUDIT not in tasks:
        raise ValueError("audit_interval schedules the audit. Add RootTask.AUDIT to tasks.")


def require_max_concurrency(max_concurrency: int) -> None:
    """Refuse a concurrency that a Distributed Map is not to have.

    Raises:
        ValueError: It is not from 1 to 1,000.
    """
    if not 1 <= max_concurrency <= _MAX_CONCURRENCY:
        raise ValueError(f"max_concurrency must be from 1 to {_MAX_CONCURRENCY}, got {max_concurrency}.")


def require_partition(construct: Construct) -> None:
    """Refuse the China Regions.

    Raises:
        ValueError: The construct's stack is in one.
    """
    region = Stack.of(construct).region
    if not Token.is_unresolved(region) and region.startswith("cn-"):
        raise ValueError(
            f"{construct.node.path} is in {region}: centralized root access is not available in the China "
            "Regions. Use a Region of another partition."
        )


def _list(argument: str, value: Iterable[object]) -> list[str]:
    """Return the values of a list, a tuple, a set or an enum.

    An iterator is empty when a second construct reads it, and a mapping's values would not count.
    """
    if isinstance(value, str):
        raise TypeError(f"{argument} must be a list, got the string {value!r}. Write [{value!r}].")
    if not isinstance(value, list | tuple | set | frozenset | EnumType):
        raise TypeError(
            f"{argument} must be a list, a tuple or a set, got {value!r}, a {type(value).__name__}. "
            "Write its values as a list."
        )
    return list(value)


def _parse_members(argument: str, names: Iterable[str], valid: type[Member]) -> list[Member]:
    listed = set(_list(argument, names))
    if unknown := listed.difference(valid):
        names = ", ".join(sorted(repr(str(name)) for name in unknown))
        raise ValueError(f"{argument} contains {names}. Valid {argument}: {', '.join(valid)}.")
    return [member for member in valid if member in listed]


def _require_account_id(argument: str, account_id: object) -> None:
    if not isinstance(account_id, str) or not re.fullmatch(r"[0-9]{12}", account_id):
        raise ValueError(
            f"{argument} must contain 12-digit account IDs as strings; {account_id!r} is not one."
        )
