"""The management account's root user in a report. It is not a member: no root task reaches it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..messages import MANAGEMENT_ACCOUNT, enumeration
from ..model.task import Task

if TYPE_CHECKING:
    from ..model.report_schema import AccountResult, Report, RootCredentials

# The remedy if it is unprotected.
PROTECT_OWN = "Sign in to the management account as its root user, register MFA, and delete its access keys."
_OWN = "The management account's root user"


@dataclass(frozen=True, kw_only=True)
class ManagementRootUser:
    """An audit's view of it.

    Attributes:
        looked_at: Whether the audit could read the following.
        password: Whether it has a password; None if it was not looked at, as for all of these.
        mfa: Whether it has an MFA device.
        access_key: Whether it has an access key.
        signing_certificate: Whether it has a signing certificate.
        summary: The same in a sentence, or why it was not looked at.
    """

    looked_at: bool
    password: bool | None = None
    mfa: bool | None = None
    access_key: bool | None = None
    signing_certificate: bool | None = None
    summary: str


def management_root_user(report: Report) -> ManagementRootUser | None:
    """Return what an audit has seen of the management account's root user; None if it was not to look."""
    if not report.full and management_result(report) is None:
        return None
    has = management_credentials(report)
    if has is not None:
        return ManagementRootUser(
            looked_at=True,
            password=has.password,
            mfa=has.mfa_devices != (),
            access_key=has.access_keys != (),
            signing_certificate=has.signing_certificates != (),
            summary=f"{_OWN} has {credentials_in_words(has)}.",
        )
    reason = f"root sessions are not supported for it, and the audit ran in account {report.account_id}."
    if (own := management_result(report)) is not None:
        ended_early = own.reason == MANAGEMENT_ACCOUNT
        reason = "the run ended early." if ended_early else "it could not be read; its row has the reason."
    return ManagementRootUser(looked_at=False, summary=f"{_OWN} was not looked at: {reason}")


def management_result(report: Report) -> AccountResult | None:
    """Return the management account's result in an audit of it that ran there; None in any other run."""
    if report.task is not Task.AUDIT or report.account_id != report.management_account_id:
        return None
    return next(
        (result for result in report.results if result.account_id == report.management_account_id), None
    )


def management_credentials(report: Report) -> RootCredentials | None:
    """Return what its root user has; None if that was not read."""
    result = management_result(report)
    return None if result is None else result.credentials


def is_unprotected(has: RootCredentials) -> bool:
    """Return whether it has an access key, or no MFA device."""
    return has.access_keys != () or has.mfa_devices == ()


def credentials_in_words(has: RootCredentials) -> str:
    """Return what it has and has not: "a password, MFA and no access key"."""
    return enumeration(
        [
            "a password" if has.password else "no password",
            "no MFA" if has.mfa_devices == () else "MFA",
            "no access key" if has.access_keys == () else "an access key",
            *(() if has.signing_certificates == () else ("a signing certificate",)),
        ]
    )
