"""The commands on runs: audit, plan, execute, report and runs, on the functions' real code."""

from __future__ import annotations

import csv
import dataclasses
import errno
import functools
import hashlib
import io
import json
import re
import stat
import sys
import webbrowser
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from aws_calls.failures import FailureKind, unusable_response
from centralized_root_access.cli import screen
from centralized_root_access.cli.commands.plan import CREDENTIAL_TYPES
from centralized_root_access.cli.next_steps import next_steps
from centralized_root_access.cli.plan_state import PlanState
from centralized_root_access.cli.report_rows import rows_of
from centralized_root_access.cli.stored_report import StoredFiles
from centralized_root_access.cli.target import TargetOptions
from centralized_root_access.cli.terminal import Environment
from root_tasks.messages import NO_SUCH_BUCKET, POLICY_LOST
from root_tasks.model.report import CredentialDetails, Item, ItemType, Outcome, RootCredentials, Task
from root_tasks.report.risk import RECENT
from support import reports
from support.accounts import MANAGEMENT, MEMBER, OTHER, STRANGER, THIRD
from support.command_line import CALLER, NOW, STACK
from support.root_tasks import BUCKET, EXECUTE_MACHINE, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from root_tasks.model.report import Report
    from support.command_line import CommandLine, Shown

NAME = "20261125-0432-2345"
AUDIT = f"audit-{NAME}"
EXECUTION = f"execute-{NAME}"
FILES = ("report.json", "report.csv", "report.html")
FORMATS = ("table", "csv", "json")
DELETE = ("plan", "delete", "--account", MEMBER)
PLAN = f"plan-delete-{NAME}"
QUEUE = f"arn:aws:sqs:us-east-1:{MEMBER}:q"
POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})
HERE = TargetOptions(environment=Environment.of_this_machine(), profile=None, region=None, stack=None)
HOSTILE = "\x1b[31mred\x1b[0m\r\nclean [bold]x[/bold] \u202e\x9b2J"


def give_credentials(command_line: CommandLine, account_id: str = MEMBER) -> None:
    command_line.root_tasks.organization.put_root_credentials(
        account_id=account_id, password=True, access_keys=1, mfa_devices=1
    )


def has_password(command_line: CommandLine) -> bool:
    return command_line.root_tasks.organization.root_credentials(MEMBER).password


def plan_deletion(command_line: CommandLine) -> str:
    give_credentials(command_line)
    assert command_line.run(*DELETE).exit_code == 0
    return PLAN


def lock_bucket(command_line: CommandLine, policy: str = POLICY) -> None:
    s3 = command_line.root_tasks.organization.client("s3", account_id=MEMBER)
    s3.create_bucket(Bucket="locked")
    s3.put_bucket_policy(Bucket="locked", Policy=policy)


def run_next(command_line: CommandLine, shown: Shown, *options: str) -> Shown:
    """Run the command that another one shows, a minute later: its run has another name."""
    command_line.now += timedelta(minutes=1)
    return command_line.run(*next_command(shown), *options)


def next_command(shown: Shown) -> list[str]:
    return shown.stderr.strip().rpartition("centralized-root-access ")[2].split()


def alter_report(command_line: CommandLine, folder: str, old: str, new: str) -> None:
    key = f"{folder}/report.json"
    altered = command_line.root_tasks.read(key).replace(old.encode(), new.encode())
    command_line.root_tasks.write(key, altered)


INPUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "audit": ("audit", {}),
    f"audit --account {MEMBER} --organizational-unit Root/Prod": (
        "audit",
        {"accounts": [MEMBER], "organizationalUnits": ["Root/Prod"]},
    ),
    f"audit --account {MEMBER},{OTHER} --exclude {THIRD},Root/Prod": (
        "audit",
        {"accounts": [MEMBER, OTHER], "exclude": [THIRD, "Root/Prod"]},
    ),
    "plan delete --account all --exclude Root/Prod": (
        "plan-delete",
        {"task": Task.DELETE_CREDENTIALS, "accounts": "all", "exclude": ["Root/Prod"]},
    ),
    "plan delete --account all": ("plan-delete", {"task": Task.DELETE_CREDENTIALS, "accounts": "all"}),
    f"plan delete --account {MEMBER} --account {OTHER} --unused-for-days 0 --include-in-use"
    f" --credential-type {' --credential-type '.join(CREDENTIAL_TYPES)}": (
        "plan-delete",
        {
            "task": Task.DELETE_CREDENTIALS,
            "accounts": [MEMBER, OTHER],
            "unusedForDays": 0,
            "includeInUse": True,
            "credentialTypes": ["password", "access key", "signing certificate", "MFA device"],
        },
    ),
    f"plan recover --account {MEMBER}": (
        "plan-recover",
        {"task": Task.ALLOW_PASSWORD_RECOVERY, "accounts": [MEMBER]},
    ),
    f"plan unlock-bucket --bucket {MEMBER}:one --bucket {MEMBER}:two": (
        "plan-unlock",
        {"task": Task.UNLOCK_BUCKET_POLICY, "buckets": {MEMBER: ["one", "two"]}},
    ),
    f"plan unlock-queue --queue {QUEUE} --skip-backup": (
        "plan-unlock",
        {"task": Task.UNLOCK_QUEUE_POLICY, "queues": [QUEUE], "skipBackup": True},
    ),
    f"plan unlock-queue --queue {QUEUE}": (
        "plan-unlock",
        {"task": Task.UNLOCK_QUEUE_POLICY, "queues": [QUEUE]},
    ),
}


def test_options_are_the_input_of_an_execution(command_line: CommandLine) -> None:
    organization = command_line.root_tasks.organization
    organizations = organization.client("organizations")
    organizations.create_organizational_unit(ParentId=organization.root_id, Name="Prod")
    command_line.services.errors["StartExecution"] = ("AccessDeniedException", "The input is enough.")
    for command, (prefix, input_) in INPUTS.items():
        command_line.services.requests.clear()
        command_line.refusal(*command.split())
        assert command_line.services.inputs == {f"{prefix}-{NAME}": input_}, command


