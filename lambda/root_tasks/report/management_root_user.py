"""The management account's root user in a report. It is not a member: no root task reaches it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..messages import MANAGEMENT_ACCOUNT, enumeration
from ..model.task import Task

if TYPE_CHECKING:
    from ..model.report_schema import AccountResult, Report, RootCredentials

# The remedy if it is unprotected.
PROTECT_OWN = (
    "Sign in to the management account as its root user, register MFA, and delete its access keys."
)
OWN = "The management account's root user"


def management_sentence(report: Report) -> str:
    """Return what an audit saw of the management account's root user; empty if it was not to look."""
    own = management_result(report)
    if own is None:
        if not report.full:
            return ""
        reason = f"root sessions are not supported for it, and the audit ran in account {report.account_id}."
    elif own.credentials is not None:
        return f"{OWN} has {credentials_in_words(own.credentials)}."
    elif own.reason == MANAGEMENT_ACCOUNT:
        reason = "the run ended early."
    else:
        reason = "it could not be read; its row has the reason."
    return f"{OWN} was not looked at: {reason}"


def management_result(report: Report) -> AccountResult | None:
    """Return the management account's result in an audit of it that ran there; None in any other run."""
    if report.task is not Task.AUDIT or report.account_id != report.management_account_id:
        return None
    return next(
        (result for result in report.results if result.account_id == report.management_account_id),
        None,
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
