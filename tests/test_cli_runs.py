"""The commands on runs: audit, plan, execute, report and runs, on the functions' real code."""

from __future__ import annotations

import csv
import errno
import io
import json
import stat
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from centralized_root_access.cli import screen
from centralized_root_access.cli.commands.plan import CREDENTIAL_TYPES
from centralized_root_access.cli.stored_report import StoredFiles, StoredReport
from root_tasks.messages import RefusalReason, RunRefusedError
from root_tasks.model.report import ItemType, Task
from support.accounts import MANAGEMENT, MEMBER, OTHER, STRANGER
from support.command_line import STACK
from support.root_tasks import BUCKET, EXECUTE_MACHINE, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from centralized_root_access.cli.executions import RunExecution
    from centralized_root_access.cli.runs import Runs
    from support.command_line import CommandLine

NAME = "20261125-0432-2345"
FILES = ("report.json", "report.csv", "report.html")
DELETE = ("plan", "delete", "--account", MEMBER)
HOSTILE = "\x1b[31mred\x1b[0m\r\nclean [bold]x[/bold] \u202e\x9b2J"


def give_credentials(command_line: CommandLine, account_id: str = MEMBER) -> None:
    command_line.root_tasks.organization.put_root_credentials(
        account_id=account_id, password=True, access_keys=1, mfa_devices=1
    )


def plan_deletion(command_line: CommandLine) -> str:
    give_credentials(command_line)
    assert command_line.run(*DELETE).exit_code == 0
    return f"plan-delete-{NAME}"


def test_one_cycle_is_four_commands(command_line: CommandLine) -> None:
    give_credentials(command_line)
    found = command_line.run("audit")
    assert found.exit_code == 1
    assert ["has", "credentials", MEMBER, "workload-a"] in [line.split()[:4] for line in found.lines]
    assert found.lines[-1].startswith("1 of the 3 accounts that were audited has root credentials")
    next_command = found.stderr.strip().rpartition("centralized-root-access ")[2].split()
    planned = command_line.run(*next_command)
    assert planned.exit_code == 0
    next_command = planned.stderr.strip().rpartition("centralized-root-access ")[2].split()
    assert next_command == ["execute", f"plan-delete-{NAME}"]
    done = command_line.run(*next_command, "--yes")
    assert done.exit_code == 0
    assert command_line.root_tasks.organization.root_credentials(MEMBER).password is False
    next_command = done.stderr.strip().rpartition("centralized-root-access ")[2].split()
    command_line.now += timedelta(hours=1)
    clean = command_line.run(*next_command, "--account", MEMBER)
    assert clean.exit_code == 0
    assert clean.stdout == "None of the 1 account has root credentials.\n"


@pytest.mark.parametrize(
    ("arguments", "prefix", "input_"),
    [
        (["audit"], "audit", {}),
        (["audit", "--account", MEMBER], "audit", {"accounts": [MEMBER]}),
        (
            ["audit", "--organizational-unit", "Root/Prod", "--organizational-unit", "ou-a1b2-c3d4e5f6"],
            "audit",
            {"organizationalUnits": ["Root/Prod", "ou-a1b2-c3d4e5f6"]},
        ),
        (
            ["plan", "delete", "--account", "all"],
            "plan-delete",
            {"task": Task.DELETE_CREDENTIALS, "accounts": "all"},
        ),
        (
            [
                *(*DELETE, "--account", OTHER, "--unused-for-days", "0", "--include-in-use"),
                *("--credential-type", "access-key", "--credential-type", "mfa-device"),
            ],
            "plan-delete",
            {
                "task": Task.DELETE_CREDENTIALS,
                "accounts": [MEMBER, OTHER],
                "unusedForDays": 0,
                "includeInUse": True,
                "credentialTypes": ["access key", "MFA device"],
            },
        ),
        (
            ["plan", "recover", "--account", MEMBER],
            "plan-recover",
            {"task": Task.ALLOW_PASSWORD_RECOVERY, "accounts": [MEMBER]},
        ),
        (
            ["plan", "unlock-bucket", "--bucket", f"{MEMBER}:one", "--bucket", f"{MEMBER}:two"],
            "plan-unlock",
            {"task": Task.UNLOCK_BUCKET_POLICY, "buckets": {MEMBER: ["one", "two"]}},
        ),
        (
            ["plan", "unlock-queue", "--queue", f"arn:aws:sqs:us-east-1:{MEMBER}:q", "--skip-backup"],
            "plan-unlock",
            {
                "task": Task.UNLOCK_QUEUE_POLICY,
                "queues": [f"arn:aws:sqs:us-east-1:{MEMBER}:q"],
                "skipBackup": True,
            },
        ),
    ],
)
def test_options_are_the_input_of_an_execution(
    command_line: CommandLine, arguments: list[str], prefix: str, input_: dict[str, Any]
) -> None:
    command_line.run(*arguments)
    assert command_line.services.started == {f"{prefix}-{NAME}": input_}


