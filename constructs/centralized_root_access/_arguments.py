"""What the construct accepts: each argument checked, in the form that the function takes."""

from __future__ import annotations

import re
from enum import EnumType
from typing import TYPE_CHECKING

from aws_cdk import Token

from .enums import RootAccessFeature

if TYPE_CHECKING:
    from collections.abc import Iterable


def require_list(argument: str, value: object) -> None:
    """Refuse what is not a list, a tuple, a set or an enum.

    An iterator is empty when a second construct reads it, and a mapping's values would not count.

    Raises:
        TypeError: the value is something else.
    """
    if isinstance(value, str):
        raise TypeError(f"{argument} must be a list, got the string {value!r}: write [{value!r}].")
    if not isinstance(value, list | tuple | set | frozenset | EnumType):
        raise TypeError(
            f"{argument} must be a list, a tuple or a set, got {value!r}, a {type(value).__name__}: "
            "write its values as a list."
        )


def checked_features(features: Iterable[RootAccessFeature | str]) -> list[RootAccessFeature]:
    """Returns the features in the API's order, each once.

    Raises:
        ValueError: one is not a feature of root access.
        TypeError: the argument is not a list, a tuple or a set.
    """
    require_list("features", features)
    listed = set(features)
    if unknown := listed.difference(RootAccessFeature):
        raise ValueError(
            f"features lists {', '.join(sorted(repr(str(name)) for name in unknown))}; "
            f"AWS knows {', '.join(RootAccessFeature)}."
        )
    return [feature for feature in RootAccessFeature if feature in listed]


def checked_delegated_administrators(account_ids: Iterable[str], *, own_account: str) -> list[str]:
    """Returns the account ids, sorted, so that another order in the code is no change of the stack.

    Args:
        account_ids: member accounts; a token is taken as it is.
        own_account: the stack's account, which may be a token.

    Raises:
        ValueError: one is not 12 digits, is listed twice, or is the stack's own account.
        TypeError: the argument is not a list, a tuple or a set.
    """
    require_list("delegated_administrators", account_ids)
    listed = list(account_ids)
    for account_id in listed:
        if Token.is_unresolved(account_id):
            continue
        if not isinstance(account_id, str) or not re.fullmatch(r"[0-9]{12}", account_id):
            raise ValueError(
                f"delegated_administrators lists {account_id!r}; an account id is a string of 12 digits."
            )
        if listed.count(account_id) > 1:
            raise ValueError(f"delegated_administrators lists {account_id} twice; list it once.")
        if account_id == own_account:
            raise ValueError(
                f"delegated_administrators lists {account_id}, the account of this stack. The management "
                "account needs no delegation; list member accounts."
            )
    return sorted(listed)
