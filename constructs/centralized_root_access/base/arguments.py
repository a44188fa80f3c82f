"""The checks of arguments that several constructs have: each returns what the functions read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from enum import EnumType, StrEnum
from typing import TYPE_CHECKING, TypeVar

from aws_cdk import Annotations, Aws, Duration, Stack, Token

if TYPE_CHECKING:
    from constructs import Construct

Member = TypeVar("Member", bound=StrEnum)

_MINUTE = 60_000

# The CDK's element of the list that stands for a list token, such as that of a CommaDelimitedList.
_LIST_TOKEN = "#{Token["
# What StringParameter.value_from_lookup returns until the CDK CLI has looked the value up, which it
# does only after a first synth that succeeds.
_NOT_LOOKED_UP = "dummy-value-for-"

ACCOUNT_ID = r"[0-9]{12}"
UNIT_ID = r"ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}"
# The ID of the organization's root, of an organizational unit or of an account.
_TARGET = rf"r-[0-9a-z]{{4,32}}|{UNIT_ID}|{ACCOUNT_ID}"

# Regions by the beginning of their names: where AWS does not offer centralized root access, as far
# as known.
_NOT_OFFERED = ("eusc-", "us-iso", "eu-iso")
GOVCLOUD = "us-gov-"


def parse_members(
    argument: str, names: Iterable[str], valid: type[Member], *, may_be_empty: bool = False
) -> list[Member]:
    """Return the members of an enum that a list names, in the order of the enum, each once.

    Raises:
        ValueError: A value is not a member, or the list is empty and may not be.
        TypeError: The argument is not a list, a tuple or a set.
    """
    # A set, so that naming a member twice changes nothing.
    listed = set(parse_strings(argument, names))
    unknown = sorted(listed.difference(valid))
    if unknown:
        # An unknown name that is a token is no spelling mistake: its own error says so.
        for name in unknown:
            require_known(argument, name)
        shown = ", ".join(repr(str(name)) for name in unknown)
        raise ValueError(f"{argument} contains {shown}. Valid {argument}: {', '.join(valid)}.")
    if not listed and not may_be_empty:
        first = next(iter(valid))
        raise ValueError(f"{argument} is empty. List {valid.__name__}.{first.name}, for example.")
    return [member for member in valid if member in listed]


def parse_account_ids(argument: str, account_ids: Iterable[str]) -> list[str]:
    """Return the account IDs, sorted, each once.

    Raises:
        ValueError: An account ID is not 12 digits.
        TypeError: The argument is not a list, a tuple or a set.
    """
    parsed = sorted(set(parse_strings(argument, account_ids)))
    for account_id in parsed:
        # One that turned out to be something else at deployment would silently protect nothing.
        require_known(argument, account_id)
        _require_account_id(argument, account_id)
    return parsed


def parse_delegated_administrators(account_ids: Iterable[str], *, stack: Stack) -> list[str]:
    """Return the account IDs, sorted, each once, so that their order does not change the stack.

    Args:
        account_ids: Member accounts. Of a token in the list only this is checked: that it is not
            the stack's own account.
        stack: The stack, whose own account cannot be listed.

    Raises:
        ValueError: An account ID is not 12 digits, or is the stack's own account.
        TypeError: The argument is not a list, a tuple or a set, or an element is not a string.
    """
    argument = "delegated_administrators"
    # The stack's account has several names, of which some are tokens.
    own = [stack.resolve(account_id) for account_id in (stack.account, Aws.ACCOUNT_ID)]
    parsed = values_in_order(stack, parse_strings(argument, account_ids))
    for account_id in parsed:
        if not Token.is_unresolved(account_id):
            _require_account_id(argument, account_id)
        value = stack.resolve(account_id)
        if value in own:
            raise ValueError(
                f"{argument} lists {value}, the account of this stack. The management account "
                "cannot be a delegated administrator. List member accounts."
            )
    return parsed


def parse_targets(
    targets: Iterable[str], *, allow_organization_root: bool, stack: Stack
) -> list[str]:
    """Return what a policy is attached to, sorted, each once. A token in the list is not checked.

    Args:
        targets: Organizational units, accounts, or the organization's root.
        allow_organization_root: Whether the root may be listed.
        stack: The stack that has the policy.

    Raises:
        ValueError: An ID is malformed, or the root is listed and may not be.
        TypeError: The argument is not a list, a tuple or a set.
    """
    parsed = values_in_order(stack, parse_strings("targets", targets))
    for target in parsed:
        if Token.is_unresolved(target):
            continue
        if not re.fullmatch(_TARGET, target):
            raise ValueError(
                "targets must contain IDs of organizational units, accounts or the organization's "
                f"root; {target!r} is not one. Write ou-a1b2-c3d4e5f6, for example."
            )
        if target.startswith("r-") and not allow_organization_root:
            raise ValueError(
                f"targets lists {target}, the organization's root: the guardrail would apply to "
                "every member account at once. Try it on an organizational unit first; then add "
                "allow_organization_root=True."
            )
    return parsed


def require_duration(argument: str, duration: Duration, *, maximum: Duration) -> None:
    """Refuse a duration that is not whole minutes, or longer than the maximum.

    Raises:
        ValueError: It is so, or a token.
        TypeError: It is not a Duration.
    """
    if not isinstance(duration, Duration):
        remedy = "Write Duration.hours(1), for example."
        raise wrong_type(argument, duration, expected="a Duration", remedy=remedy)
    if duration.is_unresolved():
        raise ValueError(
            f"{argument} must be known at synth, got a token. Write Duration.hours(1)."
        )
    # Schedules and alarms count in minutes, which are compared in milliseconds here.
    milliseconds = duration.to_milliseconds()
    if milliseconds % _MINUTE or not _MINUTE <= milliseconds <= maximum.to_milliseconds():
        raise ValueError(
            f"{argument} must be whole minutes, from 1 minute to {maximum.to_human_string()}, got "
            f"{duration.to_human_string()}. Write Duration.hours(1), for example."
        )


def require_bool(argument: str, value: object) -> None:
    """Refuse what only counts as true or false: the string "false" would count as true.

    Raises:
        TypeError: It is not a bool.
    """
    if not isinstance(value, bool):
        raise wrong_type(argument, value, expected="True or False", remedy="Write True or False.")


def require_text(argument: str, value: object) -> None:
    """Refuse what is not a text, and an empty one, such as that of a missing variable.

    Raises:
        ValueError: It is empty.
        TypeError: It is not a string.
    """
    remedy = "Write a text, or omit the argument."
    if not isinstance(value, str):
        raise wrong_type(argument, value, expected="a string", remedy=remedy)
    if not value:
        raise ValueError(f"{argument} is empty. {remedy}")


def require_region_with_root_access(
    construct: Construct, *, manages_credentials: bool = False
) -> None:
    """Refuse the China Regions, and warn of others where AWS does not offer root access.

    Args:
        construct: The construct.
        manages_credentials: Whether it needs the management of root credentials, which AWS GovCloud
            (US) lacks.

    Raises:
        ValueError: The construct's stack is in a China Region.
    """
    region = Stack.of(construct).region
    if Token.is_unresolved(region):
        return
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-enable-root-access.html
    if region.startswith("cn-"):
        raise ValueError(
            f"{construct.node.path} is in {region}: centralized root access is not available in "
            "the China Regions. Use a Region of another partition."
        )
    offered = None
    if region.startswith(GOVCLOUD) and manages_credentials:
        # https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-iam.html
        offered = (
            "AWS GovCloud (US) has root sessions, which unlock bucket and queue policies, but no "
            "central management of root credentials. List only RootAccessFeature.ROOT_SESSIONS, "
            "and only tasks that unlock"
        )
    elif region.startswith(_NOT_OFFERED):
        offered = "as far as known, AWS does not offer centralized root access in this partition"
    if offered is not None:
        Annotations.of(construct).add_warning_v2(
            "centralized-root-access:notOffered",
            f"The Region is {region}: {offered}. Nothing was tried there.",
        )


def require_known(argument: str, value: str) -> None:
    """Refuse a token.

    Raises:
        ValueError: It is one.
    """
    if Token.is_unresolved(value):
        raise ValueError(
            f"{argument} contains a token, {value}. It must be known at synth. Write the value."
        )


def are_known(*values: object) -> bool:
    """Return whether no value is a token, so that they can be compared at synth."""
    return not any(Token.is_unresolved(value) for value in values)


def values_in_order(stack: Stack, values: Iterable[str]) -> list[str]:
    """Return the values sorted, each once: texts first, then tokens.

    Tokens are sorted by what a stack's template has for them, such as ``{"Ref": "Account"}``. Their
    own names have a number, which changes whenever the app has one token more.
    """

    # False comes before True, so the tokens are last.
    def place(value: str) -> tuple[bool, str]:
        return Token.is_unresolved(value), json.dumps(stack.resolve(value), sort_keys=True)

    return sorted(dict.fromkeys(values), key=place)


def wrong_type(argument: str, value: object, *, expected: str, remedy: str) -> TypeError:
    """Return the error for an argument of another type."""
    return TypeError(
        f"{argument} must be {expected}, got {value!r} of type {type(value).__name__}. {remedy}"
    )


def parse_strings(argument: str, value: Iterable[object]) -> list[str]:
    """Return the strings of a list, a tuple, a set or an enum.

    An iterator is empty when a second construct reads it, and a mapping's values would not count.
    """
    if not isinstance(value, list | tuple | set | frozenset | EnumType):
        remedy = "Write its values as a list."
        raise wrong_type(argument, value, expected="a list, a tuple or a set", remedy=remedy)
    listed: list[str] = []
    for element in value:
        if not isinstance(element, str):
            remedy = "Write each element as a string."
            raise wrong_type(argument, element, expected="a list of strings", remedy=remedy)
        if _LIST_TOKEN in element:
            raise ValueError(
                f"{argument} is a list token, of a parameter for example: {element}. Its elements "
                "must be known at synth. Write a list; an element of it may be a token."
            )
        if element.startswith(_NOT_LOOKED_UP):
            raise ValueError(
                f"{argument} contains {element}, because the CDK has not looked the value up yet. "
                'Give value_from_lookup a valid default, for example default_value="000000000000".'
            )
        listed.append(element)
    return listed


def _require_account_id(argument: str, account_id: str) -> None:
    """Refuse what is not 12 digits, and say so if it is an organizational unit."""
    if re.fullmatch(ACCOUNT_ID, account_id):
        return
    wrong = "not one. Write all 12 digits."
    if re.fullmatch(UNIT_ID, account_id):
        wrong = "an organizational unit. List its accounts."
    raise ValueError(
        f"{argument} must contain 12-digit account IDs as strings; {account_id!r} is {wrong}"
    )