def test_a_wrong_command_is_refused_before_anything_is_called(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Whoever runs the tests as root may write everywhere.
    monkeypatch.setattr("os.access", lambda path, _: str(path) != str(tmp_path))
    for arguments, sentence in (
        (["audit", "--account", "123"], "'123' is not a 12-digit account ID"),
        (["audit", "--account", "\uff11" * 12], "is not a 12-digit account ID"),
        (["audit", "--account", "all"], "'all' is not a 12-digit account ID"),
        (["plan", "delete"], "Name the accounts"),
        (["plan", "delete", "--account", "all", "--account", MEMBER], "both all and an account ID"),
        (["plan", "delete", "--account", MEMBER, "--unused-for-days", "-1"], "is not in the range"),
        (["plan", "recover"], "Missing option '--account'"),
        (["plan", "unlock-bucket", "--bucket", "one"], "is not ACCOUNT:NAME"),
        (["execute"], "Missing argument 'RUN'"),
        (["execute", "a/b", "--yes"], "is not the name of a run"),
        (["execute", AUDIT], "There is no terminal to ask at. Read the plan, then use --yes."),
        (["audit", "--output", "report.pdf"], "there is no folder report.pdf. Create it"),
        (["audit", "--output", ""], "it is empty"),
        (["audit", "--output", "/not/there/report.html"], "is not a folder"),
        (["audit", "--output", str(tmp_path)], f"{tmp_path} is not writable."),
        (["audit", "--output", str(tmp_path / "report.json")], f"{tmp_path} is not writable."),
        (["audit", "--from-here", "--stack", STACK], "works without a stack"),
        (["nothing"], "No such command"),
    ):
        assert sentence in command_line.refusal(*arguments)
    assert command_line.services.requests == []


def test_accounts_come_from_a_file(command_line: CommandLine, tmp_path: Path) -> None:
    wave = tmp_path / "wave-1.txt"
    wave.write_text(f"# The first wave\n{MEMBER}, {OTHER}  # both\n\n  #and again\n{MEMBER}\n")
    assert command_line.run("audit", "--account", f"@{wave}").exit_code == 0
    assert command_line.services.inputs == {AUDIT: {"accounts": [MEMBER, OTHER]}}
    wave.write_text("# Nobody\n")
    for file in (wave, tmp_path / "missing"):
        assert str(file) in command_line.refusal("audit", "--account", f"@{file}")
    wave.write_text("123")
    assert "'123' is not a 12-digit account ID" in command_line.refusal("audit", "--account", f"@{wave}")


def test_exclusions_by_id_may_have_commas_and_so_may_the_name_of_a_unit(
    command_line: CommandLine, tmp_path: Path
) -> None:
    organization = command_line.root_tasks.organization
    organizations = organization.client("organizations")
    units = [
        organizations.create_organizational_unit(ParentId=organization.root_id, Name=name)[
            "OrganizationalUnit"
        ]["Id"]
        for name in ("Red, Blue", "Team", "Team #1")
    ]
    file = tmp_path / "units.txt"
    file.write_text(f"# Units\r\nRoot/Red, Blue\r\nRoot/Team #1\r\n\r\n{OTHER}, {units[1]},  # both\r\n#\r\n")
    for given, excluded in (
        (f"{units[0]},{units[1]}", units[:2]),
        (f"{units[0]}, {OTHER}", [units[0], OTHER]),
        ("Root/Red, Blue", ["Root/Red, Blue"]),
        (f"@{file}", ["Root/Red, Blue", "Root/Team #1", OTHER, units[1]]),
    ):
        command_line.services.requests.clear()
        assert command_line.run("audit", "--exclude", given).exit_code == 0
        assert [input_["exclude"] for input_ in command_line.services.inputs.values()] == [excluded]
        command_line.now += timedelta(minutes=1)


def test_the_hint_after_an_audit_is_one_short_command_that_plans_for_exactly_its_accounts(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for account_id in (MEMBER, OTHER):
        give_credentials(command_line, account_id)
    few = command_line.run("audit")
    assert next_command(few) == ["plan", "delete", "--account", f"{MEMBER},{OTHER}"]
    monkeypatch.setattr("centralized_root_access.cli.next_steps._MAX_ACCOUNTS_IN_HINT", 1)
    many = command_line.run("report", AUDIT)
    assert next_command(many) == ["plan", "delete", "--from-report", AUDIT]
    # It has credentials since the audit, of which nobody has read.
    give_credentials(command_line, THIRD)
    organizations = command_line.root_tasks.client("organizations")
    root = command_line.root_tasks.organization.root_id
    unit = organizations.create_organizational_unit(ParentId=root, Name="Prod")["OrganizationalUnit"]["Id"]
    organizations.move_account(AccountId=OTHER, SourceParentId=root, DestinationParentId=unit)
    assert run_next(command_line, many, "--exclude", "Root/Prod").exit_code == 0
    plan = command_line.root_tasks.executions[command_line.root_tasks.arn("plan-delete-20261125-0433-2345")]
    assert command_line.root_tasks.outcomes(plan) == {MEMBER: "planned"}


def test_an_account_of_a_report_that_has_left_is_excluded_like_another_one(command_line: CommandLine) -> None:
    for account_id in (MEMBER, OTHER):
        give_credentials(command_line, account_id)
    command_line.run("audit")
    organizations = command_line.root_tasks.organization.client("organizations")
    organizations.remove_account_from_organization(AccountId=OTHER)
    command = ("plan", "delete", "--from-report", AUDIT)
    assert f"Not in the organization: {OTHER}." in command_line.refusal(*command)
    command_line.now += timedelta(minutes=1)
    assert command_line.run(*command, "--exclude", OTHER).exit_code == 0
    plan = [*command_line.root_tasks.executions.values()][-1]
    assert command_line.root_tasks.outcomes(plan) == {MEMBER: "planned"}


def test_each_command_of_a_notice_can_be_pasted_and_a_run_whose_name_is_no_word_is_not_in_one(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", Mock(return_value=True))
    give_credentials(command_line)
    root_tasks = command_line.root_tasks
    assert command_line.run("audit").exit_code == 1
    steps = root_tasks.cards[-1]["content"]["nextSteps"]
    commands = [step.split("`")[1] for step in steps if "`" in step]
    exit_codes = [command_line.run(*command.split()[1:]).exit_code for command in commands]
    assert dict(zip(commands, exit_codes, strict=True)) == {
        "centralized-root-access report --open": 1,
        f"centralized-root-access plan delete --from-report {AUDIT}": 0,
    }
    give_credentials(command_line, OTHER)
    root_tasks.advance(days=1)
    root_tasks.run({}, name="`<!channel>`")
    assert "channel" not in str(root_tasks.cards[-1]["content"]["nextSteps"])


def test_what_is_in_use_is_not_hinted_at_as_what_a_plan_deletes(command_line: CommandLine) -> None:
    command_line.root_tasks.organization.put_root_credentials(
        account_id=MEMBER, password=True, password_last_used=command_line.root_tasks.now
    )
    audit = command_line.run("audit")
    assert "All credentials found were used in the last 90 days, so a plan leaves them out." in audit.stderr
    assert next_command(audit) == ["plan", "delete", "--account", MEMBER, "--include-in-use"]
    assert "Credentials in use are left out." in command_line.run(*DELETE).stderr
    give_credentials(command_line, OTHER)
    command_line.now += timedelta(minutes=1)
    assert command_line.run("audit").stderr.startswith(
        "1 account has only credentials that were used in the last 90 days: a plan leaves them out.\nNext"
    )


def test_what_is_in_use_is_what_was_when_the_audit_looked() -> None:
    """Of an audit that is redriven, the start may be a day earlier."""
    used = reports.STARTED - RECENT
    has = RootCredentials(
        password=True, password_last_used_at=used, access_keys=(), signing_certificates=(), mfa_devices=()
    )
    audit = reports.report(reports.result(MEMBER, Outcome.HAS_CREDENTIALS, credentials=has))
    assert next_steps(audit, target=HERE) == [
        f"Next, to plan their deletion: centralized-root-access plan delete --account {MEMBER}"
    ]


def test_accounts_of_another_run_are_taken_only_from_a_report_that_it_wrote(
    command_line: CommandLine,
) -> None:
    command_line.root_tasks.organization.deny(account_id=OTHER, action="iam:*")
    command_line.run("audit")
    command_line.now += timedelta(hours=1)
    command_line.run("audit", "--from-report", AUDIT)
    assert list(command_line.services.inputs.values()) == [{}, {"accounts": [OTHER]}]
    for options, sentence in (
        (["--outcome", "dirty"], "dirty is not an outcome. Outcomes: has credentials, unknown,"),
        (["--outcome", "planned"], f"Run {AUDIT} reports no account as planned."),
        (["--account", MEMBER], "--from-report names the accounts"),
        (["--from-here"], "use it without --from-here"),
    ):
        assert sentence in command_line.refusal("audit", "--from-report", AUDIT, *options)
    assert "use both" in command_line.refusal("audit", "--outcome", "planned")
    alter_report(command_line, f"runs/{AUDIT}", OTHER, MEMBER)
    assert "was altered" in command_line.refusal("audit", "--from-report", AUDIT)
    assert len(command_line.services.inputs) == 2


def test_a_run_has_who_asked_for_it_and_its_plan_and_execution_name_each_other(
    command_line: CommandLine,
) -> None:
    plan_deletion(command_line)
    command_line.run("execute", PLAN, "--yes")
    (row, planned) = json.loads(command_line.run("runs", "--format", "json").stdout)["runs"]
    assert (row["run"], row["action"], row["plan"], row["execution"]) == (EXECUTION, "execute", PLAN, None)
    assert (planned["run"], planned["action"], planned["plan"], planned["execution"]) == (
        PLAN,
        "plan delete",
        None,
        EXECUTION,
    )
    for listed, folder in ((row, "executions"), (planned, "runs")):
        report = json.loads(command_line.root_tasks.read(f"{folder}/{listed['run']}/report.json"))
        assert (listed["requestedBy"], listed["accounts"]) == (CALLER, 1)
        assert report["requestedBy"] == CALLER


# Formats


def test_what_is_shown_and_saved_is_the_report_that_is_held_by_hash_and_nothing_else(
    command_line: CommandLine, tmp_path: Path
) -> None:
    give_credentials(command_line)
    as_json = command_line.run("audit", "--format", "json")
    wrote = {name: command_line.root_tasks.read(f"runs/{AUDIT}/{name}") for name in FILES}
    for name in ("report.csv", "report.html"):
        command_line.root_tasks.write(f"runs/{AUDIT}/{name}", b"None has credentials.")
    as_csv = command_line.run("report", AUDIT, "--format", "csv")
    for shown, body in ((as_json, wrote["report.json"]), (as_csv, wrote["report.csv"])):
        text = body.decode("utf-8-sig").replace("\r\n", "\n")
        assert (shown.exit_code, shown.stdout, shown.stderr) == (1, text, "")
    for path in ("", "x.CSV", "page.html"):
        assert command_line.run("report", AUDIT, "--output", str(tmp_path / path)).exit_code == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        **wrote,
        "x.CSV": wrote["report.csv"],
        "page.html": wrote["report.html"],
    }
    # For its owner alone.
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_the_page_is_opened_from_a_file_that_only_its_owner_can_read(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    browser = Mock(return_value=True)
    monkeypatch.setattr("webbrowser.open", browser)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shown = command_line.run("audit", "--open")
    (page,) = tmp_path.glob("*/report.html")
    browser.assert_called_once_with(page.as_uri())
    assert f"Opened: {page}" in shown.stderr
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
    for browser.side_effect, browser.return_value in ((webbrowser.Error, True), (None, False)):
        again = command_line.run("report", AUDIT, "--open")
        assert (again.exit_code, "No browser could be started. The page is: /" in again.stderr) == (0, True)


def test_a_forged_report_reaches_no_terminal_unescaped(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_credentials(command_line)
    command_line.root_tasks.fail("iam:GetAccountSummary", "AccessDenied", account_id=OTHER)
    command_line.run("audit")
    folder = f"runs/{AUDIT}"
    report = json.loads(command_line.root_tasks.read(f"{folder}/report.json"))
    for result in report["results"]:
        result["accountId"] += HOSTILE
        result["name"] = result["organizationalUnit"] = HOSTILE
        if "reason" in result:
            # A long one is a note.
            result["reason"] = HOSTILE * (3 if result["outcome"] == "skipped" else 1)
    report["runId"] = report["summary"] = HOSTILE
    report["warnings"] = [HOSTILE]
    # With line ends that only another program would write.
    forged = json.dumps(report, ensure_ascii=False, separators=(",\r", ":"))
    command_line.root_tasks.write(f"{folder}/report.json", forged.encode())
    # Nothing holds the hash of the report any more.
    command_line.root_tasks.executions.clear()
    for width in ("80", "400"):
        monkeypatch.setenv("COLUMNS", width)
        for format_ in FORMATS:
            shown = command_line.run("report", AUDIT, "--format", format_)
            assert shown.exit_code == 1
            assert all(
                character.isprintable() or character == "\n" for character in shown.stdout + shown.stderr
            )
            assert "\\x1b[31mred" in shown.stdout or "\\u001b[31mred" in shown.stdout
            assert "[bold]x[/bold]" in shown.stdout


@pytest.mark.parametrize(
    ("audit", "said"),
    [
        (
            reports.example_audit(),
            [
                "password, used 2026-11-08 (12 days ago)",
                "access key AKIAIOSFODNN00000001, Active, used 2026-11-17 (3 days ago) for s3",
                "access key AKIAIOSFODNN00000002, Inactive, never used",
                "1 MFA device",
            ],
        ),
        (
            reports.partly_read_audit(),
            [
                "password, last use unknown",
                "access key that could not be listed, last use unknown",
                "signing certificate that could not be listed, last use unknown",
                "MFA device that could not be listed, last use unknown",
                "",
            ],
        ),
    ],
    ids=["read", "read in part"],
)
def test_each_credential_has_what_one_decides_by(audit: Report, said: list[str]) -> None:
    rows = rows_of(audit.results[:1], now=audit.finished_at, each_whole=False)
    assert [row.what for row in rows] == said


def test_a_row_says_nothing_of_a_use_that_aws_does_not_know_and_what_to_do_about_an_account() -> None:
    device = Item(
        type=ItemType.MFA_DEVICE,
        id=f"arn:aws:iam::{MEMBER}:mfa/phone",
        outcome=Outcome.PLANNED,
        credential=CredentialDetails(created_at=reports.STARTED),
    )
    planned = reports.result(MEMBER, Outcome.PLANNED, items=(device,))
    rows = rows_of([planned, reports.inaccessible(OTHER)], now=NOW, each_whole=False)
    assert [(row.what, row.reason) for row in rows] == [
        ("MFA device phone, created 2026-11-20", ""),
        ("", f"{reports.DENIED.format(account_id=OTHER)} {reports.SCP_HINT}"),
    ]


@pytest.mark.parametrize(("hours", "ago"), [(23, "today"), (24, "1 day ago")])
def test_a_use_is_of_today_until_a_day_has_passed(hours: int, ago: str) -> None:
    now = reports.STARTED - timedelta(days=12) + timedelta(hours=hours)
    (password, *_) = rows_of(reports.example_audit().results[:1], now=now, each_whole=False)
    assert password.what == f"password, used 2026-11-08 ({ago})"


def test_each_row_in_a_log_names_its_account(command_line: CommandLine) -> None:
    give_credentials(command_line)
    planned = command_line.run(*DELETE)
    rows = planned.lines[1 : planned.lines.index("")]
    assert [MEMBER in row for row in rows] == 3 * [True]


def test_a_clean_account_is_listed_where_all_are_asked_for(command_line: CommandLine) -> None:
    assert command_line.run("audit").stdout.count(MEMBER) == 0
    listed = command_line.run("report", AUDIT, "--all").lines
    assert [line.split()[:2] for line in listed if MEMBER in line] == [["clean", MEMBER]]


def test_a_plan_without_its_pre_flight_says_why(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    give_credentials(command_line)
    organization = command_line.root_tasks.organization
    organization.deny(account_id=MANAGEMENT, action="organizations:ListRoots")
    skipped = command_line.run(*DELETE)
    assert skipped.exit_code == 0
    (line,) = [line for line in skipped.lines if line.startswith("Pre-flight")]
    assert "Skipped: the organization's policies could not be checked." in line
    assert "organizations:ListRoots: AccessDenied" in line


# How it ends


def test_an_account_that_cannot_be_read_is_never_taken_for_a_clean_one(command_line: CommandLine) -> None:
    command_line.root_tasks.fail("iam:GetAccountSummary", "AccessDenied", account_id=MEMBER)
    shown = command_line.run("audit")
    assert shown.exit_code == 2
    assert "inaccessible" in shown.stdout


def test_an_execution_in_which_an_account_failed_has_a_report_that_is_held_by_hash_too(
    command_line: CommandLine,
) -> None:
    plan = plan_deletion(command_line)
    command_line.root_tasks.fail("iam:DeleteAccessKey", "AccessDenied", account_id=MEMBER)
    # The cause comes seconds after the status.
    command_line.services.without_output = 3
    shown = command_line.run("execute", plan, "--yes")
    assert shown.exit_code == 1
    assert "failed" in shown.stdout
    assert shown.lines[-1].endswith("Done as planned in 0 of 1 account. 1 account failed.")
    alter_report(command_line, f"executions/{EXECUTION}", '"failed"', '"done"')
    assert "was altered" in command_line.run("report", EXECUTION).stderr


def test_a_typing_error_starts_no_run(command_line: CommandLine) -> None:
    for command, sentence in (
        (f"audit --account {STRANGER}", f"Not in the organization: {STRANGER}."),
        (f"plan unlock-bucket --bucket {STRANGER}:locked", f"Not in the organization: {STRANGER}."),
        ("audit --organizational-unit Root/Porduction", "Root/Porduction"),
        ("audit --exclude ou-a1b2-c3d4e5f6", "ou-a1b2-c3d4e5f6 is neither"),
        (f"plan delete --account all --exclude {STRANGER}", f"Not in the organization: {STRANGER}."),
        ("plan unlock-queue --queue arn:aws:sqs:us-east-1:orders", '"queues" must contain'),
        (f"plan unlock-queue --queue arn:aws-cn:sqs:cn-north-1:{MEMBER}:q", "is in another partition"),
    ):
        assert sentence in command_line.refusal(*command.split())
    command_line.services.stacks = {STACK: command_line.services.outputs(executes=False)}
    assert "RootTasks(tasks=[RootTask.AUDIT, RootTask.DELETE_CREDENTIALS])" in command_line.refusal(*DELETE)
    assert command_line.services.inputs == {}


def test_what_these_credentials_may_not_read_is_left_to_the_run(command_line: CommandLine) -> None:
    for action, scope, input_ in (
        ("ListRoots", ("--organizational-unit", "Root"), {"organizationalUnits": ["Root"]}),
        ("DescribeAccount", ("--account", MEMBER), {"accounts": [MEMBER]}),
    ):
        command_line.root_tasks.organization.deny(account_id=MANAGEMENT, action=f"organizations:{action}")
        command_line.run("audit", *scope)
        assert started_last(command_line) == input_
        command_line.now += timedelta(minutes=1)


def test_a_run_that_is_refused_is_the_functions_own_sentence(command_line: CommandLine) -> None:
    command_line.root_tasks.settings = Settings(tasks=(Task.AUDIT,))
    said = command_line.refusal(*DELETE)
    assert f"Run {PLAN} was refused: {Task.DELETE_CREDENTIALS} is not enabled in this stack." in said
    assert "errorMessage" not in said


def test_a_run_that_failed_has_the_sentence_of_what_its_function_raised(command_line: CommandLine) -> None:
    execution = command_line.root_tasks.run(name="audit-1")
    raised = {"errorMessage": "No report was written.", "errorType": "OutdatedRunError", "stackTrace": []}
    execution.status, execution.cause = "FAILED", json.dumps(raised)
    assert command_line.refusal("report", "audit-1") == (
        "Unable to show the report: Run audit-1 ended as FAILED: No report was written.\n"
    )


def test_an_execution_is_not_called_a_run_that_does_not_exist_where_a_plan_is_asked_for(
    command_line: CommandLine,
) -> None:
    plan_deletion(command_line)
    command_line.run("execute", PLAN, "--yes")
    assert command_line.refusal("execute", EXECUTION, "--yes") == (
        f"Unable to execute: Run {EXECUTION} is an execution, not a plan. `runs` lists the plans. "
        "Nothing was changed.\n"
    )
    assert "There is no run nobody" in command_line.refusal("execute", "nobody", "--yes")


def test_an_interrupt_while_an_ended_run_is_read_does_not_say_that_it_goes_on(
    command_line: CommandLine,
) -> None:
    command_line.services.polls = 0
    command_line.run("audit")
    described: list[int] = []

    def interrupt() -> None:
        described.append(1)
        if len(described) == 2:
            raise KeyboardInterrupt

    command_line.services.before["DescribeExecution"] = interrupt
    shown = command_line.run("report", AUDIT)
    assert (shown.exit_code, "continues in AWS" in shown.stderr) == (130, False)


def test_a_command_that_may_not_start_says_what_it_needs(command_line: CommandLine) -> None:
    for code, advice in (
        (
            "AccessDeniedException",
            'RootTasks.grant_plan or grant_execute allows it, or the statement {"Effect": "Allow", "Action": '
            '"states:StartExecution", "Resource": "*"}',
        ),
        ("ExpiredTokenException", "Sign in again"),
    ):
        command_line.services.errors["StartExecution"] = (code, "You may not.")
        said = command_line.refusal("audit")
        assert f"states:StartExecution: {code}: You may not." in said
        assert advice in said
        # It was not started.
        assert "continues in AWS" not in said


def test_an_interrupted_command_says_how_to_come_back_and_how_to_stop_the_run_which_goes_on(
    command_line: CommandLine,
) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    command_line.sleep = interrupt
    shown = command_line.run("audit", "--stack", STACK)
    assert shown.exit_code == 130
    for command in ("report", "stop"):
        assert f"it: centralized-root-access {command} {AUDIT} --stack {STACK}" in shown.stderr
    assert "Traceback" not in shown.stderr
    assert {operation for operation, _ in command_line.services.requests} == {
        "DescribeStacks",
        "StartExecution",
        "DescribeExecution",
        "ListMapRuns",
        "DescribeMapRun",
    }


def test_credentials_that_expire_while_it_waits_do_not_lose_the_run(command_line: CommandLine) -> None:
    command_line.services.before["DescribeExecution"] = lambda: command_line.services.errors.update(
        DescribeExecution=("ExpiredTokenException", "The token has expired.")
    )
    assert f"centralized-root-access report {AUDIT}" in command_line.refusal("audit")


def test_a_report_waits_for_its_run_and_ends_like_the_command_that_started_it(
    command_line: CommandLine,
) -> None:
    """Whoever can write to the bucket could put back an earlier one, so the latest says how old it is."""
    give_credentials(command_line)
    command_line.services.polls = 3
    first = command_line.run("audit")
    assert first.exit_code == 1
    assert command_line.run("report", AUDIT).stdout == first.stdout
    latest = command_line.run("report")
    assert latest.stdout == first.stdout
    assert f"This is run {AUDIT}, which ended at 2026-11-24 12:00 UTC." in latest.stderr


def test_a_report_that_is_not_there_says_what_it_needs(command_line: CommandLine) -> None:
    said = command_line.refusal("report")
    assert "latest/report.json" in said
    assert "grant_read_reports" in said
    assert "There is no run missing" in command_line.refusal("report", "missing")


def test_step_functions_may_describe_an_execution_as_it_was_seconds_ago(command_line: CommandLine) -> None:
    command_line.services.unknown = 3
    command_line.services.without_output = 3
    shown = command_line.run("audit")
    # A report that nobody checked would end with 2.
    assert (shown.exit_code, shown.stderr) == (0, "")
    waits: list[float] = []
    command_line.sleep = waits.append
    assert command_line.run("report", AUDIT).exit_code == 0
    assert waits == []


def test_a_lost_response_does_not_start_a_run_twice(command_line: CommandLine) -> None:
    failing = iter([("InternalFailure", "Try again."), ("ExecutionAlreadyExists", "It has ended.")])
    services = command_line.services

    def lose() -> None:
        services.errors.pop("StartExecution", None)
        if error := next(failing, None):
            if error[0] == "InternalFailure":
                services._StartExecution(services.calls("StartExecution")[-1])
            services.errors["StartExecution"] = error

    services.before["StartExecution"] = lose
    assert command_line.run("audit").exit_code == 0
    assert [call["name"] for call in services.calls("StartExecution")] == [AUDIT, AUDIT]


# Whether a report is the one that its run wrote


def test_a_report_that_its_run_did_not_write_is_not_shown(command_line: CommandLine, tmp_path: Path) -> None:
    """Whoever can write to the bucket could hide an account that has credentials."""
    give_credentials(command_line)
    command_line.run("audit")
    saved = tmp_path / "report.html"
    for folder in ("latest", f"runs/{AUDIT}"):
        run = [] if folder == "latest" else [AUDIT]
        alter_report(command_line, folder, '"has credentials"', '"clean"')
        for format_ in FORMATS:
            shown = command_line.run("report", *run, "--format", format_, "--output", str(saved))
            assert shown.exit_code == 2
            assert f"s3://{BUCKET}/{folder}/report.json was altered" in shown.stderr
            assert MEMBER not in shown.stdout
            assert not saved.exists()


def assert_unchecked(command_line: CommandLine, *, reason: str) -> None:
    for run in ([], [AUDIT]):
        shown = command_line.run("report", *run, "--format", "csv")
        assert shown.exit_code == 2
        assert MEMBER in shown.stdout
        assert f"Whether run {AUDIT} wrote this report was not checked. {reason}" in shown.stderr


def test_a_report_that_nobody_could_check_says_why_and_is_never_taken_for_a_clean_one(
    command_line: CommandLine,
) -> None:
    services = command_line.services
    assert command_line.run("audit").exit_code == 0
    for run in ([], [AUDIT]):
        assert command_line.run("report", *run).exit_code == 0
    services.without_output = 1000
    assert_unchecked(command_line, reason="Its execution does not hold the hash of a report.")
    services.errors["DescribeExecution"] = ("AccessDeniedException", "No.")
    assert_unchecked(command_line, reason="These credentials may not read its execution.")
    del services.errors["DescribeExecution"]
    # As after 90 days.
    command_line.root_tasks.executions.clear()
    assert_unchecked(command_line, reason="Step Functions has no such execution; it keeps those")


def test_a_report_that_nobody_could_check_names_no_command_to_act_on_it(command_line: CommandLine) -> None:
    give_credentials(command_line)
    assert command_line.run("audit").exit_code == 1
    plan = plan_deletion(command_line)
    command_line.root_tasks.executions.clear()
    for run in ([], [AUDIT], [plan]):
        shown = command_line.run("report", *run)
        assert "was not checked" in shown.stderr
        assert "centralized-root-access" not in shown.stderr


def test_a_report_is_not_shown_where_its_execution_cannot_be_read(command_line: CommandLine) -> None:
    command_line.run("audit")
    command_line.services.errors["DescribeExecution"] = ("InvalidArn", "Not an ARN.")
    for run in ([], [AUDIT]):
        assert command_line.refusal("report", *run) == (
            "Unable to show the report: states:DescribeExecution: InvalidArn: Not an ARN.\n"
        )


def test_the_latest_report_may_name_any_run(command_line: CommandLine) -> None:
    """Whoever can write to the bucket chooses the run that a report names."""
    command_line.run("audit")
    refused = command_line.root_tasks.run({"accounts": [STRANGER]})
    assert refused.output["refused"] == "NOT_MEMBERS"
    named = AUDIT
    for run_id, reason in (
        (refused.run_id, "Its execution does not hold the hash of a report."),
        ("no/such:run", "Step Functions has no such execution"),
    ):
        alter_report(command_line, "latest", f'"runId":"{named}"', f'"runId":"{run_id}"')
        shown = command_line.run("report")
        assert shown.exit_code == 2
        assert f"Whether run {run_id} wrote this report was not checked. {reason}" in shown.stderr
        named = run_id
    arns = [call["executionArn"] for call in command_line.services.calls("DescribeExecution")]
    assert not any(arn.endswith(named) for arn in arns), "it cannot be the name of an execution"


def test_another_genuine_report_is_not_taken_for_the_latest_full_audit(command_line: CommandLine) -> None:
    root_tasks = command_line.root_tasks
    for command, run_id in ((("audit", "--account", OTHER), AUDIT), (DELETE, PLAN)):
        command_line.run(*command)
        root_tasks.write("latest/report.json", root_tasks.read(f"runs/{run_id}/report.json"))
        assert "latest/report.json is not the report of a full audit" in command_line.refusal("report")


def test_a_run_of_the_other_state_machine_does_not_hide_a_report_of_the_same_name(
    command_line: CommandLine,
) -> None:
    """Whoever may start only audits, or only executions, chooses their names."""
    root_tasks = command_line.root_tasks
    plan = plan_deletion(command_line)
    executed = command_line.run("execute", plan, "--yes")
    root_tasks.run(name=EXECUTION)
    for run_id in (EXECUTION, f"executions/{EXECUTION}"):
        assert command_line.run("report", run_id).stdout == executed.stdout
    assert "None of the 3 accounts" in command_line.run("report", f"runs/{EXECUTION}").lines[-1]
    assert "is not a plan" in command_line.refusal("execute", EXECUTION, "--yes")
    # An execution of this name was refused.
    for run_id in (EXECUTION, "scheduled"):
        audit = root_tasks.run(name=run_id)
        root_tasks.run_execute_machine({"plan": "none"}, name=run_id)
        assert audit.status == "SUCCEEDED"
        assert command_line.run("report").exit_code == 0


def test_where_the_name_of_two_runs_does_not_say_which_one_is_meant_the_command_names_the_way(
    command_line: CommandLine,
) -> None:
    plan = plan_deletion(command_line)
    command_line.root_tasks.execute(plan, name="mine")
    command_line.root_tasks.run(name="mine")
    said = command_line.refusal("report", "mine")
    assert "Both state machines have a run mine." in said
    for key, summary in (
        ("executions/mine", "Done as planned in 1 of 1 account"),
        ("runs/mine", "None of the 3"),
    ):
        assert f"`report {key}`" in said
        assert summary in command_line.run("report", key).lines[-1]
    assert "is not the name of a run" in command_line.refusal("report", "latest/mine")


# A report that cannot be shown or saved


def test_a_report_that_cannot_be_saved_is_shown_all_the_same(
    command_line: CommandLine, tmp_path: Path
) -> None:
    give_credentials(command_line)
    (tmp_path / "report.json" / "in the way").mkdir(parents=True)
    for command, format_ in (
        (("audit",), "table"),
        (("report",), "csv"),
        (("audit", "--from-here"), "json"),
        (DELETE, "json"),
    ):
        shown = command_line.run(*command, "--format", format_, "--output", str(tmp_path))
        assert shown.exit_code == 2
        assert MEMBER in shown.stdout
        if format_ == "json":
            assert "results" in json.loads(shown.stdout)
        assert shown.stderr.splitlines()[-1].startswith("Unable to save the report as ")
        assert "cannot be shown" not in shown.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def fill_disk(*_: object, **__: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_page_that_cannot_be_saved_is_a_sentence_below_the_report(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_credentials(command_line)
    monkeypatch.setattr("tempfile.mkdtemp", fill_disk)
    shown = command_line.run("audit", "--open")
    assert shown.exit_code == 2
    assert MEMBER in shown.stdout
    assert shown.stderr.endswith("Unable to save the page in a temporary folder: No space left on device.\n")


def alter_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read = StoredFiles.read

    def read_altered(files: StoredFiles, name: str) -> bytes:
        body = read(files, name)
        return body + b" " if files.folder.startswith("executions/") else body

    monkeypatch.setattr(StoredFiles, "read", read_altered)


def fill_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    full = io.StringIO()
    monkeypatch.setattr(full, "write", fill_disk)
    monkeypatch.setattr(sys, "stdout", full)


@pytest.mark.parametrize(
    ("prevent", "reason"),
    [(alter_what_is_read, "was altered"), (fill_stdout, "No space left on device")],
)
def test_what_was_executed_is_not_called_unexecuted_where_its_report_cannot_be_shown(
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    prevent: Callable[[pytest.MonkeyPatch], None],
    reason: str,
) -> None:
    plan = plan_deletion(command_line)
    with monkeypatch.context() as patch:
        prevent(patch)
        shown = command_line.run("execute", plan, "--yes", "--format", "json")
    assert shown.exit_code == 2
    assert not has_password(command_line)
    assert f"Run {EXECUTION} has executed the plan, but its report cannot be shown" in shown.stderr
    assert f"`centralized-root-access report {EXECUTION}`" in shown.stderr
    assert reason in shown.stderr
    if prevent is alter_what_is_read:
        assert json.loads(shown.stdout) == {"error": shown.stderr.strip()}


# Executing


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("said", "exit_code"), [("y\n", 0), ("n\n", 2), ("\n", 2), ("", 130)])
def test_a_person_sees_the_plan_and_decides(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, said: str, exit_code: int
) -> None:
    plan = plan_deletion(command_line)
    monkeypatch.setattr(sys, "stdin", Terminal(said))
    shown = command_line.run("execute", plan, "--format", "json")
    assert shown.exit_code == exit_code
    for sentence in (
        "Execute this plan to delete root credentials in 1 account? This cannot be undone. [y/N]",
        MEMBER,
        "To be deleted in 1 of 1 account",
    ):
        assert sentence in shown.stderr
    # The function is the last to look: the report that a person was shown is approved, by its hash.
    report = command_line.root_tasks.read(f"runs/{plan}/report.json")
    approved = {"plan": plan, "reportSha256": hashlib.sha256(report).hexdigest()}
    assert command_line.services.inputs.get(EXECUTION) == (approved if exit_code == 0 else None)
    assert ("Not executed. Nothing was changed." in shown.stderr) is (exit_code != 0)
    assert has_password(command_line) is (exit_code != 0)
    assert bool(shown.stdout) is (exit_code == 0)


def test_a_plan_says_until_when_it_can_be_executed_and_why_not_any_more(command_line: CommandLine) -> None:
    def said(plan: str) -> tuple[str, str]:
        """Return what `report` says of a plan below its summary, and what `runs` says of it."""
        notes = command_line.run("report", plan).stderr
        listed = [line for line in command_line.run("runs").lines if line.startswith(plan)]
        return notes, re.split(" {2,}", listed[0])[4]

    command_line.root_tasks.now = command_line.now
    plan = plan_deletion(command_line)
    expiry = json.loads(command_line.root_tasks.read(f"runs/{plan}/report.json"))["planExpiresAt"]
    until = f"{expiry[:10]} {expiry[11:16]} UTC"
    command_line.now = datetime.fromisoformat(expiry) - timedelta(hours=2, minutes=5)
    hint = f"Next, to execute exactly this plan (until {until}): centralized-root-access execute {plan}\n"
    assert said(plan) == (hint, "2 hours left")
    command_line.now += timedelta(hours=2)
    assert said(plan)[1] == "5 minutes left"
    command_line.now += timedelta(minutes=6)
    command_line.root_tasks.now = command_line.now
    command_line.services.polls = 0
    command_line.root_tasks.run_execute_machine({"plan": plan}, name="refused")
    assert command_line.run("runs").lines[1].split()[:3] == ["refused", "execute", "REFUSED"]
    assert said(plan) == (f"This plan expired at {until}. Create a new plan.\n", "expired")
    command_line.root_tasks.now = command_line.now = command_line.now - timedelta(minutes=10)
    executed = command_line.run("execute", plan, "--yes")
    assert executed.exit_code == 0
    (execution,) = (name for name in command_line.services.inputs if name.startswith("execute"))
    assert said(plan) == (f"This plan was executed by {execution}.\n", f"executed by {execution}")
    listed = json.loads(command_line.run("runs", "--format", "json").stdout)["runs"]
    states = {run["run"]: (run["planExpiresAt"], run["execution"]) for run in listed}
    assert states == {plan: (expiry, execution), execution: (None, None), "refused": (None, None)}
    again = command_line.run("execute", plan, "--yes")
    assert (again.exit_code, again.stdout) == (2, "")
    assert f"This plan was executed by {execution}. Nothing was changed." in again.stderr
    assert [name for name in command_line.services.inputs if name.startswith("execute")] == [execution]
    mark = f"runs/{plan}/executed-by.json"
    name = command_line.root_tasks.arn(execution, machine=EXECUTE_MACHINE)
    # Who may only look sees the mark alone.
    del command_line.root_tasks.executions[name]
    listed = json.loads(command_line.run("runs", "--format", "json").stdout)["runs"]
    assert [run["execution"] for run in listed if run["run"] == plan] == [execution]
    command_line.root_tasks.write(mark, b"{}")
    assert said(plan)[0] == "This plan was executed by an execution that its mark does not name.\n"


def test_a_plan_by_any_name_says_for_how_long_it_can_be_executed(command_line: CommandLine) -> None:
    give_credentials(command_line)
    command_line.root_tasks.now = command_line.now
    command_line.services.polls = 0
    command_line.root_tasks.run({"task": Task.DELETE_CREDENTIALS, "accounts": [MEMBER]}, name="by-console")
    assert "24 hours left" in command_line.run("runs").lines[1]


def test_a_plan_that_was_executed_is_not_called_expired_and_one_without_an_end_names_none() -> None:
    late = PlanState(now=NOW + timedelta(seconds=1), expires_at=NOW, executed_by="execute-1")
    assert (late.obstacle, late.words) == ("This plan was executed by execute-1.", "executed by execute-1")
    assert PlanState(now=NOW, expires_at=NOW, executed_by=None).obstacle is None
    endless = PlanState(now=NOW, expires_at=None, executed_by=None)
    assert (endless.obstacle, endless.words, endless.until) == (None, "", "")


def test_a_mark_that_cannot_be_read_loses_neither_the_report_nor_its_hint(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_deletion(command_line)
    read = StoredFiles.read

    def read_unless_mark(files: StoredFiles, name: str) -> bytes:
        if name == "executed-by.json":
            raise unusable_response("s3:GetObject", FailureKind.NO_RESPONSE, "Nothing was received.")
        return read(files, name)

    monkeypatch.setattr(StoredFiles, "read", read_unless_mark)
    shown = command_line.run("report", plan)
    assert shown.exit_code == 0
    assert next_command(shown) == ["execute", plan]
    command_line.now += timedelta(minutes=1)
    command_line.root_tasks.run_execute_machine({"plan": plan}, name="executing")
    assert "executed by executing" in command_line.run("runs").stdout
    listed = json.loads(command_line.run("runs", "--format", "json").stdout)["runs"]
    assert [run["execution"] for run in listed if run["run"] == plan] == ["executing"]


def test_a_plan_whose_report_was_altered_is_neither_shown_nor_executed(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_deletion(command_line)
    alter_report(command_line, f"runs/{plan}", MEMBER, OTHER)
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    for options in (("--yes",), ()):
        said = command_line.refusal("execute", plan, *options)
        assert "was altered" in said
        assert OTHER not in said
    assert [*command_line.services.inputs] == [plan]


def test_a_person_is_asked_about_no_row_that_was_not_shown(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "_MAX_ROWS", 1)
    plan = plan_deletion(command_line)
    assert (
        "\n2 more rows: --all, --format csv and --open have all of them.\n"
        in command_line.run("report", plan).stdout
    )
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    shown = command_line.run("execute", plan)
    assert "MFA device" in shown.stderr
    assert "more rows" not in shown.stderr


def test_the_warnings_of_a_report_are_shown(command_line: CommandLine) -> None:
    key = f"runs/{AUDIT}/results/IAMAuditRootUserCredentials/zzz.json"
    command_line.root_tasks.write(key, b"{}")
    assert f"Warning: {key}" in command_line.run("audit").stdout.replace("\n", "")


def test_only_the_report_that_was_approved_is_executed(command_line: CommandLine, tmp_path: Path) -> None:
    plan = plan_deletion(command_line)
    saved, other = tmp_path / "plan.json", tmp_path / "other.json"
    assert command_line.run("report", plan, "--output", str(saved)).exit_code == 0
    other.write_bytes(saved.read_bytes().replace(MEMBER.encode(), OTHER.encode()))
    refused = command_line.refusal("execute", plan, "--yes", "--approved-report", str(other))
    assert f"{other} is not the report.json of plan {plan}" in refused
    assert has_password(command_line)
    assert command_line.run("execute", plan, "--yes", "--approved-report", str(saved)).exit_code == 0
    assert not has_password(command_line)


POLICIES = {
    '{"Version":"2012-10-17","Statement":[]}': '  "Version": "2012-10-17",',
    '{"Version":"2012-10-17","Statement":[{"Sid":"\\u202e\\u001b[2J"}]}': r'"Sid": "\u202e\u001b[2J"',
    '{"Version":"1","Version":"2012-10-17","Statement":[]}': '{"Version":"1","Version":"2012-10-17"',
    f'{{"Id":"a{150 * " "}b","Statement":[]}}': f'  "Id": "a{150 * " "}b",',
}


def test_a_person_sees_the_policies_that_a_plan_removes_in_full(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for policy, line in POLICIES.items():
        lock_bucket(command_line, policy)
        planned = command_line.run("plan", "unlock-bucket", "--bucket", f"{MEMBER}:locked")
        monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
        asked = command_line.run(*next_command(planned))
        for shown in (planned.stdout, asked.stderr):
            assert f"Policy of locked in {MEMBER}, to be removed:" in shown
            assert line in shown
            assert "\x1b" not in shown
        command_line.now += timedelta(minutes=1)


def test_what_a_plan_removes_never_stands_under_what_failed_and_a_reason_stands_once(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lock_bucket(command_line)
    buckets = [word for name in ("missing", "locked") for word in ("--bucket", f"{MEMBER}:{name}")]
    planned = command_line.run("plan", "unlock-bucket", *buckets)
    assert planned.lines[: planned.lines.index("")] == [
        "to be removed",
        f"{MEMBER}  workload-a",
        f"  failed: bucket policy missing: {NO_SUCH_BUCKET}",
        "  bucket policy locked, us-east-1",
    ]
    assert planned.stdout.count(NO_SUCH_BUCKET) == 1


def test_that_a_policy_would_be_removed_without_a_backup_stands_in_its_row(
    command_line: CommandLine,
) -> None:
    organization = command_line.root_tasks.organization
    organization.client("sqs", account_id=MEMBER).create_queue(QueueName="q")
    organization.deny(account_id=MEMBER, action="sqs:GetQueueAttributes")
    planned = command_line.run("plan", "unlock-queue", "--queue", QUEUE, "--skip-backup")
    (row,) = [line for line in planned.lines if line.startswith("to be removed")]
    assert row.endswith(f"queue policy q, us-east-1: {POLICY_LOST}")


def test_only_a_plan_that_plans_something_is_executed(command_line: CommandLine) -> None:
    assert command_line.run("audit").exit_code == 0
    assert command_line.run(*DELETE).exit_code == 2
    services = command_line.services
    services.stacks["Looks"] = services.outputs(executes=False)
    for run_id, stack, sentence in (
        (AUDIT, STACK, "is not a plan"),
        (PLAN, STACK, "lists nothing to execute"),
        ("missing", STACK, "There is no run missing"),
        (PLAN, "Looks", "cannot execute plans"),
    ):
        assert sentence in command_line.refusal("execute", run_id, "--yes", "--stack", stack)


def test_after_a_recovery_the_whole_way_is_said(command_line: CommandLine) -> None:
    assert command_line.run("plan", "recover", "--account", MEMBER).exit_code == 0
    recovered = command_line.run("execute", f"plan-recover-{NAME}", "--yes")
    (result,) = json.loads(command_line.run("report", EXECUTION, "--format", "json").stdout)["results"]
    forgot, delete = recovered.stderr.splitlines()
    assert f"account {MEMBER}:" in forgot
    assert f"choose Forgot password for {result['email']}." in forgot
    assert delete.endswith(f": centralized-root-access plan delete --account {MEMBER} --include-in-use")
    assert run_next(command_line, recovered).exit_code == 0
    assert started_last(command_line)["includeInUse"] is True


def test_only_an_account_that_was_recovered_has_a_way_to_go_on() -> None:
    recovered = dataclasses.replace(reports.result(MEMBER, Outcome.DONE), email=None)
    failed = reports.result(OTHER, Outcome.FAILED)
    report = functools.partial(reports.report, task=Task.ALLOW_PASSWORD_RECOVERY, executed_plan="plan")
    forgot, delete = next_steps(report(recovered, failed), target=HERE)
    assert forgot == (
        f"Next, for account {MEMBER}: on AWS's sign-in page, choose Forgot password for the e-mail address "
        "of its root user."
    )
    assert delete.endswith(f": centralized-root-access plan delete --account {MEMBER} --include-in-use")
    assert next_steps(report(failed), target=HERE) == []


# Restoring


def unlock(command_line: CommandLine) -> Shown:
    """Unlock a bucket, and return what was shown with the command that restores its policy."""
    lock_bucket(command_line)
    assert command_line.run("plan", "unlock-bucket", "--bucket", f"{MEMBER}:locked").exit_code == 0
    unlocked = command_line.run("execute", f"plan-unlock-{NAME}", "--yes")
    assert unlocked.exit_code == 0
    return unlocked


def started_last(command_line: CommandLine) -> dict[str, Any]:
    input_: dict[str, Any] = [*command_line.services.inputs.values()][-1]
    return input_


def test_an_unlocked_policy_is_restored_by_the_key_that_the_command_shows(command_line: CommandLine) -> None:
    unlocked = unlock(command_line)
    command = next_command(unlocked)
    assert command[:3] == ["plan", "restore", "--backup"]
    for known in (True, False):
        planned = run_next(command_line, unlocked)
        assert planned.exit_code == 0
        assert planned.lines[-1].startswith(
            "Plan: restore bucket policies. To be attached in 1 of 1 account: 1 bucket policy. Nothing"
        )
        assert f"Policy of locked in {MEMBER}, to be attached:" in planned.stdout
        assert started_last(command_line) == {"task": Task.UNLOCK_BUCKET_POLICY, "restore": [command[3]]}
        noted = "Whether run" in planned.stdout and "Read the policy" in planned.stdout
        assert noted is not known
        # As after 90 days.
        command_line.root_tasks.executions.pop(
            command_line.root_tasks.arn(EXECUTION, machine=EXECUTE_MACHINE), None
        )


def test_a_restore_is_called_a_restore_until_it_is_done(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = run_next(command_line, unlock(command_line))
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    executed = run_next(command_line, planned)
    assert "Execute this plan to restore bucket policies in 1 account? [y/N]" in executed.stderr
    assert "unlock bucket policies" not in (executed.stdout + executed.stderr).lower()
    # Its backup is of an earlier run.
    assert "plan restore" not in executed.stderr
    assert executed.lines[0].split()[:2] == ["outcome", "account"]
    assert executed.lines[1].split()[:2] == ["restored", MEMBER]
    assert executed.lines[-1] == (
        "Restore bucket policies. Restored: 1 bucket policy. Done as planned in 1 of 1 account."
    )
    run_id = [*command_line.services.inputs][-1]
    for run_, outcome in ((run_id, "done"), (command_line.services.inputs[run_id]["plan"], "planned")):
        written = json.loads(command_line.run("report", run_, "--format", "json").stdout)
        assert (written["task"], written["action"]) == (Task.UNLOCK_BUCKET_POLICY, "restore")
        (row,) = csv.DictReader(io.StringIO(command_line.run("report", run_, "--format", "csv").stdout))
        assert (row["outcome"], row["action"]) == (outcome, "restore")


def test_a_corrected_policy_comes_from_a_file_with_or_without_the_mark_of_an_editor(
    command_line: CommandLine, tmp_path: Path
) -> None:
    command_line.root_tasks.settings = Settings(allow_policy_override=True)
    unlocked = unlock(command_line)
    file = tmp_path / "policy.json"
    file.write_text(POLICY, encoding="utf-16")
    refused = command_line.refusal(*next_command(unlocked), "--policy-override", str(file))
    assert f"{file} is not UTF-8 text." in refused
    for encoding in ("utf-8", "utf-8-sig"):
        file.write_text(POLICY, encoding=encoding)
        assert run_next(command_line, unlocked, "--policy-override", str(file)).exit_code == 0
        assert started_last(command_line)["policyOverride"] == POLICY


def test_what_is_not_a_backup_is_not_restored(command_line: CommandLine) -> None:
    plan = plan_deletion(command_line)
    assert command_line.run("execute", plan, "--yes").exit_code == 0
    for reference, sentence in (
        (f"backups/{EXECUTION}/{MEMBER}/b/{'0' * 64}.json", f"Run {EXECUTION} did not remove policies"),
        ("latest/report.json", "is not the key of a backup"),
        (f"backups/{'x' * 81}/{MEMBER}/b/0.json", "is not the key of a backup"),
    ):
        assert sentence in command_line.refusal("plan", "restore", "--backup", reference)


# The deployment


def test_one_of_several_deployments_has_to_be_chosen_and_without_one_the_way_on_is_said(
    command_line: CommandLine,
) -> None:
    services = command_line.services
    services.stacks["Two"] = services.outputs("First") | services.outputs("Second")
    assert "--stack OrgRoot or --stack Two:First or --stack Two:Second" in command_line.refusal("runs")
    for stack in (STACK, "Two:Second"):
        assert command_line.run("runs", "--stack", stack).exit_code == 0
    for stack in ("Two", "Two:Third", "Three", "Other"):
        command_line.refusal("runs", "--stack", stack)
    del services.stacks[STACK], services.stacks["Two"]
    said = command_line.refusal("audit")
    assert f"No stack of account {MANAGEMENT} in us-east-1" in said
    assert "--from-here" in said


def test_the_newest_runs_of_both_state_machines_are_listed_first(command_line: CommandLine) -> None:
    # No spreadsheet takes it for a formula.
    command_line.root_tasks.run(name="=1+1")
    plan = plan_deletion(command_line)
    command_line.run("execute", plan, "--yes")
    shown = command_line.run("runs")
    assert shown.exit_code == 0
    assert [line.split()[0] for line in shown.lines[1:]] == [EXECUTION, plan, "=1+1"]
    execution = command_line.root_tasks.executions[
        command_line.root_tasks.arn(EXECUTION, machine=EXECUTE_MACHINE)
    ]
    assert f"{execution.started_at:%Y-%m-%d %H:%M} UTC" in shown.lines[1]
    listed = json.loads(command_line.run("runs", "--format", "json").stdout)["runs"]
    assert [run["run"] for run in listed] == [EXECUTION, plan, "=1+1"]
    rows = list(csv.DictReader(io.StringIO(command_line.run("runs", "--format", "csv").stdout)))
    assert [(row["run"], row["stateMachine"], row["status"]) for row in rows] == [
        (EXECUTION, "Execute", "SUCCEEDED"),
        (plan, "Audit", "SUCCEEDED"),
        ("'=1+1", "Audit", "SUCCEEDED"),
    ]
    assert len(command_line.run("runs", "--limit", "1").lines) == 2


def test_runs_fit_the_terminal_and_no_name_of_one_is_broken(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_deletion(command_line)
    command_line.run("execute", plan, "--yes")
    for columns in (50, 80, 120, 160):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = command_line.run("runs").lines
        assert max(map(len, lines)) <= columns
        assert any(EXECUTION in line and "SUCCEEDED" in line for line in lines), columns
        assert any(plan in line and "SUCCEEDED" in line for line in lines), columns
        assert " ".join(" ".join(lines).split()).count(f"executed by {EXECUTION}") == 1
    monkeypatch.setenv("COLUMNS", "0")
    assert any(EXECUTION in line for line in command_line.run("runs").lines)


def test_a_log_that_wants_colours_is_not_taken_for_a_terminal(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_credentials(command_line)
    monkeypatch.setenv("TERM", "xterm-256color")
    plain = command_line.run("audit")
    command_line.now += timedelta(minutes=1)
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = command_line.run("audit")
    assert "\x1b[" in coloured.stdout
    lines = re.sub(r"\x1b\[[0-9;]*m", "", coloured.stdout).splitlines()
    assert [line.rstrip() for line in lines] == plain.lines
    assert coloured.stderr == plain.stderr


def test_progress_is_counted_in_accounts_and_without_permission_to_read_it_the_command_goes_on(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates: list[tuple[int, int, str]] = []

    @contextmanager
    def record(what: str) -> Iterator[Callable[[int, int, str], None]]:
        yield lambda *counted: updates.append(counted)

    monkeypatch.setattr(screen, "progress_bar", record)
    services = command_line.services
    command_line.run("audit")
    assert updates == [(3, 3, "accounts")]
    services.requests.clear()
    services.errors["DescribeMapRun"] = ("AccessDeniedException", "No.")
    services.polls = 5
    command_line.now += timedelta(minutes=1)
    assert command_line.run("audit").exit_code == 0
    assert len(updates) == len(services.calls("DescribeMapRun")) == 1
