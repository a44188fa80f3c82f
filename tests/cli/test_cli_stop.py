"""The stop command: what it asks, what it stops, and what it says had been done until then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from root_tasks.model.codec import encode
from root_tasks.model.report import Outcome, Task
from root_tasks.model.run import BatchResult, Finding
from support.accounts import OTHER
from support.command_line import NOW
from support.root_tasks import EXECUTE_MACHINE, FinishedExecution

if TYPE_CHECKING:
    import pytest

    from support.command_line import CommandLine

RUN = "execute-20261125-0432-aaaa"
RESULTS = f"executions/{RUN}/results/{Task.DELETE_CREDENTIALS}"


def start_execution(command_line: CommandLine, *, runs: bool = True) -> list[str]:
    """Let an execution of three batches end its first one, and lose the second; return its accounts.

    Args:
        command_line: The command line.
        runs: Whether it comes so far.
    """
    root_tasks = command_line.root_tasks
    organization = root_tasks.organization
    accounts = sorted(
        organization.add_account(name=f"team-{number}", email=f"{number}@example.com") for number in range(11)
    )
    for account_id in accounts:
        organization.put_root_credentials(account_id=account_id, password=True)
    plan = root_tasks.run({"task": Task.DELETE_CREDENTIALS, "accounts": accounts})
    arn = root_tasks.arn(RUN, machine=EXECUTE_MACHINE)
    root_tasks.executions[arn] = FinishedExecution(
        run_id=RUN,
        input={"plan": plan.run_id},
        status="RUNNING",
        output={},
        started_at=NOW,
        folder="executions",
    )
    if runs:
        run = root_tasks.start_execution({"plan": plan.run_id}, arn=arn, started_at=NOW)
        root_tasks.execute_batch(run, batch=0)
        root_tasks.write(f"{RESULTS}/00001.claim", b"token")
    return accounts


def test_a_stopped_execution_says_what_was_done_what_is_unknown_and_what_had_not_started(
    command_line: CommandLine,
) -> None:
    accounts = start_execution(command_line)
    stopped = command_line.run("stop", RUN, "--yes")
    assert stopped.exit_code == 0
    header, *rows = [line.split() for line in stopped.lines]
    assert header == ["outcome", "account", "name"]
    assert [(outcome, account_id) for outcome, account_id, _ in rows] == [
        *(("unknown", account_id) for account_id in accounts[5:10]),
        *(("deleted", account_id) for account_id in accounts[:5]),
    ]
    assert stopped.stderr.splitlines() == [
        f"Run {RUN} was stopped.",
        "Not started: 1 account.",
        "Unknown: 5 accounts. Their functions had started, and may run for up to 10 more minutes. Then audit "
        "them: "
        f"centralized-root-access audit --account {','.join(accounts[5:10])}",
    ]
    (call,) = command_line.services.calls("StopExecution")
    assert call["cause"].startswith("Stopped by arn:aws:")
    ended = command_line.refusal("report", RUN)
    assert f"Run {RUN} ended as ABORTED: {call['cause']}" in ended


def test_a_run_is_not_stopped_without_a_yes_nor_when_it_has_ended(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_execution(command_line)
    assert "There is no terminal to ask at. Use --yes." in command_line.refusal("stop", RUN)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)
    assert command_line.refusal("stop", RUN).splitlines() == [
        f"Run {RUN}, which executes run-1, started at 2026-11-25 04:32 UTC. What it has done stays "
        "done, and its plan cannot be executed again.",
        "Not stopped. The run continues.",
    ]
    audit = command_line.root_tasks.run({})
    command_line.services.polls = 0
    said = command_line.refusal("stop", audit.run_id, "--yes")
    assert said == f"Unable to stop the run: Run {audit.run_id} is not running: it ended as SUCCEEDED.\n"
    assert command_line.services.calls("StopExecution") == []


def test_an_execution_that_ends_before_it_is_stopped_is_not_called_stopped(command_line: CommandLine) -> None:
    start_execution(command_line)
    (execution,) = (
        execution for execution in command_line.root_tasks.executions.values() if execution.run_id == RUN
    )
    command_line.services.before["StopExecution"] = lambda: setattr(execution, "status", "SUCCEEDED")
    said = command_line.refusal("stop", RUN, "--yes")
    assert said == f"Run {RUN} is not running: it ended as SUCCEEDED.\n"


def test_a_stop_whose_end_cannot_be_read_is_not_called_a_failure_to_stop(command_line: CommandLine) -> None:
    start_execution(command_line)
    services = command_line.services
    services.before["StopExecution"] = lambda: services.errors.update(DescribeExecution=("InvalidArn", "No."))
    said = command_line.refusal("stop", RUN, "--yes")
    assert said == f"Whether run {RUN} was stopped is not known: states:DescribeExecution: InvalidArn: No.\n"


def test_a_function_that_starts_while_its_execution_is_stopped_is_not_called_not_started(
    command_line: CommandLine,
) -> None:
    accounts = start_execution(command_line)
    claim = f"{RESULTS}/00002.claim"
    command_line.sleep = lambda seconds: command_line.root_tasks.write(claim, f"{seconds}".encode())
    command_line.services.polls = 1
    stopped = command_line.run("stop", RUN, "--yes")
    assert ["unknown", accounts[10]] in [line.split()[:2] for line in stopped.lines]
    assert "Not started: 0 accounts." in stopped.stderr


def test_an_execution_that_is_stopped_before_its_batches_has_come_to_no_account(
    command_line: CommandLine,
) -> None:
    start_execution(command_line, runs=False)
    stopped = command_line.run("stop", RUN, "--yes")
    assert (stopped.exit_code, stopped.stdout) == (0, "")
    assert stopped.stderr == f"Run {RUN} was stopped.\nIt had not come to any account.\n"


def test_what_is_not_of_a_batch_of_the_run_says_nothing_about_an_account(command_line: CommandLine) -> None:
    """Whoever can write to the bucket could call an account done that the run never came to."""
    accounts = start_execution(command_line)
    found = tuple(Finding(account_id=id_, outcome=Outcome.DONE) for id_ in (OTHER, accounts[10]))
    for name in (f"00001-{'0' * 64}.json", f"00003-{'0' * 64}.json", "00003.claim", "claim"):
        command_line.root_tasks.write(f"{RESULTS}/{name}", encode(BatchResult(findings=found)))
    stopped = command_line.run("stop", RUN, "--yes")
    assert {tuple(line.split()[:2]) for line in stopped.lines[1:]} == {
        *(("deleted", account_id) for account_id in accounts[:5]),
        *(("unknown", account_id) for account_id in accounts[5:10]),
    }
    assert "Not started: 1 account." in stopped.stderr
