"""`preflight --policy`: what a policy would deny that is not attached yet, or has a new document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.accounts import MANAGEMENT, MEMBER, OTHER, THIRD
from support.arrange import CREDENTIALS, add_unit, enable_root_access, writes
from support.command_line import change_clients
from support.faults.clients import inject
from support.faults.vocabulary import error_response
from support.scp import attach_policy, document, statement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from local_aws.emulation import LocalOrganization
    from support.command_line import CommandLine

ROOT_USERS = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}}
DENY_ROOT = statement(Sid="DenyRootUsers", Condition=ROOT_USERS)
EXEMPTED = {**DENY_ROOT, "Condition": {**ROOT_USERS, "Null": {"aws:AssumedRoot": "true"}}}
HARMLESS = statement(Action="ec2:*")
RCP = {**HARMLESS, "Principal": "*"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "guard.json"


def write(file: Path, denial: Mapping[str, object]) -> str:
    file.write_text(json.dumps(document(denial)))
    return str(file)


def denied(command_line: CommandLine, *arguments: str) -> tuple[int, list[str]]:
    """Return the exit code, and the accounts in which something would be denied."""
    ended = command_line.run("preflight", "--format", "json", *arguments)
    accounts = json.loads(ended.stdout)["accounts"]
    return ended.exit_code, [
        account["accountId"] for account in accounts if account["result"] == "DENIED"
    ]


def test_a_policy_is_judged_where_it_would_be_attached(
    command_line: CommandLine, organization: LocalOrganization, file: Path
) -> None:
    policy = write(file, DENY_ROOT)
    assert denied(command_line, "--policy", policy, "--target", MEMBER) == (1, [MEMBER])
    root_id = organization.root_id
    assert denied(command_line, "--policy", policy, "--target", root_id) == (
        1,
        [MEMBER, OTHER, THIRD],
    )
    both = ("--target", MEMBER, "--target", OTHER)
    assert denied(command_line, "--policy", policy, *both) == (1, [MEMBER, OTHER])
    assert writes(organization) == []
    add_unit(organization, "Workloads", MEMBER)
    assert denied(command_line, "--policy", policy, "--target", "Workloads") == (1, [MEMBER])


def test_what_is_denied_today_is_not_held_against_the_policy(
    command_line: CommandLine, organization: LocalOrganization, file: Path
) -> None:
    attach_policy(organization, MEMBER, {**DENY_ROOT, "Action": "sqs:*"})
    policy = (
        "--policy",
        write(file, {**DENY_ROOT, "Action": ["sqs:*", "s3:*"]}),
        "--target",
        MEMBER,
    )
    found = json.loads(command_line.run("preflight", "--format", "json", *policy).stdout)
    assert found["accounts"][0]["tasks"] == {
        "audit": "ALLOWED",
        "delete": "ALLOWED",
        "recover": "ALLOWED",
        "unlock-bucket": "DENIED",
    }
    same = ("--policy", write(file, {**DENY_ROOT, "Action": "sqs:*"}), "--target", MEMBER)
    assert denied(command_line, *same) == (0, [])


def test_a_task_of_which_nothing_was_possible_is_not_newly_denied(
    command_line: CommandLine, organization: LocalOrganization, file: Path
) -> None:
    more = ("--policy", write(file, {**DENY_ROOT, "Action": "iam:*"}), "--task", "delete")
    for account_id, there in ((MEMBER, "iam:D*"), (OTHER, "iam:DeleteLoginProfile")):
        attach_policy(organization, account_id, {**DENY_ROOT, "Action": there})
    assert denied(command_line, *more, "--target", MEMBER) == (0, [])
    assert denied(command_line, *more, "--target", OTHER) == (1, [OTHER])


@pytest.mark.parametrize(
    ("there", "target_id", "new", "expected"),
    [
        (HARMLESS, MEMBER, DENY_ROOT, (1, [MEMBER])),
        (DENY_ROOT, MEMBER, EXEMPTED, (0, [])),
        (DENY_ROOT, MEMBER, DENY_ROOT, (0, [])),
        (HARMLESS, MANAGEMENT, DENY_ROOT, (0, [])),
    ],
    ids=["denies", "no longer denies", "denied before", "applies to no account"],
)
def test_a_new_document_is_judged_where_the_policy_is_attached(
    command_line: CommandLine,
    organization: LocalOrganization,
    file: Path,
    there: dict[str, object],
    target_id: str,
    new: dict[str, object],
    expected: tuple[int, list[str]],
) -> None:
    policy_id = attach_policy(organization, target_id, there)
    organization.clear_calls()
    assert denied(command_line, "--policy", write(file, new), "--replaces", policy_id) == expected
    assert writes(organization) == []


def test_a_new_document_keeps_the_name_and_is_checked_where_it_is_attached(
    command_line: CommandLine, organization: LocalOrganization, file: Path
) -> None:
    policy_id = attach_policy(organization, MEMBER, HARMLESS)
    attach_policy(organization, OTHER, HARMLESS)
    change = ("--policy", write(file, DENY_ROOT), "--replaces", policy_id)
    found = json.loads(command_line.run("preflight", "--format", "json", *change).stdout)
    (account,) = found["accounts"]
    assert account["accountId"] == MEMBER
    (cause,) = account["causes"]
    assert (cause["policyId"], cause["policyName"]) == (policy_id, f"deny-at-{MEMBER}")
    # Where the policy is attached is read for the chosen accounts alone.
    said = command_line.refusal("preflight", *change, "--account", OTHER)
    assert (
        f"{policy_id}: no service control policy of this ID applies to an account to check." in said
    )


def test_an_account_is_checked_if_it_cannot_be_read_whether_it_has_the_policy(
    command_line: CommandLine,
    organization: LocalOrganization,
    monkeypatch: pytest.MonkeyPatch,
    file: Path,
) -> None:
    policy_id = attach_policy(organization, MEMBER, HARMLESS)
    replaced = ("--policy", write(file, DENY_ROOT), "--replaces", policy_id)
    fault = error_response("ServiceException")
    change_clients(
        monkeypatch,
        lambda client, _: inject(
            client.meta.events.register, "organizations:ListPoliciesForTarget", fault, body=MEMBER
        ),
    )
    shown = command_line.run("preflight", *replaced, "--account", MEMBER)
    assert (shown.exit_code, shown.lines[1].split()[:2]) == (2, ["unknown", MEMBER])


def test_a_resource_control_policy_is_known_by_its_principal(
    command_line: CommandLine, organization: LocalOrganization, file: Path
) -> None:
    # With the mark of an editor, and a statement without a list.
    denial = {**statement(Action="sqs:*"), "Principal": "*"}
    file.write_text(json.dumps({**document(), "Statement": denial}), encoding="utf-8-sig")
    policy = ("--policy", str(file), "--target", MEMBER)
    found = json.loads(command_line.run("preflight", "--format", "json", *policy).stdout)
    assert found["change"] == {
        "policyType": "RESOURCE_CONTROL_POLICY",
        "targetIds": [MEMBER],
        "replacedPolicyId": None,
        "delegatesNotJudged": [],
    }
    (account,) = found["accounts"]
    assert [task for task, result in account["tasks"].items() if result == "DENIED"] == [
        "unlock-queue"
    ]


def test_the_table_names_the_file_and_what_would_mend_it(
    command_line: CommandLine, organization: LocalOrganization, file: Path
) -> None:
    shown = command_line.run("preflight", "--policy", write(file, DENY_ROOT), "--target", MEMBER)
    (row,) = [line for line in shown.lines if line.startswith("denied")]
    assert "guard (not attached yet), DenyRootUsers" in row
    assert '      "aws:AssumedRoot": "true"' in shown.stdout
    assert shown.lines[-1].startswith("With guard, 1 account would become denied.")


def test_a_policy_whose_type_is_disabled_is_said_to_need_it(
    command_line: CommandLine, organization: LocalOrganization, file: Path
) -> None:
    organization.attach_policy(
        name="there", document=document(RCP), target_id=OTHER, policy_type="RESOURCE_CONTROL_POLICY"
    )
    shown = command_line.run("preflight", "--policy", write(file, DENY_ROOT), "--target", MEMBER)
    assert shown.lines[-1].endswith(
        " AWS attaches it only when its type, service control policy, is enabled."
    )


@pytest.mark.parametrize(
    ("arguments", "content", "sentence"),
    [
        (
            ["--target", "ou-a1b2-c3d4e5f6"],
            document(HARMLESS),
            "There is no organizational unit ou-a1b2-c3d4e5f6.",
        ),
        (
            ["--target", MANAGEMENT],
            document(HARMLESS),
            f"{MANAGEMENT}: there is no member account to check.",
        ),
        (["--replaces", "p-nothing1"], document(RCP), "p-nothing1: no resource control policy of"),
        *(
            (["--replaces", own], document(HARMLESS), f"{own} is AWS's own policy: its")
            for own in ("p-FullAWSAccess", "p-RCPFullAWSAccess")
        ),
        (["--target", MEMBER], "text", "is not a policy that AWS would accept."),
        (["--target", MEMBER], None, "guard.json cannot be read: No such file"),
        ([], document(HARMLESS), "--policy needs --target or --replaces"),
        (
            ["--target", MEMBER, "--replaces", "p-1"],
            document(HARMLESS),
            "--policy needs --target or",
        ),
    ],
)
def test_a_change_that_nothing_can_be_said_about_ends_with_a_sentence(
    command_line: CommandLine, file: Path, arguments: list[str], content: Any, sentence: str
) -> None:
    if content is not None:
        file.write_text(json.dumps(content))
    ended = command_line.run("preflight", "--policy", str(file), *arguments)
    assert (ended.exit_code, sentence in " ".join(ended.stderr.split())) == (2, True), ended.stderr


ONLY_THE_ROLES = statement(
    Action="sts:AssumeRoot",
    Condition={
        "ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{THIRD}:role/centralized-root-access/*"}
    },
)


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("centralized-root-access/Audit", (0, "ALLOWED")),
        ("Audit", (1, "DENIED")),
        (None, (0, "UNKNOWN")),
    ],
)
def test_a_policy_on_a_delegate_is_judged_for_the_role_that_opens_sessions(
    command_line: CommandLine,
    organization: LocalOrganization,
    monkeypatch: pytest.MonkeyPatch,
    file: Path,
    role: str | None,
    expected: tuple[int, str],
) -> None:
    enable_root_access(organization, CREDENTIALS, delegated_administrators=[THIRD])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", THIRD)
    options = ["--session-role", f"arn:aws:iam::{THIRD}:role/{role}"] if role else []
    policy = ("--policy", write(file, ONLY_THE_ROLES), "--target", THIRD)
    shown = command_line.run("preflight", "--format", "json", *policy, *options)
    found = json.loads(shown.stdout)["accounts"]
    assert (shown.exit_code, {account["session"] for account in found}) == (
        expected[0],
        {expected[1]},
    )
    assert {account["accountId"] for account in found} == {MEMBER, OTHER, THIRD}


@pytest.mark.parametrize("place", [THIRD, "root", MEMBER])
def test_what_a_policy_denies_a_delegate_is_unknown_without_a_session_role(
    command_line: CommandLine, organization: LocalOrganization, file: Path, place: str
) -> None:
    enable_root_access(organization, CREDENTIALS, delegated_administrators=[THIRD])
    target = organization.root_id if place == "root" else place
    change = ("--policy", write(file, statement(Action="sts:AssumeRoot")), "--target", target)
    unknown = command_line.run("preflight", *change, "--format", "csv")
    if place == MEMBER:
        assert unknown.exit_code == 0
        return
    assert unknown.exit_code == 2
    assert f"also applies to {THIRD}, delegated for IAM" in unknown.stderr, (
        "which the CSV does not say"
    )
    role = f"arn:aws:iam::{THIRD}:role/centralized-root-access/Audit"
    assert command_line.run("preflight", *change, "--session-role", role).exit_code == 1


def test_a_delegate_that_checks_no_account_is_not_told_that_a_policy_denies_nothing(
    command_line: CommandLine,
    organization: LocalOrganization,
    monkeypatch: pytest.MonkeyPatch,
    file: Path,
) -> None:
    add_unit(organization, "Empty")
    enable_root_access(organization, CREDENTIALS, delegated_administrators=[THIRD])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", THIRD)
    for where in (
        ("--target", THIRD),
        ("--replaces", attach_policy(organization, THIRD, HARMLESS)),
    ):
        policy = ("--policy", write(file, DENY_ROOT), *where)
        said = command_line.refusal("preflight", *policy, "--organizational-unit", "Empty")
        assert "There is no member account to check." in said
