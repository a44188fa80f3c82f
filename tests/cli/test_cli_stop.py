"""Runs that end without a report: the stop command, and the report of what they had done."""

import json
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import Mock

from root_tasks.model.report_schema import Task
from support.accounts import MEMBER
from support.arrange import add_accounts
from support.command_line import (
    NOW,
    CommandLine,
    CommandOutput,
    give_root_credentials,
    lock_bucket,
    suggested_command,
)
from support.root_tasks import EXECUTE_MACHINE, DeployedSettings

EXECUTION = "execute-20261125-0432-aaaa"
PLAN_RUN = "run-1"


def begin_execution(command_line: CommandLine, input_: Mapping[str, object]) -> dict[str, str]:
    """Plan, and let the execution of the plan begin; return its input."""
    root_tasks = command_line.root_tasks
    input_of_execution = {"plan": root_tasks.run(input_).run_id}
    root_tasks.begin(EXECUTION, input_of_execution, machine=EXECUTE_MACHINE, started_at=NOW)
    return input_of_execution


def execute_first_batch(command_line: CommandLine, input_: Mapping[str, object]) -> None:
    """Plan, and let the execution of the plan end its first batch."""
    root_tasks, services = command_line.root_tasks, command_line.services
    input_of_execution = begin_execution(command_line, input_)
    arn = root_tasks.arn(EXECUTION, machine=EXECUTE_MACHINE)
    services.start_outputs[arn] = run = root_tasks.start_execution(
        input_of_execution, arn=arn, started_at=NOW
    )
    services.batch_outputs[arn] = [(0, root_tasks.execute_batch(run, batch=0))]


def start_execution_of_three_batches(command_line: CommandLine) -> list[str]:
    """Let an execution of three batches end its first one, and lose the second.

    Return its accounts: five in each of the first two batches, and one in the third, which has not
    started.
    """
    organization = command_line.organization
    accounts = sorted(add_accounts(organization, 11))
    for account_id in accounts:
        organization.put_root_credentials(account_id, password=True)
    execute_first_batch(command_line, {"task": Task.DELETE, "accounts": accounts})
    (batches,) = command_line.services.batch_outputs.values()
    batches.append((1, {}))
    return accounts


def outcomes_and_reasons(command_line: CommandLine) -> dict[str, tuple[str, str | None]]:
    """Return the outcome and the reason of each account in the report of the run."""
    shown = command_line.run("report", EXECUTION, "--format", "json")
    assert shown.exit_code == 2
    return {row["accountId"]: (row["outcome"], row.get("reason")) for row in shown.json["results"]}


def test_a_stopped_execution_says_what_is_done_unknown_and_not_started(
    command_line: CommandLine, tmp_path: Path
) -> None:
    accounts = start_execution_of_three_batches(command_line)
    stopped = command_line.run("stop", EXECUTION, "--yes")
    assert stopped.exit_code == 0
    expected = {
        **dict.fromkeys(accounts[:5], "DONE"),
        **dict.fromkeys(accounts[5:10], "UNKNOWN"),
        accounts[10]: "SKIPPED",
    }
    assert stopped.stderr.splitlines() == [
        f"Run {EXECUTION} was stopped.",
        "Batches that had started may still be finishing, for up to 10 more minutes.",
        "Next, audit again: centralized-root-access audit",
    ]
    (call,) = command_line.services.parameters_of_calls("StopExecution")
    assert call["cause"].startswith("Stopped by arn:aws:")
    # The report can be shown again, in every form.
    again = command_line.run("report", EXECUTION, "--output", str(tmp_path))
    assert again.stdout == stopped.stdout
    assert again.exit_code == 2
    assert f"ended as ABORTED: {call['cause']}" in again.stdout.replace("\n", " ")
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.json",
        "report.csv",
        "report.html",
    }
    # It is as old as its last session: stopping the execution makes no look newer.
    saved = json.loads((tmp_path / "report.json").read_bytes())
    assert saved["finishedAt"] == "2026-11-25T04:32:00Z"
    assert {
        id_: outcome for id_, (outcome, _) in outcomes_and_reasons(command_line).items()
    } == expected
    assert (
        command_line.run("audit", "--from-report", EXECUTION, "--outcome", "unknown").exit_code == 1
    )
    assert list(command_line.services.inputs_by_run.values())[-1] == {
        "accounts": accounts[5:10],
        "fromReport": EXECUTION,
    }


def test_a_batch_that_has_a_claim_and_is_not_listed_yet_is_unknown(
    command_line: CommandLine,
) -> None:
    accounts = start_execution_of_three_batches(command_line)
    root_tasks, services = command_line.root_tasks, command_line.services
    (arn, run) = next(iter(services.start_outputs.items()))
    root_tasks.execute_batch(run, batch=2)
    assert command_line.run("stop", EXECUTION, "--yes").exit_code == 0
    assert 2 not in [number for number, _ in services.batch_outputs[arn]]
    assert outcomes_and_reasons(command_line)[accounts[10]][0] == "UNKNOWN"


