"""The findings of full audits in Security Hub, and an audit that cannot import them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from aws_calls.security_hub import ComplianceStatus, SecurityFinding, Severity, import_findings
from common.arn import Arn
from root_tasks.messages import PROTECTED_AUDIT
from root_tasks.model.report_schema import AccountResult, Change, ChangeType, Outcome
from root_tasks.report.asff import findings_of
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.function import FakeTime
from support.reports import (
    accepted_account,
    access_key,
    account_result,
    account_with_credentials,
    report_of,
)
from support.root_tasks import DeployedSettings, Execution, RootTasks
from support.scp import attach_policy, statement

FUNCTION = Arn(
    partition="aws", region="us-east-1", account_id=MANAGEMENT, resource="function:Report"
)
ACTION = "securityhub:BatchImportFindings"
# The status of a finding, and its record state.
PASSED, FAILED, NOT_AVAILABLE = (
    ("PASSED", "ACTIVE"),
    ("FAILED", "ACTIVE"),
    ("NOT_AVAILABLE", "ACTIVE"),
)
ARCHIVED = ("NOT_AVAILABLE", "ARCHIVED")


@pytest.fixture
def root_tasks(root_tasks: RootTasks) -> RootTasks:
    """A deployed RootTasks that imports findings, in an account that has enabled Security Hub."""
    root_tasks.settings = DeployedSettings(security_hub_findings=True)
    root_tasks.client("securityhub").enable_security_hub()
    root_tasks.organization.put_root_credentials(MANAGEMENT, mfa_devices=1)
    return root_tasks


def finding_states(root_tasks: RootTasks, check: str = "") -> dict[str, tuple[str, str]]:
    """Return the status and the record state of each finding of a check, by its account."""
    return {
        id_: (finding["Compliance"]["Status"], finding["RecordState"])
        for id_, finding in root_tasks.findings(check).items()
    }


def imported_and_refused(root_tasks: RootTasks) -> tuple[object, object]:
    """Return how many findings the last full audit imported, and how many were refused."""
    values = root_tasks.metric_values()
    return values.get("FindingsImported"), values.get("FindingsRefused")


def warnings_of_audit(root_tasks: RootTasks, execution: Execution) -> list[str]:
    """Return the warnings in the report of an audit, which has succeeded."""
    assert execution.status == "SUCCEEDED"
    sentences: list[str] = root_tasks.report(execution)["warnings"]
    return sentences


# What a finding says


def finding_about(result: AccountResult) -> SecurityFinding:
    """Return the only finding of an audit of one account."""
    (finding,) = findings_of(report_of(result))
    return finding


@pytest.mark.parametrize(
    ("has", "severity", "words"),
    [
        (
            account_with_credentials(MEMBER, access_keys=(access_key(1),)),
            Severity.CRITICAL,
            "1 access key",
        ),
        (
            account_with_credentials(
                MEMBER, password=True, access_keys=(access_key(1, active=False), access_key(2))
            ),
            Severity.CRITICAL,
            "1 password and 2 access keys",
        ),
        (
            account_with_credentials(MEMBER, access_keys=None),
            Severity.CRITICAL,
            "at least 1 access key",
        ),
        (
            account_with_credentials(MEMBER, password=True, mfa_devices=("1",)),
            Severity.HIGH,
            "1 password and 1 MFA device",
        ),
        (
            account_with_credentials(MEMBER, access_keys=(access_key(1, active=False),)),
            Severity.MEDIUM,
            "1 access key",
        ),
        (account_with_credentials(MEMBER, mfa_devices=("1",)), Severity.MEDIUM, "1 MFA device"),
    ],
    ids=[
        "an active key",
        "a password, an inactive and an active key",
        "keys that cannot be listed",
        "a password",
        "an inactive key",
        "an MFA device",
    ],
)
def test_an_active_key_is_more_urgent_than_a_password_and_that_than_the_rest(
    has: AccountResult, severity: Severity, words: str
) -> None:
    finding = finding_about(has)
    assert (finding.status, finding.severity) == (ComplianceStatus.FAILED, severity)
    assert finding.description == f"Account {MEMBER}. Its root user has {words}."
    # Whether it is protected is not read from its reason, because others can write the same there.
    named, protected = (
        finding_about(replace(has, reason=PROTECTED_AUDIT)),
        finding_about(replace(has, protected=True)),
    )
    advice = [each.recommendation for each in (finding, named, protected)]
    assert [f"plan delete --account {MEMBER}" in each for each in advice] == [True, True, False]


@pytest.mark.parametrize("outcome", Outcome)
def test_only_a_clean_account_passes_and_one_not_audited_keeps_the_reason(outcome: Outcome) -> None:
    finding = finding_about(account_result(MEMBER, outcome, reason="AccessDenied: no."))
    # The limits of the AWS Security Finding Format.
    assert len(finding.title) <= 256
    assert len(finding.recommendation) <= 512
    if outcome is Outcome.CLEAN:
        assert finding.status is ComplianceStatus.PASSED
        assert finding.severity is Severity.INFORMATIONAL
        return
    assert finding.status is ComplianceStatus.NOT_AVAILABLE
    is_urgent = outcome is not Outcome.SKIPPED
    assert finding.severity is (Severity.MEDIUM if is_urgent else Severity.INFORMATIONAL)
    assert "AccessDenied: no." in finding.description


def test_accepted_credentials_are_archived_with_the_reason() -> None:
    reason = "Accepted until 2027-03-31: billing."
    finding = finding_about(replace(accepted_account(MEMBER), reason=reason))
    assert (finding.status, finding.archived) == (ComplianceStatus.FAILED, True)
    assert finding.description == f"Account {MEMBER}. Its root user has 1 password. {reason}"


def test_no_finding_of_an_account_that_was_audited_is_archived() -> None:
    """A writer to the bucket can put a change into a report that is about to be written."""
    left = tuple(Change(type=ChangeType.LEFT, account_id=id_) for id_ in (MEMBER, OTHER_MEMBER))
    found = findings_of(
        replace(
            report_of(account_with_credentials(MEMBER, access_keys=(access_key(1),))), changes=left
        )
    )
    assert [(finding.account_id, finding.archived) for finding in found] == [
        (MEMBER, False),
        (OTHER_MEMBER, True),
    ]


def test_a_finding_is_of_the_importing_account_and_about_the_member() -> None:
    finding = finding_about(account_with_credentials(MEMBER, password=True)).as_asff(FUNCTION)
    assert finding["AwsAccountId"] == MANAGEMENT
    assert (
        finding["ProductArn"]
        == f"arn:aws:securityhub:us-east-1:{MANAGEMENT}:product/{MANAGEMENT}/default"
    )
    (resource,) = finding["Resources"]
    assert (resource["Type"], resource["Id"]) == ("AwsAccount", f"AWS::::Account:{MEMBER}")
    assert "SecurityControlId" not in finding["Compliance"], (
        "Security Hub's own controls have these"
    )
    assert not {"Severity", "Types", "Workflow"} & finding.keys(), (
        "these are the users' own to change"
    )


def test_what_others_wrote_is_printable_and_short_in_a_finding() -> None:
    reason = "\u202eAccessDenied\r\n" + "\u3164" * 3000
    description = finding_about(
        account_result(MEMBER, Outcome.INACCESSIBLE, reason=reason)
    ).as_asff(FUNCTION)["Description"]
    assert description.isprintable()
    # The limit of the AWS Security Finding Format.
    assert len(description) == 1024


# What an audit imports


def test_each_full_audit_imports_a_finding_for_each_account(root_tasks: RootTasks) -> None:
    organization = root_tasks.organization
    organization.put_root_credentials(MEMBER, access_keys=1)
    organization.deny(OTHER_MEMBER, "iam:*")
    audit = root_tasks.run()
    expected = {
        MANAGEMENT: PASSED,
        MEMBER: FAILED,
        OTHER_MEMBER: NOT_AVAILABLE,
        THIRD_MEMBER: PASSED,
    }
    assert finding_states(root_tasks) == expected
    assert imported_and_refused(root_tasks) == (4, 0)
    assert warnings_of_audit(root_tasks, audit) == []


def test_names_and_addresses_reach_neither_security_hub_nor_a_batch(root_tasks: RootTasks) -> None:
    organization = root_tasks.organization
    policy = attach_policy(organization, MEMBER, statement(), name="deny-all")
    audit = root_tasks.run()
    accounts = root_tasks.client("organizations").list_accounts()["Accounts"]
    for text in (
        str(root_tasks.findings()),
        root_tasks.read_object(f"runs/{audit.run_id}/work.json").decode(),
    ):
        assert [account["Name"] for account in accounts if account["Name"] in text] == []
        assert "@" not in text
    assert f"service_control_policy/{policy}" in str(root_tasks.findings()[MEMBER])


def test_the_next_audit_changes_what_changed_and_when_it_looked(root_tasks: RootTasks) -> None:
    root_tasks.organization.put_root_credentials(MEMBER, password=True)
    root_tasks.run()
    before = root_tasks.findings()
    root_tasks.advance(days=1)
    root_tasks.organization.put_root_credentials(MEMBER)
    root_tasks.change_before("sts:AssumeRoot", lambda: root_tasks.advance(minutes=1))
    root_tasks.run()
    after = root_tasks.findings()
    assert {
        id_: changed_members(before[id_], after[id_]) for id_ in before.keys() | after.keys()
    } == {
        MEMBER: {"UpdatedAt", "Compliance", "Description", "FindingProviderFields", "Remediation"},
        MANAGEMENT: {"UpdatedAt"},
        OTHER_MEMBER: {"UpdatedAt"},
        THIRD_MEMBER: {"UpdatedAt"},
    }
    assert {finding["UpdatedAt"] for finding in after.values()} == {"2026-11-25T12:01:00Z"}


def changed_members(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """Return the members of a finding that differ from the finding before."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_findings_on_accounts_that_left_end(root_tasks: RootTasks) -> None:
    root_tasks.settings = DeployedSettings(security_hub_findings=True)
    root_tasks.run()
    root_tasks.client("organizations").remove_account_from_organization(AccountId=OTHER_MEMBER)
    root_tasks.advance(days=1)
    root_tasks.run()
    assert finding_states(root_tasks, "member-root-credentials") == {
        MEMBER: PASSED,
        OTHER_MEMBER: ARCHIVED,
        THIRD_MEMBER: PASSED,
    }
    root_tasks.advance(days=1)
    root_tasks.run()
    # Those of the three accounts that are left: a finding is archived once.
    assert imported_and_refused(root_tasks) == (3, 0)


