"""`preflight --policy`: what a policy that is about to be attached or replaced would newly deny."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_aws.emulation import LocalOrganization
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.arrange import ROOT_CREDENTIALS_MANAGEMENT, add_unit, enable_root_access, write_calls
from support.command_line import CommandLine, CommandOutput, change_each_client
from support.faults.clients import inject
from support.faults.vocabulary import error_response
from support.scp import DENY_ROOT, IS_A_ROOT_USER, attach_policy, policy_document, statement

DENY_ROOT_OUTSIDE_SESSIONS = {
    **DENY_ROOT,
    "Condition": {**IS_A_ROOT_USER, "Null": {"aws:AssumedRoot": "true"}},
}
DENY_EC2 = statement(Action="ec2:*")
DENY_EC2_OF_RCP = {**DENY_EC2, "Principal": "*"}


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A pipeline that checks a policy with one statement before it is attached or replaced.

    Attributes:
        command_line: Its command line.
        file: The file of the policy.
    """

    command_line: CommandLine
    file: Path

    def check(self, new_statement: Mapping[str, object], *options: str) -> CommandOutput:
        """Run the pre-flight of the policy."""
        self.file.write_text(json.dumps(policy_document(new_statement)))
        return self.command_line.run("preflight", "--policy", str(self.file), *options)

    def check_as_json(self, new_statement: Mapping[str, object], *options: str) -> dict[str, Any]:
        """Return the JSON of the check, with its exit code."""
        shown = self.check(new_statement, "--format", "json", *options)
        return {**shown.json, "exitCode": shown.exit_code}

    def denied_accounts(self, new_statement: Mapping[str, object], *options: str) -> list[str]:
        """Return the accounts in which a task, or a part of one, would become denied.

        The exit code tells of them.
        """
        found = self.check_as_json(new_statement, *options)
        denied = [
            account["accountId"] for account in found["accounts"] if account["result"] != "ALLOWED"
        ]
        assert found["exitCode"] == bool(denied)
        return denied


@pytest.fixture
def pipeline(command_line: CommandLine, tmp_path: Path) -> Pipeline:
    """A pipeline in the management account, whose policy is guard.json."""
    return Pipeline(command_line=command_line, file=tmp_path / "guard.json")


def test_a_policy_is_judged_where_it_would_be_attached(
    pipeline: Pipeline, organization: LocalOrganization
) -> None:
    everyone = [MEMBER, OTHER_MEMBER, THIRD_MEMBER]
    assert pipeline.denied_accounts(DENY_ROOT, "--target", MEMBER) == [MEMBER]
    assert pipeline.denied_accounts(DENY_ROOT, "--target", organization.root_id) == everyone
    both = pipeline.denied_accounts(DENY_ROOT, "--target", MEMBER, "--target", OTHER_MEMBER)
    assert both == [MEMBER, OTHER_MEMBER]
    assert write_calls(organization) == []
    add_unit(organization, "Workloads", MEMBER)
    assert pipeline.denied_accounts(DENY_ROOT, "--target", "Workloads") == [MEMBER]


@pytest.mark.parametrize(
    ("denied_today", "denied_then", "denied_newly"),
    [
        pytest.param("iam:D*", "iam:*", [], id="all of the task is denied today"),
        pytest.param("iam:DeleteLoginProfile", "iam:*", [MEMBER], id="a part is denied today"),
        pytest.param("ec2:*", "iam:GetUser", [MEMBER], id="a part becomes denied"),
        pytest.param("iam:GetUser", "iam:GetUser", [], id="the same part stays denied"),
    ],
)
def test_a_task_is_newly_denied_only_if_something_of_it_is_possible_today(
    pipeline: Pipeline,
    organization: LocalOrganization,
    denied_today: str,
    denied_then: str,
    denied_newly: list[str],
) -> None:
    attach_policy(organization, MEMBER, {**DENY_ROOT, "Action": denied_today})
    more = {**DENY_ROOT, "Action": denied_then}
    found = pipeline.denied_accounts(more, "--task", "delete", "--target", MEMBER)
    assert found == denied_newly


