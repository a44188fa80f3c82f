"""The finding that each drift check imports into Security Hub."""

from collections.abc import Mapping
from typing import Any

import pytest

from local_aws.emulation import LocalOrganization
from root_access.drift.repair import CheckFailedError
from root_access.root_access_errors import ConvergenceError
from support.accounts import MANAGEMENT, MEMBER
from support.arrange import IAM_PRINCIPAL, ROOT_SESSIONS, set_feature
from support.drift_check import DriftCheck


@pytest.fixture
def security_hub(organization_with_root_access: LocalOrganization) -> Any:
    """Security Hub, enabled in the management account."""
    client: Any = organization_with_root_access.client("securityhub")
    client.enable_security_hub()
    return client


def only_finding(security_hub: Any) -> dict[str, Any]:
    """Return the one finding that Security Hub has, which is about the organization."""
    (finding,) = security_hub.get_findings()["Findings"]
    return dict(finding)


def severity_of(finding: Mapping[str, Any]) -> str:
    """Return the severity that the drift check has given a finding."""
    return str(finding["FindingProviderFields"]["Severity"]["Label"])


def test_each_drift_check_imports_whether_the_organization_matches_the_stack(
    organization_with_root_access: LocalOrganization, security_hub: Any
) -> None:
    drift_check = DriftCheck(security_hub_findings=True)
    drift_check()
    passed = only_finding(security_hub)
    assert (passed["Compliance"], severity_of(passed)) == ({"Status": "PASSED"}, "INFORMATIONAL")
    assert passed["Resources"][0]["Id"] == f"AWS::::Account:{MANAGEMENT}"
    set_feature(organization_with_root_access, ROOT_SESSIONS, enabled=False)
    # The next check is an hour later.
    drift_check.seconds += 3_600
    drift_check()
    failed = only_finding(security_hub)
    assert (failed["Compliance"], severity_of(failed)) == ({"Status": "FAILED"}, "HIGH")
    assert (
        failed["Description"]
        == f"Organization {organization_with_root_access.id}. RootSessions is disabled."
    )
    assert failed["CreatedAt"] == passed["CreatedAt"]
    times_of_the_checks = (passed["UpdatedAt"], failed["UpdatedAt"])
    assert times_of_the_checks == ("2027-01-15T08:00:00.500000Z", "2027-01-15T09:00:00.500000Z")


def test_a_drift_check_without_a_delegated_administrator_passes_and_says_so(
    organization_with_root_access: LocalOrganization, security_hub: Any
) -> None:
    organization_with_root_access.client("organizations").deregister_delegated_administrator(
        AccountId=MEMBER, ServicePrincipal=IAM_PRINCIPAL
    )
    DriftCheck(security_hub_findings=True)()
    finding = only_finding(security_hub)
    assert finding["Compliance"] == {"Status": "PASSED"}
    assert finding["Description"] == (
        f"Organization {organization_with_root_access.id}. It matches the stack. "
        "No delegated administrator is registered."
    )


def test_a_repair_ends_with_what_it_left(
    organization_with_root_access: LocalOrganization, security_hub: Any
) -> None:
    set_feature(organization_with_root_access, ROOT_SESSIONS, enabled=False)
    DriftCheck(security_hub_findings=True, repair=True)()
    assert only_finding(security_hub)["Compliance"] == {"Status": "PASSED"}


def test_a_repair_that_fails_leaves_the_finding_of_what_the_check_saw(
    organization_with_root_access: LocalOrganization, security_hub: Any
) -> None:
    set_feature(organization_with_root_access, ROOT_SESSIONS, enabled=False)
    organization_with_root_access.deny(MANAGEMENT, "iam:EnableOrganizationsRootSessions")
    with pytest.raises(ConvergenceError):
        DriftCheck(security_hub_findings=True, repair=True)()
    assert only_finding(security_hub)["Compliance"] == {"Status": "FAILED"}


def test_a_drift_check_succeeds_if_security_hub_refuses_its_finding(
    organization_with_root_access: LocalOrganization,
) -> None:
    drift_check = DriftCheck(security_hub_findings=True)
    (line,) = drift_check()
    assert line["InDesiredState"] == 1
    (refused,) = [line for line in drift_check.log if line["event"] == "finding_refused"]
    assert "is not subscribed to AWS Security Hub" in refused["reason"]


def test_a_drift_check_that_cannot_look_imports_nothing(
    organization_with_root_access: LocalOrganization, security_hub: Any
) -> None:
    organization_with_root_access.deny(MANAGEMENT, "organizations:DescribeOrganization")
    with pytest.raises(CheckFailedError):
        DriftCheck(security_hub_findings=True)()
    assert security_hub.get_findings()["Findings"] == []
