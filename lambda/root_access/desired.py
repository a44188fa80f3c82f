"""What a stack lists, as it arrives in the function: checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .errors import InvalidPropertyError
from .state import DesiredState, Feature

if TYPE_CHECKING:
    from collections.abc import Iterable


def desired_state(
    *, features: Iterable[str], delegated_administrators: Iterable[str] | None = None
) -> DesiredState:
    """Returns what the lists ask for.

    Args:
        features: features under IAM's names.
        delegated_administrators: account ids of 12 digits; None: not managed.

    Raises:
        InvalidPropertyError: one of them is neither.
    """
    features = list(features)
    unknown = set(features).difference(Feature)
    if unknown:
        raise InvalidPropertyError(
            f"Features lists {', '.join(sorted(unknown))}, which this function does not know; it knows "
            f"{', '.join(Feature)}. Deploy the construct and its function in the same version."
        )
    accounts = None if delegated_administrators is None else frozenset(delegated_administrators)
    for account_id in accounts or ():
        if not re.fullmatch(r"[0-9]{12}", account_id):
            raise InvalidPropertyError(
                f"DelegatedAdministrators lists {account_id!r}, which is not an account id of 12 digits."
            )
    return DesiredState(features=frozenset(map(Feature, features)), delegated_administrators=accounts)
