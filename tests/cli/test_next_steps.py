"""The next steps after a run: commands that can be pasted, and what they lead to."""

from __future__ import annotations

import dataclasses
import functools
from datetime import timedelta
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from centralized_root_access.cli.follow_up import key_use_steps, next_steps
from centralized_root_access.cli.options import TargetOptions
from centralized_root_access.cli.terminal import Environment
from root_tasks.model.report_schema import Action, Item, ItemType, Outcome, RootCredentials, Task
from root_tasks.report.risk import RECENT
from support import reports
from support.accounts import MEMBER, OTHER
from support.command_line import AUDIT, DELETE, give_credentials, next_command

if TYPE_CHECKING:
    from support.command_line import CommandLine

HERE = TargetOptions(environment=Environment(), profile=None, region=None, stack=None)
report_of_recovery = functools.partial(
    reports.report, task=Task.ALLOW_PASSWORD_RECOVERY, action=Action.ALLOW_RECOVERY
)


@pytest.mark.parametrize(
    ("number", "scope"),
    [(5, "--account "), (6, f"--from-report {reports.report().run_id}")],
    ids=["few", "many"],
)
def test_the_hint_after_an_audit_is_one_short_command(number: int, scope: str) -> None:
    has = RootCredentials(password=True)
    audit = reports.report(
        *(reports.result(f"{place:012}", Outcome.HAS_CREDENTIALS, credentials=has) for place in range(number))
    )
    (step,) = next_steps(audit, target=HERE)
    assert f"plan delete {scope}" in step


@pytest.mark.parametrize(
    ("number", "scope"),
    [
        (1, f"--account {0:012}"),
        (6, "--from-report executions/run --outcome unknown --outcome failed --outcome done"),
    ],
    ids=["few", "many"],
)
def test_an_execution_names_the_audit_of_every_account_that_it_may_have_changed(
    number: int, scope: str
) -> None:
    results = [reports.result(f"{place:012}", Outcome.DONE) for place in range(number)]
    # It may have left the organization.
    results.append(reports.result(OTHER, Outcome.SKIPPED))
    for listed, steps in (
        (results, [f"Next, to look again: centralized-root-access audit {scope}"]),
        (results[-1:], []),
    ):
        execution = reports.report(*listed, task=Task.DELETE_CREDENTIALS, executed_plan="plan", run_id="run")
        assert list(next_steps(execution, target=HERE)) == steps


