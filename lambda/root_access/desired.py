"""What a stack lists, as it arrives in the function: checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .errors import InvalidAccountIdError, UnknownFeatureError
from .state import DesiredState, Feature

if TYPE_CHECKING:
    from collections.abc import Iterable


def desired_state(
    *, features: Iterable[str], delegated_administrators: Iterable[str] | None = None
) -> DesiredState:
    """Return what the lists ask for.

    Args:
        features: Features, by IAM's names.
        delegated_administrators: 12-digit account IDs; None: not managed.

    Raises:
        InvalidPropertyError: A feature is unknown, or an account ID is malformed.
    """
    features = frozenset(features)
    if unknown := features.difference(Feature):
        raise UnknownFeatureError(features=unknown)
    accounts = None if delegated_administrators is None else frozenset(delegated_administrators)
    for account_id in accounts or ():
        if not re.fullmatch(r"[0-9]{12}", account_id):
            raise InvalidAccountIdError(account_id=account_id)
    return DesiredState(features=frozenset(map(Feature, features)), delegated_administrators=accounts)
