"""The values that describe root access: what is wanted, what is there, and the line that reports it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

SERVICE_PRINCIPAL = "iam.amazonaws.com"

# A custom resource's answer may have 4,096 bytes; fifty ids keep it under half of that.
_REPORTED_DELEGATED_ADMINISTRATORS = 50


class Feature(StrEnum):
    """The two features of centralized root access, as IAM spells them."""

    ROOT_CREDENTIALS_MANAGEMENT = "RootCredentialsManagement"
    ROOT_SESSIONS = "RootSessions"


class Status(StrEnum):
    """An organization's root access in one word."""

    ENABLED = "ENABLED"
    PARTIAL = "PARTIAL"
    DISABLED = "DISABLED"


@dataclass(frozen=True, kw_only=True)
class DesiredState:
    """What a stack lists.

    Attributes:
        features: exactly the features that are to be on.
        delegated_administrators: exactly the accounts that are to be registered for IAM;
            None leaves them alone.
    """

    features: frozenset[Feature]
    delegated_administrators: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True)
class RootAccess:
    """What AWS says of an organization's root access.

    Attributes:
        organization_id: such as o-8j81brsjuj.
        management_account_id: 12 digits.
        trusted_access: whether Organizations lists trusted access for IAM.
        trusted_access_enabled_at: since when; None while it is off.
        features: the features that are on, under IAM's names. Empty while trusted access is off:
            IAM then hides them, whatever they are.
        delegated_administrators: the accounts registered for IAM, registered longest first.
    """

    organization_id: str
    management_account_id: str
    trusted_access: bool
    trusted_access_enabled_at: datetime | None
    features: frozenset[str]
    delegated_administrators: tuple[str, ...]

    @property
    def status(self) -> Status:
        """ENABLED with both features on, PARTIAL with one, DISABLED with none."""
        on = len(self.features.intersection(Feature))
        if on == len(Feature):
            return Status.ENABLED
        return Status.PARTIAL if on else Status.DISABLED

    @property
    def trusted_access_since(self) -> str | None:
        """The date of trusted access in ISO 8601, UTC; None while it is off."""
        if self.trusted_access_enabled_at is None:
            return None
        return self.trusted_access_enabled_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def as_dict(self) -> dict[str, object]:
        """Always the same keys in the same order, lists sorted: what the stack's output shows."""
        delegated_administrators = sorted(self.delegated_administrators)
        unreported = len(delegated_administrators) - _REPORTED_DELEGATED_ADMINISTRATORS
        if unreported > 0:
            del delegated_administrators[_REPORTED_DELEGATED_ADMINISTRATORS:]
            delegated_administrators.append(f"and {unreported} more")
        return {
            "status": self.status,
            "organizationId": self.organization_id,
            "managementAccountId": self.management_account_id,
            "trustedAccessEnabledAt": self.trusted_access_since,
            "features": sorted(self.features),
            "delegatedAdministrators": delegated_administrators,
        }

    def as_json(self) -> str:
        """The same in one line of JSON."""
        return json.dumps(self.as_dict(), separators=(",", ":"))