def test_each_command_of_a_notice_can_be_pasted(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", Mock(return_value=True))
    give_credentials(command_line)
    assert command_line.run("audit").exit_code == 1
    steps = command_line.root_tasks.cards[-1]["content"]["nextSteps"]
    commands = [step.split("`")[1] for step in steps if "`centralized-root-access" in step]
    exit_codes = [command_line.run(*command.split()[1:]).exit_code for command in commands]
    assert dict(zip(commands, exit_codes, strict=True)) == {
        "centralized-root-access report --open": 1,
        f"centralized-root-access plan delete --from-report {AUDIT}": 0,
    }
    command_line.root_tasks.advance(days=1)
    give_credentials(command_line, OTHER)
    command_line.root_tasks.run({}, name="`<!channel>`")
    assert "channel" not in str(command_line.root_tasks.cards[-1]["content"]["nextSteps"])


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


def test_no_step_leads_to_a_plan_that_skips_a_protected_account(command_line: CommandLine) -> None:
    root_tasks = command_line.root_tasks
    root_tasks.settings = dataclasses.replace(root_tasks.settings, protected_accounts=frozenset({MEMBER}))
    give_credentials(command_line)
    audit = command_line.run("audit")
    assert (audit.exit_code, audit.stderr) == (1, "")
    assert "plan delete" not in str(root_tasks.cards)
    of_report = ("plan", "delete", "--from-report", AUDIT)
    left_out = "Left out of run {}: 1 protected account.\n"
    assert command_line.refusal(*of_report) == (
        f"{left_out.format(AUDIT)}Unable to plan: Run {AUDIT} reports no other account with these outcomes: "
        "has credentials.\n"
    )
    give_credentials(command_line, OTHER)
    command_line.now += timedelta(minutes=1)
    next_step = next_command(command_line.run("audit"))
    assert next_step == ["plan", "delete", "--account", OTHER]
    assert command_line.run(*next_step).exit_code == 0
    second = [*command_line.services.inputs][1]
    command_line.now += timedelta(minutes=1)
    planned = command_line.run("plan", "delete", "--from-report", second)
    assert (planned.exit_code, planned.stderr.startswith(left_out.format(second))) == (0, True)


def test_what_is_in_use_is_what_was_when_the_audit_looked() -> None:
    """If an audit is redriven, its start may be a day earlier."""
    has = RootCredentials(password=True, password_last_used_at=reports.STARTED - RECENT)
    audit = reports.report(reports.result(MEMBER, Outcome.HAS_CREDENTIALS, credentials=has))
    assert list(next_steps(audit, target=HERE)) == [
        f"Next, to plan their deletion: centralized-root-access plan delete --account {MEMBER}"
    ]


def test_the_keys_in_use_are_in_the_query_that_finds_their_users() -> None:
    audit = reports.example_audit()
    (step,) = key_use_steps(audit)
    assert "AKIAIOSFODNN00000001" in step
    assert "AKIAIOSFODNN00000002" not in step
    items = tuple(
        Item(type=ItemType.ACCESS_KEY, id=f"AKIA{outcome.rank:012}", outcome=outcome)
        for outcome in (Outcome.PLANNED, Outcome.IN_USE)
    )
    plan = reports.report(reports.result(MEMBER, Outcome.PLANNED, items=items), task=Task.DELETE_CREDENTIALS)
    (step,) = key_use_steps(plan)
    assert f'in ["AKIA{Outcome.IN_USE.rank:012}"]' in step
    assert list(key_use_steps(reports.report())) == []


@pytest.mark.parametrize(
    ("outcome", "executed_plan", "beginning"),
    [
        (Outcome.DONE, "plan", f"Next, for account {MEMBER}: on"),
        (Outcome.NOTHING_TO_DO, None, f"Account {MEMBER} has a password. To replace it, on"),
        (Outcome.NOTHING_TO_DO, "plan", f"Account {MEMBER} has a password. To replace it, on"),
    ],
    ids=["recovered", "has a password", "has one since the plan"],
)
def test_a_password_to_replace_names_the_way_and_the_deletion(
    outcome: Outcome, executed_plan: str | None, beginning: str
) -> None:
    result = dataclasses.replace(reports.result(MEMBER, outcome), email=None)
    failed = reports.result(OTHER, Outcome.FAILED)
    forgot, delete = next_steps(report_of_recovery(result, failed, executed_plan=executed_plan), target=HERE)
    assert forgot == (
        f"{beginning} AWS's sign-in page, choose Forgot password for the e-mail address of its root user."
    )
    assert delete.endswith(f": centralized-root-access plan delete --account {MEMBER} --include-in-use")
    assert list(next_steps(report_of_recovery(failed, executed_plan=executed_plan), target=HERE)) == []


def test_a_recovery_whose_end_is_not_known_leads_to_an_audit() -> None:
    lost = report_of_recovery(reports.result(MEMBER, Outcome.UNKNOWN), executed_plan="plan")
    (step,) = next_steps(lost, target=HERE)
    assert step.endswith(f" audit --account {MEMBER}")


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.UNKNOWN, Outcome.FAILED, Outcome.NOTHING_TO_DO])
def test_only_what_may_have_been_removed_is_hinted_at_to_be_restored(outcome: Outcome) -> None:
    unlock = reports.example_unlock()
    (item,) = unlock.results[0].items
    items = (dataclasses.replace(item, outcome=outcome),)
    first = dataclasses.replace(unlock.results[0], outcome=outcome, items=items)
    executed = dataclasses.replace(unlock, results=(first, *unlock.results[1:]))
    restore, *again = next_steps(executed, target=HERE)
    assert (str(item.backup) in restore) == (outcome in (Outcome.DONE, Outcome.UNKNOWN))
    # Only a plan shows whether the policy is still there.
    assert len(again) == (outcome is Outcome.UNKNOWN)
