"""The emulated Organizations: who may call it, its constraints, and its pages."""

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.model import StructureShape

from local_aws.emulation import LocalOrganization, Seed, mock_organization
from support.accounts import MANAGEMENT, OTHER, STRANGER, THIRD
from support.emulation import DELEGATE, GUARDDUTY, IAM, error_of, register

# Callers


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("enable_aws_service_access", {"ServicePrincipal": IAM}),
        ("disable_aws_service_access", {"ServicePrincipal": GUARDDUTY}),
        ("register_delegated_administrator", {"AccountId": OTHER, "ServicePrincipal": IAM}),
        ("deregister_delegated_administrator", {"AccountId": DELEGATE, "ServicePrincipal": IAM}),
    ],
)
@pytest.mark.parametrize("account_id", [DELEGATE, OTHER])
def test_only_the_management_account_changes_the_organization(
    with_root_access: LocalOrganization, operation: str, parameters: dict[str, str], account_id: str
) -> None:
    before = with_root_access.root_access(), with_root_access.other_services()
    client = with_root_access.client("organizations", account_id=account_id)

    error = error_of(getattr(client, operation), **parameters)

    assert (error["code"], error["http"]) == ("AccessDeniedException", 400)
    assert (with_root_access.root_access(), with_root_access.other_services()) == before


_READS: list[tuple[str, dict[str, str]]] = [
    ("list_aws_service_access_for_organization", {}),
    ("list_delegated_administrators", {}),
    ("list_accounts", {}),
    ("list_roots", {}),
    ("describe_account", {"AccountId": THIRD}),
    ("list_delegated_services_for_account", {"AccountId": DELEGATE}),
]


@pytest.mark.parametrize(("operation", "parameters"), _READS)
def test_a_delegated_administrator_reads_what_the_management_account_reads_and_other_members_nothing(
    with_root_access: LocalOrganization, operation: str, parameters: dict[str, str]
) -> None:
    management, delegate, other = (
        getattr(with_root_access.client("organizations", account_id=account_id), operation)
        for account_id in (MANAGEMENT, DELEGATE, OTHER)
    )

    responses = [management(**parameters), delegate(**parameters)]
    error = error_of(other, **parameters)

    for response in responses:
        del response["ResponseMetadata"]
    assert responses[0] == responses[1]
    assert error["code"] == "AccessDeniedException"
    assert error["message"] == "You don't have permissions to access this resource."


def test_an_account_has_the_path_of_the_units_that_it_is_in(with_root_access: LocalOrganization) -> None:
    client = with_root_access.client("organizations")
    account = client.meta.service_model.shape_for("Account")
    assert isinstance(account, StructureShape)
    if "Paths" not in account.members:
        pytest.skip("This SDK leaves the paths out of the response.")
    root_id, organization_id = with_root_access.root_id, with_root_access.id
    outer = client.create_organizational_unit(ParentId=root_id, Name="outer")["OrganizationalUnit"]["Id"]
    inner = client.create_organizational_unit(ParentId=outer, Name="inner")["OrganizationalUnit"]["Id"]
    client.move_account(AccountId=OTHER, SourceParentId=root_id, DestinationParentId=inner)

    accounts = {account["Id"]: account for account in client.list_accounts()["Accounts"]}

    assert accounts[OTHER]["Paths"] == [f"{organization_id}/{root_id}/{outer}/{inner}/{OTHER}/"]
    assert accounts[MANAGEMENT]["Paths"] == [f"{organization_id}/{root_id}/{MANAGEMENT}/"]
    assert client.describe_account(AccountId=OTHER)["Account"] == accounts[OTHER]
    assert client.list_accounts_for_parent(ParentId=inner)["Accounts"] == [accounts[OTHER]]


def test_a_delegated_administrator_of_another_service_reads_accounts_but_no_features(
    with_root_access: LocalOrganization,
) -> None:
    with_root_access.client("organizations").enable_aws_service_access(ServicePrincipal=GUARDDUTY)
    register(with_root_access, OTHER, GUARDDUTY)

    accounts = with_root_access.client("organizations", account_id=OTHER).list_accounts()["Accounts"]
    error = error_of(with_root_access.client("iam", account_id=OTHER).list_organizations_features)

    assert len(accounts) == 4
    assert error["code"] == "AccountNotManagementOrDelegatedAdministratorException"


def assert_outside_of_any_organization(organization: LocalOrganization, account_id: str) -> None:
    organizations = organization.client("organizations", account_id=account_id)
    not_in_use = "AWSOrganizationsNotInUseException"

    assert error_of(organizations.describe_organization)["code"] == not_in_use
    assert error_of(organizations.list_accounts)["code"] == not_in_use
    assert error_of(organizations.enable_aws_service_access, ServicePrincipal=IAM)["code"] == not_in_use
    error = error_of(organization.client("iam", account_id=account_id).list_organizations_features)
    assert error["code"] == "OrganizationNotFoundException"


def test_an_account_outside_of_any_organization_cannot_use_one(organization: LocalOrganization) -> None:
    assert_outside_of_any_organization(organization, STRANGER)