def test_a_result_that_was_altered_is_never_shown_as_a_fact(command_line: CommandLine) -> None:
    accounts = start_execution_of_three_batches(command_line)
    # The result of the first batch.
    (key,) = command_line.root_tasks.object_keys(
        f"executions/{EXECUTION}/results/{Task.DELETE}/00000-"
    )
    command_line.root_tasks.write_object(
        key, command_line.root_tasks.read_object(key).replace(b"DONE", b"CLEAN")
    )
    stopped = command_line.run("stop", EXECUTION, "--yes")
    assert stopped.exit_code == 0
    rows = outcomes_and_reasons(command_line)
    # The accounts of the altered result, and those of the second batch, whose result is lost.
    assert {id_ for id_, (outcome, _) in rows.items() if outcome == "UNKNOWN"} == set(accounts[:10])
    assert rows[accounts[10]] == (
        "SKIPPED",
        "Not started: the run ended before this account's turn.",
    )


def execute_and_stop(command_line: CommandLine, input_: Mapping[str, object]) -> CommandOutput:
    """Plan, execute the only batch, and stop the execution before its report is written."""
    execute_first_batch(command_line, input_)
    return command_line.run("stop", EXECUTION, "--yes")


def test_a_recovery_without_its_report_says_how_to_replace_the_password(
    command_line: CommandLine,
) -> None:
    input_ = {"task": Task.RECOVER, "accounts": [MEMBER]}
    assert (
        "Next, on AWS's sign-in page, choose Forgot"
        in execute_and_stop(command_line, input_).stderr
    )


def test_a_backup_of_an_execution_without_a_report_can_be_given_back(
    command_line: CommandLine,
) -> None:
    root_tasks, services = command_line.root_tasks, command_line.services
    lock_bucket(command_line)
    input_ = {"task": Task.UNLOCK_BUCKET, "buckets": {MEMBER: ["locked"]}}
    stopped = execute_and_stop(command_line, input_)
    (backup,) = root_tasks.object_keys(f"backups/{EXECUTION}/")
    # An audit would say nothing about the bucket, so the next step gives its policy back.
    command = ["plan", "unlock-bucket", "--bucket", f"{MEMBER}:locked", "--policy", backup]
    assert (stopped.exit_code, suggested_command(stopped)) == (0, command)
    # As if the function of the batch had been lost before it returned.
    services.batch_outputs[root_tasks.arn(EXECUTION, machine=EXECUTE_MACHINE)] = [(0, {})]
    assert (
        command_line.run("report", EXECUTION)
        .stderr.splitlines()[0]
        .startswith("Next, plan the same again")
    )
    assert f"Backups of this run: {backup}." in str(outcomes_and_reasons(command_line)[MEMBER][1])
    planned = command_line.run(*command)
    assert planned.exit_code == 0, planned


def test_a_run_that_was_altered_is_not_shown(command_line: CommandLine) -> None:
    start_execution_of_three_batches(command_line)
    key = f"executions/{EXECUTION}/run.json"
    # The run has the names of its accounts, such as team-1.
    command_line.root_tasks.write_object(
        key, command_line.root_tasks.read_object(key).replace(b"team-1", b"team-9")
    )
    stopped = command_line.run("stop", EXECUTION, "--yes")
    assert (stopped.exit_code, stopped.stdout) == (2, "")
    # The sentence is for any task, because the altered run cannot be read.
    assert (
        f" shown. Audit every account of plan {PLAN_RUN}, or plan again for policies; "
        in stopped.stderr
    )
    assert f": {key} was altered" in stopped.stderr


def time_out_without_report(command_line: CommandLine, task: Task, **targets: object) -> None:
    """Let run-1 of a task time out after its batch and before its report; MEMBER has a password."""
    root_tasks, services = command_line.root_tasks, command_line.services
    root_tasks.organization.put_root_credentials(MEMBER, password=True)
    input_ = {"task": task, **targets}
    execution = root_tasks.run(input_, name="run-1")
    arn = root_tasks.arn("run-1")
    services.start_outputs[arn] = run = root_tasks.start_run(
        input_, arn=arn, started_at=execution.started_at
    )
    services.batch_outputs[arn] = [(0, root_tasks.run_batch(run, batch=0))]
    execution.status, execution.cause = "TIMED_OUT", ""


def test_an_audit_without_its_report_has_what_is_accepted_and_no_own_root_user(
    command_line: CommandLine,
) -> None:
    accepted = {
        "targetId": MEMBER,
        "types": ["PASSWORD"],
        "reason": "billing",
        "until": "2030-01-01",
    }
    command_line.root_tasks.settings = DeployedSettings(accepted_credentials=[accepted])
    time_out_without_report(command_line, Task.AUDIT)
    found = command_line.run("report", "run-1", "--format", "json").json
    (row,) = (row for row in found["results"] if row["accountId"] == MEMBER)
    assert (row["outcome"], row["reason"]) == ("ACCEPTED", "Accepted until 2030-01-01: billing.")
    assert found["summary"].endswith(
        "The management account's root user was not looked at: the run ended early."
    )


