"""What a root session reads of a root user's credentials. No call names a user: the session's is meant."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from aws_calls.calls import member
from aws_calls.failures import CallError

from ..model.report import AccessKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_iam import IAMClient

    from ..aws.sessions import RootSession

# What GetAccessKeyLastUsed answers for a key that was never used.
_NEVER = "N/A"


def has_password(session: RootSession, iam: IAMClient) -> bool:
    """Returns whether there is a password.

    Raises:
        CallError: the call failed.
    """
    try:
        session.made(iam.get_login_profile, operation="iam:GetLoginProfile")
    except CallError as error:
        if error.failure.name != "NoSuchEntity":
            raise
        return False
    return True


def access_keys(session: RootSession, iam: IAMClient) -> tuple[AccessKey, ...]:
    """Returns the access keys, each with its last use.

    Raises:
        CallError: a call failed.
    """
    return tuple(
        _access_key(session, iam, key)
        for key in _listed(session, "iam:ListAccessKeys", "AccessKeyMetadata", _untyped(iam.list_access_keys))
    )


def access_key_ids(session: RootSession, iam: IAMClient) -> tuple[str, ...]:
    """Returns the ids of the access keys.

    Raises:
        CallError: a call failed.
    """
    keys = _listed(session, "iam:ListAccessKeys", "AccessKeyMetadata", _untyped(iam.list_access_keys))
    return tuple(member(key, "AccessKeyId", operation="iam:ListAccessKeys") for key in keys)


def mfa_devices(session: RootSession, iam: IAMClient) -> tuple[str, ...]:
    """Returns the serial numbers of the MFA devices.

    Raises:
        CallError: a call failed.
    """
    devices = _listed(session, "iam:ListMFADevices", "MFADevices", _untyped(iam.list_mfa_devices))
    return tuple(member(device, "SerialNumber", operation="iam:ListMFADevices") for device in devices)


def signing_certificates(session: RootSession, iam: IAMClient) -> tuple[str, ...]:
    """Returns the ids of the signing certificates.

    Raises:
        CallError: a call failed.
    """
    certificates = _listed(
        session, "iam:ListSigningCertificates", "Certificates", _untyped(iam.list_signing_certificates)
    )
    return tuple(
        member(certificate, "CertificateId", operation="iam:ListSigningCertificates")
        for certificate in certificates
    )


def _access_key(session: RootSession, iam: IAMClient, listed: Mapping[str, Any]) -> AccessKey:
    access_key_id = member(listed, "AccessKeyId", operation="iam:ListAccessKeys")
    operation = "iam:GetAccessKeyLastUsed"
    used = member(
        session.made(
            functools.partial(iam.get_access_key_last_used, AccessKeyId=access_key_id), operation=operation
        ),
        "AccessKeyLastUsed",
        operation=operation,
    )
    service = used.get("ServiceName", _NEVER)
    return AccessKey(
        access_key_id=access_key_id,
        status=member(listed, "Status", operation="iam:ListAccessKeys"),
        created_at=listed.get("CreateDate"),
        last_used_at=used.get("LastUsedDate"),
        last_used_service=None if service == _NEVER else service,
    )


def _listed(
    session: RootSession, operation: str, name: str, call: Callable[..., Mapping[str, Any]]
) -> Iterator[Any]:
    page: dict[str, str] = {}
    while True:
        answer = session.made(functools.partial(call, **page), operation=operation)
        yield from member(answer, name, operation=operation)
        if not answer.get("IsTruncated"):
            return
        page = {"Marker": member(answer, "Marker", operation=operation)}


def _untyped(call: Any) -> Callable[..., Mapping[str, Any]]:
    """A client's method without the types of its answer, which differ from list to list."""
    method: Callable[..., Mapping[str, Any]] = call
    return method
