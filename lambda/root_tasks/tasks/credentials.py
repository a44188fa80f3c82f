"""What a root session reads of a root user's credentials. No call names a user: it is the session's own."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from aws_calls.calls import require
from aws_calls.failures import CallError

from ..model.report import AccessKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_iam import IAMClient

    from ..aws.sessions import RootSession

_LIST_ACCESS_KEYS = "iam:ListAccessKeys"
_LIST_MFA_DEVICES = "iam:ListMFADevices"
_LIST_CERTIFICATES = "iam:ListSigningCertificates"
# The service name that GetAccessKeyLastUsed returns for a key that was never used.
_NEVER_USED = "N/A"


def has_password(session: RootSession, iam: IAMClient) -> bool:
    """Return whether there is a password.

    Raises:
        CallError: The call failed.
    """
    try:
        session.call(iam.get_login_profile, operation="iam:GetLoginProfile")
    except CallError as error:
        if error.failure.name != "NoSuchEntity":
            raise
        return False
    return True


def access_keys(session: RootSession, iam: IAMClient) -> tuple[AccessKey, ...]:
    """Return the access keys, each with its last use.

    Raises:
        CallError: A call failed.
    """
    return tuple(_access_key(session, iam, key) for key in _access_key_metadata(session, iam))


def access_key_ids(session: RootSession, iam: IAMClient) -> tuple[str, ...]:
    """Return the ids of the access keys.

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
    devices = _list(session, iam.list_mfa_devices, operation=_LIST_MFA_DEVICES, items="MFADevices")
    return tuple(require(device, "SerialNumber", operation=_LIST_MFA_DEVICES) for device in devices)


def signing_certificates(session: RootSession, iam: IAMClient) -> tuple[str, ...]:
    """Return the ids of the signing certificates.

    Raises:
        CallError: A call failed.
    """
    certificates = _list(
        session, iam.list_signing_certificates, operation=_LIST_CERTIFICATES, items="Certificates"
    )
    return tuple(require(each, "CertificateId", operation=_LIST_CERTIFICATES) for each in certificates)


def _access_key_metadata(session: RootSession, iam: IAMClient) -> Iterator[Mapping[str, Any]]:
    return _list(session, iam.list_access_keys, operation=_LIST_ACCESS_KEYS, items="AccessKeyMetadata")


def _access_key(session: RootSession, iam: IAMClient, metadata: Mapping[str, Any]) -> AccessKey:
    access_key_id = require(metadata, "AccessKeyId", operation=_LIST_ACCESS_KEYS)
    last_use = session.call(
        functools.partial(iam.get_access_key_last_used, AccessKeyId=access_key_id),
        operation="iam:GetAccessKeyLastUsed",
    ).require("AccessKeyLastUsed")
    service = last_use.get("ServiceName", _NEVER_USED)
    return AccessKey(
        access_key_id=access_key_id,
        status=require(metadata, "Status", operation=_LIST_ACCESS_KEYS),
        created_at=metadata.get("CreateDate"),
        last_used_at=last_use.get("LastUsedDate"),
        last_used_service=None if service == _NEVER_USED else service,
    )


def _list(
    session: RootSession, function: Callable[..., Any], *, operation: str, items: str
) -> Iterator[Mapping[str, Any]]:
    return session.pages(
        function, operation=operation, items=items, request_token="Marker", response_token="Marker"
    )