@pytest.mark.parametrize("account_id", [MANAGEMENT, DELEGATE])
def test_a_deleted_organization_does_not_exist(with_root_access: LocalOrganization, account_id: str) -> None:
    with_root_access.delete()

    assert_outside_of_any_organization(with_root_access, account_id)


def test_an_organization_of_consolidated_billing_has_no_root_access() -> None:
    with mock_organization(seed=Seed(feature_set="CONSOLIDATED_BILLING")) as organization:
        organizations = organization.client("organizations")

        enabling = error_of(organizations.enable_aws_service_access, ServicePrincipal=IAM)
        registering = error_of(
            organizations.register_delegated_administrator, AccountId=OTHER, ServicePrincipal=IAM
        )
        listing = error_of(organization.client("iam").list_organizations_features)

    assert enabling["reason"] == "ORGANIZATION_NOT_IN_ALL_FEATURES_MODE"
    assert registering["reason"] == "ORGANIZATION_NOT_IN_ALL_FEATURES_MODE"
    assert listing["code"] == "OrganizationNotInAllFeaturesModeException"


# Trusted access and delegated administrators


def test_trusted_access_keeps_its_date_until_it_is_disabled(organization: LocalOrganization) -> None:
    organizations = organization.client("organizations")
    organizations.enable_aws_service_access(ServicePrincipal=IAM)
    first = organization.root_access().trusted_access[IAM]

    organization.advance_clock(60)
    organizations.enable_aws_service_access(ServicePrincipal=IAM)
    assert organization.root_access().trusted_access[IAM] == first

    organizations.disable_aws_service_access(ServicePrincipal=IAM)
    organizations.enable_aws_service_access(ServicePrincipal=IAM)
    assert organization.root_access().trusted_access[IAM] >= first + timedelta(seconds=60)


@pytest.mark.parametrize(
    ("account_id", "code", "reason"),
    [
        (MANAGEMENT, "ConstraintViolationException", "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR"),
        (
            THIRD,
            "ConstraintViolationException",
            "CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR",
        ),
        (STRANGER, "AccountNotFoundException", None),
        (DELEGATE, "AccountAlreadyRegisteredException", None),
    ],
)
def test_an_account_that_cannot_be_registered_is_refused_before_the_quota_is_checked(
    with_root_access: LocalOrganization, account_id: str, code: str, reason: str | None
) -> None:
    with_root_access.suspend(THIRD)
    with_root_access.set_delegated_administrator_limit(1)
    organizations = with_root_access.client("organizations")

    error = error_of(
        organizations.register_delegated_administrator, AccountId=account_id, ServicePrincipal=IAM
    )

    assert (error["code"], error["reason"]) == (code, reason)
    assert with_root_access.root_access().delegated_administrators == (DELEGATE,)


def test_an_account_registered_for_another_service_is_not_registered_for_iam(
    with_root_access: LocalOrganization,
) -> None:
    with_root_access.client("organizations").enable_aws_service_access(ServicePrincipal=GUARDDUTY)
    register(with_root_access, OTHER, GUARDDUTY)
    organizations = with_root_access.client("organizations")

    error = error_of(organizations.deregister_delegated_administrator, AccountId=OTHER, ServicePrincipal=IAM)

    assert error["code"] == "AccountNotRegisteredException"


def test_a_delegated_administrator_has_a_date_for_each_service(with_root_access: LocalOrganization) -> None:
    organizations = with_root_access.client("organizations")
    organizations.enable_aws_service_access(ServicePrincipal=GUARDDUTY)
    with_root_access.advance_clock(3600)
    register(with_root_access, DELEGATE, GUARDDUTY)

    dates = [
        organizations.list_delegated_administrators(ServicePrincipal=principal)["DelegatedAdministrators"][0]
        for principal in (IAM, GUARDDUTY)
    ]

    assert dates[1]["DelegationEnabledDate"] - dates[0]["DelegationEnabledDate"] >= timedelta(hours=1)
    assert dates[0] | {"DelegationEnabledDate": None} == dates[1] | {"DelegationEnabledDate": None}
    assert {"Id", "Arn", "Email", "Name", "State", "JoinedMethod", "JoinedTimestamp"} <= set(dates[0])


# Pages


@pytest.mark.parametrize(
    ("operation", "members", "sizes"),
    [
        ("list_accounts", "Accounts", [20, 5]),
        ("list_aws_service_access_for_organization", "EnabledServicePrincipals", [20, 2]),
        ("list_delegated_administrators", "DelegatedAdministrators", [20, 1]),
    ],
)
def test_lists_come_in_pages_of_twenty(operation: str, members: str, sizes: list[int]) -> None:
    services = (IAM, *(f"service-{number:02}.amazonaws.com" for number in range(21)))
    with mock_organization(seed=Seed(members=(), trusted_services=services)) as organization:
        organization.set_delegated_administrator_limit(30)
        for number in range(24):
            organization.add_account(name=f"account-{number}", email=f"{number}@example.com")
        for account_id in organization.members[:21]:
            register(organization, account_id)

        client: Any = organization.client("organizations")
        pages = [page[members] for page in client.get_paginator(operation).paginate()]

    assert [len(page) for page in pages] == sizes
    assert len({json.dumps(entry, default=str) for page in pages for entry in page}) == sum(sizes)