def test_a_plan_without_its_report_is_shown_and_is_no_plan_to_execute(
    command_line: CommandLine,
) -> None:
    time_out_without_report(command_line, Task.DELETE, accounts=[MEMBER])
    shown = command_line.run("report", "run-1")
    assert shown.exit_code == 2
    assert "To be deleted in 1 of 1 account: 1 password." in shown.lines[-1]
    assert "execute" not in shown.stderr
    # A person is not asked whether to execute it.
    assert "has nothing that can be executed" in command_line.refusal("execute", "run-1", "--yes")
    assert command_line.services.parameters_of_calls("StartExecution") == []
    assert command_line.organization.root_credentials(MEMBER).password


def test_a_plan_of_policies_without_its_report_has_left_nothing_to_do(
    command_line: CommandLine,
) -> None:
    lock_bucket(command_line)
    time_out_without_report(command_line, Task.UNLOCK_BUCKET, buckets={MEMBER: ["locked"]})
    shown = command_line.run("report", "run-1")
    assert "To be removed in 1 of 1" in shown.stdout
    # Only an execution that ended early has a next step: to see what is left to do.
    assert "what is left" not in shown.stderr


def test_a_run_is_not_stopped_without_a_yes_nor_when_it_has_ended(
    command_line: CommandLine,
) -> None:
    start_execution_of_three_batches(command_line)
    assert "There is no terminal to ask at. Use --yes." in command_line.refusal("stop", EXECUTION)
    for said, exit_code in (("n\n", 2), ("", 130)):
        shown = command_line.run("stop", EXECUTION, typed=said)
        # The question is on stderr: stdout may be a file.
        assert (shown.exit_code, shown.stdout) == (exit_code, "")
        assert shown.stderr.startswith(
            f"Run {EXECUTION}, which executes run-1, started at 2026-11-25 04:32 UTC. Changes "
            "that it has made stay made, and its plan is used up, unless it is still being "
            "checked.\nStop it? [y/N]: "
        )
        assert shown.stderr.endswith("Not stopped. The run continues.\n")
    audit = command_line.root_tasks.run({})
    # The audit has ended when the command first looks at it.
    command_line.services.polls_while_running = 0
    ended = command_line.refusal("stop", audit.run_id, "--yes")
    assert (
        ended
        == f"Unable to stop the run: Run {audit.run_id} is not running: it ended as SUCCEEDED.\n"
    )
    assert command_line.services.parameters_of_calls("StopExecution") == []


def test_an_execution_that_ends_before_it_is_stopped_is_not_called_stopped(
    command_line: CommandLine,
) -> None:
    start_execution_of_three_batches(command_line)
    root_tasks = command_line.root_tasks
    execution = root_tasks.executions[root_tasks.arn(EXECUTION, machine=EXECUTE_MACHINE)]
    command_line.services.before_call["StopExecution"] = lambda: setattr(
        execution, "status", "SUCCEEDED"
    )
    said = command_line.refusal("stop", EXECUTION, "--yes")
    assert said == f"Run {EXECUTION} is not running: it ended as SUCCEEDED.\n"


def test_a_stop_whose_end_cannot_be_read_is_not_called_a_failure_to_stop(
    command_line: CommandLine,
) -> None:
    start_execution_of_three_batches(command_line)
    services = command_line.services
    services.before_call["StopExecution"] = lambda: services.errors_by_operation.update(
        DescribeExecution=("InvalidArn", "No.")
    )
    said = command_line.refusal("stop", EXECUTION, "--yes")
    assert said == (
        f"Whether run {EXECUTION} was stopped is not known: states:DescribeExecution: "
        "InvalidArn: No.\n"
    )


def test_an_interrupted_stop_says_that_the_run_may_have_been_stopped(
    command_line: CommandLine,
) -> None:
    start_execution_of_three_batches(command_line)
    before, interrupt = command_line.services.before_call, Mock(side_effect=KeyboardInterrupt)
    for during_stop in (interrupt, lambda: before.update(DescribeExecution=interrupt)):
        before["StopExecution"] = during_stop
        shown = command_line.run("stop", EXECUTION, "--yes")
        assert (shown.exit_code, shown.stdout) == (130, "")
        assert shown.stderr.strip() == (
            f"Whether run {EXECUTION} was stopped is not known. To look: `centralized-root-access "
            f"report {EXECUTION}`."
        )


def test_an_execution_that_is_stopped_before_it_has_accounts_shows_none_and_leaves_its_plan(
    command_line: CommandLine,
) -> None:
    give_root_credentials(command_line)
    begin_execution(command_line, {"task": Task.DELETE, "accounts": [MEMBER]})
    stopped = command_line.run("stop", EXECUTION, "--yes")
    assert (stopped.exit_code, stopped.stdout) == (2, "")
    assert f"Run {EXECUTION} ended as ABORTED: Stopped by" in stopped.stderr
    assert "the plan's report says if it can still be executed" in stopped.stderr
    assert (
        f"centralized-root-access execute {PLAN_RUN}" in command_line.run("report", PLAN_RUN).stderr
    )
