"""The pages on root tasks and their input: all commands in order, up to no credentials."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore import xform_name

from root_tasks.model.report_schema import Outcome
from support.accounts import MANAGEMENT, MEMBER, OTHER
from support.arrange import add_unit
from support.command_line import Typed
from support.pages import blocks, run_with_stubs, script
from support.responding import respond_to

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from support.command_line import CommandLine

PROGRAMS = ("aws", "centralized-root-access")
PAGES = ("delete-root-credentials.md", "task-input.md")
COMMANDS = "\n".join(
    script(block, PROGRAMS) for block in blocks("console") if block.page.name in PAGES
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
    add_unit(organization, "New", OTHER, parent_id=add_unit(organization, "Workloads"))
    for account_id in (MEMBER, OTHER):
        organization.put_root_credentials(account_id=account_id, password=True, mfa_devices=1)


@pytest.mark.usefixtures("two_people", "workloads")
def test_the_commands_of_the_pages_lead_from_an_audit_to_no_credentials(
    command_line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = run_with_stubs(COMMANDS, programs=PROGRAMS, folder=tmp_path)
    exit_codes = []
    for program, *arguments in calls:
        if program == "aws":
            call_aws(command_line, arguments)
        else:
            monkeypatch.setattr("sys.stdin", Typed("y\n"))
            exit_codes.append((arguments[0], command_line.run(*arguments).exit_code))
            command_line.now += timedelta(minutes=1)
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
    for account_id in (MEMBER, OTHER):
        assert not command_line.root_tasks.organization.root_credentials(account_id).password


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
