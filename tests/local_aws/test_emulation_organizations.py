"""The emulated Organizations, where no acceptance case shows it: quotas, pages, outsiders."""

import json
from datetime import timedelta
from typing import Any

import pytest

from local_aws.emulation import LocalOrganization, Seed, mock_organization
from support.accounts import MANAGEMENT, OTHER_MEMBER, OUTSIDE_ORGANIZATION, THIRD_MEMBER
from support.arrange import add_accounts
from support.emulation import DELEGATE, IAM_PRINCIPAL, error_raised_by, register_delegate


@pytest.mark.parametrize(
    ("account_id", "deleted"),
    [(OUTSIDE_ORGANIZATION, False), (MANAGEMENT, True), (DELEGATE, True)],
    ids=["another account", "the management account of a deleted one", "a member of a deleted one"],
)
def test_an_account_outside_of_any_organization_cannot_use_one(
    organization_with_root_access: LocalOrganization, account_id: str, *, deleted: bool
) -> None:
    if deleted:
        organization_with_root_access.delete()
    organizations = organization_with_root_access.client("organizations", account_id=account_id)
    not_in_use = "AWSOrganizationsNotInUseException"

    assert error_raised_by(organizations.describe_organization)["code"] == not_in_use
    assert error_raised_by(organizations.list_accounts)["code"] == not_in_use
    assert (
        error_raised_by(organizations.enable_aws_service_access, ServicePrincipal=IAM_PRINCIPAL)[
            "code"
        ]
        == not_in_use
    )
    error = error_raised_by(
        organization_with_root_access.client(
            "iam", account_id=account_id
        ).list_organizations_features
    )
    assert error["code"] == "OrganizationNotFoundException"


def test_an_organization_of_consolidated_billing_has_no_root_access() -> None:
    with mock_organization(seed=Seed(feature_set="CONSOLIDATED_BILLING")) as organization:
        organizations = organization.client("organizations")

        enabling = error_raised_by(
            organizations.enable_aws_service_access, ServicePrincipal=IAM_PRINCIPAL
        )
        registering = error_raised_by(
            organizations.register_delegated_administrator,
            AccountId=OTHER_MEMBER,
            ServicePrincipal=IAM_PRINCIPAL,
        )
        listing = error_raised_by(organization.client("iam").list_organizations_features)

    assert enabling["reason"] == "ORGANIZATION_NOT_IN_ALL_FEATURES_MODE"
    assert registering["reason"] == "ORGANIZATION_NOT_IN_ALL_FEATURES_MODE"
    assert listing["code"] == "OrganizationNotInAllFeaturesModeException"


# Trusted access and delegated administrators


def test_trusted_access_keeps_its_date_until_it_is_disabled(
    organization: LocalOrganization,
) -> None:
    organizations = organization.client("organizations")
    organizations.enable_aws_service_access(ServicePrincipal=IAM_PRINCIPAL)
    first = organization.root_access().trusted_access[IAM_PRINCIPAL]

    organization.advance_clock(60)
    organizations.enable_aws_service_access(ServicePrincipal=IAM_PRINCIPAL)
    assert organization.root_access().trusted_access[IAM_PRINCIPAL] == first

    organizations.disable_aws_service_access(ServicePrincipal=IAM_PRINCIPAL)
    organizations.enable_aws_service_access(ServicePrincipal=IAM_PRINCIPAL)
    assert organization.root_access().trusted_access[IAM_PRINCIPAL] >= first + timedelta(seconds=60)


def test_a_suspended_account_is_refused_before_the_quota_is_checked(
    organization_with_root_access: LocalOrganization,
) -> None:
    organization_with_root_access.suspend(THIRD_MEMBER)
    organization_with_root_access.set_delegated_administrator_limit(1)
    organizations = organization_with_root_access.client("organizations")

    error = error_raised_by(
        organizations.register_delegated_administrator,
        AccountId=THIRD_MEMBER,
        ServicePrincipal=IAM_PRINCIPAL,
    )

    assert error["reason"] == "CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR"
    assert organization_with_root_access.root_access().delegated_administrators == (DELEGATE,)


# Pages


@pytest.mark.parametrize(
    ("operation", "parameters", "members", "sizes"),
    [
        ("list_accounts", {}, "Accounts", [20, 5]),
        (
            "list_delegated_administrators",
            {"ServicePrincipal": IAM_PRINCIPAL},
            "DelegatedAdministrators",
            [20, 1],
        ),
    ],
)
def test_lists_come_in_pages_of_twenty(
    operation: str, parameters: dict[str, str], members: str, sizes: list[int]
) -> None:
    # With the management account there are 25 accounts.
    seed = Seed(members=(), trusted_services=(IAM_PRINCIPAL,))
    with mock_organization(seed=seed) as organization:
        organization.set_delegated_administrator_limit(30)
        add_accounts(organization, 24)
        for account_id in organization.members[:21]:
            register_delegate(organization, account_id)

        client: Any = organization.client("organizations")
        pages = [page[members] for page in client.get_paginator(operation).paginate(**parameters)]

    assert [len(page) for page in pages] == sizes
    assert len({json.dumps(entry, default=str) for page in pages for entry in page}) == sum(sizes)
