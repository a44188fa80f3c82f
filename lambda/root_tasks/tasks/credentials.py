"""What a root session reads of a root user's credentials. No call names a user: it is the session's own."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_calls.calls import require
from aws_calls.failures import CallError

from ..model.report import CredentialDetails, ItemType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from mypy_boto3_iam import IAMClient

    from aws_calls.failures import Failure

    from ..aws.sessions import RootSession

GET_ACCOUNT_SUMMARY = "iam:GetAccountSummary"
_GET_LOGIN_PROFILE = "iam:GetLoginProfile"
_LIST_ACCESS_KEYS = "iam:ListAccessKeys"
_LIST_MFA_DEVICES = "iam:ListMFADevices"
_LIST_CERTIFICATES = "iam:ListSigningCertificates"
# The service name that GetAccessKeyLastUsed returns for a key that was never used.
_NEVER_USED = "N/A"

# The call that lists the credentials of a type.
LISTING_CALLS = {
    ItemType.PASSWORD: _GET_LOGIN_PROFILE,
    ItemType.ACCESS_KEY: _LIST_ACCESS_KEYS,
    ItemType.SIGNING_CERTIFICATE: _LIST_CERTIFICATES,
    ItemType.MFA_DEVICE: _LIST_MFA_DEVICES,
}


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A credential of a root user.

    Attributes:
        type: What it is.
        id: Its ID or serial number; None for the password.
        details: Its status, its age and its last use.
        unread: Why its last use could not be read; None where it was read, or AWS never knows it.
    """

    type: ItemType
    id: str | None = None
    details: CredentialDetails
    unread: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class LastUse:
    """The last use of a credential.

    Attributes:
        at: When it was; None where AWS knows of no use, or it could not be read.
        service: The service, of an access key.
        unread: Why it could not be read; None where it was read.
    """

    at: datetime | None = None
    service: str | None = None
    unread: Failure | None = None


def existing_types(session: RootSession, iam: IAMClient) -> frozenset[ItemType]:
    """Return which types of credentials exist. This one call decides whether an account has credentials.

    Raises:
        CallError: The call failed, or its response is incomplete.
    """
    counts = session.call(iam.get_account_summary, operation=GET_ACCOUNT_SUMMARY).require("SummaryMap")
    present = {
        ItemType.PASSWORD: require(counts, "AccountPasswordPresent", operation=GET_ACCOUNT_SUMMARY),
        ItemType.ACCESS_KEY: require(counts, "AccountAccessKeysPresent", operation=GET_ACCOUNT_SUMMARY),
        ItemType.MFA_DEVICE: require(counts, "AccountMFAEnabled", operation=GET_ACCOUNT_SUMMARY),
        ItemType.SIGNING_CERTIFICATE: require(
            counts, "AccountSigningCertificatesPresent", operation=GET_ACCOUNT_SUMMARY
        ),
    }
    return frozenset(type_ for type_, count in present.items() if count > 0)


def credentials_of_type(session: RootSession, iam: IAMClient, type_: ItemType) -> tuple[Credential, ...]:
    """Return the credentials of a type, with what to decide by.

    Raises:
        CallError: They could not be listed. A last use that cannot be read raises nothing.
    """
    match type_:
        case ItemType.PASSWORD:
            created_at = password_created_at(session, iam)
            if created_at is None:
                return ()
            use = password_last_use(session, iam)
            details = _details(created_at=created_at, use=use)
            return (Credential(type=type_, details=details, unread=use.unread),)
        case ItemType.ACCESS_KEY:
            return access_keys(session, iam)
        case ItemType.SIGNING_CERTIFICATE:
            return tuple(
                Credential(
                    type=type_,
                    id=require(each, "CertificateId", operation=_LIST_CERTIFICATES),
                    details=CredentialDetails(
                        status=require(each, "Status", operation=_LIST_CERTIFICATES),
                        created_at=each.get("UploadDate"),
                    ),
                )
                for each in _certificate_metadata(session, iam)
            )
        case ItemType.MFA_DEVICE:
            return tuple(
                Credential(
                    type=type_,
                    id=require(each, "SerialNumber", operation=_LIST_MFA_DEVICES),
                    details=CredentialDetails(created_at=each.get("EnableDate")),
                )
                for each in _mfa_device_metadata(session, iam)
            )
        case _:
            raise ValueError(f"A {type_} is not a credential.")