@pytest.mark.parametrize(
    ("input_", "is_wanted"),
    [
        ({"accounts": [MEMBER]}, True),
        ({"task": "delete", "accounts": ["all"]}, True),
        ({}, False),
    ],
    ids=["a named account", "a plan", "without the argument"],
)
def test_nothing_but_a_full_audit_that_is_to_import_findings_does(
    root_tasks: RootTasks, input_: object, is_wanted: bool
) -> None:
    root_tasks.settings = DeployedSettings(security_hub_findings=is_wanted)
    root_tasks.run(input_)
    assert root_tasks.findings() == {}


def test_the_findings_of_two_constructs_in_one_account_have_ids_of_their_own() -> None:
    """Otherwise the second one would overwrite what the first one found, and back."""
    finding = finding_about(account_with_credentials(MEMBER, password=True))
    ids = [
        finding.as_asff(replace(FUNCTION, resource=f"function:{name}"))["Id"]
        for name in ("Report", "OtherReport")
    ]
    assert ids == [
        f"centralized-root-access/{finding.check}/{name}/{MEMBER}"
        for name in ("Report", "OtherReport")
    ]


# Where findings cannot be imported


def test_if_security_hub_is_disabled_the_audit_succeeds_and_says_so(root_tasks: RootTasks) -> None:
    root_tasks.client("securityhub").disable_security_hub()
    audit = root_tasks.run()
    assert warnings_of_audit(root_tasks, audit) == [
        f"Security Hub did not import 4 of 4 findings. {ACTION}: InvalidAccessException: "
        f"Account {MANAGEMENT} is not subscribed to AWS Security Hub."
    ]
    assert imported_and_refused(root_tasks) == (0, 4)
    assert root_tasks.read_object("latest/report.json") == root_tasks.read_object(
        f"runs/{audit.run_id}/report.json"
    )
    assert len(root_tasks.notices) == 1


