"""The audit: which credentials the root user of a member account has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_calls.calls import require
from aws_calls.failures import CallError, describe
from root_access.state import Feature

from ..messages import DETAILS_UNAVAILABLE, hint
from ..model.report import Outcome, RootCredentials
from ..model.run import Finding
from .credentials import access_keys, mfa_devices, signing_certificates
from .definition import TaskDefinition
from .scope import ACCOUNT_KEYS, parse_accounts_or_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_iam import IAMClient

    from ..aws.sessions import RootSession
    from .definition import AccountTask

_GET_ACCOUNT_SUMMARY = "iam:GetAccountSummary"


@dataclass(frozen=True, kw_only=True)
class _Summary:
    """Which kinds of credentials exist."""

    password: bool
    access_keys: bool
    mfa: bool
    certificates: bool

    @classmethod
    def parse(cls, counts: Mapping[str, int]) -> _Summary:
        def exists(name: str) -> bool:
            return bool(require(counts, name, operation=_GET_ACCOUNT_SUMMARY) > 0)

        return cls(
            password=exists("AccountPasswordPresent"),
            access_keys=exists("AccountAccessKeysPresent"),
            mfa=exists("AccountMFAEnabled"),
            certificates=exists("AccountSigningCertificatesPresent"),
        )


_CLEAN = _Summary(password=False, access_keys=False, mfa=False, certificates=False)


def audit(task: AccountTask) -> Finding:
    """Return which credentials the account's root user has.

    One call where there are none; more only for what exists.

    Raises:
        CallError: Whether there are any could not be read.
    """
    session = task.session
    iam: IAMClient = session.client("iam")
    summary = _Summary.parse(
        session.call(iam.get_account_summary, operation=_GET_ACCOUNT_SUMMARY).require("SummaryMap")
    )
    if summary == _CLEAN:
        return _finding(session, Outcome.CLEAN, RootCredentials(password=False))
    try:
        credentials = _details(summary, session, iam)
    except CallError as error:
        reason = f"{DETAILS_UNAVAILABLE} {describe(error.failure)}"
        return _inaccessible(session, reason, hint=hint(error.failure))
    if empty := _contradicting_calls(summary, credentials):
        return _inaccessible(
            session, f"{_GET_ACCOUNT_SUMMARY} reports credentials that {' and '.join(empty)} did not return."
        )
    return _finding(session, Outcome.HAS_CREDENTIALS, credentials)


def _details(summary: _Summary, session: RootSession, iam: IAMClient) -> RootCredentials:
    last_used_at = None
    if summary.password:
        user = session.call(iam.get_user, operation="iam:GetUser").require("User")
        last_used_at = user.get("PasswordLastUsed")
    return RootCredentials(
        password=summary.password,
        password_last_used_at=last_used_at,
        access_keys=access_keys(session, iam) if summary.access_keys else (),
        mfa_devices=mfa_devices(session, iam) if summary.mfa else (),
        signing_certificates=signing_certificates(session, iam) if summary.certificates else (),
    )


def _contradicting_calls(summary: _Summary, credentials: RootCredentials) -> list[str]:
    """Return the calls whose list is empty although the summary has something of the kind."""
    return [
        operation
        for exists, entries, operation in (
            (summary.access_keys, credentials.access_keys, "iam:ListAccessKeys"),
            (summary.mfa, credentials.mfa_devices, "iam:ListMFADevices"),
            (summary.certificates, credentials.signing_certificates, "iam:ListSigningCertificates"),
        )
        if exists and not entries
    ]


def _finding(session: RootSession, outcome: Outcome, credentials: RootCredentials) -> Finding:
    return Finding(account_id=session.account_id, outcome=outcome, credentials=credentials)


def _inaccessible(session: RootSession, reason: str, *, hint: str | None = None) -> Finding:
    return Finding(account_id=session.account_id, outcome=Outcome.INACCESSIBLE, reason=reason, hint=hint)


DEFINITION = TaskDefinition(
    title="Audit of root credentials",
    feature=Feature.ROOT_CREDENTIALS_MANAGEMENT,
    input_keys=ACCOUNT_KEYS,
    parse=parse_accounts_or_all,
    plan=audit,
)
