"""Findings in AWS Security Hub: their format (ASFF), and their import in batches.

https://docs.aws.amazon.com/securityhub/latest/partnerguide/guidelines-batchimportfindings.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from common.arn import Arn
from common.typed_json import format_time
from common.untrusted import printable

from .failures import CallError
from .invocation import Invocation

IMPORT_FINDINGS = "securityhub:BatchImportFindings"
_MAX_BATCH = 100
_MAX_DESCRIPTION_CHARACTERS = 1024


class ComplianceStatus(StrEnum):
    """The result of a check; one that saw nothing has neither passed nor failed."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    NOT_AVAILABLE = "NOT_AVAILABLE"


class Severity(StrEnum):
    """The severity of a finding, in Security Hub's labels."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    INFORMATIONAL = "INFORMATIONAL"


@dataclass(frozen=True, kw_only=True, slots=True)
class SecurityFinding:
    """The result of a check of an account.

    Attributes:
        check: The check, such as member-root-credentials.
        account_id: The account that it is about, which need not be the one that imports it.
        title: What the check expects.
        description: What it found. It may have text that others chose.
        status: Whether the check passed.
        severity: How urgent it is.
        recommendation: What to do about it.
        created_at: When the finding was imported first.
        updated_at: When the check looked.
        archived: Whether it no longer counts, for example because the account has left.
    """

    check: str
    account_id: str
    title: str
    description: str
    status: ComplianceStatus
    severity: Severity
    recommendation: str
    created_at: datetime
    updated_at: datetime
    archived: bool = False

    def id(self, importer: Arn) -> str:
        """Return the finding's ID: the same in every import by one function."""
        # Of function:Report:1, for example, the name without the version.
        function_name = importer.resource.split(":")[1]
        return f"centralized-root-access/{self.check}/{function_name}/{self.account_id}"

    def as_asff(self, importer: Arn) -> dict[str, Any]:
        """Return it in the AWS Security Finding Format.

        Args:
            importer: The function that imports it. An account imports findings only in its own
                name.
        """
        account_id = importer.account_id
        record_state = "ACTIVE"
        if self.archived:
            record_state = "ARCHIVED"
        return {
            "SchemaVersion": "2018-10-08",
            "Id": self.id(importer),
            "ProductArn": (
                f"arn:{importer.partition}:securityhub:{importer.region}:{account_id}"
                f":product/{account_id}/default"
            ),
            "ProductName": "Centralized Root Access",
            "GeneratorId": f"centralized-root-access/{self.check}",
            "AwsAccountId": account_id,
            # https://docs.aws.amazon.com/securityhub/1.0/APIReference/Welcome.html#timestamps
            "CreatedAt": format_time(self.created_at),
            "UpdatedAt": format_time(self.updated_at),
            "Title": self.title,
            "Description": _beginning(printable(self.description)),
            "Remediation": {"Recommendation": {"Text": self.recommendation}},
            "Resources": [
                {
                    "Type": "AwsAccount",
                    "Id": f"AWS::::Account:{self.account_id}",
                    "Partition": importer.partition,
                    "Region": importer.region,
                }
            ],
            "Compliance": {"Status": self.status},
            "RecordState": record_state,
            # Not Severity and Types themselves, which users may change.
            "FindingProviderFields": {
                "Severity": {"Label": self.severity, "Original": self.severity},
                "Types": ["Software and Configuration Checks/AWS Security Best Practices"],
            },
        }


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    """The result of an import.

    Attributes:
        imported: How many findings Security Hub has accepted.
        refusals: AWS's code and message for each of the others.
    """

    imported: int
    refusals: Sequence[str]


def import_findings(findings: Iterable[SecurityFinding], *, aws: Invocation) -> ImportResult:
    """Import findings, a hundred per call. A call that fails is the last one, and raises nothing.

    Args:
        findings: The findings.
        aws: The function that imports them.
    """
    waiting = list(findings)
    imported = 0
    refusals: list[str] = []
    while waiting:
        batch, waiting = waiting[:_MAX_BATCH], waiting[_MAX_BATCH:]
        in_format = [finding.as_asff(aws.function) for finding in batch]
        try:
            response = aws.call(IMPORT_FINDINGS, Findings=in_format)
        except CallError as error:
            # Another call would fail as well, after as many retries.
            refusals += [str(error)] * len(batch + waiting)
            break
        failed = response.get("FailedFindings", ())
        imported += len(batch) - len(failed)
        refusals += map(_reason, failed)
    return ImportResult(imported=imported, refusals=refusals)


def _reason(refused_finding: Mapping[str, str]) -> str:
    """Return why Security Hub has refused a finding, as a sentence with AWS's code and message."""
    text = f"{refused_finding.get('ErrorCode')}: {refused_finding.get('ErrorMessage')}"
    return f"{IMPORT_FINDINGS}: {_beginning(printable(text)).rstrip('.')}."


def _beginning(text: str) -> str:
    """Return a text, shortened to what fits into a description.

    A text is escaped before, because that makes it longer.
    """
    if len(text) <= _MAX_DESCRIPTION_CHARACTERS:
        return text
    return f"{text[: _MAX_DESCRIPTION_CHARACTERS - 1]}…"