def test_findings_that_security_hub_refuses_cost_none_of_the_others(root_tasks: RootTasks) -> None:
    refuse_findings_about(root_tasks, MEMBER)
    audit = root_tasks.run()
    assert finding_states(root_tasks) == {
        MANAGEMENT: PASSED,
        OTHER_MEMBER: PASSED,
        THIRD_MEMBER: PASSED,
    }
    assert imported_and_refused(root_tasks) == (3, 1)
    (warning,) = warnings_of_audit(root_tasks, audit)
    assert warning.startswith(
        "Security Hub did not import 1 of 4 findings. securityhub:BatchImportFindings: Inv"
    )


def refuse_findings_about(root_tasks: RootTasks, account_id: str) -> None:
    """Let Security Hub refuse the finding of an account, as it does one without a resource."""

    def remove_resource(params: dict[str, Any], **_: object) -> None:
        for finding in params["Findings"]:
            if account_id in finding["Resources"][0]["Id"]:
                finding["Resources"] = []

    root_tasks.on_event("provide-client-params.securityhub.BatchImportFindings", remove_resource)


def test_only_the_audit_that_is_the_latest_imports_its_findings(root_tasks: RootTasks) -> None:
    root_tasks.run()
    latest: list[str] = []

    def note_latest(**_: object) -> None:
        latest.append(root_tasks.read_json("latest/report.json")["runId"])

    root_tasks.on_event("before-call.securityhub.BatchImportFindings", note_latest)
    audit = root_tasks.run()
    assert set(latest) == {audit.run_id}


