"""`audit --from-here`: the functions' own code on this machine, without a deployment."""

import json
import re
from pathlib import Path

import pytest

from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, OUTSIDE_ORGANIZATION, THIRD_MEMBER
from support.apps import read_page
from support.arrange import ROOT_CREDENTIALS_MANAGEMENT, call_counts, set_feature, write_calls
from support.command_line import CALLER_ARN, STACK_NAME, CommandLine

AUDIT_POLICY_ARN = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"


def test_the_report_is_printed_and_saved_and_nothing_is_changed(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    organization = command_line.organization
    organization.put_root_credentials(MEMBER, password=True, access_keys=2, mfa_devices=1)
    organization.put_root_credentials(OTHER_MEMBER, access_keys=1, certificates=1)
    organization.deny(THIRD_MEMBER, "iam:GetAccountSummary")
    organization.clear_calls()
    # A stack that the shell names for all commands is no obstacle.
    monkeypatch.setenv("CENTRALIZED_ROOT_ACCESS_STACK", STACK_NAME)
    from_here = command_line.run(
        "audit", "--from-here", "--format", "json", "--output", str(tmp_path)
    )
    assert from_here.exit_code == 1
    assert {row["accountId"]: row["outcome"] for row in from_here.json["results"]} == {
        MANAGEMENT: "PROTECTED",
        MEMBER: "HAS_CREDENTIALS",
        OTHER_MEMBER: "HAS_CREDENTIALS",
        THIRD_MEMBER: "INACCESSIBLE",
    }
    assert (tmp_path / "report.json").read_text() == from_here.stdout
    # No next step names a run that another command could not find.
    report = from_here.json
    assert report["runId"] not in json.dumps(report["nextSteps"])
    assert report["requestedBy"] == CALLER_ARN
    assert command_line.services.requests == []
    assert write_calls(organization) == []
    sessions = [call for call in organization.calls if call.operation == "AssumeRoot"]
    assert {call.parameters["TaskPolicyArn"]["arn"] for call in sessions} == {AUDIT_POLICY_ARN}  # type: ignore[index]
    run = f" centralized-root-access/{report['runId']}"
    assert [call for call in sessions if not call.user_agent.endswith(run)] == []


@pytest.mark.parametrize(
    ("account_id", "sentence"),
    [
        (MANAGEMENT, ": aws iam enable-organizations-root-credentials-management\n"),
        (
            MEMBER,
            f"These credentials are of account {MEMBER}, which cannot open root sessions. Use "
            f"credentials of the management account {MANAGEMENT} (--profile), or of a delegated "
            "administrator for IAM.\n",
        ),
    ],
    ids=["no feature", "no delegation"],
)
def test_an_audit_that_cannot_start_says_why_and_opens_no_session(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, account_id: str, sentence: str
) -> None:
    organization = command_line.organization
    set_feature(organization, ROOT_CREDENTIALS_MANAGEMENT, enabled=False)
    organization.clear_calls()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", account_id)
    said = command_line.refusal("audit", "--from-here")
    assert sentence in said
    assert MANAGEMENT in said
    # A forgotten profile is no reason to register an administrator.
    assert "delegated_administrators" not in said
    assert "AssumeRoot" not in call_counts(organization)


def test_the_management_account_is_audited_as_documented_and_without_a_session(
    command_line: CommandLine,
) -> None:
    organization = command_line.organization
    page = read_page("guides/two-accounts.md")
    (documented,) = re.findall(
        r"centralized-root-access (audit --from-here .*) --profile management", page
    )
    assert command_line.run(*documented.split()).exit_code == 0
    assert "AssumeRoot" not in call_counts(organization)
    # Another account that is named counts as before.
    organization.put_root_credentials(MEMBER, password=True)
    both = command_line.run("audit", "--from-here", "--account", MANAGEMENT, "--account", MEMBER)
    assert both.exit_code == 1


def test_an_error_that_nothing_expects_ends_in_a_sentence(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("centralized_root_access.cli.runs.report_output.end_with_report", fail)
    shown = command_line.run("audit", "--from-here", "--format", "json")
    assert shown.exit_code == 2
    assert "ZeroDivisionError" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1


def test_a_person_does_not_wait_for_a_permission_that_is_missing(command_line: CommandLine) -> None:
    organization = command_line.organization
    organization.deny(MANAGEMENT, "organizations:ListAccounts")
    organization.clear_calls()
    assert "organizations:ListAccounts" in command_line.refusal("audit", "--from-here")
    assert call_counts(organization)["ListAccounts"] == 1


def test_the_accounts_are_selected_as_in_a_deployment(command_line: CommandLine) -> None:
    for option, accounts in (
        (("--account", OTHER_MEMBER), {OTHER_MEMBER}),
        (("--organizational-unit", "Root"), {MANAGEMENT, MEMBER, OTHER_MEMBER, THIRD_MEMBER}),
    ):
        shown = command_line.run("audit", "--from-here", "--format", "json", *option)
        assert {result["accountId"] for result in shown.json["results"]} == accounts
        assert not shown.stderr, "a program is not told how to keep the report"
    for option in (("--account", OUTSIDE_ORGANIZATION), ("--organizational-unit", "Nowhere")):
        assert option[1] in command_line.refusal("audit", "--from-here", *option)
