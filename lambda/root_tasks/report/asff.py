"""The findings of a full audit for Security Hub: one for each account. Pure."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from aws_calls.security_hub import ComplianceStatus, SecurityFinding, Severity

from ..messages import UNPROTECT
from ..model.report_schema import AccountResult, ChangeType, Outcome, Report, RootCredentials
from .management_root_user import PROTECT_OWN, credentials_in_words, management_result
from .words import credential_counts

MEMBER_CHECK = "member-root-credentials"
MANAGEMENT_CHECK = "management-root-user"
_TITLES = {
    MEMBER_CHECK: "Root users of member accounts should not have credentials",
    MANAGEMENT_CHECK: "The management account's root user should have MFA and no access key",
}
_LEFT = "The account has left the organization."
_NOTHING_TO_DO = "Nothing to do."
_PLAN_DELETION = (
    "Plan the deletion of the root credentials, read the plan and execute it: "
    "centralized-root-access plan delete --account {}"
)
_READ_REASON = "Read the reason in the report of the audit, and correct its cause."


def findings_of(report: Report) -> Iterator[SecurityFinding]:
    """Yield the finding of each member, and of the management account if the audit ran there.

    Those of accounts that have left since the audit before come last, and are archived.

    Args:
        report: The report of a full audit.
    """
    # What the root users have.
    for result in report.results:
        if result.account_id != report.management_account_id:
            yield _member_finding(report, result)
    own = management_result(report)
    if own is not None:
        yield _management_finding(report, own)
    # What has left, so that no finding stays open for ever.
    audited = {result.account_id for result in report.results}
    for change in report.changes or ():
        # The changes of a report that is sent again come from the bucket.
        if change.type is ChangeType.LEFT and change.account_id not in audited:
            left = AccountResult(account_id=change.account_id, outcome=Outcome.SKIPPED)
            yield _finding(report, MEMBER_CHECK, left, _LEFT, archived=True)


def is_open_failure(finding: SecurityFinding) -> bool:
    """Return whether a check failed, and something has to be done about it."""
    return finding.status is ComplianceStatus.FAILED and not finding.archived


def _finding(
    report: Report,
    check: str,
    result: AccountResult,
    found: str,
    *,
    status: ComplianceStatus = ComplianceStatus.NOT_AVAILABLE,
    severity: Severity = Severity.INFORMATIONAL,
    advice: str = _NOTHING_TO_DO,
    archived: bool = False,
) -> SecurityFinding:
    """Return what a check says about an account, as Security Hub gets it.

    Args:
        report: The report of the audit.
        check: The check.
        result: The result of the account.
        found: What the check found.
        status: Whether it passed.
        severity: How urgent it is.
        advice: What to do about it.
        archived: Whether nothing has to be done. The finding is archived, not suppressed: an import
            can make it active again, but cannot change its workflow.
    """
    return SecurityFinding(
        check=check,
        account_id=result.account_id,
        title=_TITLES[check],
        description=f"Account {result.account_id}. {found}",
        status=status,
        severity=severity,
        recommendation=advice,
        # An audit does not know which findings earlier ones have imported: this date stays the
        # same.
        created_at=result.joined_at or report.started_at,
        updated_at=report.finished_at,
        archived=archived,
    )


def _management_finding(report: Report, own: AccountResult) -> SecurityFinding:
    """Return whether the management account's root user is protected: MFA and no access key."""
    finding = functools.partial(_finding, report, MANAGEMENT_CHECK, own)
    has = own.credentials
    if has is None:
        # It could not be read; the reason says why.
        return finding(own.reason or "", severity=Severity.MEDIUM, advice=_READ_REASON)
    found = f"Its root user has {credentials_in_words(has)}."
    if own.outcome is Outcome.PROTECTED:
        return finding(found, status=ComplianceStatus.PASSED)
    severity = Severity.HIGH if has.access_keys == () else Severity.CRITICAL
    return finding(found, status=ComplianceStatus.FAILED, severity=severity, advice=PROTECT_OWN)


def _member_finding(report: Report, result: AccountResult) -> SecurityFinding:
    """Return whether the root user of a member account has no credentials."""
    finding = functools.partial(_finding, report, MEMBER_CHECK, result)
    if result.outcome is Outcome.CLEAN:
        return finding("Its root user has no credentials.", status=ComplianceStatus.PASSED)
    why = f" {result.reason}" if result.reason else ""
    is_accepted = result.outcome is Outcome.ACCEPTED
    has = result.credentials
    if has is None or not (is_accepted or result.outcome is Outcome.HAS_CREDENTIALS):
        # No one has seen whether there are credentials.
        severity = Severity.MEDIUM
        if result.outcome is Outcome.SKIPPED:
            severity = Severity.INFORMATIONAL
        found = f"It was {result.outcome.words}.{why}"
        return finding(found, severity=severity, advice=_READ_REASON)
    advice = _PLAN_DELETION.format(result.account_id)
    if is_accepted:
        advice = _NOTHING_TO_DO
    elif result.protected:
        advice = UNPROTECT
    return finding(
        f"Its root user has {credential_counts((result,))}.{why}",
        status=ComplianceStatus.FAILED,
        severity=_severity(has),
        advice=advice,
        archived=is_accepted,
    )


def _severity(has: RootCredentials) -> Severity:
    """Return how urgent root credentials are; keys that could not be listed may be active."""
    if has.access_keys is None or any(key.status == "Active" for key in has.access_keys):
        return Severity.CRITICAL
    if has.password:
        return Severity.HIGH
    return Severity.MEDIUM
