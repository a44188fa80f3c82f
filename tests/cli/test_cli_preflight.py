"""`preflight`: which root tasks policies deny, where the policy is attached, and how to fix it."""

import json
import re

import pytest

from local_aws.emulation import LocalOrganization
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, OUTSIDE_ORGANIZATION, THIRD_MEMBER
from support.arrange import (
    ROOT_CREDENTIALS_MANAGEMENT,
    call_counts,
    enable_root_access,
    set_feature,
    write_calls,
)
from support.command_line import CommandLine, change_each_client
from support.faults.clients import inject
from support.faults.vocabulary import error_response
from support.root_tasks import REPORT_BUCKET
from support.scp import DENY_ROOT, attach_policy, policy_document, statement


def test_the_suggested_statement_can_be_copied_from_a_narrow_terminal(
    command_line: CommandLine, organization: LocalOrganization, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An ARN that does not fit a line, and ends in characters that are not ASCII.
    users = [
        "arn:aws:iam::*:root",
        "arn:aws:iam::*:role/platform/a-role-with-a-long-name-of-its-own\xa0ü",
    ]
    attach_policy(
        organization, MEMBER, {**DENY_ROOT, "Condition": {"ArnLike": {"aws:PrincipalArn": users}}}
    )
    monkeypatch.setenv("COLUMNS", "60")
    _, _, shown = command_line.run("preflight").stdout.partition("change it to:\n")
    suggested, _ = json.JSONDecoder().raw_decode(shown.lstrip())
    assert suggested["Condition"]["ArnLike"] == {"aws:PrincipalArn": users}


@pytest.mark.parametrize(
    ("options", "shown_as"),
    [
        ("--task audit", "audit"),
        ("--task audit --task recover", "all"),
        ("--task audit --task recover --task unlock-queue", "audit, recover"),
    ],
)
def test_a_row_names_the_tasks_or_says_that_it_is_about_all_that_were_chosen(
    command_line: CommandLine, organization: LocalOrganization, options: str, shown_as: str
) -> None:
    attach_policy(organization, MEMBER, {**DENY_ROOT, "Action": "iam:*"})
    shown = command_line.run("preflight", *options.split())
    (row,) = [line for line in shown.lines if line.startswith("denied")]
    # Two spaces or more divide the columns, of which the fifth has the tasks.
    assert re.split(r" {2,}", row)[4] == shown_as


def test_it_needs_no_deployment_opens_no_session_and_changes_nothing(
    command_line: CommandLine, organization: LocalOrganization
) -> None:
    attach_policy(organization, MEMBER, DENY_ROOT)
    command_line.services.stacks.clear()
    set_feature(organization, "RootSessions", enabled=False)
    set_feature(organization, "RootCredentialsManagement", enabled=False)
    organization.clear_calls()
    assert command_line.run("preflight").exit_code == 1
    assert write_calls(organization) == []
    assert "AssumeRoot" not in call_counts(organization)


def test_what_cannot_be_decided_is_unknown_and_not_denied(
    command_line: CommandLine, organization: LocalOrganization
) -> None:
    condition_nobody_can_decide = {"Bool": {"aws:MultiFactorAuthPresent": "false"}}
    attach_policy(organization, MEMBER, {**DENY_ROOT, "Condition": condition_nobody_can_decide})
    found = command_line.run("preflight", "--task", "audit", "--format", "json").json
    (undecided,) = [cause for account in found["accounts"] for cause in account["causes"]]
    assert (undecided["result"], undecided["reason"]) == ("UNKNOWN", "UNDECIDED_DENY")
    assert undecided["undecided"] == ["Bool aws:MultiFactorAuthPresent false"]
    shown = command_line.run("preflight", "--task", "audit")
    assert shown.exit_code == 0
    assert "DenyRootUsers: depends on Bool aws:MultiFactorAuthPresent false" in shown.lines[1]
    assert shown.lines[-1] == "Unknown: 1 account, allowed: 2 accounts."
    attach_policy(organization, OTHER_MEMBER, DENY_ROOT)
    rows = [
        line.split()[:2] for line in command_line.run("preflight", "--task", "audit").lines[1:3]
    ]
    assert rows == [["denied", OTHER_MEMBER], ["unknown", MEMBER]]


def test_a_row_says_why_it_is_not_known_whether_a_resource_control_policy_denies(
    command_line: CommandLine, organization: LocalOrganization
) -> None:
    opening = statement(Action="sts:AssumeRoot", Principal="*")
    listing = statement(Action="s3:ListAllMyBuckets", Principal="*")
    organization.attach_policy(
        name="deny",
        document=policy_document(opening, listing),
        target_id=MEMBER,
        policy_type="RESOURCE_CONTROL_POLICY",
    )
    session, buckets = command_line.run("preflight").lines[1:3]
    assert "statement 1: probably denied: that this type applies to sts:AssumeRoot" in session
    assert (
        "statement 2: whether resource control policies apply to calls without a resource"
        in buckets
    )


def test_accounts_with_the_same_verdict_and_reason_are_one_line(
    command_line: CommandLine, organization: LocalOrganization
) -> None:
    condition_nobody_can_decide = {"Bool": {"aws:MultiFactorAuthPresent": "false"}}
    attach_policy(organization, organization.root_id, {**DENY_ROOT, "Action": "sqs:*"}, name="deny")
    attach_policy(
        organization,
        organization.root_id,
        {**DENY_ROOT, "Action": "iam:*", "Condition": condition_nobody_can_decide},
    )
    first, second, end = command_line.run("preflight").lines[1:4]
    assert re.split(r" {2,}", first)[:3] == ["denied", "3 accounts", "Root"]
    assert re.split(r" {2,}", second)[:4] == [
        "unknown",
        "3 accounts",
        "Root",
        "audit, delete, recover",
    ]
    assert not end


def test_a_statement_that_denies_some_tasks_and_a_part_of_others_has_a_row_for_each_result(
    command_line: CommandLine, organization: LocalOrganization
) -> None:
    attach_policy(organization, MEMBER, {**DENY_ROOT, "Action": ["iam:GetUser", "s3:*", "sqs:*"]})
    shown = command_line.run("preflight")
    rows = [re.split(r" {2,}", line) for line in shown.lines[1:3]]
    # The result, the tasks, and which calls are denied where the names of tasks do not say it.
    assert [(row[0], row[4], row[5].partition("DenyRootUsers")[2]) for row in rows] == [
        ("denied", "unlock-bucket, unlock-queue", ""),
        ("partly", "audit, delete", ": iam:GetUser"),
    ]
    assert (shown.exit_code, shown.lines[-1]) == (1, "Denied: 1 account, allowed: 2 accounts.")


def test_a_member_without_a_delegation_is_told_that_its_account_is_wrong(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", MEMBER)
    refused = command_line.refusal("preflight")
    assert (
        f"Account {MEMBER} is neither the management account nor a delegated administrator"
        in refused
    )
    assert "statement" not in refused


def test_the_accounts_can_be_chosen_and_have_to_be_in_the_organization(
    command_line: CommandLine, organization: LocalOrganization
) -> None:
    attach_policy(organization, MEMBER, DENY_ROOT)
    assert command_line.run("preflight", "--account", OTHER_MEMBER).exit_code == 0
    for option, value in (
        ("--account", OUTSIDE_ORGANIZATION),
        ("--session-role", f"arn:aws:iam::{OUTSIDE_ORGANIZATION}:role/Audit"),
    ):
        assert f"{OUTSIDE_ORGANIZATION}: not in organization" in command_line.refusal(
            "preflight", option, value
        )


def test_an_account_that_was_named_and_skipped_never_ends_with_0(
    command_line: CommandLine, organization: LocalOrganization
) -> None:
    organization.suspend(MEMBER)
    for skipped, named in (
        (MEMBER, MEMBER),
        (MEMBER, f"{MEMBER},{OTHER_MEMBER}"),
        (MANAGEMENT, MANAGEMENT),
    ):
        shown = command_line.run("preflight", "--account", named)
        assert shown.exit_code == 2
        assert f"Account {skipped} was skipped. " in shown.stderr
    assert command_line.run("preflight", "--organizational-unit", "Root").exit_code == 0


def test_without_policies_everything_is_allowed(command_line: CommandLine) -> None:
    shown = command_line.run("preflight")
    assert shown.exit_code == 0
    assert shown.lines == [
        "Allowed: 3 accounts. Service control policies and resource control policies are disabled."
    ]


def test_a_policy_that_cannot_be_read_is_never_taken_for_one_that_denies_nothing(
    command_line: CommandLine, organization: LocalOrganization, monkeypatch: pytest.MonkeyPatch
) -> None:
    unread = attach_policy(organization, MEMBER, DENY_ROOT, name="deny")
    fault = error_response("ServiceException")
    change_each_client(
        monkeypatch,
        lambda client, _: inject(
            client.meta.events.register, "organizations:DescribePolicy", fault
        ),
    )
    for format_ in ("table", "json"):
        shown = command_line.run("preflight", "--task", "audit", "--format", format_)
        assert shown.exit_code == 2
        assert all(id_ in shown.stdout for id_ in (MEMBER, unread))
        assert shown.stderr == "Not every policy could be read.\n"
    assert command_line.run("preflight").lines[-1] == "Unknown: 1 account, allowed: 2 accounts."
    organization.client("organizations").detach_policy(PolicyId=unread, TargetId=MEMBER)
    assert command_line.run("preflight").exit_code == 0


def test_an_account_that_no_policy_allows_anything_says_so(
    command_line: CommandLine, organization: LocalOrganization
) -> None:
    attach_policy(organization, MEMBER, statement("Allow", Action="s3:*"))
    organization.client("organizations").detach_policy(PolicyId="p-FullAWSAccess", TargetId=MEMBER)
    shown = command_line.run("preflight", "--task", "audit")
    assert shown.exit_code == 1
    assert "no service control policy allows it" in shown.stdout


@pytest.mark.parametrize("operation", ["DescribePolicy", "ListTargetsForPolicy"])
def test_policies_that_may_not_be_read_are_a_sentence(
    command_line: CommandLine, organization: LocalOrganization, operation: str
) -> None:
    attach_policy(organization, MEMBER, DENY_ROOT)
    organization.deny(organization.management_account_id, f"organizations:{operation}")
    shown = command_line.run("preflight", "--format", "json")
    assert shown.exit_code == 2
    assert f"organizations:{operation}: AccessDenied" in shown.stderr
    assert "Traceback" not in shown.stderr
    assert shown.json["error"] in shown.stderr


@pytest.mark.parametrize("format_", ["table", "json"])
def test_names_reach_no_terminal_unescaped(
    command_line: CommandLine, organization: LocalOrganization, format_: str
) -> None:
    attach_policy(organization, MEMBER, DENY_ROOT, name="\x1b[31mred\u202e")
    shown = command_line.run("preflight", "--format", format_)
    assert shown.exit_code == 1
    assert not [char for char in shown.stdout if not char.isprintable() and char != "\n"]


# Behind a guardrail of the delegated administrator


def session_role(name: str) -> str:
    """Return the ARN of a role below the path of session roles in the delegate's account."""
    return f"arn:aws:iam::{THIRD_MEMBER}:role/centralized-root-access/{name}"


@pytest.fixture
def delegate(
    command_line: CommandLine, organization: LocalOrganization, monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    """The command line of a delegate, where only the roles of its RootTasks open sessions."""
    enable_root_access(
        organization, ROOT_CREDENTIALS_MANAGEMENT, delegated_administrators=[THIRD_MEMBER]
    )
    other_roles = {
        "ArnNotLike": {"aws:PrincipalArn": [session_role("Audit"), session_role("Delete")]}
    }
    attach_policy(
        organization, THIRD_MEMBER, statement(Action="sts:AssumeRoot", Condition=other_roles)
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", THIRD_MEMBER)
    services = command_line.services
    services.root_tasks.account_id = THIRD_MEMBER
    services.deploy()
    services.stacks = {
        "Roots": {
            **services.outputs_of_construct(),
            "RootTasksAuditRoleArn": session_role("Audit"),
            "RootTasksDeleteCredentialsRoleArn": session_role("Delete"),
        }
    }
    return command_line


def test_the_session_roles_are_those_of_root_tasks_in_the_account(delegate: CommandLine) -> None:
    roots = delegate.services.stacks["Roots"]
    # Whoever creates a stack writes its outputs, which may name a role of another account.
    roots["RootTasksPlanUnlockQueuePolicyRoleArn"] = (
        f"arn:aws:iam::{OUTSIDE_ORGANIZATION}:role/foreign"
    )
    shown = delegate.run("preflight")
    assert shown.lines == ["Allowed: 3 accounts."]
    assert shown.stderr == "The session roles are those of stack Roots in us-east-1.\n"
    # The policy does not list this role.
    roots["RootTasksUnlockBucketPolicyRoleArn"] = session_role("Unlock")
    assert delegate.run("preflight").lines[-1] == "Unknown: 3 accounts."


def test_no_role_is_taken_of_a_second_root_tasks_in_the_account(delegate: CommandLine) -> None:
    roots = delegate.services.stacks["Roots"]
    foreign = {**roots, "RootTasksAuditRoleArn": f"arn:aws:iam::{MANAGEMENT}:role/build"}
    delegate.services.stacks = {"Foreign": foreign, "Roots": roots}
    shown = delegate.run("preflight")
    assert shown.lines[-1] == "Unknown: 3 accounts."
    assert "--session-role ARN" in shown.stderr
    assert delegate.run("preflight", "--stack", "Roots").lines == ["Allowed: 3 accounts."]


@pytest.mark.parametrize("operation", ["DescribeStacks", "ListStackResources", None])
def test_one_who_does_not_see_root_tasks_is_told_to_name_the_role(
    delegate: CommandLine, operation: str | None
) -> None:
    if operation is None:
        # The stack does not have the bucket that its outputs name.
        delegate.services.resources.remove(("AWS::S3::Bucket", REPORT_BUCKET))
    else:
        delegate.services.errors_by_operation[operation] = ("AccessDenied", "no")
    shown = delegate.run("preflight")
    assert re.split(r" {2,}", shown.lines[1])[:3] == ["unknown", "3 accounts", "Root"]
    assert "--session-role ARN" in shown.stderr
    assert delegate.run("preflight", "--session-role", session_role("Audit")).stderr == ""


def test_a_role_that_a_policy_does_not_list_is_told_who_may_open_root_sessions(
    delegate: CommandLine,
) -> None:
    shown = delegate.run("preflight", "--session-role", session_role("Mine"))
    assert shown.lines[-1] == "Denied: 3 accounts."
    assert "Only the roles that it lists may open root sessions." in shown.stdout
    assert "::*:" not in shown.stdout


# The accounts of another run


def test_the_task_and_the_accounts_are_those_of_a_plan(
    command_line: CommandLine, organization: LocalOrganization
) -> None:
    for account_id in (MEMBER, OTHER_MEMBER):
        organization.put_root_credentials(account_id, access_keys=1)
    planned = command_line.run("plan", "delete", "--account", "all")
    (check,) = [line for line in planned.stderr.splitlines() if "preflight --from-report" in line]
    attach_policy(organization, OTHER_MEMBER, {**DENY_ROOT, "Action": "iam:D*"})
    shown = command_line.run(
        *check.partition("centralized-root-access ")[2].split(), "--format", "json"
    )
    found = shown.json
    assert (shown.exit_code, found["tasks"]) == (1, ["delete"])
    assert {account["accountId"]: account["result"] for account in found["accounts"]} == {
        MEMBER: "ALLOWED",
        OTHER_MEMBER: "DENIED",
    }


def test_a_run_that_plans_nothing_has_no_pre_flight(command_line: CommandLine) -> None:
    audit = command_line.run("audit", "--format", "json").json["runId"]
    assert f"Run {audit} plans nothing." in command_line.refusal(
        "preflight", "--from-report", audit
    )


@pytest.mark.parametrize(
    ("name", "denial", "sentence"),
    [
        pytest.param(
            "deny",
            {**DENY_ROOT, "Condition": {"Bool": {"aws:AssumedRoot": "true"}}},
            "It denies root sessions on purpose.",
            id="on purpose",
        ),
        pytest.param(
            "aws-guardrails-vldGRP",
            {**DENY_ROOT, "Sid": "GRRESTRICTROOTUSER"},
            """--parameters '[{"key":"ExemptAssumeRoot","value":true}]'""",
            id="a control of Control Tower with a parameter for it",
        ),
        pytest.param(
            "aws-guardrails-vldGRP",
            DENY_ROOT,
            "Control Tower manages it: do not edit the policy.",
            id="another control of Control Tower",
        ),
    ],
)
def test_a_statement_that_is_not_to_be_edited_is_shown_with_what_to_do_instead(
    command_line: CommandLine,
    organization: LocalOrganization,
    name: str,
    denial: dict[str, object],
    sentence: str,
) -> None:
    attach_policy(organization, MEMBER, denial, name=name)
    shown = command_line.run("preflight", "--task", "audit").stdout
    assert sentence in shown
    assert "To exempt root sessions" not in shown
    found = command_line.run("preflight", "--format", "json").json
    assert [fix["suggested"] for fix in found["fixes"]] == [None]
