"""The emulated organization's rules beside the recorded answers, and its two ways to be reached."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core.base_backend import BackendDict

from local_aws.emulation import (
    LocalOrganization,
    Organization,
    RemoteOrganization,
    Seed,
    mock_organization,
    serve_organization,
)

IAM = "iam.amazonaws.com"
GUARDDUTY = "guardduty.amazonaws.com"
CLOUDTRAIL = "cloudtrail.amazonaws.com"
MANAGEMENT, DELEGATE, MEMBER, OTHER_MEMBER, STRANGER = (
    "111111111111",
    "222222222222",
    "333333333333",
    "444444444444",
    "555555555555",
)
AUDIT = {"arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"}
DELETE = {"arn": "arn:aws:iam::aws:policy/root-task/IAMDeleteRootUserCredentials"}
RECOVER = {"arn": "arn:aws:iam::aws:policy/root-task/IAMCreateRootUserPassword"}


@pytest.fixture
def organization() -> Iterator[LocalOrganization]:
    with mock_organization() as organization:
        yield organization


@pytest.fixture
def with_root_access(organization: LocalOrganization) -> LocalOrganization:
    """Everything on, 222222222222 registered, no call remembered."""
    organization.client("organizations").enable_aws_service_access(ServicePrincipal=IAM)
    organization.client("iam").enable_organizations_root_credentials_management()
    organization.client("iam").enable_organizations_root_sessions()
    register(organization, DELEGATE)
    organization.clear_calls()
    return organization


def register(organization: Organization, account_id: str, principal: str = IAM) -> None:
    organization.client("organizations").register_delegated_administrator(
        AccountId=account_id, ServicePrincipal=principal
    )


def deregister(organization: Organization, account_id: str, principal: str = IAM) -> None:
    organization.client("organizations").deregister_delegated_administrator(
        AccountId=account_id, ServicePrincipal=principal
    )


def root_session(organization: Organization, task: Any, account_id: str = MEMBER) -> Any:
    answer = organization.client("sts").assume_root(TargetPrincipal=account_id, TaskPolicyArn=task)
    return answer["Credentials"]


def error_of(call: Callable[..., object], **parameters: object) -> dict[str, Any]:
    """The error that a call ends with: its code, message, HTTP status and reason."""
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    response: Any = raised.value.response
    return {
        "code": response["Error"]["Code"],
        "message": response["Error"]["Message"],
        "http": response["ResponseMetadata"]["HTTPStatusCode"],
        "reason": response.get("Reason"),
    }


# The organization it starts with


def test_it_starts_with_three_members_and_another_services_trusted_access(
    organization: LocalOrganization,
) -> None:
    assert organization.management_account_id == MANAGEMENT
    assert organization.members == (DELEGATE, MEMBER, OTHER_MEMBER)
    assert organization.root_access().features == frozenset()
    assert organization.root_access().delegated_administrators == ()
    assert list(organization.root_access().trusted_access) == [CLOUDTRAIL]
    assert list(organization.other_services().trusted_access) == [CLOUDTRAIL]
    assert organization.calls == ()


def test_a_seed_decides_what_it_starts_with() -> None:
    seed = Seed(members=((MEMBER, "one"),), trusted_services=(GUARDDUTY, CLOUDTRAIL))
    with mock_organization(seed=seed) as organization:
        assert organization.members == (MEMBER,)
        assert set(organization.root_access().trusted_access) == {GUARDDUTY, CLOUDTRAIL}


def test_everything_is_undone_at_the_end() -> None:
    with mock_organization() as organization:
        organization_id = organization.id
        organization.client("organizations").enable_aws_service_access(ServicePrincipal=IAM)

    with mock_aws():
        organizations = boto3.client(
            "organizations", region_name="us-east-1", aws_access_key_id=MANAGEMENT, aws_secret_access_key="x"
        )
        refused = error_of(organizations.enable_aws_service_access, ServicePrincipal=IAM)
        member = boto3.client(
            "organizations", region_name="us-east-1", aws_access_key_id=DELEGATE, aws_secret_access_key="x"
        )
        created = member.create_organization()
    assert refused["code"] == "InvalidInputException"
    assert created["Organization"]["Id"] != organization_id


def test_two_organizations_in_one_process_are_refused(organization: LocalOrganization) -> None:
    with pytest.raises(RuntimeError, match="already"), mock_organization():
        pass


def test_a_moto_reset_resets_the_emulation(with_root_access: LocalOrganization) -> None:
    with_root_access.deny(account_id=MANAGEMENT, action="iam:*")

    BackendDict.reset()

    assert with_root_access.calls == ()
    assert with_root_access.root_access().features == frozenset()
    assert with_root_access.members == ()
    refused = error_of(with_root_access.client("iam").list_organizations_features)
    assert refused["code"] == "OrganizationNotFoundException"


def test_a_reset_brings_the_seeded_organization_back(with_root_access: LocalOrganization) -> None:
    organization_id = with_root_access.id
    with_root_access.delete()

    with_root_access.reset()

    assert with_root_access.id == organization_id
    assert with_root_access.members == (DELEGATE, MEMBER, OTHER_MEMBER)
    assert with_root_access.root_access().features == frozenset()


def test_an_account_id_is_taken_once(organization: LocalOrganization) -> None:
    with pytest.raises(ValueError, match=MEMBER):
        organization.add_account(name="again", email="again@example.com", account_id=MEMBER)


# Whose call it is


def test_an_access_key_of_twelve_digits_is_that_account(organization: LocalOrganization) -> None:
    identity = organization.client("sts", account_id=MEMBER).get_caller_identity()

    assert identity["Account"] == MEMBER
    assert identity["Arn"] == f"arn:aws:iam::{MEMBER}:user/local"


def test_a_role_that_moto_knows_acts_in_its_account(organization: LocalOrganization) -> None:
    role = organization.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{MEMBER}:role/R", RoleSessionName="session"
    )

    identity = organization.client("sts", credentials=role["Credentials"]).get_caller_identity()

    assert identity["Arn"] == f"arn:aws:sts::{MEMBER}:assumed-role/R/session"


def test_a_root_session_is_the_members_root_user(with_root_access: LocalOrganization) -> None:
    session = root_session(with_root_access, AUDIT)

    identity = with_root_access.client("sts", credentials=session).get_caller_identity()

    assert session["AccessKeyId"] == MEMBER
    assert identity["Arn"] == f"arn:aws:iam::{MEMBER}:root"


# Who may call Organizations


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("enable_aws_service_access", {"ServicePrincipal": IAM}),
        ("disable_aws_service_access", {"ServicePrincipal": GUARDDUTY}),
        ("register_delegated_administrator", {"AccountId": MEMBER, "ServicePrincipal": IAM}),
        ("deregister_delegated_administrator", {"AccountId": DELEGATE, "ServicePrincipal": IAM}),
    ],
)
@pytest.mark.parametrize("account_id", [DELEGATE, MEMBER])
def test_only_the_management_account_changes_the_organization(
    with_root_access: LocalOrganization, operation: str, parameters: dict[str, str], account_id: str
) -> None:
    before = with_root_access.root_access(), with_root_access.other_services()
    client = with_root_access.client("organizations", account_id=account_id)

    refused = error_of(getattr(client, operation), **parameters)

    assert (refused["code"], refused["http"]) == ("AccessDeniedException", 400)
    assert (with_root_access.root_access(), with_root_access.other_services()) == before


_READS: list[tuple[str, dict[str, str]]] = [
    ("list_aws_service_access_for_organization", {}),
    ("list_delegated_administrators", {}),
    ("list_accounts", {}),
    ("list_roots", {}),
    ("describe_account", {"AccountId": OTHER_MEMBER}),
    ("list_delegated_services_for_account", {"AccountId": DELEGATE}),
]


@pytest.mark.parametrize(("operation", "parameters"), _READS)
def test_a_delegated_administrator_reads_what_the_management_account_reads(
    with_root_access: LocalOrganization, operation: str, parameters: dict[str, str]
) -> None:
    answers = []
    for account_id in (MANAGEMENT, DELEGATE):
        client = with_root_access.client("organizations", account_id=account_id)
        answers.append(getattr(client, operation)(**parameters))
        del answers[-1]["ResponseMetadata"]

    assert answers[0] == answers[1]


def test_a_delegated_administrator_sees_the_accounts_under_a_parent(
    with_root_access: LocalOrganization,
) -> None:
    client = with_root_access.client("organizations", account_id=DELEGATE)
    root = client.list_roots()["Roots"][0]["Id"]

    accounts = client.list_accounts_for_parent(ParentId=root)["Accounts"]

    assert {account["Id"] for account in accounts} == {MANAGEMENT, *with_root_access.members}


@pytest.mark.parametrize(("operation", "parameters"), _READS)
def test_a_plain_member_reads_nothing_of_the_organization(
    with_root_access: LocalOrganization, operation: str, parameters: dict[str, str]
) -> None:
    client = with_root_access.client("organizations", account_id=MEMBER)

    refused = error_of(getattr(client, operation), **parameters)

    assert refused["code"] == "AccessDeniedException"
    assert refused["message"] == "You don't have permissions to access this resource."


def test_a_delegated_administrator_of_another_service_reads_accounts_but_no_features(
    with_root_access: LocalOrganization,
) -> None:
    with_root_access.client("organizations").enable_aws_service_access(ServicePrincipal=GUARDDUTY)
    register(with_root_access, MEMBER, GUARDDUTY)

    accounts = with_root_access.client("organizations", account_id=MEMBER).list_accounts()["Accounts"]
    refused = error_of(with_root_access.client("iam", account_id=MEMBER).list_organizations_features)

    assert len(accounts) == 4
    assert refused["code"] == "AccountNotManagementOrDelegatedAdministratorException"


@pytest.mark.parametrize("account_id", [MANAGEMENT, DELEGATE, MEMBER])
def test_any_account_of_the_organization_describes_it(
    with_root_access: LocalOrganization, account_id: str
) -> None:
    described = with_root_access.client("organizations", account_id=account_id).describe_organization()

    assert described["Organization"]["Id"] == with_root_access.id
    assert described["Organization"]["MasterAccountId"] == MANAGEMENT


def test_an_account_without_organization_is_told_so(organization: LocalOrganization) -> None:
    organizations = organization.client("organizations", account_id=STRANGER)
    not_in_use = "AWSOrganizationsNotInUseException"

    assert error_of(organizations.describe_organization)["code"] == not_in_use
    assert error_of(organizations.list_accounts)["code"] == not_in_use
    assert error_of(organizations.enable_aws_service_access, ServicePrincipal=IAM)["code"] == not_in_use
    refused = error_of(organization.client("iam", account_id=STRANGER).list_organizations_features)
    assert refused["code"] == "OrganizationNotFoundException"


def test_a_deleted_organization_is_no_organization(with_root_access: LocalOrganization) -> None:
    with_root_access.delete()

    for account_id in (MANAGEMENT, DELEGATE):
        organizations = with_root_access.client("organizations", account_id=account_id)
        iam = with_root_access.client("iam", account_id=account_id)
        assert error_of(organizations.describe_organization)["code"] == "AWSOrganizationsNotInUseException"
        assert error_of(iam.list_organizations_features)["code"] == "OrganizationNotFoundException"


def test_an_organization_of_consolidated_billing_has_no_root_access() -> None:
    with mock_organization(seed=Seed(feature_set="CONSOLIDATED_BILLING")) as organization:
        organizations = organization.client("organizations")

        enabling = error_of(organizations.enable_aws_service_access, ServicePrincipal=IAM)
        registering = error_of(
            organizations.register_delegated_administrator, AccountId=MEMBER, ServicePrincipal=IAM
        )
        listing = error_of(organization.client("iam").list_organizations_features)

    assert enabling["reason"] == "ORGANIZATION_NOT_IN_ALL_FEATURES_MODE"
    assert registering["reason"] == "ORGANIZATION_NOT_IN_ALL_FEATURES_MODE"
    assert listing["code"] == "OrganizationNotInAllFeaturesModeException"


# Trusted access and delegated administrators


def test_trusted_access_keeps_its_date_until_it_is_switched_off(organization: LocalOrganization) -> None:
    organizations = organization.client("organizations")
    organizations.enable_aws_service_access(ServicePrincipal=IAM)
    first = organization.root_access().trusted_access[IAM]

    organization.advance_clock(60)
    organizations.enable_aws_service_access(ServicePrincipal=IAM)
    assert organization.root_access().trusted_access[IAM] == first

    organizations.disable_aws_service_access(ServicePrincipal=IAM)
    organizations.enable_aws_service_access(ServicePrincipal=IAM)
    assert organization.root_access().trusted_access[IAM] >= first + timedelta(seconds=60)


def test_other_services_are_reported_apart_from_iam(with_root_access: LocalOrganization) -> None:
    with_root_access.client("organizations").enable_aws_service_access(ServicePrincipal=GUARDDUTY)
    register(with_root_access, MEMBER, GUARDDUTY)

    others = with_root_access.other_services()

    assert set(others.trusted_access) == {CLOUDTRAIL, GUARDDUTY}
    assert list(others.delegated_administrators) == [GUARDDUTY]
    assert list(others.delegated_administrators[GUARDDUTY]) == [MEMBER]
    deregister(with_root_access, DELEGATE)
    assert with_root_access.other_services() == others
    deregister(with_root_access, MEMBER, GUARDDUTY)
    assert with_root_access.other_services() != others


def test_registering_needs_trusted_access(organization: LocalOrganization) -> None:
    organizations = organization.client("organizations")

    refused = error_of(organizations.register_delegated_administrator, AccountId=MEMBER, ServicePrincipal=IAM)

    assert (refused["code"], refused["reason"]) == (
        "ConstraintViolationException",
        "SERVICE_ACCESS_NOT_ENABLED",
    )


@pytest.mark.parametrize(
    ("account_id", "code", "reason"),
    [
        (MANAGEMENT, "ConstraintViolationException", "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR"),
        (
            OTHER_MEMBER,
            "ConstraintViolationException",
            "CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR",
        ),
        (STRANGER, "AccountNotFoundException", None),
        (DELEGATE, "AccountAlreadyRegisteredException", None),
    ],
)
def test_an_account_that_cannot_be_registered_is_refused_before_the_limit_is_looked_at(
    with_root_access: LocalOrganization, account_id: str, code: str, reason: str | None
) -> None:
    with_root_access.suspend(OTHER_MEMBER)
    with_root_access.set_delegated_administrator_limit(1)
    organizations = with_root_access.client("organizations")

    refused = error_of(
        organizations.register_delegated_administrator, AccountId=account_id, ServicePrincipal=IAM
    )

    assert (refused["code"], refused["reason"]) == (code, reason)
    assert with_root_access.root_access().delegated_administrators == (DELEGATE,)


def test_no_more_delegated_administrators_than_the_limit(with_root_access: LocalOrganization) -> None:
    with_root_access.set_delegated_administrator_limit(2)
    register(with_root_access, MEMBER)
    organizations = with_root_access.client("organizations")

    refused = error_of(
        organizations.register_delegated_administrator, AccountId=OTHER_MEMBER, ServicePrincipal=IAM
    )

    assert refused["reason"] == "MAX_DELEGATED_ADMINISTRATORS_FOR_SERVICE_LIMIT_EXCEEDED"
    assert with_root_access.root_access().delegated_administrators == (DELEGATE, MEMBER)


def test_an_account_registered_for_another_service_is_not_registered_for_iam(
    with_root_access: LocalOrganization,
) -> None:
    with_root_access.client("organizations").enable_aws_service_access(ServicePrincipal=GUARDDUTY)
    register(with_root_access, MEMBER, GUARDDUTY)
    organizations = with_root_access.client("organizations")

    refused = error_of(
        organizations.deregister_delegated_administrator, AccountId=MEMBER, ServicePrincipal=IAM
    )

    assert refused["code"] == "AccountNotRegisteredException"


def test_a_delegated_administrator_has_a_date_per_service(with_root_access: LocalOrganization) -> None:
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
    assert {"Id", "Arn", "Email", "Name", "State", "Status", "JoinedMethod", "JoinedTimestamp"} <= set(
        dates[0]
    )


def test_delegated_administrators_are_known_oldest_first(organization: LocalOrganization) -> None:
    organization.client("organizations").enable_aws_service_access(ServicePrincipal=IAM)
    for account_id in (OTHER_MEMBER, DELEGATE, MEMBER):
        register(organization, account_id)
        organization.advance_clock(1)
    deregister(organization, OTHER_MEMBER)
    register(organization, OTHER_MEMBER)

    assert organization.root_access().delegated_administrators == (DELEGATE, MEMBER, OTHER_MEMBER)


# Pages


def test_accounts_come_in_pages_of_twenty(organization: LocalOrganization) -> None:
    for number in range(40):
        organization.add_account(name=f"account-{number}", email=f"{number}@example.com")
    organizations = organization.client("organizations")

    pages = [page["Accounts"] for page in organizations.get_paginator("list_accounts").paginate()]

    assert [len(page) for page in pages] == [20, 20, 4]
    listed = [account["Id"] for page in pages for account in page]
    assert sorted(listed) == sorted({MANAGEMENT, *organization.members})


def test_trusted_services_come_in_pages_of_twenty() -> None:
    services = tuple(f"service-{number:02}.amazonaws.com" for number in range(25))
    with mock_organization(seed=Seed(trusted_services=services)) as organization:
        organizations = organization.client("organizations")

        first = organizations.list_aws_service_access_for_organization()
        second = organizations.list_aws_service_access_for_organization(NextToken=first["NextToken"])

    listed = first["EnabledServicePrincipals"] + second["EnabledServicePrincipals"]
    assert len(first["EnabledServicePrincipals"]) == 20
    assert [entry["ServicePrincipal"] for entry in listed] == list(services)
    assert "NextToken" not in second


def test_delegated_administrators_come_in_pages_of_twenty(organization: LocalOrganization) -> None:
    organization.client("organizations").enable_aws_service_access(ServicePrincipal=IAM)
    organization.set_delegated_administrator_limit(30)
    for number in range(21):
        register(
            organization, organization.add_account(name=f"account-{number}", email=f"{number}@example.com")
        )
    paginator = organization.client("organizations").get_paginator("list_delegated_administrators")

    pages = [page["DelegatedAdministrators"] for page in paginator.paginate(ServicePrincipal=IAM)]

    assert [len(page) for page in pages] == [20, 1]


def test_a_larger_page_and_a_made_up_token_are_refused(organization: LocalOrganization) -> None:
    organizations = organization.client("organizations")

    assert error_of(organizations.list_accounts, MaxResults=21)["reason"] == "MAX_VALUE_EXCEEDED"
    assert error_of(organizations.list_accounts, NextToken="?")["reason"] == "INVALID_NEXT_TOKEN"


# Root sessions and root credentials


@pytest.mark.parametrize("target", [MANAGEMENT, OTHER_MEMBER, STRANGER])
def test_accounts_that_are_no_target_look_like_a_missing_permission(
    with_root_access: LocalOrganization, target: str
) -> None:
    with_root_access.suspend(OTHER_MEMBER)
    sts = with_root_access.client("sts")

    refused = error_of(sts.assume_root, TargetPrincipal=target, TaskPolicyArn=AUDIT)

    assert (refused["code"], refused["http"]) == ("AccessDenied", 403)
    assert refused["message"] == (
        f"User: arn:aws:iam::{MANAGEMENT}:user/local is not authorized to perform: sts:AssumeRoot "
        f"on resource: arn:aws:iam::{target}:root"
    )


def test_a_plain_member_cannot_assume_root(with_root_access: LocalOrganization) -> None:
    sts = with_root_access.client("sts", account_id=MEMBER)

    assert (
        error_of(sts.assume_root, TargetPrincipal=OTHER_MEMBER, TaskPolicyArn=AUDIT)["code"] == "AccessDenied"
    )


def test_every_parameter_outside_of_the_model_is_named(with_root_access: LocalOrganization) -> None:
    sts = with_root_access.client("sts")

    refused = error_of(sts.assume_root, TargetPrincipal=MEMBER, TaskPolicyArn={}, DurationSeconds=1000)

    assert refused["message"].startswith("2 validation errors detected: ")


def test_an_audit_sees_every_root_credential(with_root_access: LocalOrganization) -> None:
    last_used = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    with_root_access.put_root_credentials(
        account_id=MEMBER,
        password=True,
        access_keys=2,
        mfa_devices=1,
        certificates=1,
        password_last_used=last_used,
        access_key_last_used=last_used,
    )
    iam = with_root_access.client("iam", credentials=root_session(with_root_access, AUDIT))

    summary = iam.get_account_summary()["SummaryMap"]
    keys = iam.list_access_keys()["AccessKeyMetadata"]
    used = iam.get_access_key_last_used(AccessKeyId=keys[0]["AccessKeyId"])["AccessKeyLastUsed"]
    devices = iam.list_mfa_devices()["MFADevices"]
    certificates = iam.list_signing_certificates()["Certificates"]

    assert summary["AccountPasswordPresent"] == summary["AccountAccessKeysPresent"] == 1
    assert summary["AccountMFAEnabled"] == summary["AccountSigningCertificatesPresent"] == 1
    assert iam.get_user()["User"]["PasswordLastUsed"] == last_used
    assert iam.get_login_profile()["LoginProfile"]["PasswordResetRequired"] is False
    assert used["LastUsedDate"] == last_used
    credentials = with_root_access.root_credentials(MEMBER)
    assert credentials.access_keys == tuple(key["AccessKeyId"] for key in keys)
    assert credentials.mfa_devices == tuple(device["SerialNumber"] for device in devices)
    assert credentials.certificates == tuple(each["CertificateId"] for each in certificates)


def test_a_key_that_was_never_used_says_so(with_root_access: LocalOrganization) -> None:
    with_root_access.put_root_credentials(account_id=MEMBER, access_keys=1)
    (key,) = with_root_access.root_credentials(MEMBER).access_keys
    iam = with_root_access.client("iam", credentials=root_session(with_root_access, AUDIT))

    used = iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]

    assert used == {"ServiceName": "N/A", "Region": "N/A"}


def test_deleting_removes_exactly_what_is_named(with_root_access: LocalOrganization) -> None:
    with_root_access.put_root_credentials(
        account_id=MEMBER, password=True, access_keys=2, mfa_devices=1, certificates=1
    )
    with_root_access.put_root_credentials(account_id=OTHER_MEMBER, password=True, access_keys=1)
    untouched = with_root_access.root_credentials(OTHER_MEMBER)
    before = with_root_access.root_credentials(MEMBER)
    iam = with_root_access.client("iam", credentials=root_session(with_root_access, DELETE))

    iam.delete_access_key(AccessKeyId=before.access_keys[0])
    assert with_root_access.root_credentials(MEMBER).access_keys == before.access_keys[1:]
    iam.delete_login_profile()
    iam.delete_signing_certificate(CertificateId=before.certificates[0])
    iam.deactivate_mfa_device(SerialNumber=before.mfa_devices[0])

    after = with_root_access.root_credentials(MEMBER)
    assert (after.password, after.mfa_devices, after.certificates) == (False, (), ())
    assert with_root_access.root_credentials(OTHER_MEMBER) == untouched
    gone = [
        error_of(iam.delete_access_key, AccessKeyId=before.access_keys[0]),
        error_of(iam.delete_login_profile),
        error_of(iam.delete_signing_certificate, CertificateId=before.certificates[0]),
        error_of(iam.deactivate_mfa_device, SerialNumber=before.mfa_devices[0]),
    ]
    assert [(error["code"], error["http"]) for error in gone] == [("NoSuchEntity", 404)] * 4


def test_lists_of_root_credentials_come_in_pages_and_lose_none_while_deleting(
    with_root_access: LocalOrganization,
) -> None:
    with_root_access.put_root_credentials(account_id=MEMBER, access_keys=3)
    keys = with_root_access.root_credentials(MEMBER).access_keys
    iam = with_root_access.client("iam", credentials=root_session(with_root_access, DELETE))

    seen = []
    page = iam.list_access_keys(MaxItems=1)
    while True:
        (key,) = page["AccessKeyMetadata"]
        seen.append(key["AccessKeyId"])
        iam.delete_access_key(AccessKeyId=key["AccessKeyId"])
        if not page["IsTruncated"]:
            break
        page = iam.list_access_keys(MaxItems=1, Marker=page["Marker"])

    assert tuple(seen) == keys


@pytest.mark.parametrize(
    ("task", "operation", "parameters", "resource"),
    [
        (AUDIT, "delete_login_profile", {}, f"arn:aws:iam::{MEMBER}:root"),
        (AUDIT, "list_access_keys", {"UserName": "somebody"}, f"arn:aws:iam::{MEMBER}:user/somebody"),
        (AUDIT, "list_users", {}, f"arn:aws:iam::{MEMBER}:root"),
        (DELETE, "get_account_summary", {}, "*"),
        (RECOVER, "get_user", {}, f"arn:aws:iam::{MEMBER}:root"),
    ],
)
def test_a_root_session_does_what_its_task_policy_allows_and_nothing_else(
    with_root_access: LocalOrganization,
    task: dict[str, str],
    operation: str,
    parameters: dict[str, str],
    resource: str,
) -> None:
    iam = with_root_access.client("iam", credentials=root_session(with_root_access, task))

    refused = error_of(getattr(iam, operation), **parameters)

    action = "iam:" + "".join(word.title() for word in operation.split("_"))
    assert (refused["code"], refused["http"]) == ("AccessDenied", 403)
    assert refused["message"] == (
        f"User: arn:aws:iam::{MEMBER}:root is not authorized to perform: {action} "
        f"on resource: {resource} with an explicit deny in a session policy"
    )


def test_a_root_session_reaches_neither_organizations_nor_another_root_user(
    with_root_access: LocalOrganization,
) -> None:
    session = root_session(with_root_access, AUDIT, account_id=DELEGATE)
    organizations = with_root_access.client("organizations", credentials=session)
    sts = with_root_access.client("sts", credentials=session)

    assert error_of(organizations.list_accounts)["code"] == "AccessDeniedException"
    refused = error_of(sts.assume_root, TargetPrincipal=MEMBER, TaskPolicyArn=AUDIT)
    assert refused["code"] == "AccessDenied"


def test_an_expired_root_session_is_refused(with_root_access: LocalOrganization) -> None:
    session = root_session(with_root_access, AUDIT)
    with_root_access.advance_clock(900)

    expired = error_of(with_root_access.client("iam", credentials=session).get_user)
    in_json = error_of(with_root_access.client("organizations", credentials=session).list_accounts)

    assert (expired["code"], expired["http"]) == ("ExpiredToken", 403)
    assert (in_json["code"], in_json["http"]) == ("ExpiredTokenException", 400)


def test_a_token_of_a_root_session_is_good_for_its_account_alone(with_root_access: LocalOrganization) -> None:
    session = root_session(with_root_access, AUDIT)

    elsewhere: Any = {**session, "AccessKeyId": OTHER_MEMBER}
    moved = error_of(with_root_access.client("iam", credentials=elsewhere).get_user)
    with_root_access.reset()
    forgotten = error_of(with_root_access.client("iam", credentials=session).get_user)

    assert moved["code"] == forgotten["code"] == "InvalidClientTokenId"


# Denials


def test_a_denied_organizations_call_is_refused_in_organizations_words(
    organization: LocalOrganization,
) -> None:
    organization.deny(account_id=MANAGEMENT, action="organizations:EnableAWSServiceAccess")
    organizations = organization.client("organizations")

    refused = error_of(organizations.enable_aws_service_access, ServicePrincipal=IAM)

    assert (refused["code"], refused["http"]) == ("AccessDeniedException", 400)
    assert refused["message"] == (
        f"User: arn:aws:iam::{MANAGEMENT}:user/local is not authorized to perform: "
        "organizations:EnableAWSServiceAccess on resource: * because no identity-based policy allows "
        "the organizations:EnableAWSServiceAccess action"
    )
    assert IAM not in organization.root_access().trusted_access


def test_a_denial_names_the_account_that_a_registration_is_about(
    with_root_access: LocalOrganization,
) -> None:
    with_root_access.deny(account_id=MANAGEMENT, action="organizations:RegisterDelegatedAdministrator")
    organizations = with_root_access.client("organizations")

    refused = error_of(organizations.register_delegated_administrator, AccountId=MEMBER, ServicePrincipal=IAM)

    account = f"arn:aws:organizations::{MANAGEMENT}:account/{with_root_access.id}/{MEMBER}"
    assert f"on resource: {account} because" in refused["message"]


def test_a_denial_can_carry_a_message_and_be_taken_back(organization: LocalOrganization) -> None:
    organizations = organization.client("organizations")
    organization.deny(account_id=MANAGEMENT, action="organizations:List*", message="Not today.")

    assert error_of(organizations.list_accounts)["message"] == "Not today."

    organization.allow(account_id=MANAGEMENT, action="organizations:List*")
    assert len(organizations.list_accounts()["Accounts"]) == 4


def test_a_denial_is_about_one_account(organization: LocalOrganization) -> None:
    organization.deny(account_id=MEMBER, action="sts:*")

    assert organization.client("sts").get_caller_identity()["Account"] == MANAGEMENT


def test_a_denied_member_shows_as_an_scp_in_its_root_sessions(with_root_access: LocalOrganization) -> None:
    with_root_access.deny(account_id=MEMBER, action="iam:GetAccountSummary")
    iam = with_root_access.client("iam", credentials=root_session(with_root_access, AUDIT))

    refused = error_of(iam.get_account_summary)

    assert (refused["code"], refused["http"]) == ("AccessDenied", 403)
    assert refused["message"] == (
        f"User: arn:aws:iam::{MEMBER}:root is not authorized to perform: iam:GetAccountSummary "
        "on resource: * with an explicit deny in a service control policy"
    )
    assert iam.list_access_keys()["AccessKeyMetadata"] == []


def test_a_denied_assume_root_names_its_target(with_root_access: LocalOrganization) -> None:
    with_root_access.deny(account_id=DELEGATE, action="sts:AssumeRoot")
    sts = with_root_access.client("sts", account_id=DELEGATE)

    refused = error_of(sts.assume_root, TargetPrincipal=MEMBER, TaskPolicyArn=AUDIT)
    malformed = error_of(sts.assume_root, TargetPrincipal="not-an-account", TaskPolicyArn=AUDIT)

    assert f"on resource: arn:aws:iam::{MEMBER}:root because" in refused["message"]
    assert malformed["code"] == "ValidationError"


# The record of calls


def test_every_call_is_recorded_with_its_parameters_and_its_error(
    with_root_access: LocalOrganization,
) -> None:
    with_root_access.client("organizations").list_delegated_administrators(ServicePrincipal=IAM)
    error_of(
        with_root_access.client("iam", account_id=MEMBER).disable_organizations_root_sessions,
    )
    iam = with_root_access.client("iam", credentials=root_session(with_root_access, RECOVER))
    iam.create_login_profile()

    recorded = [
        (call.service, call.operation, call.account_id, call.parameters, call.error, call.root_session)
        for call in with_root_access.calls
    ]
    assert recorded == [
        (
            "organizations",
            "ListDelegatedAdministrators",
            MANAGEMENT,
            {"ServicePrincipal": IAM},
            None,
            False,
        ),
        (
            "iam",
            "DisableOrganizationsRootSessions",
            MEMBER,
            {},
            "AccountNotManagementOrDelegatedAdministratorException",
            False,
        ),
        (
            "sts",
            "AssumeRoot",
            MANAGEMENT,
            {"TargetPrincipal": MEMBER, "TaskPolicyArn": RECOVER},
            None,
            False,
        ),
        ("iam", "CreateLoginProfile", MEMBER, {}, None, True),
    ]
    assert [call.operation for call in with_root_access.writes] == [
        "DisableOrganizationsRootSessions",
        "CreateLoginProfile",
    ]
    with_root_access.clear_calls()
    assert with_root_access.calls == ()


def test_calls_from_several_threads_are_all_answered_and_recorded(
    with_root_access: LocalOrganization,
) -> None:
    iam = with_root_access.client("iam")
    organizations = with_root_access.client("organizations")
    reads: list[Callable[[], object]] = [
        iam.list_organizations_features,
        organizations.describe_organization,
        organizations.list_aws_service_access_for_organization,
        organizations.list_delegated_administrators,
    ]

    with ThreadPoolExecutor(max_workers=4) as threads:
        answers = list(threads.map(lambda read: read(), reads * 10))

    assert len(answers) == len(with_root_access.calls) == 40
    assert {call.error for call in with_root_access.calls} == {None}


def test_calls_that_are_made_side_by_side_arrive_side_by_side(
    organization: LocalOrganization, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_their_way: list[float] = []
    all_of_them = threading.Barrier(3, timeout=30)

    def sleep(seconds: float) -> None:
        on_their_way.append(seconds)
        all_of_them.wait()

    monkeypatch.setattr("local_aws.emulation.requests.sleep", sleep)
    organization.set_latency(0.3)
    calls: list[Callable[[], object]] = [
        organization.client("iam").list_account_aliases,
        organization.client("organizations").describe_organization,
        organization.client("sts").get_caller_identity,
    ]

    with ThreadPoolExecutor(max_workers=3) as threads:
        list(threads.map(lambda call: call(), calls))

    assert on_their_way == [0.3, 0.3, 0.3]
    assert {call.service for call in organization.calls} == {"iam", "organizations", "sts"}


def test_a_reset_ends_the_latency(organization: LocalOrganization, monkeypatch: pytest.MonkeyPatch) -> None:
    organization.set_latency(0.3)
    organization.reset()
    on_their_way: list[float] = []
    monkeypatch.setattr("local_aws.emulation.requests.sleep", on_their_way.append)

    organization.client("sts").get_caller_identity()

    assert on_their_way == []


# Over HTTP


@contextmanager
def server_process(*, ended_by: signal.Signals = signal.SIGTERM) -> Iterator[RemoteOrganization]:
    """A server in a process of its own; it must end by itself once it is told to, and say nothing."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "local_aws.emulation", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as server:
        try:
            deadline = time.monotonic() + 30
            while not is_healthy(port):
                assert server.poll() is None, "The server ended."
                assert time.monotonic() < deadline, "The server did not start."
                time.sleep(0.05)
            yield RemoteOrganization.at(f"http://127.0.0.1:{port}")
            server.send_signal(ended_by)
            _, log = server.communicate(timeout=10)
        finally:
            server.kill()
    assert (server.returncode, log) == (0, b"")


