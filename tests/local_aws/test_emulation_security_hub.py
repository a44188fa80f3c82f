"""The emulated Security Hub: which findings it imports, and which it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.accounts import MANAGEMENT, MEMBER
from support.emulation import error_of

if TYPE_CHECKING:
    from local_aws.emulation import LocalOrganization

FINDING = {
    "SchemaVersion": "2018-10-08",
    "Id": "a-finding",
    "ProductArn": f"arn:aws:securityhub:us-east-1:{MANAGEMENT}:product/{MANAGEMENT}/default",
    "GeneratorId": "a-check",
    "AwsAccountId": MANAGEMENT,
    "CreatedAt": "2026-11-24T12:00:00.000Z",
    "UpdatedAt": "2026-11-24T12:00:00.000Z",
    "Title": "A title",
    "Description": "A description",
    "Resources": [{"Type": "AwsAccount", "Id": f"AWS::::Account:{MEMBER}"}],
    "FindingProviderFields": {"Severity": {"Label": "HIGH"}, "Types": ["Effects/Data Exposure"]},
}


@pytest.fixture
def security_hub(organization: LocalOrganization) -> Any:
    client: Any = organization.client("securityhub")
    client.enable_security_hub()
    return client


def test_an_account_without_security_hub_imports_nothing(security_hub: Any) -> None:
    security_hub.disable_security_hub()
    assert (
        error_of(security_hub.batch_import_findings, Findings=[FINDING])["code"] == "InvalidAccessException"
    )


@pytest.mark.parametrize(
    "findings", [[FINDING] * 101, [{**FINDING, "ProductFields": {"a": "b" * 100_000}}] * 63]
)
def test_a_batch_has_a_hundred_findings_and_six_megabytes_at_most(
    security_hub: Any, findings: list[Any]
) -> None:
    assert error_of(security_hub.batch_import_findings, Findings=findings)["code"] == "InvalidInputException"


@pytest.mark.parametrize(
    "wrong",
    [
        {"AwsAccountId": MEMBER},
        {"ProductArn": f"arn:aws:securityhub:us-east-1:{MEMBER}:product/{MEMBER}/default"},
        {"Compliance": {"Status": "UNKNOWN"}},
        {"CreatedAt": "yesterday"},
        {"Description": "d" * 1025},
        {"FindingProviderFields": {"Severity": {"Label": "URGENT"}}},
        {"FindingProviderFields": {"Types": ["Other/Type"]}},
        {"Id": "i" * 513},
        {"ProductFields": {"a": "b" * 300_000}},
        {"Resources": []},
        {"SchemaVersion": "1"},
        {"Title": ""},
    ],
)
def test_what_asff_does_not_allow_is_refused_by_itself(security_hub: Any, wrong: dict[str, Any]) -> None:
    response = security_hub.batch_import_findings(Findings=[{**FINDING, **wrong}, {**FINDING, "Id": "other"}])
    (refused,) = response["FailedFindings"]
    assert (response["SuccessCount"], response["FailedCount"], refused["ErrorCode"]) == (1, 1, "InvalidInput")
    assert [finding["Id"] for finding in security_hub.get_findings()["Findings"]] == ["other"]


@pytest.mark.parametrize(
    ("updated_at", "title"),
    [
        ("2026-11-25T12:00:00Z", "Newer"),
        (FINDING["UpdatedAt"], "A title"),
        ("2026-11-23T12:00:00Z", "A title"),
    ],
)
def test_only_a_newer_update_changes_a_finding(security_hub: Any, updated_at: str, title: str) -> None:
    security_hub.batch_import_findings(Findings=[FINDING])
    security_hub.batch_import_findings(Findings=[{**FINDING, "UpdatedAt": updated_at, "Title": "Newer"}])
    (finding,) = security_hub.get_findings()["Findings"]
    assert finding["Title"] == title
    assert finding["Severity"] == {"Label": "HIGH"}
