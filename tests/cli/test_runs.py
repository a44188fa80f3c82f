"""Runs: starting one, waiting for it, coming back to it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import Mock

import pytest

from root_tasks.model.report_schema import Task
from support.accounts import MEMBER
from support.command_line import (
    AUDIT_RUN,
    EXECUTION_RUN,
    PLAN_DELETE,
    PLAN_RUN,
    STACK_NAME,
    CommandLine,
    give_root_credentials,
    plan_deletion,
    replace_in_stored_report,
)
from support.responding import client_error
from support.root_tasks import EXECUTE_MACHINE, RUNNING, WITHOUT_OUTPUT, DeployedSettings


def test_an_execution_in_which_an_account_failed_has_a_report_that_is_held_by_hash(
    command_line: CommandLine,
) -> None:
    plan = plan_deletion(command_line)
    command_line.root_tasks.fail_calls("iam:DeleteAccessKey", "AccessDenied", account_id=MEMBER)
    # The cause comes seconds after the status.
    arn = command_line.root_tasks.arn(EXECUTION_RUN, machine=EXECUTE_MACHINE)
    command_line.root_tasks.outdated_descriptions[arn] = [WITHOUT_OUTPUT] * 3
    shown = command_line.run("execute", plan, "--yes")
    assert shown.exit_code == 1
    assert "1 account failed." in shown.lines[-1]
    replace_in_stored_report(command_line, f"executions/{EXECUTION_RUN}", '"FAILED"', '"DONE"')
    assert "was altered" in command_line.run("report", EXECUTION_RUN).stderr


def test_a_refused_run_has_the_sentence_of_the_function(command_line: CommandLine) -> None:
    command_line.root_tasks.settings = DeployedSettings(tasks=(Task.AUDIT,))
    said = command_line.refusal(*PLAN_DELETE)
    assert f"Run {PLAN_RUN} was refused: This stack does not have the task {Task.DELETE}." in said
    assert "To see what it had done" not in said


def test_a_failed_run_has_the_sentence_that_its_function_raised(command_line: CommandLine) -> None:
    execution = command_line.root_tasks.run(name="audit-1")
    error_of_function = {
        "errorMessage": "No report was written.",
        "errorType": "OutdatedRunError",
        "stackTrace": [],
    }
    execution.status, execution.cause = "FAILED", json.dumps(error_of_function)
    assert command_line.refusal("report", "audit-1") == (
        "Unable to show the report: Run audit-1 ended as FAILED: No report was written.\n"
    )


def test_an_interrupt_while_an_ended_run_is_read_does_not_say_that_it_continues(
    command_line: CommandLine,
) -> None:
    command_line.services.polls_while_running = 0
    command_line.run("audit")
    # The command describes the run to find it, and again to wait for its end.
    interrupt = Mock(side_effect=[None, KeyboardInterrupt])

    command_line.services.before_call["DescribeExecution"] = interrupt
    shown = command_line.run("report", AUDIT_RUN)
    assert (shown.exit_code, "continues in AWS" in shown.stderr) == (130, False)


def test_a_command_that_may_not_start_a_run_says_what_it_needs(command_line: CommandLine) -> None:
    denied = ("AccessDeniedException", "You may not.")
    command_line.services.errors_by_operation["StartExecution"] = denied
    assert command_line.refusal("audit").endswith(
        "states:StartExecution: AccessDeniedException: You may not. RootTasks.grant_plan or "
        "grant_execute allows it, or the statement "
        '{"Effect": "Allow", "Action": "states:StartExecution", "Resource": "*"} in a policy of '
        "these credentials, if no other policy denies it.\n"
    )


def test_an_interrupted_command_says_how_to_come_back_and_how_to_stop_the_run(
    command_line: CommandLine,
) -> None:
    before = command_line.services.before_call
    # Interrupted while it starts the run, the command does not know whether there is one.
    for operation, beginning in (("DescribeMapRun", "Run"), ("StartExecution", "If run")):
        before[operation] = Mock(side_effect=KeyboardInterrupt)
        shown = command_line.run("audit", "--stack", STACK_NAME)
        assert (shown.exit_code, shown.stderr.lstrip().startswith(f"{beginning} {AUDIT_RUN} ")) == (
            130,
            True,
        )
        for command in ("report", "stop"):
            # A command ends before the period, which would become a part of the stack's name.
            assert (
                f"it: `centralized-root-access {command} {AUDIT_RUN} --stack {STACK_NAME}`."
                in shown.stderr
            )
    assert command_line.services.parameters_of_calls("StopExecution") == []
    before["DescribeStacks"] = Mock(side_effect=KeyboardInterrupt)
    shown = command_line.run("audit")
    assert (shown.exit_code, shown.stderr.strip()) == (130, "Nothing was started.")


# The SDK raises a ValueError if a credential process asks for a sign-in instead.
@pytest.mark.parametrize(
    "error",
    [client_error("ExpiredToken", operation="x"), ValueError("No JSON.")],
    ids=["expired", "sign-in needed"],
)
def test_credentials_that_expire_while_it_waits_do_not_lose_the_run(
    command_line: CommandLine, error: Exception
) -> None:
    command_line.services.before_call["DescribeExecution"] = Mock(side_effect=error)
    assert f"centralized-root-access report {AUDIT_RUN}" in command_line.refusal("audit")


def test_a_report_waits_for_its_run_and_ends_like_the_command_that_started_it(
    command_line: CommandLine,
) -> None:
    """Who can write to the bucket could put an earlier report there, so its age is shown."""
    give_root_credentials(command_line)
    command_line.services.polls_while_running = 3
    first = command_line.run("audit")
    assert first.exit_code == 1
    assert command_line.run("report", AUDIT_RUN).stdout == first.stdout
    latest = command_line.run("report")
    assert latest.stdout == first.stdout
    assert f"This is run {AUDIT_RUN}, which ended at 2026-11-24 12:00 UTC." in latest.stderr


def test_step_functions_may_describe_an_execution_as_it_was_seconds_ago(
    command_line: CommandLine,
) -> None:
    command_line.root_tasks.outdated_descriptions = {
        command_line.root_tasks.arn(AUDIT_RUN): [None] * 3 + [RUNNING] + [WITHOUT_OUTPUT] * 3
    }
    shown = command_line.run("audit")
    # Otherwise a line would say that the report could not be checked.
    assert (shown.exit_code, shown.stderr) == (0, "")
    # The second command finds everything there, and waits for nothing.
    waits: list[float] = []
    command_line.sleep = waits.append
    assert command_line.run("report", AUDIT_RUN).exit_code == 0
    assert waits == []


@pytest.mark.parametrize("operation", ["ListExecutions", "DescribeExecution"])
def test_an_incomplete_response_names_the_call_that_gave_it(
    command_line: CommandLine, operation: str
) -> None:
    command_line.services.root_tasks.run({})
    command_line.services.omitted_members[operation] = "startDate"
    assert f"states:{operation}" in command_line.refusal("runs")


def test_a_lost_response_does_not_start_a_run_twice(command_line: CommandLine) -> None:
    responses = iter(
        [("InternalFailure", "Try again."), ("ExecutionAlreadyExists", "It has ended.")]
    )
    services = command_line.services

    def lose_first_response() -> None:
        """Start the run at the first call, and respond as if it had failed; then as AWS does."""
        services.errors_by_operation.pop("StartExecution", None)
        if error := next(responses, None):
            if error[0] == "InternalFailure":
                services._StartExecution(services.parameters_of_calls("StartExecution")[-1])
            services.errors_by_operation["StartExecution"] = error

    services.before_call["StartExecution"] = lose_first_response
    assert command_line.run("audit").exit_code == 0
    assert [call["name"] for call in services.parameters_of_calls("StartExecution")] == [
        AUDIT_RUN,
        AUDIT_RUN,
    ]


@pytest.mark.parametrize(
    ("errors", "updates"),
    [
        ({}, [(1, 1, "batches of accounts")]),
        ({"DescribeMapRun": ("AccessDeniedException", "No.")}, []),
    ],
    ids=["of batches", "without permission"],
)
def test_progress_is_shown_and_is_not_worth_failing_for(
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    errors: dict[str, tuple[str, str]],
    updates: list[tuple[int, int, str]],
) -> None:
    counted: list[tuple[int, int, str]] = []

    @contextmanager
    def record(what: str, *, of: str) -> Iterator[Callable[[int, int], None]]:
        yield lambda done, total: counted.append((done, total, of))

    monkeypatch.setattr("centralized_root_access.cli.runs.deployed_runs.progress_bar", record)
    command_line.services.errors_by_operation |= errors
    command_line.services.polls_while_running = 1
    assert command_line.run("audit").exit_code == 0
    assert counted == updates