def is_healthy(port: int) -> bool:
    with closing(HTTPConnection("127.0.0.1", port, timeout=1)) as connection:
        try:
            connection.request("GET", "/_local_aws/health")
            return connection.getresponse().status == 200
        except OSError:
            return False


def a_story(organization: Organization) -> list[object]:
    """What can be seen of an organization that lives through a bit of everything."""
    organizations = organization.client("organizations")
    iam = organization.client("iam")
    seen: list[object] = [organization.id, organization.management_account_id, organization.members]
    organizations.enable_aws_service_access(ServicePrincipal=IAM)
    iam.enable_organizations_root_credentials_management()
    register(organization, DELEGATE)
    account_id = organization.add_account(name="new", email="new@example.com", account_id="666666666666")
    organization.set_delegated_administrator_limit(1)
    organization.set_latency(0.001)
    seen.append(
        error_of(organizations.register_delegated_administrator, AccountId=MEMBER, ServicePrincipal=IAM)
    )
    organization.put_root_credentials(
        account_id=account_id,
        password=True,
        access_keys=1,
        password_last_used=datetime(2026, 1, 1, tzinfo=UTC),
    )
    session = root_session(organization, DELETE, account_id=account_id)
    root = organization.client("iam", credentials=session)
    seen.append(root.get_user()["User"].get("PasswordLastUsed"))
    organization.deny(account_id=account_id, action="iam:DeleteLoginProfile")
    seen.append(error_of(root.delete_login_profile))
    organization.allow(account_id=account_id, action="iam:DeleteLoginProfile")
    root.delete_login_profile()
    organization.advance_clock(900)
    seen.append(error_of(root.get_user))
    organization.suspend(account_id)
    seen.append(organizations.describe_account(AccountId=account_id)["Account"]["State"])
    access = organization.root_access()
    seen += [access.features, access.delegated_administrators, sorted(access.trusted_access)]
    seen += [sorted(organization.other_services().trusted_access), organization.root_credentials(account_id)]
    for wrong_argument, error in (
        (lambda: organization.root_credentials(STRANGER), LookupError),
        (lambda: organization.advance_clock(-1), ValueError),
        (lambda: organization.set_latency(-1), ValueError),
    ):
        with pytest.raises(error) as raised:
            wrong_argument()
        seen.append(str(raised.value))
    seen += [
        (call.service, call.operation, call.account_id, call.parameters, call.error, call.root_session)
        for call in organization.calls
    ]
    organization.clear_calls()
    organization.delete()
    seen += [error_of(organizations.describe_organization), len(organization.calls)]
    organization.reset()
    seen += [organization.members, organization.root_access().features, organization.calls]
    return seen


