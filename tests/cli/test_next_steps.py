"""The next steps after a run: commands that can be pasted, and what they lead to."""

import re
from datetime import timedelta
from unittest.mock import Mock

import pytest

from centralized_root_access.cli.base.terminal import PROGRAM
from root_tasks.messages import HOW_TO_DEPLOY
from support.accounts import MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.command_line import (
    AUDIT_RUN,
    CommandLine,
    CommandOutput,
    give_root_credentials,
)
from support.root_tasks import DeployedSettings


def test_each_command_of_a_notice_can_be_pasted(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", Mock(return_value=True))
    give_root_credentials(command_line)
    assert command_line.run("audit").exit_code == 1
    steps = command_line.root_tasks.cards[-1]["content"]["nextSteps"]
    commands = [step.split("`")[1] for step in steps if "`centralized-root-access" in step]
    exit_codes = [command_line.run(*command.split()[1:]).exit_code for command in commands]
    assert dict(zip(commands, exit_codes, strict=True)) == {
        "centralized-root-access report --open": 1,
        f"centralized-root-access plan delete --account {MEMBER}": 0,
    }
    command_line.root_tasks.advance(days=1)
    give_root_credentials(command_line, OTHER_MEMBER)
    # In Slack, the name of this run would notify everyone of a channel.
    command_line.root_tasks.run({}, name="`<!channel>`")
    assert "channel" not in str(command_line.root_tasks.cards[-1]["content"]["nextSteps"])


def test_no_step_leads_to_a_plan_that_skips_a_protected_account(command_line: CommandLine) -> None:
    root_tasks = command_line.root_tasks
    root_tasks.settings = DeployedSettings(protected_accounts=[MEMBER])
    give_root_credentials(command_line)
    audit = command_line.run("audit")
    assert (audit.exit_code, "plan delete" in audit.stderr) == (1, False)
    assert "plan delete" not in str(root_tasks.cards)
    of_report = ("plan", "delete", "--from-report", AUDIT_RUN)
    left_out = "Left out of run {}: 1 protected account.\n"
    assert command_line.refusal(*of_report) == (
        f"{left_out.format(AUDIT_RUN)}Unable to plan: Run {AUDIT_RUN} reports no other account "
        "with these outcomes: has-credentials.\n"
    )
    give_root_credentials(command_line, OTHER_MEMBER)
    command_line.now += timedelta(minutes=1)
    command_line.run("audit")
    second = list(command_line.services.inputs_by_run)[1]
    command_line.now += timedelta(minutes=1)
    planned = command_line.run("plan", "delete", "--from-report", second)
    assert (planned.exit_code, planned.stderr.startswith(left_out.format(second))) == (0, True)
    run_id = list(command_line.services.inputs_by_run)[-1]
    assert (
        f"<dd>1 account of report {second}; "
        in root_tasks.read_object(f"runs/{run_id}/report.html").decode()
    )
    selection = root_tasks.read_json(f"runs/{run_id}/report.json")["selection"]
    assert (selection["accounts"], selection["fromReport"]) == ([OTHER_MEMBER], second)


def suggested_commands(shown: CommandOutput) -> list[str]:
    """Return the commands that a command names as next steps, without the program's name."""
    return re.findall(rf": {PROGRAM} (.*)$", shown.stderr, re.MULTILINE)


def test_a_person_gets_from_the_first_look_to_clean_by_what_the_terminal_prints(
    command_line: CommandLine,
) -> None:
    """One account is plain, one has a key in use, one is protected, one is inaccessible."""
    root_tasks, services = command_line.root_tasks, command_line.services
    organization, now = root_tasks.organization, root_tasks.now
    protected = organization.add_account(name="protected", email="protected@example.com")
    organization.put_root_credentials(MEMBER, password=True, mfa_devices=1)
    organization.put_root_credentials(
        OTHER_MEMBER, password=True, access_keys=1, access_key_last_used=now
    )
    for account_id in (THIRD_MEMBER, protected):
        organization.put_root_credentials(account_id, access_keys=1)
    organization.deny(THIRD_MEMBER, "iam:*")

    # The first look, without a deployment.
    deployed, services.stacks = services.stacks, {}
    first = command_line.run("audit", "--from-here")
    assert first.exit_code == 1
    assert "deploy RootTasks with RootTask.DELETE" in first.stderr
    plan, audit = suggested_commands(first)
    assert audit == f"audit --from-here --account {THIRD_MEMBER}"
    assert HOW_TO_DEPLOY in command_line.refusal(*plan.split())

    # RootTasks is deployed, and protects an account. Each command is pasted once.
    services.stacks = deployed
    protecting = DeployedSettings(protected_accounts=[protected])
    root_tasks.settings = protecting
    notes: list[str] = []
    done: list[str] = []
    to_do = [plan]
    while to_do:
        command = to_do.pop(0)
        confirmed = ["--yes"] if command.startswith("execute") else []
        command_line.now += timedelta(minutes=1)
        shown = command_line.run(*command.split(), *confirmed)
        done.append(command)
        notes += shown.stderr.splitlines()
        to_do += [each for each in suggested_commands(shown) if each not in (*done, *to_do)]
        if not to_do and root_tasks.settings is protecting:
            # What a person has to do besides: the account is no longer protected.
            assert any("take the accounts out of protected_accounts" in line for line in notes)
            root_tasks.settings = DeployedSettings()
            to_do.append("plan delete --account all")
        if any("When the cause is fixed" in line for line in notes):
            organization.allow(THIRD_MEMBER, "iam:*")
    assert [command for command in done if command.startswith("execute")], done
    credentials = {id_: organization.root_credentials(id_) for id_ in organization.members}
    assert [id_ for id_, has in credentials.items() if has.access_keys or has.password] == []
    assert command_line.run("audit").exit_code == 0