def test_the_credential_types_are_those_of_the_input() -> None:
    assert [*CREDENTIAL_TYPES.values()] == [
        ItemType.PASSWORD,
        ItemType.ACCESS_KEY,
        ItemType.SIGNING_CERTIFICATE,
        ItemType.MFA_DEVICE,
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
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
        (["audit", "--output", "report.pdf"], "must end in .html, .json or .csv"),
        (["audit", "--output", ""], "it is empty"),
        (["audit", "--output", "/not/there/report.html"], "is not a folder"),
        (["audit", "--from-here", "--stack", STACK], "works without a stack"),
        (["nothing"], "No such command"),
    ],
)
def test_a_wrong_command_is_refused_before_anything_is_called(
    command_line: CommandLine, arguments: list[str], sentence: str
) -> None:
    shown = command_line.run(*arguments)
    assert shown.exit_code == 2
    assert sentence in shown.stderr
    assert shown.stdout == ""
    assert command_line.services.requests == []


def test_the_stack_of_the_shell_is_no_obstacle_to_an_audit_from_here(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CENTRALIZED_ROOT_ACCESS_STACK", STACK)
    assert command_line.run("audit", "--from-here").exit_code == 0
    assert command_line.services.requests == []


def test_after_an_audit_of_some_accounts_no_command_is_shown_that_plans_for_all(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("centralized_root_access.cli.runs._MAX_ACCOUNTS_IN_HINT", 1)
    for account_id in (MEMBER, OTHER):
        give_credentials(command_line, account_id)
    some = command_line.run("audit", "--account", MEMBER, "--account", OTHER)
    assert "plan delete" not in some.stderr
    assert some.stderr.endswith(f": centralized-root-access report audit-{NAME} --open\n")
    command_line.now += timedelta(hours=1)
    everybody = command_line.run("audit")
    assert everybody.stderr.endswith("plan delete --account all\n")


# Formats


def test_json_is_the_report_and_nothing_else(command_line: CommandLine) -> None:
    give_credentials(command_line)
    shown = command_line.run("audit", "--format", "json")
    assert shown.exit_code == 1
    assert shown.stdout == command_line.root_tasks.read(f"runs/audit-{NAME}/report.json").decode()
    assert shown.stderr == ""


def test_csv_is_the_reports_and_nothing_else(command_line: CommandLine) -> None:
    give_credentials(command_line)
    shown = command_line.run("audit", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(shown.stdout)))
    assert {row["accountId"]: row["outcome"] for row in rows}[MEMBER] == "has credentials"
    assert len(rows) == 4
    assert shown.stderr == ""


def test_a_program_that_reads_json_gets_the_reason_of_a_failure(command_line: CommandLine) -> None:
    shown = command_line.run("report", "missing", "--format", "json")
    assert shown.exit_code == 2
    assert json.loads(shown.stdout) == {"error": shown.stderr.strip()}
    assert "There is no run missing" in shown.stderr


def test_the_report_is_saved_for_its_owner_alone(command_line: CommandLine, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "page.html", tmp_path / "x.CSV"):
        assert command_line.run("audit", "--output", str(path)).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "page.html",
        "report.csv",
        "report.html",
        "report.json",
        "x.CSV",
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert (tmp_path / "x.CSV").read_bytes() == (tmp_path / "report.csv").read_bytes()
    assert (tmp_path / "page.html").read_bytes().startswith(b"<!doctype html>")


def test_the_page_is_opened_from_a_file_that_only_its_owner_can_read(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[str] = []

    def open_url(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr("webbrowser.open", open_url)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shown = command_line.run("audit", "--open")
    (page,) = tmp_path.glob("*/report.html")
    assert opened == [page.as_uri()]
    assert str(page) in shown.stderr
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("format_", ["table", "csv", "json"])
def test_what_somebody_else_chose_never_reaches_the_terminal_as_it_is(
    command_line: CommandLine, format_: str
) -> None:
    command_line.root_tasks.fail("iam:GetAccountSummary", "AccessDenied", message=HOSTILE, account_id=MEMBER)
    command_line.root_tasks.organization.put_root_credentials(account_id=OTHER, password=True)

    def rename(parsed: dict[str, Any], **_: object) -> None:
        for account in parsed["Accounts"]:
            account["Name"] = HOSTILE

    command_line.root_tasks.on_event("after-call.organizations.ListAccounts", rename)
    for shown in (
        command_line.run("audit", "--format", format_),
        command_line.run("report", "--format", format_),
    ):
        assert all(
            each.isprintable() or each in "\n\r" for each in shown.stdout.replace("\r\n", "\n") + shown.stderr
        )
        assert "\\x1b" in shown.stdout or "\\u001b" in shown.stdout
        if format_ == "table":
            assert "[bold]x[/bold]" in shown.stdout.replace("\n", "")


@pytest.mark.parametrize("width", ["80", "140"])
@pytest.mark.parametrize("format_", ["table", "csv", "json"])
def test_a_forged_report_reaches_no_terminal_unescaped(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, format_: str, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    give_credentials(command_line)
    command_line.run("audit")
    folder = f"runs/audit-{NAME}"
    report = json.loads(command_line.root_tasks.read(f"{folder}/report.json"))
    for result in report["results"]:
        result["accountId"] += HOSTILE
        result["name"] = HOSTILE
    report["summary"] = HOSTILE
    # With line ends that only another program would write.
    forged = json.dumps(report, ensure_ascii=False, separators=(",\r", ":"))
    command_line.root_tasks.write(f"{folder}/report.json", forged.encode())
    # Nothing holds the hash of the report any more.
    command_line.root_tasks.executions.clear()
    shown = command_line.run("report", f"audit-{NAME}", "--format", format_)
    assert shown.exit_code == 1
    assert all(each.isprintable() or each == "\n" for each in shown.stdout + shown.stderr)
    assert "[31mred" in shown.stdout


@pytest.mark.parametrize("options", [(), ("--from-here",)], ids=["deployed", "from here"])
def test_a_run_without_its_pre_flight_says_why(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    checked = command_line.run("audit", *options)
    organization = command_line.root_tasks.organization
    organization.deny(account_id=MANAGEMENT, action="organizations:ListRoots")
    command_line.now += timedelta(minutes=1)
    skipped = command_line.run("audit", *options)
    assert (checked.exit_code, skipped.exit_code) == (0, 0)
    assert "Pre-flight" not in checked.stdout
    (line,) = [line for line in skipped.lines if line.startswith("Pre-flight")]
    assert "Skipped: the organization's policies could not be checked." in line
    assert "organizations:ListRoots: AccessDenied" in line


@pytest.mark.parametrize("width", [80, 140])
def test_a_table_is_as_wide_as_the_terminal(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    give_credentials(command_line)
    monkeypatch.setenv("COLUMNS", str(width))
    shown = command_line.run("audit")
    table = shown.lines[: shown.lines.index("")]
    assert max(map(len, table)) <= width
    assert ("OU" in table[0].split()) is (width == 140)


# How it ends


def test_an_account_that_cannot_be_read_is_never_taken_for_a_clean_one(command_line: CommandLine) -> None:
    command_line.root_tasks.fail("iam:GetAccountSummary", "AccessDenied", account_id=MEMBER)
    shown = command_line.run("audit")
    assert shown.exit_code == 2
    assert "inaccessible" in shown.stdout


def test_an_execution_in_which_an_account_failed_shows_its_report_and_exits_1(
    command_line: CommandLine,
) -> None:
    plan = plan_deletion(command_line)
    command_line.root_tasks.fail("iam:DeleteAccessKey", "AccessDenied", account_id=MEMBER)
    shown = command_line.run("execute", plan, "--yes")
    assert shown.exit_code == 1
    assert "failed" in shown.stdout
    assert shown.lines[-1].startswith("Delete root credentials. Done in 0 of 1 account")


def test_a_run_that_cannot_start_is_the_functions_own_sentence(command_line: CommandLine) -> None:
    shown = command_line.run("audit", "--account", STRANGER)
    assert shown.exit_code == 2
    assert f"{STRANGER}: not in organization" in shown.stderr
    assert "errorMessage" not in shown.stderr
    assert shown.stdout == ""


def test_a_task_that_the_stack_does_not_have_says_what_to_deploy(command_line: CommandLine) -> None:
    command_line.root_tasks.settings = Settings(tasks=(Task.AUDIT,))
    shown = command_line.run(*DELETE)
    assert shown.exit_code == 2
    assert "RootTasks(tasks=[RootTask.AUDIT, RootTask.DELETE_CREDENTIALS])" in shown.stderr


@pytest.mark.parametrize("code", ["AccessDeniedException", "ExpiredTokenException"])
def test_a_command_that_may_not_start_says_what_it_needs(command_line: CommandLine, code: str) -> None:
    command_line.services.errors["StartExecution"] = (code, "You may not.")
    shown = command_line.run("audit")
    assert shown.exit_code == 2
    assert f"states:StartExecution: {code}: You may not." in shown.stderr
    assert ("permissions" if code.startswith("Access") else "Sign in again") in shown.stderr


def test_an_interrupted_command_says_how_to_come_back_and_stops_nothing(command_line: CommandLine) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    give_credentials(command_line)
    command_line.sleep = interrupt
    shown = command_line.run("audit", "--stack", STACK)
    assert shown.exit_code == 130
    assert f"centralized-root-access report audit-{NAME} --stack {STACK}" in shown.stderr
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
    shown = command_line.run("audit")
    assert shown.exit_code == 2
    assert f"centralized-root-access report audit-{NAME}" in shown.stderr


def test_a_report_waits_for_its_run_and_ends_like_the_command_that_started_it(
    command_line: CommandLine,
) -> None:
    give_credentials(command_line)
    command_line.services.polls = 3
    first = command_line.run("audit")
    assert first.exit_code == 1
    assert command_line.run("report", f"audit-{NAME}").stdout == first.stdout
    assert command_line.run("report").stdout == first.stdout


def test_without_a_full_audit_there_is_no_latest_report(command_line: CommandLine) -> None:
    shown = command_line.run("report")
    assert shown.exit_code == 2
    assert "latest/report.json" in shown.stderr
    assert "grant_read_reports" in shown.stderr


def test_step_functions_may_describe_an_execution_as_it_was_seconds_ago(command_line: CommandLine) -> None:
    command_line.services.unknown = 3
    command_line.services.without_output = 3
    shown = command_line.run("audit")
    # A report that nobody checked would end with 2.
    assert shown.exit_code == 0, shown.stderr
    assert shown.stderr == ""


def test_the_cause_of_a_failure_may_come_seconds_after_its_status(command_line: CommandLine) -> None:
    give_credentials(command_line)
    assert command_line.run(*DELETE).exit_code == 0
    command_line.root_tasks.fail("iam:DeleteLoginProfile", "ServiceFailure", account_id=MEMBER)
    command_line.services.without_output = 3
    shown = command_line.run("execute", f"plan-delete-{NAME}", "--yes")
    assert shown.exit_code == 1, shown.stderr
    assert MEMBER in shown.stdout


def test_an_execution_that_never_has_an_output_is_not_waited_for(command_line: CommandLine) -> None:
    command_line.services.without_output = 1000
    shown = command_line.run("audit")
    assert shown.exit_code == 2
    assert "was not checked" in shown.stderr


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
    assert len(services.calls("StartExecution")) == 2
    assert len({call["name"] for call in services.calls("StartExecution")}) == 1


# Executing


def test_without_a_terminal_and_without_yes_nothing_is_executed(command_line: CommandLine) -> None:
    plan = plan_deletion(command_line)
    command_line.services.requests.clear()
    shown = command_line.run("execute", plan)
    assert shown.exit_code == 2
    assert "--yes" in shown.stderr
    assert command_line.services.requests == []


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
    assert "Execute this plan?" in shown.stderr
    assert f"{MEMBER}" in shown.stderr
    assert "Planned in 1 of 1 account" in shown.stderr
    executed = [name for name in command_line.services.started if name.startswith("execute-")]
    assert len(executed) == (exit_code == 0)
    assert ("Not executed. Nothing was changed." in shown.stderr) is (exit_code != 0)
    assert command_line.root_tasks.organization.root_credentials(MEMBER).password is (exit_code != 0)
    assert bool(shown.stdout) is (exit_code == 0)


def alter_report(command_line: CommandLine, folder: str, old: str, new: str) -> None:
    key = f"{folder}/report.json"
    altered = command_line.root_tasks.read(key).replace(old.encode(), new.encode())
    command_line.root_tasks.write(key, altered)


def test_what_a_person_was_shown_in_place_of_the_plan_is_not_executed(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can write to the bucket could have them approve the deletion in another account."""
    plan = plan_deletion(command_line)
    alter_report(command_line, f"runs/{plan}", MEMBER, OTHER)
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    # Not even the plan's execution was read: the function is the last to look.
    monkeypatch.setattr("centralized_root_access.cli.runs.Runs.report_of", ignore_the_hash)
    shown = command_line.run("execute", plan)
    assert OTHER in shown.stderr
    assert shown.exit_code == 2
    refusal = RunRefusedError(RefusalReason.PLAN_REPORT_ALTERED, run_id=plan)
    assert str(refusal) in " ".join(shown.stderr.split())
    assert command_line.root_tasks.organization.root_credentials(MEMBER).password


def ignore_the_hash(runs: Runs, execution: RunExecution) -> StoredReport:
    return StoredReport.read(runs._files_of(execution))


@pytest.mark.parametrize("format_", ["table", "csv", "json"])
@pytest.mark.parametrize("latest", [False, True], ids=["of-the-run", "latest"])
def test_a_report_that_its_run_did_not_write_is_not_shown(
    command_line: CommandLine, tmp_path: Path, latest: bool, format_: str
) -> None:
    """Whoever can write to the bucket could hide an account that has credentials."""
    give_credentials(command_line)
    command_line.run("audit")
    folder = "latest" if latest else f"runs/audit-{NAME}"
    alter_report(command_line, folder, '"has credentials"', '"clean"')
    run = [] if latest else [f"audit-{NAME}"]
    saved = tmp_path / "report.html"
    shown = command_line.run("report", *run, "--format", format_, "--output", str(saved))
    assert shown.exit_code == 2
    assert f"s3://{BUCKET}/{folder}/report.json was altered" in shown.stderr
    assert MEMBER not in shown.stdout
    assert not saved.exists()


@pytest.mark.parametrize("arguments", [["--yes"], []], ids=["yes", "asked"])
def test_a_plan_whose_report_was_altered_is_neither_shown_nor_executed(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    plan = plan_deletion(command_line)
    alter_report(command_line, f"runs/{plan}", MEMBER, OTHER)
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    shown = command_line.run("execute", plan, *arguments)
    assert shown.exit_code == 2
    assert "was altered" in shown.stderr
    assert OTHER not in shown.stderr
    assert "execute" not in str(command_line.services.started)


def test_the_report_of_an_execution_that_failed_is_held_by_hash_too(command_line: CommandLine) -> None:
    plan = plan_deletion(command_line)
    command_line.root_tasks.fail("iam:DeleteAccessKey", "AccessDenied", account_id=MEMBER)
    assert command_line.run("execute", plan, "--yes").exit_code == 1
    (run_id,) = (name for name in command_line.services.started if name.startswith("execute-"))
    alter_report(command_line, f"executions/{run_id}", '"failed"', '"done"')
    assert "was altered" in command_line.run("report", run_id).stderr


def test_the_page_and_the_table_for_spreadsheets_are_made_of_the_report_that_is_held_by_hash(
    command_line: CommandLine, tmp_path: Path
) -> None:
    give_credentials(command_line)
    assert command_line.run("audit", "--output", str(tmp_path)).exit_code == 1
    wrote = {name: command_line.root_tasks.read(f"runs/audit-{NAME}/{name}") for name in FILES}
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == wrote
    for name in ("report.csv", "report.html"):
        command_line.root_tasks.write(f"runs/audit-{NAME}/{name}", b"None has credentials.")
    for name in FILES:
        (tmp_path / name).unlink()
    assert command_line.run("report", f"audit-{NAME}", "--output", str(tmp_path)).exit_code == 1
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == wrote


@pytest.mark.parametrize("latest", [False, True], ids=["of-the-run", "latest"])
def test_a_report_whose_execution_is_gone_is_shown_and_called_unchecked(
    command_line: CommandLine, latest: bool
) -> None:
    give_credentials(command_line)
    command_line.run("audit")
    # As after 90 days.
    command_line.root_tasks.executions.clear()
    shown = command_line.run("report", *([] if latest else [f"audit-{NAME}"]))
    assert shown.exit_code == 1
    assert MEMBER in shown.stdout
    assert f"Whether run audit-{NAME} wrote this report was not checked." in shown.stderr


def test_a_report_that_names_a_run_without_a_report_is_called_unchecked(command_line: CommandLine) -> None:
    """Whoever can write to the bucket chooses the run that a report names."""
    command_line.run("audit")
    refused = command_line.root_tasks.run({"accounts": [STRANGER]})
    assert refused.status == "FAILED"
    alter_report(command_line, "latest", f'"runId":"audit-{NAME}"', f'"runId":"{refused.run_id}"')
    shown = command_line.run("report")
    assert f"Whether run {refused.run_id} wrote this report was not checked." in shown.stderr


def test_the_latest_report_says_how_old_it_is(command_line: CommandLine) -> None:
    """Whoever can write to the bucket could put back an earlier one, which its run has written."""
    command_line.run("audit")
    assert f"This is run audit-{NAME}, which ended 2026-11-24 12:00 UTC." in command_line.run("report").stderr


def test_a_report_that_nobody_checked_is_never_taken_for_a_clean_one(command_line: CommandLine) -> None:
    assert command_line.run("audit").exit_code == 0
    assert command_line.run("report").exit_code == 0
    alter_report(command_line, "latest", f'"runId":"audit-{NAME}"', '"runId":"no/such:run"')
    shown = command_line.run("report", "--format", "csv")
    assert shown.exit_code == 2
    assert "was not checked" in shown.stderr


@pytest.mark.parametrize("of", [["audit", "--account", OTHER], DELETE], ids=["some-accounts", "a-plan"])
def test_another_genuine_report_is_not_taken_for_the_latest_full_audit(
    command_line: CommandLine, of: Sequence[str]
) -> None:
    give_credentials(command_line)
    command_line.run("audit")
    command_line.now += timedelta(minutes=1)
    command_line.run(*of)
    (run_id,) = (name for name in command_line.services.started if name != f"audit-{NAME}")
    root_tasks = command_line.root_tasks
    root_tasks.write("latest/report.json", root_tasks.read(f"runs/{run_id}/report.json"))
    shown = command_line.run("report")
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert "latest/report.json is not the report of a full audit" in shown.stderr


def test_what_was_executed_is_not_called_unexecuted_where_its_report_was_altered(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_deletion(command_line)
    read = StoredFiles.read

    def read_altered(files: StoredFiles, name: str) -> bytes:
        body = read(files, name)
        return body + b" " if files.folder.startswith("executions/") else body

    monkeypatch.setattr(StoredFiles, "read", read_altered)
    shown = command_line.run("execute", plan, "--yes")
    assert shown.exit_code == 2
    assert command_line.root_tasks.organization.root_credentials(MEMBER).password is False
    assert f"Run execute-{NAME} has executed the plan, but its report cannot be shown" in shown.stderr
    assert f"`centralized-root-access report execute-{NAME}`" in shown.stderr


@pytest.mark.parametrize("format_", ["table", "csv", "json"])
@pytest.mark.parametrize(
    "command", [("audit",), ("audit", "--from-here"), DELETE, ("report",)], ids=lambda it: " ".join(it[:2])
)
def test_a_report_that_cannot_be_saved_is_shown_all_the_same(
    command_line: CommandLine, tmp_path: Path, command: tuple[str, ...], format_: str
) -> None:
    give_credentials(command_line)
    if command == ("report",):
        command_line.run("audit")
    (tmp_path / "report.json" / "in the way").mkdir(parents=True)
    shown = command_line.run(*command, "--format", format_, "--output", str(tmp_path))
    assert shown.exit_code == 2
    assert MEMBER in shown.stdout
    if format_ == "json":
        assert "results" in json.loads(shown.stdout)
    assert shown.stderr.splitlines()[-1].startswith("Unable to save the report as ")
    assert "cannot be shown" not in shown.stderr


def test_a_page_that_cannot_be_saved_is_a_sentence_below_the_report(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_disk(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    give_credentials(command_line)
    monkeypatch.setattr("tempfile.mkdtemp", fill_disk)
    shown = command_line.run("audit", "--open")
    assert shown.exit_code == 2
    assert MEMBER in shown.stdout
    assert shown.stderr.endswith("Unable to save the page in a temporary folder: No space left on device.\n")


def test_a_report_that_could_not_be_saved_is_refused_before_the_run(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Whoever runs the tests as root may write everywhere.
    monkeypatch.setattr("os.access", lambda path, _: str(path) != str(tmp_path))
    for path in (tmp_path, tmp_path / "report.json"):
        shown = command_line.run("audit", "--output", str(path))
        assert (shown.exit_code, shown.stdout) == (2, "")
        assert f"{tmp_path} is not writable." in shown.stderr
    assert command_line.services.requests == []


def test_a_program_that_cannot_get_the_report_still_says_what_was_executed(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_deletion(command_line)

    class FullDisk(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", FullDisk())
        shown = command_line.run("execute", plan, "--yes", "--format", "json")
    assert shown.exit_code == 2
    assert command_line.root_tasks.organization.root_credentials(MEMBER).password is False
    assert f"Run execute-{NAME} has executed the plan, but its report cannot be shown" in shown.stderr
    assert "No space left on device" in shown.stderr


def test_a_name_that_both_state_machines_have_is_refused_and_a_plan_is_looked_for_among_plans(
    command_line: CommandLine,
) -> None:
    """Who may start audits could otherwise show one in place of an execution, and the other way round."""
    plan = plan_deletion(command_line)
    assert command_line.run("execute", plan, "--yes").exit_code == 0
    root_tasks = command_line.root_tasks
    root_tasks.run({}, name=f"execute-{NAME}")
    shown = command_line.run("report", f"execute-{NAME}")
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert f"Both state machines have a run execute-{NAME}" in shown.stderr
    assert "is not a plan" in command_line.run("execute", f"execute-{NAME}", "--yes").stderr


def test_a_person_is_asked_about_no_row_that_was_not_shown(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "_MAX_ROWS", 1)
    plan = plan_deletion(command_line)
    assert "more rows" in command_line.run("report", plan).stdout
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    shown = command_line.run("execute", plan)
    assert "MFA device" in shown.stderr
    assert "more rows" not in shown.stderr


def test_the_warnings_of_a_report_are_shown(command_line: CommandLine) -> None:
    root_tasks = command_line.root_tasks
    key = f"runs/audit-{NAME}/results/IAMAuditRootUserCredentials/zzz.json"
    root_tasks.write(key, b"{}")
    assert f"Warning: {key}" in command_line.run("audit").stdout.replace("\n", "")


def test_only_the_report_that_was_approved_is_executed(command_line: CommandLine, tmp_path: Path) -> None:
    plan = plan_deletion(command_line)
    saved, other = tmp_path / "plan.json", tmp_path / "other.json"
    assert command_line.run("report", plan, "--output", str(saved)).exit_code == 0
    other.write_bytes(saved.read_bytes().replace(MEMBER.encode(), OTHER.encode()))
    refused = command_line.run("execute", plan, "--yes", "--approved-report", str(other))
    assert refused.exit_code == 2
    assert f"{other} is not the report.json of plan {plan}" in refused.stderr
    assert command_line.root_tasks.organization.root_credentials(MEMBER).password
    done = command_line.run("execute", plan, "--yes", "--approved-report", str(saved))
    assert done.exit_code == 0
    assert command_line.root_tasks.organization.root_credentials(MEMBER).password is False


@pytest.mark.parametrize(
    ("policy", "lines"),
    [
        ('{"Version":"2012-10-17","Statement":[]}', ['  "Version": "2012-10-17",']),
        ('{"Version":"2012-10-17","Statement":[{"Sid":"\\u202e\\u001b[2J"}]}', [r'"Sid": "\u202e\u001b[2J"']),
        ('{"Version":"1","Version":"2012-10-17","Statement":[]}', ['{"Version":"1","Version":"2012-10-17"']),
        (f'{{"Id":"a{150 * " "}b","Statement":[]}}', [f'  "Id": "a{150 * " "}b",']),
    ],
    ids=["indented", "hostile", "a-key-twice", "blanks"],
)
def test_a_person_sees_the_policies_that_a_plan_removes_in_full(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, policy: str, lines: list[str]
) -> None:
    s3 = command_line.root_tasks.organization.client("s3", account_id=MEMBER)
    s3.create_bucket(Bucket="locked")
    s3.put_bucket_policy(Bucket="locked", Policy=policy)
    planned = command_line.run("plan", "unlock-bucket", "--bucket", f"{MEMBER}:locked")
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    asked = command_line.run("execute", f"plan-unlock-{NAME}")
    for shown in (planned.stdout, asked.stderr):
        assert f"Policy of locked in {MEMBER}:" in shown
        for line in lines:
            assert line in shown
        assert "\x1b" not in shown


def test_only_a_plan_that_plans_something_is_executed(command_line: CommandLine) -> None:
    assert command_line.run("audit").exit_code == 0
    assert command_line.run(*DELETE).exit_code == 0
    for run_id, sentence in (
        (f"audit-{NAME}", "is not a plan"),
        (f"plan-delete-{NAME}", "lists nothing to execute"),
        ("missing", "There is no run missing"),
    ):
        shown = command_line.run("execute", run_id, "--yes")
        assert shown.exit_code == 2
        assert sentence in shown.stderr


def test_a_stack_without_a_task_that_acts_cannot_execute(command_line: CommandLine) -> None:
    plan = plan_deletion(command_line)
    services = command_line.services
    services.stacks[STACK] = services.outputs(executes=False)
    shown = command_line.run("execute", plan, "--yes")
    assert shown.exit_code == 2
    assert "cannot execute plans" in shown.stderr


@pytest.mark.parametrize("known", [True, False])
def test_an_unlocked_policy_is_restored_by_the_key_that_the_command_shows(
    command_line: CommandLine, *, known: bool
) -> None:
    root_tasks = command_line.root_tasks
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    s3 = root_tasks.organization.client("s3", account_id=MEMBER)
    s3.create_bucket(Bucket="locked")
    s3.put_bucket_policy(Bucket="locked", Policy=policy)
    assert command_line.run("plan", "unlock-bucket", "--bucket", f"{MEMBER}:locked").exit_code == 0
    unlocked = command_line.run("execute", f"plan-unlock-{NAME}", "--yes")
    assert unlocked.exit_code == 0
    restore = unlocked.stderr.strip().rpartition("centralized-root-access ")[2].split()
    assert restore[:3] == ["plan", "restore", "--backup"]
    if not known:
        # As after 90 days.
        del root_tasks.executions[root_tasks.arn(f"execute-{NAME}", machine=EXECUTE_MACHINE)]
    planned = command_line.run(*restore)
    assert planned.exit_code == 0
    assert "planned" in planned.stdout
    started = command_line.services.started[f"plan-restore-{NAME}"]
    assert started == {"task": Task.UNLOCK_BUCKET_POLICY, "restore": [restore[3]]}
    noted = "Whether run" in planned.stdout and "Read the policy" in planned.stdout
    assert noted is not known


def test_a_corrected_policy_comes_from_a_file(command_line: CommandLine, tmp_path: Path) -> None:
    plan = plan_deletion(command_line)
    assert command_line.run("execute", plan, "--yes").exit_code == 0
    file = tmp_path / "policy.json"
    file.write_text("{}")
    reference = f"backups/execute-{NAME}/{MEMBER}/b/{'0' * 64}.json"
    shown = command_line.run("plan", "restore", "--backup", reference, "--policy-override", str(file))
    assert shown.exit_code == 2
    assert f"Run execute-{NAME} did not remove policies" in shown.stderr
    shown = command_line.run("plan", "restore", "--backup", "latest/report.json")
    assert "is not a backup" in shown.stderr


def test_a_corrected_policy_may_have_the_mark_of_an_editor_on_windows(
    command_line: CommandLine, tmp_path: Path
) -> None:
    root_tasks = command_line.root_tasks
    root_tasks.settings = Settings(allow_policy_override=True)
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    s3 = root_tasks.organization.client("s3", account_id=MEMBER)
    s3.create_bucket(Bucket="locked")
    s3.put_bucket_policy(Bucket="locked", Policy=policy)
    command_line.run("plan", "unlock-bucket", "--bucket", f"{MEMBER}:locked")
    unlocked = command_line.run("execute", f"plan-unlock-{NAME}", "--yes")
    restore = unlocked.stderr.strip().rpartition("centralized-root-access ")[2].split()
    file = tmp_path / "policy.json"
    file.write_text(policy, encoding="utf-16")
    shown = command_line.run(*restore, "--policy-override", str(file))
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert f"{file} is not UTF-8 text." in shown.stderr
    file.write_text(policy, encoding="utf-8-sig")
    shown = command_line.run(*restore, "--policy-override", str(file))
    assert shown.exit_code == 0
    assert command_line.services.started[f"plan-restore-{NAME}"]["policyOverride"] == policy


# The deployment


def test_without_a_deployment_the_way_on_is_said(command_line: CommandLine) -> None:
    del command_line.services.stacks[STACK]
    shown = command_line.run("audit")
    assert shown.exit_code == 2
    assert f"No stack of account {MANAGEMENT} in us-east-1" in shown.stderr
    assert "--from-here" in shown.stderr


def test_one_of_several_deployments_has_to_be_chosen(command_line: CommandLine) -> None:
    services = command_line.services
    services.stacks["Two"] = services.outputs("First") | services.outputs("Second")
    shown = command_line.run("runs")
    assert shown.exit_code == 2
    assert "--stack OrgRoot or --stack Two:First or --stack Two:Second" in shown.stderr
    for stack in (STACK, "Two:Second"):
        assert command_line.run("runs", "--stack", stack).exit_code == 0
    for stack in ("Two", "Two:Third", "Three", "Other"):
        assert command_line.run("runs", "--stack", stack).exit_code == 2


def test_the_newest_runs_of_both_state_machines_are_listed_first(command_line: CommandLine) -> None:
    plan = plan_deletion(command_line)
    command_line.run("execute", plan, "--yes")
    names = [f"execute-{NAME}", f"plan-delete-{NAME}"]
    shown = command_line.run("runs")
    assert shown.exit_code == 0
    assert [line.split()[0] for line in shown.lines[1:]] == names
    listed = json.loads(command_line.run("runs", "--format", "json").stdout)["runs"]
    assert [run["run"] for run in listed] == names
    rows = list(csv.DictReader(io.StringIO(command_line.run("runs", "--format", "csv").stdout)))
    assert [(row["run"], row["stateMachine"], row["status"]) for row in rows] == [
        (names[0], "Execute", "SUCCEEDED"),
        (names[1], "Audit", "SUCCEEDED"),
    ]
    assert len(command_line.run("runs", "--limit", "1").lines) == 2


def test_no_spreadsheet_takes_the_name_of_a_run_for_a_formula(command_line: CommandLine) -> None:
    command_line.root_tasks.run(name="=1+1")
    (row,) = csv.DictReader(io.StringIO(command_line.run("runs", "--format", "csv").stdout))
    assert row["run"] == "'=1+1"


# Progress


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, str]]:
    shown: list[tuple[int, int, str]] = []
    original = screen.progress_bar

    def recording(what: str) -> AbstractContextManager[Any]:
        from contextlib import contextmanager

        @contextmanager
        def bar() -> Iterator[Any]:
            with original(what) as update:

                def record(done: int, total: int, noun: str) -> None:
                    shown.append((done, total, noun))
                    update(done, total, noun)

                yield record

        return bar()

    monkeypatch.setattr(screen, "progress_bar", recording)
    return shown


def test_progress_is_counted_in_accounts(
    command_line: CommandLine, updates: list[tuple[int, int, str]]
) -> None:
    command_line.run("audit")
    assert updates == [(3, 3, "accounts")]


def test_without_permission_to_read_progress_the_command_goes_on(
    command_line: CommandLine, updates: list[tuple[int, int, str]]
) -> None:
    command_line.services.errors["DescribeMapRun"] = ("AccessDeniedException", "No.")
    command_line.services.polls = 5
    assert command_line.run("audit").exit_code == 0
    assert updates == []
    assert len(command_line.services.calls("DescribeMapRun")) == 1
