"""The management account's root user in a report: no member, and out of every task's reach. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .summary import enumeration

if TYPE_CHECKING:
    from ..model.report import AccountResult, Report, RootCredentials


def management_result(report: Report) -> AccountResult | None:
    """Return the management account's result in a full audit that ran there; None in any other run."""
    if not report.full or report.account_id != report.management_account_id:
        return None
    return next(
        (result for result in report.results if result.account_id == report.management_account_id), None
    )


def management_credentials(report: Report) -> RootCredentials | None:
    """Return what its root user has; None where that was not read."""
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
