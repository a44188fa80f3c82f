"""Plans and their executions: approving, expiring, restoring."""

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from aws_calls.failures import FailureKind, error_of_call
from centralized_root_access.cli.runs.plan_state import PlanState
from root_tasks.aws.report_bucket import Bucket
from support.accounts import MEMBER, OTHER_MEMBER
from support.command_line import (
    AUDIT_RUN,
    CALLER_ARN,
    EMPTY_POLICY,
    EXECUTION_RUN,
    NOW,
    PLAN_DELETE,
    PLAN_RUN,
    STACK_NAME,
    CommandLine,
    input_of_last_execution,
    lock_bucket,
    member_has_password,
    plan_deletion,
    replace_in_stored_report,
    run_suggested_command,
    suggested_command,
)
from support.root_tasks import EXECUTE_MACHINE, DeployedSettings


@pytest.mark.parametrize(
    ("typed", "exit_code"),
    [("y\n", 0), ("n\n", 2), ("\n", 2), ("", 130)],
    ids=["yes", "no", "return", "end of input"],
)
def test_a_person_sees_the_plan_and_decides(
    command_line: CommandLine, typed: str, exit_code: int
) -> None:
    plan, organization = PLAN_RUN, command_line.organization
    organization.put_root_credentials(
        MEMBER,
        password=True,
        password_last_used=command_line.root_tasks.now - timedelta(days=1),
    )
    assert command_line.run(*PLAN_DELETE, "--include-in-use").exit_code == 0
    shown = command_line.run("execute", plan, "--format", "json", typed=typed)
    assert shown.exit_code == exit_code
    in_use = "1 was used in the last 90 days (yesterday)"
    for sentence in (
        "Execute this plan to delete root credentials in 1 account? "
        f"It was planned by {CALLER_ARN}, the same principal as yours. "
        f"Of the credentials, {in_use}. This cannot be undone. [y/N]",
        "Selected: 1 account; in use or not.",
        MEMBER,
        "To be deleted in 1 of 1 account",
    ):
        assert sentence in shown.stderr
    # The function executes the report that the person was shown, by its hash.
    report = command_line.root_tasks.read_object(f"runs/{plan}/report.json")
    approved = {"plan": plan, "reportSha256": hashlib.sha256(report).hexdigest()}
    assert command_line.services.inputs_by_run.get(EXECUTION_RUN) == (
        approved if exit_code == 0 else None
    )
    assert ("Not executed. Nothing was changed." in shown.stderr) is (exit_code != 0)
    assert member_has_password(command_line) is (exit_code != 0)
    assert bool(shown.stdout) is (exit_code == 0)


