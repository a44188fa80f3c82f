"""The values that describe root access: desired, observed, and the line that reports it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from common.errors import RootAccessError
from common.typed_json import format_time

SERVICE_PRINCIPAL = "iam.amazonaws.com"


class Feature(StrEnum):
    """The two features of centralized root access, as IAM spells them.

    To add a feature:

    1. its member here, whose place decides when it is enabled, and two members of `Operation` in
       `steps.py`: the calls that enable and disable it, whose names end with the feature's;
    2. its member of `RootAccessFeature` in the constructs' `base/enums.py`, and the tasks that need
       it in the tables there;
    3. IAM's calls for it in the constructs' `root_access/drift_check.py`;
    4. `drift/deviations.py` here, the output of `status`, and the options in
       `cloudformation/templates.py`, all of which speak of two features;
    5. `features.py`, `iam.py` and `sts.py` in `local_aws/emulation`, so that tests can enable it;
    6. its cases in `acceptance/`; then `make docs` and `make snapshots`.
    """

    ROOT_CREDENTIALS_MANAGEMENT = "RootCredentialsManagement"
    ROOT_SESSIONS = "RootSessions"


class Status(StrEnum):
    """An organization's root access in one word."""

    ENABLED = "ENABLED"
    PARTIAL = "PARTIAL"
    DISABLED = "DISABLED"


@dataclass(eq=False, kw_only=True)
class InvalidValueError(RootAccessError):
    """A request or settings contain a value that this version does not accept."""

    name: str
    value: object
    expected: str

    def __str__(self) -> str:
        return (
            f"{self.name} must be {self.expected}, got {self.value!r:.100}. Deploy the construct "
            "and its function in the same version. Nothing was changed."
        )


@dataclass(frozen=True, kw_only=True)
class DesiredState:
    """The lists of a stack: any other feature is disabled, and any other account deregistered.

    Attributes:
        features: The features to enable.
        delegated_administrators: The accounts to register; None: they are not managed.
    """

    features: frozenset[Feature]
    delegated_administrators: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True)
class RootAccess:
    """An organization's root access, as AWS reports it.

    Attributes:
        trusted_access: Whether Organizations lists trusted access for IAM.
        features: The enabled features, by IAM's names; none while trusted access is disabled: IAM
            hides them.
        delegated_administrators: The accounts registered for IAM; None: not managed, and could not
            be read.
        observed_at: When the reads began.
    """

    organization_id: str
    management_account_id: str
    trusted_access: bool
    trusted_access_enabled_at: datetime | None
    features: frozenset[str]
    delegated_administrators: tuple[str, ...] | None
    observed_at: datetime

    @property
    def status(self) -> Status:
        """The status: PARTIAL with one of the two features."""
        # A feature that this code does not know counts for nothing.
        enabled = self.features.intersection(Feature)
        if enabled == set(Feature):
            return Status.ENABLED
        if enabled:
            return Status.PARTIAL
        return Status.DISABLED

    def to_dict(self) -> dict[str, object]:
        """Return the stack's output: the same keys in the same order, lists sorted."""
        enabled_at = None
        if self.trusted_access_enabled_at is not None:
            enabled_at = _format_seconds(self.trusted_access_enabled_at)
        delegates = None
        if self.delegated_administrators is not None:
            delegates = sorted(self.delegated_administrators)
        # Programs read this: a key is never renamed or removed.
        return {
            "status": self.status,
            "organizationId": self.organization_id,
            "managementAccountId": self.management_account_id,
            "trustedAccessEnabledAt": enabled_at,
            "features": sorted(self.features),
            "delegatedAdministrators": delegates,
            "observedAt": _format_seconds(self.observed_at),
        }


def desired_state(*, features: object, delegated_administrators: object = None) -> DesiredState:
    """Return the state that the lists ask for.

    Raises:
        InvalidValueError: One is not a list, a feature is unknown, or an account ID is malformed.
    """
    listed = _parse_list(features, "|".join(Feature), name="Features", entries=", ".join(Feature))
    accounts = None
    if delegated_administrators is not None:
        accounts = _parse_list(
            delegated_administrators,
            "[0-9]{12}",
            name="DelegatedAdministrators",
            entries="12-digit account IDs",
        )
    return DesiredState(features=frozenset(map(Feature, listed)), delegated_administrators=accounts)


def _format_seconds(moment: datetime) -> str:
    """Return a time without fractions of a second."""
    return format_time(moment.replace(microsecond=0))


def _parse_list(value: object, pattern: str, *, name: str, entries: str) -> frozenset[str]:
    """Return the strings of a list in a request.

    Args:
        value: What the request has in place of the list.
        pattern: The regular expression that each string must match.
        name: The property's name, for the error.
        entries: What the list has to consist of, for the error.

    Raises:
        InvalidValueError: It is not a list, or one of its entries does not match.
    """
    expected = f"a list of {entries}"
    if not isinstance(value, list | tuple):
        raise InvalidValueError(name=name, value=value, expected=expected)
    invalid = [
        item for item in value if not isinstance(item, str) or not re.fullmatch(pattern, item)
    ]
    if invalid:
        raise InvalidValueError(name=name, value=invalid, expected=expected)
    return frozenset(value)
