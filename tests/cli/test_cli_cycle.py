"""The cycle of the pages, from audit to clean, as the commands print it in a terminal."""

import contextlib
import io
import os
import re
import shlex
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from centralized_root_access.cli.main import main
from support.accounts import MEMBER
from support.apps import REPOSITORY, read_page
from support.command_line import CommandLine
from support.processes import run_successfully

PROGRAM = "centralized-root-access"
COMMANDS_AND_EXIT_CODES = (
    (("audit",), 1),
    (("plan", "delete", "--account", MEMBER), 0),
    (("execute", "plan-delete-20261125-0433-2345", "--yes"), 0),
    (("audit", "--account", MEMBER), 0),
)
CREDENTIALS_CREATED = datetime(2019, 3, 12, 12, tzinfo=UTC)
KEY_LAST_USED = datetime(2026, 5, 14, 9, 30, tzinfo=UTC)


def run_cycle(command_line: CommandLine) -> Iterator[str]:
    """Run the commands, and yield what a terminal shows when somebody types each."""
    for command, exit_code in COMMANDS_AND_EXIT_CODES:
        command_line.root_tasks.now = command_line.now
        screen = io.StringIO()
        with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
            assert command_line.run(*command).exit_code == exit_code
        yield f"$ {shlex.join([PROGRAM, *command])}\n{screen.getvalue()}"
        # The name of a run has its time, so that no two have the same.
        command_line.now += timedelta(minutes=1)


def test_the_readme_shows_the_cycle_as_the_commands_print_it_and_each_names_the_next(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization = command_line.organization
    organization.put_root_credentials(
        MEMBER,
        password=True,
        access_keys=1,
        access_key_last_used=KEY_LAST_USED,
        # Plans show it.
        created_at=CREDENTIALS_CREATED,
    )
    # The lines of the page are as long as this.
    monkeypatch.setenv("COLUMNS", "109")
    # A report's hash changes with each release, so the page has an invented one.
    transcript = re.sub(r"\b[0-9a-f]{64}\b", "b94d27b9" * 8, "\n".join(run_cycle(command_line)))
    assert not organization.root_credentials(MEMBER).password
    section = (
        (REPOSITORY / "README.md")
        .read_text()
        .partition("\n## From audit to clean\n")[2]
        .partition("\n## ")[0]
    )
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert [block for block in blocks if block.startswith(f"$ {PROGRAM} ")] == [transcript]
    next_commands = re.findall(r"^Next, .*?: (.*)", transcript, re.MULTILINE)
    # Nobody is there whom execute could ask.
    next_commands[1] += " --yes"
    assert next_commands == [
        shlex.join([PROGRAM, *command]) for command, _ in COMMANDS_AND_EXIT_CODES[1:]
    ]


def test_the_page_names_the_grants_of_every_command() -> None:
    page = read_page("reference/permissions.md")
    permissions = page.partition("\n## People who run commands\n")[2].partition("\n### ")[0]
    first_cells = "".join(re.findall(r"^\|([^|]+)\|", permissions, re.MULTILINE))
    commands = re.findall(r"`([a-z -]+)`", first_cells)
    # The row of `audit --from-here` is one of audit.
    assert {command.partition(" --")[0] for command in commands} == set(main.commands)


def test_completion_is_set_up_as_documented() -> None:
    page = read_page("reference/command-line.md")
    for shell in ("bash", "zsh", "fish"):
        assert f"{shell}_source" in page
    environment = {"_CENTRALIZED_ROOT_ACCESS_COMPLETE": "zsh_source", "PATH": os.environ["PATH"]}
    script = run_successfully(sys.executable, "-m", "centralized_root_access", env=environment)
    assert "_CENTRALIZED_ROOT_ACCESS_COMPLETE" in script