def test_a_plan_says_until_when_it_can_be_executed_and_why_it_no_longer_can(
    command_line: CommandLine,
) -> None:
    def notes_and_state_of(plan: str) -> tuple[str, str]:
        """Return what `report` says of a plan below its summary, and what `runs` says of it."""
        notes = command_line.run("report", plan).stderr
        lines = command_line.run("runs").lines
        place = next(number for number, line in enumerate(lines) if line.endswith(f"  {plan}"))
        return notes, lines[place + 1].split(", ")[2]

    command_line.root_tasks.now = command_line.now
    plan = plan_deletion(command_line)
    expiry = command_line.root_tasks.read_json(f"runs/{plan}/report.json")["planExpiresAt"]
    until = f"{expiry[:10]} {expiry[11:16]} UTC"
    command_line.now = datetime.fromisoformat(expiry) - timedelta(hours=2, minutes=5)
    hint = (
        f"Next, execute exactly this plan, until {until}: centralized-root-access execute {plan}\n"
    )
    assert notes_and_state_of(plan)[0].endswith(hint)
    assert notes_and_state_of(plan)[1] == f"until {until}"
    # A minute after its expiry.
    command_line.now += timedelta(hours=2, minutes=6)
    command_line.root_tasks.now = command_line.now
    command_line.services.polls_while_running = 0
    command_line.root_tasks.run_execute_machine({"plan": plan}, name="refused")
    assert command_line.run("runs").lines[0] == "REFUSED  refused"
    assert notes_and_state_of(plan) == (
        f"This plan expired at {until}. Create a new plan.\n",
        "expired",
    )
    # Nine minutes before its expiry.
    command_line.root_tasks.now = command_line.now = command_line.now - timedelta(minutes=10)
    executed = command_line.run("execute", plan, "--yes")
    assert executed.exit_code == 0
    # By now the plan would have expired.
    command_line.now += timedelta(minutes=10)
    (execution,) = (
        name for name in command_line.services.inputs_by_run if name.startswith("execute")
    )
    assert notes_and_state_of(plan) == (
        f"This plan was claimed by {execution}.\n",
        f"claimed by {execution}",
    )
    listed = command_line.listed_runs()
    states = {run["run"]: (run["planExpiresAt"], run["execution"]) for run in listed}
    assert states == {plan: (expiry, execution), execution: (None, None), "refused": (None, None)}
    again = command_line.run("execute", plan, "--yes")
    assert (again.exit_code, again.stdout) == (2, "")
    assert f"This plan was claimed by {execution}. Nothing was changed." in again.stderr
    assert [name for name in command_line.services.inputs_by_run if name.startswith("execute")] == [
        execution
    ]
    # The mark of the plan stays after Step Functions has forgotten the execution.
    command_line.now += timedelta(days=30)
    del command_line.root_tasks.executions[
        command_line.root_tasks.arn(execution, machine=EXECUTE_MACHINE)
    ]
    listed = command_line.listed_runs()
    assert [run["execution"] for run in listed if run["run"] == plan] == [execution]
    mark = f"runs/{plan}/executed-by.json"
    sentence = command_line.root_tasks.read_object(mark).replace(
        execution.encode(), b"x. Run centralized-root-access y"
    )
    for written_by_others in (b"{}", sentence):
        command_line.root_tasks.write_object(mark, written_by_others)
        assert (
            notes_and_state_of(plan)[0]
            == "This plan was claimed by an execution that its mark does not name.\n"
        )


def test_a_plan_has_not_expired_before_its_end() -> None:
    state = PlanState(now=NOW, expires_at=NOW, claimed_by=None)
    assert (state.obstacle, state.words) == (None, f"until {NOW:%Y-%m-%d %H:%M} UTC")


