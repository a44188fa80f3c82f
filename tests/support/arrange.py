"""Puts an emulated organization into a state, by the calls that an administrator would make."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local_aws.emulation import Organization

PRINCIPAL = "iam.amazonaws.com"
CREDENTIALS = "RootCredentialsManagement"
SESSIONS = "RootSessions"


def switch_on(
    organization: Organization,
    *features: str,
    delegated_administrators: Iterable[str] = (),
    hidden: bool = False,
) -> None:
    """Switches trusted access on, then features, then registers accounts; forgets the calls.

    Args:
        organization: the organization.
        features: the features to switch on.
        delegated_administrators: the accounts to register for IAM, in this order.
        hidden: whether trusted access is switched off again, which hides the features.
    """
    organizations = organization.client("organizations")
    organizations.enable_aws_service_access(ServicePrincipal=PRINCIPAL)
    for feature in features:
        switch_feature(organization, feature, on=True)
    for account_id in delegated_administrators:
        organizations.register_delegated_administrator(AccountId=account_id, ServicePrincipal=PRINCIPAL)
        organization.advance_clock(1)
    if hidden:
        organizations.disable_aws_service_access(ServicePrincipal=PRINCIPAL)
    organization.clear_calls()


def switch_feature(
    organization: Organization, feature: str, *, on: bool, account_id: str | None = None
) -> None:
    """Switches a feature, as the management account or as a delegated administrator."""
    iam = organization.client("iam", account_id=account_id)
    match feature, on:
        case "RootCredentialsManagement", True:
            iam.enable_organizations_root_credentials_management()
        case "RootCredentialsManagement", False:
            iam.disable_organizations_root_credentials_management()
        case "RootSessions", True:
            iam.enable_organizations_root_sessions()
        case "RootSessions", False:
            iam.disable_organizations_root_sessions()
        case _:
            raise ValueError(feature)


def writes(organization: Organization) -> list[str]:
    """The writes that reached the organization, in order, as "Operation" or "Operation account"."""
    return [
        " ".join([call.operation, *filter(None, [call.parameters.get("AccountId")])])  # type: ignore[list-item]
        for call in organization.writes
    ]