def password_created_at(session: RootSession, iam: IAMClient) -> datetime | None:
    """Return when the password was created; None where there is no password.

    Raises:
        CallError: The call failed, or its response is incomplete.
    """
    try:
        profile = session.call(iam.get_login_profile, operation=_GET_LOGIN_PROFILE).require("LoginProfile")
    except CallError as error:
        if error.failure.name != "NoSuchEntity":
            raise
        return None
    created_at: datetime = require(profile, "CreateDate", operation=_GET_LOGIN_PROFILE)
    return created_at


def password_last_use(session: RootSession, iam: IAMClient) -> LastUse:
    """Return the last use of the password."""
    try:
        user = session.call(iam.get_user, operation="iam:GetUser").require("User")
    except CallError as error:
        return LastUse(unread=error.failure)
    return LastUse(at=user.get("PasswordLastUsed"))


def access_keys(session: RootSession, iam: IAMClient) -> tuple[Credential, ...]:
    """Return the access keys, each with its last use.

    Raises:
        CallError: They could not be listed. A last use that cannot be read raises nothing.
    """
    return tuple(_access_key(session, iam, key) for key in _access_key_metadata(session, iam))


def access_key_ids(session: RootSession, iam: IAMClient) -> tuple[str, ...]:
    """Return the IDs of the access keys.

    Raises:
        CallError: A call failed.
    """
    return tuple(
        require(key, "AccessKeyId", operation=_LIST_ACCESS_KEYS) for key in _access_key_metadata(session, iam)
    )


def mfa_devices(session: RootSession, iam: IAMClient) -> tuple[str, ...]:
    """Return the serial numbers of the MFA devices.

    Raises:
        CallError: A call failed.
    """
    devices = _mfa_device_metadata(session, iam)
    return tuple(require(device, "SerialNumber", operation=_LIST_MFA_DEVICES) for device in devices)


def signing_certificates(session: RootSession, iam: IAMClient) -> tuple[str, ...]:
    """Return the IDs of the signing certificates.

    Raises:
        CallError: A call failed.
    """
    certificates = _certificate_metadata(session, iam)
    return tuple(require(each, "CertificateId", operation=_LIST_CERTIFICATES) for each in certificates)


def _access_key(session: RootSession, iam: IAMClient, metadata: Mapping[str, Any]) -> Credential:
    access_key_id = require(metadata, "AccessKeyId", operation=_LIST_ACCESS_KEYS)
    use = _access_key_last_use(session, iam, access_key_id)
    return Credential(
        type=ItemType.ACCESS_KEY,
        id=access_key_id,
        details=_details(
            status=require(metadata, "Status", operation=_LIST_ACCESS_KEYS),
            created_at=metadata.get("CreateDate"),
            use=use,
        ),
        unread=use.unread,
    )


def _access_key_last_use(session: RootSession, iam: IAMClient, access_key_id: str) -> LastUse:
    try:
        use = session.call(
            functools.partial(iam.get_access_key_last_used, AccessKeyId=access_key_id),
            operation="iam:GetAccessKeyLastUsed",
        ).require("AccessKeyLastUsed")
    except CallError as error:
        return LastUse(unread=error.failure)
    service = use.get("ServiceName", _NEVER_USED)
    return LastUse(at=use.get("LastUsedDate"), service=None if service == _NEVER_USED else service)


def _details(*, status: str | None = None, created_at: datetime | None, use: LastUse) -> CredentialDetails:
    return CredentialDetails(
        status=status,
        created_at=created_at,
        last_used_at=use.at,
        last_used_service=use.service,
        last_use_unread=use.unread is not None,
    )


def _access_key_metadata(session: RootSession, iam: IAMClient) -> Iterator[Mapping[str, Any]]:
    return _list(session, iam.list_access_keys, operation=_LIST_ACCESS_KEYS, items="AccessKeyMetadata")


def _mfa_device_metadata(session: RootSession, iam: IAMClient) -> Iterator[Mapping[str, Any]]:
    return _list(session, iam.list_mfa_devices, operation=_LIST_MFA_DEVICES, items="MFADevices")


def _certificate_metadata(session: RootSession, iam: IAMClient) -> Iterator[Mapping[str, Any]]:
    return _list(session, iam.list_signing_certificates, operation=_LIST_CERTIFICATES, items="Certificates")


def _list(
    session: RootSession, function: Callable[..., Any], *, operation: str, items: str
) -> Iterator[Mapping[str, Any]]:
    return session.pages(
        function, operation=operation, items=items, request_token="Marker", response_token="Marker"
    )
