"""What a stack lists, as it arrives in the function: parsed strictly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .errors import InvalidAccountIdError, InvalidRequestError, NotAListError, UnknownFeatureError
from .state import DesiredState, Feature

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def parse_request(event: Mapping[str, Any]) -> DesiredState:
    """Return what a Create or an Update asks for.

    Other properties are ignored: CloudFormation adds its own, such as ServiceToken and ServiceTimeout.

    Raises:
        InvalidRequestError: It is another request, or has no properties.
        InvalidPropertyError: A list is missing or is not a list of strings, or as for desired_state.
    """
    request_type, properties = event.get("RequestType"), event.get("ResourceProperties")
    if request_type not in ("Create", "Update"):
        raise InvalidRequestError(problem=f"has the RequestType {request_type!r:.100}")
    if not isinstance(properties, dict):
        raise InvalidRequestError(problem="has no ResourceProperties")
    administrators = properties.get("DelegatedAdministrators")
    return desired_state(
        features=_parse_list(properties.get("Features"), name="Features"),
        delegated_administrators=(
            None if administrators is None else _parse_list(administrators, name="DelegatedAdministrators")
        ),
    )


def desired_state(
    *, features: Iterable[str], delegated_administrators: Iterable[str] | None = None
) -> DesiredState:
    """Return what the lists ask for.

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


def _parse_list(value: object, *, name: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise NotAListError(name=name, value=value)
    return value
