"""The next steps after a run: commands that can be pasted, and what they lead to."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest

from centralized_root_access.cli.base.terminal import PROGRAM
from root_tasks.messages import HOW_TO_DEPLOY
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.arrange import (
    ROOT_CREDENTIALS_MANAGEMENT,
    ROOT_SESSIONS,
    enable_root_access,
    paste,
)
from support.command_line import (
    AUDIT_RUN,
    CommandLine,
    give_root_credentials,
)
from support.drift_check import DriftCheck, cloudtrail_event
from support.function import BOTH_FEATURES
from support.notices import text_by_mail
from support.root_tasks import DeployedSettings, RootTasks


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


def test_a_first_look_says_what_to_deploy_and_has_steps_that_need_no_stored_report(
    command_line: CommandLine,
) -> None:
    give_root_credentials(command_line)
    command_line.organization.deny(THIRD_MEMBER, "iam:*")
    command_line.services.stacks = {}
    shown = command_line.run("audit", "--from-here")
    assert "deploy RootTasks with RootTask.DELETE" in shown.stderr
    plan, audit = re.findall(rf": {PROGRAM} (.*)$", shown.stderr, re.MULTILINE)
    assert audit == f"audit --from-here --account {THIRD_MEMBER}"
    assert HOW_TO_DEPLOY in command_line.refusal(*plan.split())


# Root access that differs from both features with MEMBER as the delegated administrator


def printed_by_status(command_line: CommandLine) -> str:
    """Return what `status` prints."""
    return command_line.run("status", "--delegated-administrator", MEMBER).stdout


def printed_by_notice(_: CommandLine) -> str:
    """Return the notice of the drift check; there is none without drift."""
    drift_check = DriftCheck(delegated_administrators=(MEMBER,))
    drift_check(cloudtrail_event(eventName="unknown"))
    return "".join(text_by_mail(notice.publication) for notice in drift_check.published)


def printed_by_refusal(command_line: CommandLine) -> str:
    """Return why two accounts may not start runs that need both features; nothing if they may."""
    unlock = {"task": "unlock-bucket", "buckets": {OTHER_MEMBER: ["a-bucket"]}}
    causes = []
    for account_id in (MANAGEMENT, MEMBER):
        root_tasks = RootTasks(organization=command_line.organization, account_id=account_id)
        causes += [root_tasks.run().cause, root_tasks.run(unlock).cause]
    return "\n".join(causes)


# What is enabled, and what registered. "hidden" is trusted access that was disabled afterwards, so
# that IAM hides the features.
STATES: dict[str, dict[str, Any]] = {
    "trusted access": {},
    "without sessions": {"features": [ROOT_CREDENTIALS_MANAGEMENT], "delegates": [MEMBER]},
    "without credentials": {"features": [ROOT_SESSIONS], "delegates": [MEMBER]},
    "hidden": {"features": BOTH_FEATURES, "hidden": True},
    "without the delegate": {"features": BOTH_FEATURES},
    "nothing": {"hidden": True},
    "as listed": {"features": BOTH_FEATURES, "delegates": [MEMBER]},
}


@pytest.mark.parametrize("printed", [printed_by_status, printed_by_notice, printed_by_refusal])
@pytest.mark.parametrize("state", STATES)
def test_the_printed_commands_lead_to_root_access_as_listed(
    command_line: CommandLine, state: str, printed: Callable[[CommandLine], str]
) -> None:
    organization = command_line.organization
    organization.reset()
    enable_root_access(
        organization,
        *STATES[state].get("features", ()),
        delegated_administrators=STATES[state].get("delegates", ()),
        hidden="hidden" in STATES[state],
    )
    pasted: list[str] = []
    while commands := re.findall("aws (?:iam|organizations) .*", printed(command_line)):
        assert not set(commands).intersection(pasted), "no command is printed in vain"
        # Several runs are refused for one reason.
        for command in dict.fromkeys(commands):
            paste(organization, command)
        pasted += commands
    assert bool(pasted) == (state != "as listed")
    assert organization.root_access().features == set(BOTH_FEATURES)
    assert organization.root_access().delegated_administrators == (MEMBER,)