@pytest.mark.parametrize(
    ("present", "target_id", "new"),
    [
        pytest.param(DENY_ROOT, MEMBER, DENY_ROOT_OUTSIDE_SESSIONS, id="no longer denies"),
        pytest.param(DENY_EC2, MANAGEMENT, DENY_ROOT, id="applies to no account"),
    ],
)
def test_a_new_document_that_denies_less_or_applies_to_no_account_denies_nothing(
    pipeline: Pipeline,
    organization: LocalOrganization,
    present: dict[str, object],
    target_id: str,
    new: dict[str, object],
) -> None:
    policy_id = attach_policy(organization, target_id, present)
    organization.clear_calls()
    assert pipeline.denied_accounts(new, "--replaces", policy_id) == []
    assert write_calls(organization) == []


def test_a_new_document_keeps_the_name_and_is_checked_where_it_is_attached(
    pipeline: Pipeline, organization: LocalOrganization
) -> None:
    policy_id = attach_policy(organization, MEMBER, DENY_EC2)
    attach_policy(organization, OTHER_MEMBER, DENY_EC2)
    (account,) = pipeline.check_as_json(DENY_ROOT, "--replaces", policy_id)["accounts"]
    assert account["accountId"] == MEMBER
    (cause,) = account["causes"]
    assert (cause["policyId"], cause["policyName"]) == (policy_id, f"deny-at-{MEMBER}")
    # The command looks for the policy at the chosen accounts alone.
    elsewhere = pipeline.check(DENY_ROOT, "--replaces", policy_id, "--account", OTHER_MEMBER)
    sentence = f"{policy_id}: no service control policy of this ID applies to an account to check."
    assert elsewhere.exit_code == 2
    assert sentence in elsewhere.stderr


def test_an_account_is_checked_if_it_cannot_be_read_whether_it_has_the_policy(
    pipeline: Pipeline, organization: LocalOrganization, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy_id = attach_policy(organization, MEMBER, DENY_EC2)
    fault = error_response("ServiceException")
    # Only the calls that name the member fail.
    change_each_client(
        monkeypatch,
        lambda client, _: inject(
            client.meta.events.register, "organizations:ListPoliciesForTarget", fault, body=MEMBER
        ),
    )
    shown = pipeline.check(DENY_ROOT, "--replaces", policy_id, "--account", MEMBER)
    assert (shown.exit_code, shown.lines[1].split()[:2]) == (2, ["unknown", MEMBER])


def test_a_resource_control_policy_is_known_by_its_principal(pipeline: Pipeline) -> None:
    # The file begins with the mark of an editor, and its statement is not in a list.
    denial = {**statement(Action="sqs:*"), "Principal": "*"}
    text = json.dumps({**policy_document(), "Statement": denial})
    pipeline.file.write_text(text, encoding="utf-8-sig")
    shown = pipeline.command_line.run(
        "preflight", "--policy", str(pipeline.file), "--target", MEMBER, "--format", "json"
    )
    found = shown.json
    assert found["change"] == {
        "policyType": "RESOURCE_CONTROL_POLICY",
        "targetIds": [MEMBER],
        "replacedPolicyId": None,
        "delegatesNotJudged": [],
    }
    (account,) = found["accounts"]
    denied_tasks = [task for task, result in account["tasks"].items() if result == "DENIED"]
    assert denied_tasks == ["unlock-queue"]


def test_the_table_names_the_file_what_would_fix_it_and_a_type_that_is_disabled(
    pipeline: Pipeline, organization: LocalOrganization
) -> None:
    # This enables resource control policies, while service control policies stay disabled.
    organization.attach_policy(
        name="other",
        document=policy_document(DENY_EC2_OF_RCP),
        target_id=OTHER_MEMBER,
        policy_type="RESOURCE_CONTROL_POLICY",
    )
    shown = pipeline.check(DENY_ROOT, "--target", MEMBER)
    (row,) = [line for line in shown.lines if line.startswith("denied")]
    assert "guard (not attached yet), DenyRootUsers" in row
    # Policy and statement may have the same name, so the heading and the sentence name both.
    assert "  policy, statement  " in shown.lines[0]
    assert "Statement DenyRootUsers of policy guard (not attached yet) denies" in shown.stdout
    assert '      "aws:AssumedRoot": "true"' in shown.stdout
    assert shown.lines[-1].startswith("With guard, 1 account would become denied.")
    sentence = " AWS attaches it only when its type, service control policy, is enabled."
    assert shown.lines[-1].endswith(sentence)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--target", "ou-a1b2-c3d4e5f6", "There is no organizational unit ou-a1b2-c3d4e5f6."),
        ("--target", MANAGEMENT, f"{MANAGEMENT}: there is no member account to check."),
        ("--replaces", "p-FullAWSAccess", "p-FullAWSAccess is AWS's own policy: its"),
        ("--replaces", "p-RCPFullAWSAccess", "p-RCPFullAWSAccess is AWS's own policy: its"),
    ],
)
def test_a_change_that_nothing_can_be_said_about_ends_with_a_sentence(
    pipeline: Pipeline, option: str, value: str, sentence: str
) -> None:
    ended = pipeline.check(DENY_EC2, option, value)
    assert (ended.exit_code, sentence in ended.stderr) == (2, True), ended.stderr