def test_a_server_in_its_own_process_behaves_as_the_emulation_in_process() -> None:
    with mock_organization() as local:
        expected = a_story(local)

    with server_process() as remote:
        assert a_story(remote) == expected


def test_a_server_ends_cleanly_when_interrupted() -> None:
    with server_process(ended_by=signal.SIGINT) as remote:
        assert remote.members == (DELEGATE, MEMBER, OTHER_MEMBER)


def test_a_server_in_a_thread_behaves_as_the_emulation_in_process() -> None:
    with mock_organization() as local:
        expected = a_story(local)

    with serve_organization() as served:
        assert served.url is not None
        assert a_story(served) == expected
        assert a_story(RemoteOrganization.at(served.url)) == expected


def test_the_control_api_has_no_other_members_and_listens_to_no_web_page() -> None:
    with serve_organization() as served:
        address = str(served.url).removeprefix("http://")
        statuses = []
        for body, content_type in (
            ('{"member": "_apply_seed", "arguments": {}}', "application/json"),
            ('{"member": "reset", "arguments": {}}', "text/plain"),
        ):
            with closing(HTTPConnection(address, timeout=5)) as connection:
                connection.request(
                    "POST", "/_local_aws/control", body=body, headers={"Content-Type": content_type}
                )
                statuses.append(connection.getresponse().status)

    assert statuses == [404, 415]
