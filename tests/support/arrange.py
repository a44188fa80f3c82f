"""Brings an emulated organization into a state, by the calls that an administrator would make."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from botocore import xform_name

from local_aws.emulation import Organization

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


IAM_PRINCIPAL = "iam.amazonaws.com"
ROOT_CREDENTIALS_MANAGEMENT = "RootCredentialsManagement"
ROOT_SESSIONS = "RootSessions"


def enable_root_access(
    organization: Organization,
    *features: str,
    delegated_administrators: Iterable[str] = (),
    hidden: bool = False,
) -> None:
    """Enable trusted access, then features, then register accounts; and clear the calls.

    Args:
        organization: The organization.
        features: The features to enable.
        delegated_administrators: The accounts to register for IAM, in this order.
        hidden: Whether to disable trusted access afterwards, which hides the features.
    """
    organizations = organization.client("organizations")
    organizations.enable_aws_service_access(ServicePrincipal=IAM_PRINCIPAL)
    for feature in features:
        set_feature(organization, feature, enabled=True)
    for account_id in delegated_administrators:
        organizations.register_delegated_administrator(
            AccountId=account_id, ServicePrincipal=IAM_PRINCIPAL
        )
        # Each is registered at a time of its own, which is their order.
        organization.advance_clock(1)
    if hidden:
        organizations.disable_aws_service_access(ServicePrincipal=IAM_PRINCIPAL)
    organization.clear_calls()


def set_feature(
    organization: Organization, feature: str, *, enabled: bool, account_id: str | None = None
) -> None:
    """Enable or disable a feature, as the management account or as a delegated administrator."""
    set_feature_by_client(
        organization.client("iam", account_id=account_id), feature, enabled=enabled
    )


def set_feature_by_client(iam: IAMClient, feature: str, *, enabled: bool) -> None:
    """Enable or disable a feature with an existing client."""
    verb = "Enable" if enabled else "Disable"
    getattr(iam, xform_name(f"{verb}Organizations{feature}"))()


def paste(organization: Organization, line: str) -> None:
    """Run commands of the AWS CLI, in one line, as the management account."""
    for command in line.split(" && "):
        _, service, operation, *words = shlex.split(command)
        # As the CLI does: --account-id is the parameter AccountId.
        names = [word.title().replace("-", "") for word in words[::2]]
        call = getattr(organization.client(service), operation.replace("-", "_"))
        call(**dict(zip(names, words[1::2], strict=True)))


def add_accounts(organization: Organization, count: int) -> list[str]:
    """Add member accounts, and return their IDs."""
    names = [f"team-{number}" for number in range(count)]
    return [organization.add_account(name=name, email=f"{name}@example.com") for name in names]


def add_unit(organization: Organization, name: str, *account_ids: str, parent_id: str = "") -> str:
    """Create a unit, move accounts from its parent into it, and return its ID."""
    organizations, root_id = organization.client("organizations"), organization.root_id
    created = organizations.create_organizational_unit(ParentId=parent_id or root_id, Name=name)
    unit_id = str(created["OrganizationalUnit"]["Id"])
    for account_id in account_ids:
        organizations.move_account(
            AccountId=account_id, SourceParentId=root_id, DestinationParentId=unit_id
        )
    return unit_id


def call_counts(organization: Organization) -> Counter[str]:
    """Return how often each operation was called."""
    return Counter(call.operation for call in organization.calls)


def write_calls(organization: Organization) -> list[str]:
    """Return the organization's writes in order, as "Operation" or "Operation account"."""
    return [
        " ".join([call.operation, *filter(None, [call.parameters.get("AccountId")])])  # type: ignore[list-item]
        for call in organization.writes
    ]
