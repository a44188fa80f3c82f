"""The emulated IAM in a root session. The organization-level operations are in the recorded responses."""

import csv
from datetime import UTC, datetime
from typing import Any

import pytest

from local_aws.emulation import LocalOrganization
from support.accounts import MANAGEMENT, OTHER, THIRD
from support.emulation import AUDIT, DELETE, error_of, open_root_session


def test_a_caller_without_permission_is_denied_as_recorded(with_root_access: LocalOrganization) -> None:
    with_root_access.deny(account_id=MANAGEMENT, action="iam:ListOrganizationsFeatures")

    error = error_of(with_root_access.client("iam").list_organizations_features)

    assert (error["code"], error["http"]) == ("AccessDenied", 403)
    assert error["message"].partition(" is ")[2] == (
        "not authorized to perform: iam:ListOrganizationsFeatures on resource: * because no identity-based "
        "policy allows the iam:ListOrganizationsFeatures action"
    )


def test_an_audit_sees_every_root_credential(with_root_access: LocalOrganization) -> None:
    last_used = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    with_root_access.put_root_credentials(
        account_id=OTHER,
        password=True,
        access_keys=2,
        mfa_devices=1,
        certificates=1,
        password_last_used=last_used,
        access_key_last_used=last_used,
    )
    iam = with_root_access.client("iam", credentials=open_root_session(with_root_access, AUDIT))

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
    credentials = with_root_access.root_credentials(OTHER)
    assert credentials.access_keys == tuple(key["AccessKeyId"] for key in keys)
    assert credentials.mfa_devices == tuple(device["SerialNumber"] for device in devices)
    assert credentials.certificates == tuple(certificate["CertificateId"] for certificate in certificates)


def test_a_key_that_was_never_used_has_no_date(with_root_access: LocalOrganization) -> None:
    with_root_access.put_root_credentials(account_id=OTHER, access_keys=1)
    (key,) = with_root_access.root_credentials(OTHER).access_keys
    iam = with_root_access.client("iam", credentials=open_root_session(with_root_access, AUDIT))

    used = iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]

    assert used == {"ServiceName": "N/A", "Region": "N/A"}


def test_a_deletion_removes_only_what_it_names(with_root_access: LocalOrganization) -> None:
    with_root_access.put_root_credentials(
        account_id=OTHER, password=True, access_keys=2, mfa_devices=1, certificates=1
    )
    with_root_access.put_root_credentials(account_id=THIRD, password=True, access_keys=1)
    untouched = with_root_access.root_credentials(THIRD)
    before = with_root_access.root_credentials(OTHER)
    iam = with_root_access.client("iam", credentials=open_root_session(with_root_access, DELETE))

    iam.delete_access_key(AccessKeyId=before.access_keys[0])
    assert with_root_access.root_credentials(OTHER).access_keys == before.access_keys[1:]
    iam.delete_login_profile()
    iam.delete_signing_certificate(CertificateId=before.certificates[0])
    iam.deactivate_mfa_device(SerialNumber=before.mfa_devices[0])

    after = with_root_access.root_credentials(OTHER)
    assert (after.password, after.mfa_devices, after.certificates) == (False, (), ())
    assert with_root_access.root_credentials(THIRD) == untouched


def test_pages_of_root_credentials_lose_none_while_others_are_deleted(
    with_root_access: LocalOrganization,
) -> None:
    with_root_access.put_root_credentials(account_id=OTHER, access_keys=3)
    keys = with_root_access.root_credentials(OTHER).access_keys
    iam = with_root_access.client("iam", credentials=open_root_session(with_root_access, DELETE))

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
    ("service", "operation", "parameters"),
    [
        ("iam", "generate_service_last_accessed_details", {"Arn": "arn:aws:iam::111111111111:role/role"}),
        ("organizations", "describe_resource_policy", {}),
    ],
)
def test_an_operation_that_is_not_emulated_is_named_and_not_retried(
    organization: LocalOrganization, service: str, operation: str, parameters: dict[str, str]
) -> None:
    client: Any = organization.client(service)

    error = error_of(getattr(client, operation), **parameters)

    assert (error["code"], error["http"]) == ("NotEmulated", 400)
    action = f"{service}:{operation.title().replace('_', '')}"
    assert error["message"] == f"The local AWS does not emulate {action}."


def test_the_credential_report_begins_with_the_root_user(organization: LocalOrganization) -> None:
    used = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    organization.put_root_credentials(
        account_id=OTHER, password=True, mfa_devices=1, access_keys=1, access_key_last_used=used
    )
    iam = organization.client("iam", account_id=OTHER)
    iam.generate_credential_report()

    rows = list(csv.DictReader(iam.get_credential_report()["Content"].decode().splitlines()))

    assert (
        rows[0]
        | {
            "user": "<root_account>",
            "arn": f"arn:aws:iam::{OTHER}:root",
            "password_enabled": "true",
            "mfa_active": "true",
            "access_key_1_active": "true",
            "access_key_1_last_used_date": "2026-01-02T03:04:05+00:00",
            "access_key_2_active": "false",
            "cert_1_active": "false",
        }
        == rows[0]
    )
