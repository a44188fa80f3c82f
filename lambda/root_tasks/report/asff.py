"""The findings of a full audit for Security Hub: one for each account. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aws_calls.security_hub import ComplianceStatus, SecurityFinding, Severity

from ..messages import UNPROTECT, enumeration
from ..model.report_schema import AccountResult, ChangeType, Outcome
from .management_root_user import (
    PROTECT_OWN,
    credentials_in_words,
    management_result,
)
from .summary import credential_counts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ..model.report_schema import Report, RootCredentials

MEMBER_CHECK = "member-root-credentials"
MANAGEMENT_CHECK = "management-root-user"
EMAIL_CHECK = "root-user-email"
_TITLE = "Root users of member accounts should not have credentials"
_EMAIL_TITLE = "E-mail addresses of root users should be in the listed domains"
_EMAIL_RECOMMENDATION = (
    "Change the e-mail address of the root user, or list its domain in root_email_domains."
)
_MANAGEMENT_TITLE = "The management account's root user should have MFA and no access key"
_NOTHING_TO_DO = "Nothing to do."
_RECOMMENDATIONS = {
    ComplianceStatus.FAILED: (
        "Plan the deletion of the root credentials, read the plan and execute it: "
        "centralized-root-access plan delete --account {}"
    ),
    ComplianceStatus.NOT_AVAILABLE: "Read the reason in the report of the audit, and correct its cause.",
    ComplianceStatus.PASSED: _NOTHING_TO_DO,
}


# The result of the check, its severity, and what it found.
_Verdict = tuple[ComplianceStatus, Severity, str]
_NO_LONGER_CHECKED = (ComplianceStatus.NOT_AVAILABLE, Severity.INFORMATIONAL)
_LEFT: _Verdict = (*_NO_LONGER_CHECKED, "The account has left the organization.")
_NO_DOMAINS: _Verdict = (
    *_NO_LONGER_CHECKED,
    "Its root user's e-mail address is no longer checked.",
)


def findings_of(report: Report, *, checked: Collection[str] = ()) -> Iterator[SecurityFinding]:
    """Yield the finding of each member account, and of the management account if the audit ran there.

    Those of accounts that have left since the audit before come last, and are archived.

    Args:
        report: The report of a full audit.
        checked: The accounts whose root user's e-mail address the audit before checked. Where this
            one does not, the finding about it is archived.
    """
    for result in report.results:
        if result.account_id != report.management_account_id:
            yield _member_finding(result, report)
    if (own := management_result(report)) is not None:
        found = _finding(own, _management_verdict(own), report)
        failed = found.status is ComplianceStatus.FAILED
        advice = PROTECT_OWN if failed else found.recommendation
        yield replace(found, check=MANAGEMENT_CHECK, title=_MANAGEMENT_TITLE, recommendation=advice)
    for result in report.results:
        if result.email_outside is not None:
            yield _email_finding(result, _email_verdict(result, report), report)
        elif result.account_id in checked:
            yield replace(_email_finding(result, _NO_DOMAINS, report), archived=True)
    audited = {result.account_id for result in report.results}
    for change in report.changes or ():
        # The changes of a report that is written again come from the bucket.
        if change.type is ChangeType.LEFT and change.account_id not in audited:
            left = AccountResult(account_id=change.account_id, outcome=Outcome.SKIPPED)
            yield replace(
                _finding(left, _LEFT, report), recommendation=_NOTHING_TO_DO, archived=True
            )
            if left.account_id in checked:
                yield replace(_email_finding(left, _LEFT, report), archived=True)


def _member_finding(result: AccountResult, report: Report) -> SecurityFinding:
    finding = _finding(result, _verdict(result), report)
    if result.outcome is Outcome.ACCEPTED:
        # Archived, not suppressed: an import can make it active again, but cannot change its
        # workflow.
        return replace(finding, recommendation=_NOTHING_TO_DO, archived=True)
    if result.outcome is Outcome.HAS_CREDENTIALS and result.protected:
        return replace(finding, recommendation=UNPROTECT)
    return finding


def _finding(result: AccountResult, verdict: _Verdict, report: Report) -> SecurityFinding:
    status, severity, found = verdict
    return SecurityFinding(
        check=MEMBER_CHECK,
        account_id=result.account_id,
        title=_TITLE,
        description=f"Account {result.account_id}. {found}",
        status=status,
        severity=severity,
        recommendation=_RECOMMENDATIONS[status].format(result.account_id),
        # An audit does not know which findings earlier ones have imported: this date stays the
        # same.
        created_at=result.joined_at or report.started_at,
        updated_at=report.finished_at,
    )


def _email_finding(result: AccountResult, verdict: _Verdict, report: Report) -> SecurityFinding:
    return replace(
        _finding(result, verdict, report),
        check=EMAIL_CHECK,
        title=_EMAIL_TITLE,
        recommendation=_EMAIL_RECOMMENDATION
        if verdict[0] is ComplianceStatus.FAILED
        else _NOTHING_TO_DO,
    )


def _email_verdict(result: AccountResult, report: Report) -> _Verdict:
    domains = enumeration(report.root_email_domains)
    if result.email_outside:
        found = f"Its root user's e-mail address is outside of {domains}: the mailbox can reset the password."
        return ComplianceStatus.FAILED, Severity.MEDIUM, found
    return (
        ComplianceStatus.PASSED,
        Severity.INFORMATIONAL,
        f"Its root user's e-mail address is in {domains}.",
    )


def _management_verdict(own: AccountResult) -> _Verdict:
    has = own.credentials
    if has is None:
        return ComplianceStatus.NOT_AVAILABLE, Severity.MEDIUM, own.reason or ""
    found = f"Its root user has {credentials_in_words(has)}."
    if own.outcome is Outcome.PROTECTED:
        return ComplianceStatus.PASSED, Severity.INFORMATIONAL, found
    return (
        ComplianceStatus.FAILED,
        Severity.HIGH if has.access_keys == () else Severity.CRITICAL,
        found,
    )


def _verdict(result: AccountResult) -> _Verdict:
    match result.outcome:
        case Outcome.CLEAN:
            return (
                ComplianceStatus.PASSED,
                Severity.INFORMATIONAL,
                "Its root user has no credentials.",
            )
        case Outcome.HAS_CREDENTIALS | Outcome.ACCEPTED if result.credentials is not None:
            found = (
                f"Its root user has {credential_counts((result,))}. {result.reason or ''}".strip()
            )
            return ComplianceStatus.FAILED, _severity(result.credentials), found
    # No one has seen whether there are credentials.
    inaccessible = result.outcome is not Outcome.SKIPPED
    severity = Severity.MEDIUM if inaccessible else Severity.INFORMATIONAL
    found = f"It was {result.outcome.words}. {result.reason or ''}".strip()
    return ComplianceStatus.NOT_AVAILABLE, severity, found


def _severity(has: RootCredentials) -> Severity:
    if has.access_keys is None or any(key.status == "Active" for key in has.access_keys):
        return Severity.CRITICAL
    return Severity.HIGH if has.password else Severity.MEDIUM
