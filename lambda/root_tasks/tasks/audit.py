"""The audit: which credentials the root user of a member account has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_calls.calls import member
from aws_calls.failures import CallError

from ..messages import HAS_SOME, hint, told
from ..model.report import Outcome, RootCredentials
from ..model.run import Finding
from .credentials import access_keys, mfa_devices, signing_certificates

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

    from ..aws.sessions import RootSession

_PASSWORD = "AccountPasswordPresent"
_ACCESS_KEYS = "AccountAccessKeysPresent"
_MFA = "AccountMFAEnabled"
_CERTIFICATES = "AccountSigningCertificatesPresent"


@dataclass(frozen=True, kw_only=True)
class _Summary:
    password: bool
    access_keys: bool
    mfa: bool
    certificates: bool


_NOTHING = _Summary(password=False, access_keys=False, mfa=False, certificates=False)


def audited(session: RootSession) -> Finding:
    """Returns which credentials the account's root user has.

    One call where there are none; more only for what is there.

    Raises:
        CallError: whether there are any could not be seen.
    """
    iam = session.iam()
    summary = _summary(session, iam)
    if summary == _NOTHING:
        return _found(session, Outcome.CLEAN, RootCredentials(password=False))
    try:
        credentials = _details(summary, session, iam)
    except CallError as error:
        return _unclear(session, f"{HAS_SOME} {told(error.failure)}", hint=hint(error.failure))
    if empty := _contradicted(summary, credentials):
        return _unclear(session, f"iam:GetAccountSummary has some and {', '.join(empty)} none.")
    return _found(session, Outcome.HAS_CREDENTIALS, credentials)


def _summary(session: RootSession, iam: IAMClient) -> _Summary:
    operation = "iam:GetAccountSummary"
    answer = session.made(iam.get_account_summary, operation=operation)
    counts = member(answer, "SummaryMap", operation=operation)
    return _Summary(
        password=member(counts, _PASSWORD, operation=operation) > 0,
        access_keys=member(counts, _ACCESS_KEYS, operation=operation) > 0,
        mfa=member(counts, _MFA, operation=operation) > 0,
        certificates=member(counts, _CERTIFICATES, operation=operation) > 0,
    )


def _details(summary: _Summary, session: RootSession, iam: IAMClient) -> RootCredentials:
    last_used_at = None
    if summary.password:
        user = session.made(iam.get_user, operation="iam:GetUser")
        last_used_at = member(user, "User", operation="iam:GetUser").get("PasswordLastUsed")
    return RootCredentials(
        password=summary.password,
        password_last_used_at=last_used_at,
        access_keys=access_keys(session, iam) if summary.access_keys else (),
        mfa_devices=mfa_devices(session, iam) if summary.mfa else (),
        signing_certificates=signing_certificates(session, iam) if summary.certificates else (),
    )


def _contradicted(summary: _Summary, credentials: RootCredentials) -> list[str]:
    """Returns the calls that list nothing though the summary has something of the kind."""
    return [
        operation
        for present, listed, operation in (
            (summary.access_keys, credentials.access_keys, "iam:ListAccessKeys"),
            (summary.mfa, credentials.mfa_devices, "iam:ListMFADevices"),
            (summary.certificates, credentials.signing_certificates, "iam:ListSigningCertificates"),
        )
        if present and not listed
    ]


def _found(session: RootSession, outcome: Outcome, credentials: RootCredentials) -> Finding:
    return Finding(account_id=session.account_id, outcome=outcome, credentials=credentials)


def _unclear(session: RootSession, reason: str, *, hint: str = "") -> Finding:
    return Finding(account_id=session.account_id, outcome=Outcome.INACCESSIBLE, reason=reason, hint=hint)
