"""Security Hub's import of findings: moto accepts whatever it gets."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from moto.securityhub.exceptions import SecurityHubClientError
from moto.securityhub.models import Finding

_MAX_BATCH = 100
_MAX_BATCH_BYTES = 6 * 1024 * 1024
_MAX_FINDING_BYTES = 240 * 1024
_REQUIRED = (
    "AwsAccountId",
    "CreatedAt",
    "Description",
    "GeneratorId",
    "Id",
    "ProductArn",
    "Resources",
    "SchemaVersion",
    "Title",
    "UpdatedAt",
)
_MAX_CHARACTERS = {"Description": 1024, "GeneratorId": 512, "Id": 512, "ProductName": 128, "Title": 256}
_VALUES = {
    ("Compliance", "Status"): {"FAILED", "NOT_AVAILABLE", "PASSED", "WARNING"},
    ("FindingProviderFields", "Severity", "Label"): {"CRITICAL", "HIGH", "INFORMATIONAL", "LOW", "MEDIUM"},
    ("RecordState",): {"ACTIVE", "ARCHIVED"},
    ("SchemaVersion",): {"2018-10-08"},
}
_NAMESPACES = (
    "Effects",
    "Sensitive Data Identifications",
    "Software and Configuration Checks",
    "TTPs",
    "Unusual Behaviors",
)
_TIME = re.compile(r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
# What an import sets once: afterwards it is the users' own.
_USERS_OWN = ("Note", "UserDefinedFields", "VerificationState", "Workflow")


def import_findings(backend: Any, findings: list[dict[str, Any]]) -> tuple[int, int, list[dict[str, Any]]]:
    """Import findings, in the place of moto's own method.

    Returns:
        How many were refused, how many were imported, and why each was refused.
    """
    if not backend.enabled:
        raise SecurityHubClientError(
            "InvalidAccessException", f"Account {backend.account_id} is not subscribed to AWS Security Hub"
        )
    if not 0 < len(findings) <= _MAX_BATCH or _size(findings) > _MAX_BATCH_BYTES:
        raise SecurityHubClientError("InvalidInputException", "Invalid parameter 'Findings'.")
    stored = {finding.id: finding for finding in backend.findings}
    refused = []
    for finding in findings:
        problem = next(chain(_missing(finding), _invalid_values(finding), _foreign(finding, backend)), None)
        if problem is not None:
            message = f"Finding does not adhere to Amazon Finding Format. {problem}"
            entry = {"Id": finding.get("Id", ""), "ErrorCode": "InvalidInput", "ErrorMessage": message}
            refused.append(entry)
        elif (existing := stored.get(finding["Id"])) is None:
            backend.findings.append(Finding(finding["Id"], _with_severity(finding)))
        # An update with the same time, or an older one, changes nothing.
        elif finding["UpdatedAt"] > existing.data["UpdatedAt"]:
            own = {name: existing.data[name] for name in _USERS_OWN if name in existing.data}
            existing.data = _with_severity(finding) | own
    return len(refused), len(findings) - len(refused), refused


def _missing(finding: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a finding has to have."""
    for name in _REQUIRED:
        if not finding.get(name):
            yield f"data should have required property '{name}'."
    if not all(resource.get("Type") and resource.get("Id") for resource in finding["Resources"]):
        yield "data.Resources should have required property 'Id'."


def _invalid_values(finding: Mapping[str, Any]) -> Iterator[str]:
    """Yield which members have values that they cannot have."""
    for name, limit in _MAX_CHARACTERS.items():
        if len(finding.get(name, "")) > limit:
            yield f"data.{name} should NOT be longer than {limit} characters."
    for name in ("CreatedAt", "UpdatedAt"):
        if not _TIME.fullmatch(finding[name]):
            yield f"data.{name} should match format date-time."
    for path, values in _VALUES.items():
        if (value := _value(finding, path)) is not None and value not in values:
            yield f"data.{'.'.join(path)} should be equal to one of the allowed values."
    for type_ in _value(finding, ("FindingProviderFields", "Types")) or ():
        if type_.split("/")[0] not in _NAMESPACES or type_.count("/") > 2:
            yield "data.FindingProviderFields.Types should match pattern."
    if _size(finding) > _MAX_FINDING_BYTES:
        yield "data is too large."


def _foreign(finding: Mapping[str, Any], backend: Any) -> Iterator[str]:
    """Yield what is not the caller's."""
    account_id, region = backend.account_id, backend.region_name
    if finding["AwsAccountId"] != account_id:
        yield "data.AwsAccountId is not the caller's account."
    if finding["ProductArn"] != f"arn:aws:securityhub:{region}:{account_id}:product/{account_id}/default":
        yield "data.ProductArn is not a product of the caller's account."


def _with_severity(finding: Mapping[str, Any]) -> dict[str, Any]:
    return {**finding, "Severity": _value(finding, ("FindingProviderFields", "Severity"))}


def _value(finding: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = finding
    for name in path:
        value = (value or {}).get(name)
    return value


def _size(value: object) -> int:
    return len(json.dumps(value).encode())
