"""How a root session reads the credentials of a root user.

No call names a user: each is about the root user of the session's account.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from aws_calls.calls import Response, require
from aws_calls.failures import CallError, Failure, FailureKind, error_of_call, ignoring

from ..aws.sessions import RootSession
from ..model.report_schema import CredentialDetails, ItemType

GET_ACCOUNT_SUMMARY = "iam:GetAccountSummary"
_GET_LOGIN_PROFILE = "iam:GetLoginProfile"
# What the summary counts.
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html
_COUNTS = {
    ItemType.PASSWORD: "AccountPasswordPresent",
    ItemType.ACCESS_KEY: "AccountAccessKeysPresent",
    ItemType.MFA_DEVICE: "AccountMFAEnabled",
    ItemType.SIGNING_CERTIFICATE: "AccountSigningCertificatesPresent",
}
# The service name that GetAccessKeyLastUsed returns for a key that was never used.
_NEVER_USED = "N/A"


@dataclass(frozen=True, kw_only=True)
class _Listing:
    """AWS's list of the credentials of a type.

    Attributes:
        operation: The call.
        items: The member of the response that has the credentials.
        id: The member of a credential that has its ID.
        created_at: The member that has the time of its creation.
        has_status: Whether it has a status.
    """

    operation: str
    items: str
    id: str
    created_at: str
    has_status: bool = True

    def credential_of(self, type_: ItemType, entry: Mapping[str, Any]) -> Credential:
        """Return a listed credential with its status and its age.

        `id` and `created_at` of the listing name the members of an entry: AccessKeyId, CreateDate.
        """
        id_ = str(require(entry, self.id, operation=self.operation))
        status = None
        if self.has_status:
            status = require(entry, "Status", operation=self.operation)
        details = CredentialDetails(status=status, created_at=entry.get(self.created_at))
        return Credential(type=type_, id=id_, details=details)


_LISTINGS = {
    ItemType.ACCESS_KEY: _Listing(
        operation="iam:ListAccessKeys",
        items="AccessKeyMetadata",
        id="AccessKeyId",
        created_at="CreateDate",
    ),
    ItemType.MFA_DEVICE: _Listing(
        operation="iam:ListMFADevices",
        items="MFADevices",
        id="SerialNumber",
        created_at="EnableDate",
        has_status=False,
    ),
    ItemType.SIGNING_CERTIFICATE: _Listing(
        operation="iam:ListSigningCertificates",
        items="Certificates",
        id="CertificateId",
        created_at="UploadDate",
    ),
}
# The call that lists the credentials of a type.
LISTING_CALLS = {
    ItemType.PASSWORD: _GET_LOGIN_PROFILE,
    **{type_: listing.operation for type_, listing in _LISTINGS.items()},
}


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A credential of a root user.

    Attributes:
        type: What it is.
        id: Its ID or serial number; None for the password.
        details: Its status, its age and its last use.
        unread: Why its last use could not be read; None if it was read, or AWS never knows it.
    """

    type: ItemType
    id: str | None = None
    details: CredentialDetails
    unread: Failure | None = None


def types_in_summary(response: Response) -> frozenset[ItemType]:
    """Return which types of credentials exist by a response to GetAccountSummary.

    Raises:
        CallError: It is incomplete.
    """
    counts = response.require("SummaryMap")
    present = {
        type_: require(counts, name, operation=GET_ACCOUNT_SUMMARY)
        for type_, name in _COUNTS.items()
    }
    return frozenset(type_ for type_, count in present.items() if count != 0)


def list_credentials(
    session: RootSession, types: Iterable[ItemType]
) -> tuple[frozenset[ItemType], dict[ItemType, tuple[Credential, ...] | Failure]]:
    """Return which types exist, and the credentials of those, without their last uses.

    Args:
        session: The session.
        types: The types to list. One that exists and cannot be listed has the failure instead.

    Raises:
        CallError: Which types exist could not be read.
    """

    def read(type_: ItemType) -> tuple[Credential, ...] | Failure:
        try:
            found = credentials_of_type(session, type_)
            if not found:
                message = "the account's summary counts some that the list does not have"
                raise error_of_call(LISTING_CALLS[type_], FailureKind.INCONSISTENT_READS, message)
        except CallError as error:
            failure: Failure = error.failure
            return failure
        return found

    # This one call decides whether an account has credentials.
    existing = types_in_summary(session.call(GET_ACCOUNT_SUMMARY))
    wanted = [type_ for type_ in types if type_ in existing]
    found = session.in_parallel([functools.partial(read, type_) for type_ in wanted])
    return existing, dict(zip(wanted, found, strict=True))


def credentials_of_type(session: RootSession, type_: ItemType) -> tuple[Credential, ...]:
    """Return the credentials of a type, without their last uses.

    Raises:
        CallError: They could not be listed.
    """
    if type_ is ItemType.PASSWORD:
        created_at = password_created_at(session)
        if created_at is None:
            return ()
        return (Credential(type=type_, details=CredentialDetails(created_at=created_at)),)
    listing = _LISTINGS[type_]
    entries = session.pages(listing.operation, items=listing.items, token="Marker")
    return tuple(listing.credential_of(type_, entry) for entry in entries)


def with_last_uses(session: RootSession, credentials: Sequence[Credential]) -> list[Credential]:
    """Return credentials with their last uses, or with why these could not be read."""
    return session.in_parallel(
        [functools.partial(_with_last_use, session, credential) for credential in credentials]
    )


def password_created_at(session: RootSession) -> datetime | None:
    """Return when the password was created; None if there is no password.

    Raises:
        CallError: The call failed, or its response is incomplete.
    """
    with ignoring("NoSuchEntity"):
        profile = session.call(_GET_LOGIN_PROFILE).require("LoginProfile")
        created_at: datetime = require(profile, "CreateDate", operation=_GET_LOGIN_PROFILE)
        return created_at
    return None


def _with_last_use(session: RootSession, credential: Credential) -> Credential:
    """Return a credential with its last use, or with why that could not be read."""
    details = credential.details
    try:
        if credential.type is ItemType.PASSWORD:
            user = session.call("iam:GetUser").require("User")
            details = replace(details, last_used_at=user.get("PasswordLastUsed"))
        elif credential.type is ItemType.ACCESS_KEY:
            response = session.call("iam:GetAccessKeyLastUsed", AccessKeyId=credential.id or "")
            use = response.require("AccessKeyLastUsed")
            service = use.get("ServiceName")
            if service == _NEVER_USED:
                service = None
            details = replace(
                details, last_used_at=use.get("LastUsedDate"), last_used_service=service
            )
        # AWS never reports a last use of signing certificates and MFA devices.
    except CallError as error:
        details = replace(details, last_use_unread=True)
        return replace(credential, details=details, unread=error.failure)
    return replace(credential, details=details)
