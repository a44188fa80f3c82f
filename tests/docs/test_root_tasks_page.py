"""The pages on root tasks and their input: all commands in order, up to no credentials."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from root_tasks.model.report_schema import Outcome
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER
from support.arrange import add_unit
from support.command_line import CommandLine, TypedInput
from support.pages import code_blocks, commands_in_block, run_with_stubs
from support.responding import respond_to
from support.root_tasks import DeployedSettings

PROGRAMS = ("aws", "centralized-root-access")
DELETION = ("delete-root-credentials.md", "task-input.md")
RECOVERY = "recover-an-account.md"
UNLOCKING = "unlock-a-bucket-or-a-queue.md"
LOCKED = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "LockedOut", "Effect": "Deny", "Principal": "*", "Action": "s3:*"},
        ],
    }
)
# How each command of the command line ends.
FOUND, DONE = 1, 0


@pytest.fixture
def two_people(command_line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the planner and the executor a profile each, once the command line has set its own."""
    config = tmp_path / "config"
    config.write_text(
        "\n".join(
            f"[profile {name}]\naws_access_key_id = {MANAGEMENT}\naws_secret_access_key = secret\n"
            for name in ("planner", "executor")
        )
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))


@pytest.fixture
def workloads(command_line: CommandLine) -> None:
    """Put one of the two accounts that have credentials into the units that the page names."""
    organization = command_line.root_tasks.organization
    add_unit(organization, "New", OTHER_MEMBER, parent_id=add_unit(organization, "Workloads"))
    for account_id in (MEMBER, OTHER_MEMBER):
        organization.put_root_credentials(account_id=account_id, password=True, mfa_devices=1)


@pytest.mark.usefixtures("two_people", "workloads")
def test_the_commands_of_the_pages_lead_from_an_audit_to_no_credentials(
    command_line: CommandLine, tmp_path: Path
) -> None:
    exit_codes = run_pages(*DELETION, command_line=command_line, folder=tmp_path)
    assert exit_codes == [
        ("audit", FOUND),
        ("plan", DONE),
        ("plan", DONE),
        ("report", DONE),
        ("execute", DONE),
        ("execute", DONE),
        ("audit", DONE),
        ("runs", DONE),
        ("audit", DONE),
        ("audit", DONE),
    ]
    executions = command_line.root_tasks.executions.values()
    assert {execution.status for execution in executions} == {"SUCCEEDED"}
    # The executions of three plans: of an account, of a unit, and of the unit again, where nothing
    # is left.
    acting = [execution for execution in executions if execution.folder == "executions"]
    assert [execution.totals for execution in acting] == [{Outcome.DONE: 1}, {Outcome.DONE: 1}, {}]
    for account_id in (MEMBER, OTHER_MEMBER):
        assert not command_line.root_tasks.organization.root_credentials(account_id).password


def test_the_commands_of_the_guide_allow_a_recovery_and_close_it(
    command_line: CommandLine, tmp_path: Path
) -> None:
    allowed: list[bool] = []
    organization = command_line.root_tasks.organization
    exit_codes = run_pages(
        RECOVERY,
        command_line=command_line,
        folder=tmp_path,
        after=lambda: allowed.append(organization.root_credentials(MEMBER).password),
    )
    assert exit_codes == [("plan", DONE), ("execute", DONE)] * 2
    assert allowed == [False, True, True, False]


def test_the_commands_of_the_guide_unlock_and_give_back_and_correct_a_policy(
    command_line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command_line.root_tasks.settings = DeployedSettings(allow_policy_override=True)
    fixed = json.dumps({"Version": "2012-10-17", "Statement": []})
    (tmp_path / "fixed.json").write_text(fixed)
    s3, sqs = (
        command_line.root_tasks.client(service, account_id=MEMBER) for service in ("s3", "sqs")
    )
    s3.create_bucket(Bucket="a-bucket")
    s3.put_bucket_policy(Bucket="a-bucket", Policy=LOCKED)
    url = sqs.create_queue(QueueName="orders", Attributes={"Policy": LOCKED})["QueueUrl"]
    policies: list[str | None] = []

    def note_policy() -> None:
        try:
            policies.append(s3.get_bucket_policy(Bucket="a-bucket")["Policy"])
        except s3.exceptions.ClientError:
            policies.append(None)

    exit_codes = run_pages(UNLOCKING, command_line=command_line, folder=tmp_path, after=note_policy)
    assert exit_codes == [("plan", DONE), ("execute", DONE)] * 4
    assert policies[1::2] == [None, LOCKED, fixed, fixed]
    assert "Attributes" not in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])


def run_pages(
    *pages: str,
    command_line: CommandLine,
    folder: Path,
    after: Callable[[], object] = lambda: None,
) -> list[tuple[str, int]]:
    """Type all commands of pages, and return how each command of the command line ended.

    Args:
        pages: The pages' names.
        command_line: The command line.
        folder: An empty folder.
        after: Called after each command of the command line.
    """
    typed = "\n".join(
        commands_in_block(block, PROGRAMS)
        for block in code_blocks("console")
        if block.page.name in pages
    )
    exit_codes = []
    with pytest.MonkeyPatch.context() as patch:
        for program, *arguments in run_with_stubs(typed, programs=PROGRAMS, folder=folder):
            if program == "aws":
                call_aws(command_line, arguments)
                continue
            patch.setattr("sys.stdin", TypedInput("y\n"))
            exit_codes.append((arguments[0], command_line.run(*arguments).exit_code))
            command_line.now += timedelta(minutes=1)
            after()
    return exit_codes


def call_aws(command_line: CommandLine, arguments: Sequence[str]) -> None:
    """Call a service as the AWS CLI does with these arguments."""
    service, command, *options = arguments
    client: Any = botocore.session.get_session().create_client(service)
    respond_to(client, command_line.services.respond)
    parameters = {
        re.sub(r"-(\w)", lambda match: match[1].upper(), option.removeprefix("--")): value
        for option, value in zip(options[::2], options[1::2], strict=True)
    }
    json.loads(parameters.get("input", "{}"))
    assert getattr(client, xform_name(command.title().replace("-", "")))(**parameters)