def test_what_stays_throttled_leaves_time_for_the_report(root_tasks: RootTasks) -> None:
    root_tasks.fail_calls(ACTION, "TooManyRequestsException", status=429)
    began = root_tasks.time.seconds
    audit = root_tasks.run()
    assert imported_and_refused(root_tasks) == (0, 4)
    assert "Gave up" in warnings_of_audit(root_tasks, audit)[0]
    # The import gives up after 180 seconds, and nothing else of the run has to wait.
    assert root_tasks.time.seconds - began < 200


def test_numbers_that_end_alarms_are_no_older_for_an_import_that_takes_minutes(
    root_tasks: RootTasks,
) -> None:
    looked_at = root_tasks.now
    root_tasks.change_before(ACTION, lambda: root_tasks.advance(minutes=3))
    root_tasks.run()
    # The numbers of the audit, and those of the import. CloudWatch takes times in milliseconds.
    (line, imported) = root_tasks.metrics()
    assert line["AccountsWithRootCredentials"] == imported["FindingsRefused"] == 0
    assert line["_aws"]["Timestamp"] == looked_at.timestamp() * 1000
    assert imported["_aws"]["Timestamp"] == (looked_at + timedelta(minutes=3)).timestamp() * 1000


def test_an_audit_ends_no_alarm_that_another_one_set_off_during_the_import(
    root_tasks: RootTasks,
) -> None:
    def audit_again() -> None:
        root_tasks.organization.put_root_credentials(MEMBER, password=True)
        root_tasks.advance(minutes=1)
        root_tasks.run(name="later")

    root_tasks.change_before(ACTION, audit_again)
    root_tasks.run()
    name = "AccountsWithRootCredentials"
    assert [line[name] for line in root_tasks.metrics() if name in line] == [0, 1]


def test_ten_thousand_findings_are_imported_in_a_hundred_calls() -> None:
    accounts = [f"{500_000_000_000 + number}" for number in range(10_000)]
    audit = report_of(*(account_result(account_id) for account_id in accounts))
    batches: list[int] = []

    def batch_import_findings(*, Findings: list[dict[str, Any]]) -> Mapping[str, Any]:  # noqa: N803
        batches.append(len(Findings))
        return {"FailedFindings": []}

    client: Any = SimpleNamespace(batch_import_findings=batch_import_findings)
    aws = FakeTime().invocation(lambda service: client, seconds=900)
    imported = import_findings(findings_of(audit), aws=aws)
    assert (imported.imported, imported.refusals) == (10_000, [])
    # Security Hub takes up to 100 findings in a call.
    assert batches == [100] * 100