def test_a_mark_that_cannot_be_read_loses_neither_the_report_nor_its_hint(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark of a plan says which execution has used it up."""
    plan = plan_deletion(command_line)
    read = Bucket.read

    def read_unless_mark(bucket: Bucket, key: str) -> bytes:
        if key.endswith("executed-by.json"):
            raise error_of_call("s3:GetObject", FailureKind.EFFECT_UNKNOWN, "Nothing was received.")
        return read(bucket, key)

    monkeypatch.setattr(Bucket, "read", read_unless_mark)
    shown = command_line.run("report", plan)
    assert shown.exit_code == 0
    assert suggested_command(shown) == ["execute", plan]
    command_line.now += timedelta(minutes=1)
    command_line.root_tasks.run_execute_machine({"plan": plan}, name="executing")
    listed = command_line.listed_runs()
    assert [run["execution"] for run in listed if run["run"] == plan] == ["executing"]


def test_an_execution_that_could_not_start_is_not_said_to_have_executed_its_plan(
    command_line: CommandLine,
) -> None:
    def execution_of(plan: str) -> str | None:
        listed = command_line.listed_runs()
        execution: str | None
        (execution,) = (run["execution"] for run in listed if run["run"] == plan)
        return execution

    plan, root_tasks = plan_deletion(command_line), command_line.root_tasks
    command_line.now, command_line.services.polls_while_running = root_tasks.now, 0
    root_tasks.fail_calls("organizations:DescribeAccount", "AccessDeniedException", times=1)
    assert root_tasks.run_execute_machine({"plan": plan}, name="not-started").status == "FAILED"
    assert execution_of(plan) is None
    assert suggested_command(command_line.run("report", plan)) == ["execute", plan]
    root_tasks.run_execute_machine({"plan": plan}, name="executing")
    assert execution_of(plan) == "executing"
    # Of an execution that was stopped, the mark says that it had begun.
    root_tasks.executions[root_tasks.arn("executing", machine=EXECUTE_MACHINE)].status = "ABORTED"
    assert execution_of(plan) == "executing"


@pytest.mark.parametrize("options", [("--yes",), ()], ids=["yes", "asked"])
def test_a_plan_whose_report_was_altered_is_neither_shown_nor_executed(
    command_line: CommandLine, options: tuple[str, ...]
) -> None:
    plan = plan_deletion(command_line)
    replace_in_stored_report(command_line, f"runs/{plan}", MEMBER, OTHER_MEMBER)
    said = command_line.refusal("execute", plan, *options, typed="y\n")
    assert "was altered" in said
    assert OTHER_MEMBER not in said
    assert list(command_line.services.inputs_by_run) == [plan]


@pytest.mark.parametrize("by", ["SHA-256", "file"])
def test_only_the_report_that_was_approved_is_executed(
    command_line: CommandLine, tmp_path: Path, by: str
) -> None:
    plan = plan_deletion(command_line)
    saved, other = tmp_path / "plan.json", tmp_path / "other.json"
    assert command_line.run("report", plan, "--output", str(saved)).exit_code == 0
    other.write_bytes(saved.read_bytes().replace(MEMBER.encode(), OTHER_MEMBER.encode()))
    approved = hashlib.sha256(saved.read_bytes()).hexdigest()
    assert f"for --approved-report: {approved}\n" in command_line.run("report", plan).stderr
    for wrong in (str(other), "0" * 64):
        refused = command_line.refusal("execute", plan, "--yes", "--approved-report", wrong)
        assert f"is not that of plan {plan}. Whoever" in refused
        # A refusal does not say the right hash, so that nobody approves a plan by pasting it.
        assert approved not in refused
    page = tmp_path / "plan.html"
    page.write_text("<!doctype html>")
    for wrong_path, problem in (
        (tmp_path, "neither a SHA-256 nor a file"),
        (page, "not a report.json"),
    ):
        refused = command_line.refusal(
            "execute", plan, "--yes", "--approved-report", str(wrong_path)
        )
        assert problem in refused
    assert member_has_password(command_line)
    given = approved.upper() if by == "SHA-256" else str(saved)
    assert command_line.run("execute", plan, "--yes", "--approved-report", given).exit_code == 0
    assert not member_has_password(command_line)


@pytest.mark.parametrize(
    ("run_id", "stack", "sentence"),
    [
        (AUDIT_RUN, STACK_NAME, "is not a plan"),
        (PLAN_RUN, STACK_NAME, "has nothing that can be executed"),
        ("missing", STACK_NAME, "There is no plan missing. `runs` lists the plans."),
        ("executed", STACK_NAME, "There is no plan executed."),
        (PLAN_RUN, "Looks", "cannot execute plans"),
    ],
    ids=["an audit", "an empty plan", "no run", "an execution", "no task that makes changes"],
)
def test_only_a_plan_of_something_is_executed(
    command_line: CommandLine, run_id: str, stack: str, sentence: str
) -> None:
    assert command_line.run("audit").exit_code == 0
    assert command_line.run(*PLAN_DELETE).exit_code == 0
    command_line.root_tasks.run_execute_machine({"plan": "none"}, name="executed")
    services = command_line.services
    services.stacks["Looks"] = services.outputs_of_construct(executes=False)
    assert sentence in command_line.refusal("execute", run_id, "--yes", "--stack", stack)


def test_an_execution_is_called_executed_also_if_its_report_cannot_be_shown(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_deletion(command_line)
    read = Bucket.read

    def read_altered(bucket: Bucket, key: str) -> bytes:
        return read(bucket, key) + (
            b" " if key == f"executions/{EXECUTION_RUN}/report.json" else b""
        )

    # The report of the execution no longer has the hash that its run holds.
    monkeypatch.setattr(Bucket, "read", read_altered)
    shown = command_line.run("execute", plan, "--yes", "--format", "json")
    assert shown.exit_code == 2
    assert not member_has_password(command_line)
    assert (
        f"Run {EXECUTION_RUN} has executed the plan, but its report cannot be shown" in shown.stderr
    )
    assert f"`centralized-root-access report {EXECUTION_RUN}`" in shown.stderr
    assert "was altered" in shown.stderr
    assert shown.json == {"error": shown.stderr.strip()}


def test_an_execution_that_was_stopped_meanwhile_says_how_to_see_what_it_had_done(
    command_line: CommandLine,
) -> None:
    plan, root_tasks = plan_deletion(command_line), command_line.root_tasks

    def stop() -> None:
        for execution in root_tasks.executions.values():
            if execution.run_id == EXECUTION_RUN:
                execution.status, execution.cause = "ABORTED", "Stopped by Jane."

    command_line.services.before_call["DescribeExecution"] = stop
    stopped = command_line.run("execute", plan, "--yes")
    assert not member_has_password(command_line)
    assert (stopped.exit_code, stopped.stdout) == (2, "")
    assert f"Run {EXECUTION_RUN} ended as ABORTED: Stopped by Jane." in stopped.stderr
    look = f"centralized-root-access report {EXECUTION_RUN}"
    assert f"To see what it had done, if it had begun: {look}\n" in stopped.stderr


# Policies


def test_a_policy_is_replaced_by_a_file_with_or_without_the_mark_of_an_editor(
    command_line: CommandLine, tmp_path: Path
) -> None:
    command_line.root_tasks.settings = DeployedSettings(allow_policy_override=True)
    lock_bucket(command_line)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    fixed = EMPTY_POLICY.replace("[]", json.dumps([statement]))
    file = tmp_path / "policy.json"
    command = ("plan", "unlock-bucket", "--bucket", f"{MEMBER}:locked", "--policy", str(file))
    file.write_text(fixed, encoding="utf-16")
    assert f"{file} cannot be read: it is not UTF-8 text." in command_line.refusal(*command)
    for encoding in ("utf-8", "utf-8-sig"):
        file.write_text(fixed, encoding=encoding)
        planned = command_line.run(*command)
        assert planned.exit_code == 0
        assert input_of_last_execution(command_line)["policyOverride"] == fixed
    executed = command_line.run(*suggested_command(planned), typed="y\n")
    for shown in (planned.stdout, executed.stderr):
        assert f"Policy of locked in {MEMBER}, to be set (- goes, + is new):" in shown
        assert (
            '\n  -  "Statement": []\n  +  "Statement": [\n  +    {\n  +      "Effect": "Allow",\n'
            in shown
        )
    assert "Execute this plan to set bucket policies in 1 account? " in executed.stderr
    assert "as yours. The new policy allows everyone." in executed.stderr
    assert executed.lines[-1].startswith("Set bucket policies. Set: 1 bucket policy.")
    # The command that is shown gives the earlier policy back, also if it is pasted again.
    for _ in range(2):
        given_back = run_suggested_command(command_line, executed)
        assert given_back.exit_code == 0
    assert run_suggested_command(command_line, given_back, "--yes").exit_code == 0
    s3 = command_line.root_tasks.client("s3", account_id=MEMBER)
    assert s3.get_bucket_policy(Bucket="locked")["Policy"] == EMPTY_POLICY