def test_a_file_that_is_not_a_policy_ends_with_a_sentence(pipeline: Pipeline) -> None:
    pipeline.file.write_text("text")
    command = ("preflight", "--policy", str(pipeline.file), "--target", MEMBER)
    said = pipeline.command_line.refusal(*command)
    assert "guard.json is not a policy that AWS would accept. It is not JSON" in said


# A policy on the delegated administrator

PATH_OF_ROLES = f"arn:aws:iam::{THIRD_MEMBER}:role/centralized-root-access"
DENY_SESSIONS = statement(Action="sts:AssumeRoot")
ONLY_THE_ROLES = {
    **DENY_SESSIONS,
    "Condition": {"ArnNotLike": {"aws:PrincipalArn": f"{PATH_OF_ROLES}/*"}},
}


@pytest.fixture
def delegate(
    pipeline: Pipeline, organization: LocalOrganization, monkeypatch: pytest.MonkeyPatch
) -> Pipeline:
    """A pipeline in the account of a delegated administrator."""
    enable_root_access(
        organization, ROOT_CREDENTIALS_MANAGEMENT, delegated_administrators=[THIRD_MEMBER]
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", THIRD_MEMBER)
    return pipeline


@pytest.mark.parametrize(
    ("options", "session", "exit_code"),
    [
        pytest.param(
            ["--session-role", f"{PATH_OF_ROLES}/Audit"], "ALLOWED", 0, id="a role on the list"
        ),
        pytest.param(
            ["--session-role", f"arn:aws:iam::{THIRD_MEMBER}:role/Audit"],
            "DENIED",
            1,
            id="another role",
        ),
        pytest.param([], "UNKNOWN", 0, id="an unknown role"),
    ],
)
def test_a_policy_on_a_delegate_is_judged_for_the_role_that_opens_sessions(
    delegate: Pipeline, options: list[str], session: str, exit_code: int
) -> None:
    # The policy lets no role but those of PATH_OF_ROLES open root sessions.
    found = delegate.check_as_json(ONLY_THE_ROLES, "--target", THIRD_MEMBER, *options)
    sessions = {account["accountId"]: account["session"] for account in found["accounts"]}
    assert sessions == dict.fromkeys((MEMBER, OTHER_MEMBER, THIRD_MEMBER), session)
    assert found["exitCode"] == exit_code


@pytest.mark.parametrize("place", [THIRD_MEMBER, "Root"], ids=["its account", "the root"])
def test_what_a_policy_denies_a_delegate_is_unknown_without_a_session_role(
    pipeline: Pipeline, organization: LocalOrganization, place: str
) -> None:
    enable_root_access(
        organization, ROOT_CREDENTIALS_MANAGEMENT, delegated_administrators=[THIRD_MEMBER]
    )
    unknown = pipeline.check(DENY_SESSIONS, "--target", place)
    assert unknown.exit_code == 2
    assert f"also applies to {THIRD_MEMBER}, delegated for IAM" in unknown.stderr
    known = pipeline.check(
        DENY_SESSIONS, "--target", place, "--session-role", f"{PATH_OF_ROLES}/Audit"
    )
    assert known.exit_code == 1
    assert pipeline.check(DENY_SESSIONS, "--target", MEMBER).exit_code == 0


def test_a_delegate_that_checks_no_account_is_not_told_that_a_policy_denies_nothing(
    delegate: Pipeline, organization: LocalOrganization
) -> None:
    add_unit(organization, "Empty")
    policy_id = attach_policy(organization, THIRD_MEMBER, DENY_EC2)
    for option, value in (("--target", THIRD_MEMBER), ("--replaces", policy_id)):
        shown = delegate.check(DENY_ROOT, option, value, "--organizational-unit", "Empty")
        assert (shown.exit_code, shown.stdout) == (2, "")
        assert "There is no member account to check." in shown.stderr
