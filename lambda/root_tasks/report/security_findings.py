"""The findings of a full audit for Security Hub: one for each account. Pure."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from aws_calls.security_hub import ComplianceStatus, SecurityFinding, Severity

from ..model.report import Outcome
from .management_account import credentials_in_words, is_unprotected, management_result
from .summary import credentials_of, item_counts, types_without_list

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from ..model.report import AccountResult, Report, RootCredentials

MEMBER_CHECK = "member-root-credentials"
MANAGEMENT_CHECK = "management-root-user"
_TITLE = "Root users of member accounts should not have credentials"
_MANAGEMENT_TITLE = "The management account's root user should have MFA and no access key"
_MANAGEMENT_RECOMMENDATION = (
    "Sign in to the management account as its root user, register an MFA device, and delete its access keys. "
    "No root task can."
)
_NOTHING_TO_DO = "Nothing to do."
_ACTIVE = "Active"
_RECOMMENDATIONS = {
    ComplianceStatus.FAILED: (
        "Plan the deletion of the root credentials, read the plan and execute it: "
        "centralized-root-access plan delete --account {}"
    ),
    ComplianceStatus.NOT_AVAILABLE: "Read the reason in the report of the audit, and correct its cause.",
    ComplianceStatus.PASSED: _NOTHING_TO_DO,
}


# Whether the check passed, how urgent that is, and what was found.
_Verdict = tuple[ComplianceStatus, Severity, str]
_LEFT: _Verdict = (
    ComplianceStatus.NOT_AVAILABLE,
    Severity.INFORMATIONAL,
    "The account has left the organization.",
)


def findings_of(report: Report, *, created_at: Mapping[str, datetime]) -> Iterator[SecurityFinding]:
    """Yield the finding of each member account, and of the management account where the audit ran there.

    Those of accounts that have left come last, and are archived.

    Args:
        report: The full audit.
        created_at: When the finding of each account was imported first, as far as one was.
    """
    finding = functools.partial(_finding, report=report, created_at=created_at)
    for result in report.results:
        if result.account_id != report.management_account_id:
            yield finding(result.account_id, _verdict(result))
    if (own := management_result(report)) is not None:
        management = finding(own.account_id, _management_verdict(own))
        yield replace(
            management,
            check=MANAGEMENT_CHECK,
            title=_MANAGEMENT_TITLE,
            recommendation=_MANAGEMENT_RECOMMENDATION,
        )
    for account_id in sorted(created_at.keys() - {result.account_id for result in report.results}):
        yield replace(finding(account_id, _LEFT), recommendation=_NOTHING_TO_DO, archived=True)


def _finding(
    account_id: str, verdict: _Verdict, *, report: Report, created_at: Mapping[str, datetime]
) -> SecurityFinding:
    status, severity, found = verdict
    return SecurityFinding(
        check=MEMBER_CHECK,
        account_id=account_id,
        title=_TITLE,
        description=f"Account {account_id}. {found}",
        status=status,
        severity=severity,
        recommendation=_RECOMMENDATIONS[status].format(account_id),
        created_at=created_at.get(account_id, report.started_at),
        updated_at=report.started_at,
    )


def _management_verdict(own: AccountResult) -> _Verdict:
    has = own.credentials
    if has is None:
        return ComplianceStatus.NOT_AVAILABLE, Severity.MEDIUM, own.reason or ""
    found = f"Its root user has {credentials_in_words(has)}."
    if not is_unprotected(has):
        return ComplianceStatus.PASSED, Severity.INFORMATIONAL, found
    return ComplianceStatus.FAILED, Severity.HIGH if has.access_keys == () else Severity.CRITICAL, found


def _verdict(result: AccountResult) -> _Verdict:
    match result.outcome:
        case Outcome.CLEAN:
            return ComplianceStatus.PASSED, Severity.INFORMATIONAL, "Its root user has no credentials."
        case Outcome.HAS_CREDENTIALS if result.credentials is not None:
            return ComplianceStatus.FAILED, _severity(result.credentials), _credentials(result)
    # Nobody has seen whether there are credentials.
    inaccessible = result.outcome is not Outcome.SKIPPED
    severity = Severity.MEDIUM if inaccessible else Severity.INFORMATIONAL
    return ComplianceStatus.NOT_AVAILABLE, severity, f"It was {result.outcome}. {result.reason or ''}".strip()


def _severity(has: RootCredentials) -> Severity:
    if has.access_keys is None or any(key.status == _ACTIVE for key in has.access_keys):
        return Severity.CRITICAL
    return Severity.HIGH if has.password else Severity.MEDIUM


def _credentials(result: AccountResult) -> str:
    at_least = "at least " if types_without_list(result) else ""
    return (
        f"Its root user has {at_least}{item_counts(Counter(type_ for type_, _ in credentials_of(result)))}."
    )
