"""The management account's root user in a report: no root task reaches it. Pure."""

from __future__ import annotations

from ..messages import enumeration
from ..model.report_schema import AccountResult, Outcome, Report, RootCredentials
from ..model.task import Task

# The remedy if it is unprotected.
PROTECT_OWN = (
    "Sign in to the management account as its root user, register MFA, and delete its access keys."
)
OWN = "The management account's root user"


def management_outcome(has: RootCredentials) -> Outcome:
    """Return the verdict: *unprotected* with an access key or without MFA, or *guarded*."""
    # () stands for none. None stands for some that could not be listed, so these exist.
    if has.access_keys != () or has.mfa_devices == ():
        return Outcome.UNPROTECTED
    return Outcome.PROTECTED


def management_sentence(report: Report) -> str:
    """Return what an audit saw of the management account's root user, if it was to look."""
    own = management_result(report)
    if own is None:
        # Only a full audit was expected to look.
        if not report.full:
            return ""
        return f"{OWN} was not looked at: the audit did not run in its account."
    if own.credentials is not None:
        return f"{OWN} is {own.outcome.words}: it has {credentials_in_words(own.credentials)}."
    if own.outcome is Outcome.SKIPPED:
        return f"{OWN} was not looked at: the run ended early."
    return f"{OWN} could not be read; its row has the reason."


def management_result(report: Report) -> AccountResult | None:
    """Return the management account's result in an audit of it there; None in any other run."""
    if report.task is not Task.AUDIT or report.account_id != report.management_account_id:
        return None
    own = (each for each in report.results if each.account_id == report.management_account_id)
    return next(own, None)


def management_credentials(report: Report) -> RootCredentials | None:
    """Return what its root user has; None if that was not read."""
    result = management_result(report)
    if result is None:
        return None
    return result.credentials


def credentials_in_words(has: RootCredentials) -> str:
    """Return what it has and has not: "a password, MFA and no access key"."""
    # () stands for none, and None for some that could not be listed.
    words = ["a password", "MFA", "an access key"]
    if not has.password:
        words[0] = "no password"
    if has.mfa_devices == ():
        words[1] = "no MFA"
    if has.access_keys == ():
        words[2] = "no access key"
    if has.signing_certificates != ():
        words.append("a signing certificate")
    return enumeration(words)
