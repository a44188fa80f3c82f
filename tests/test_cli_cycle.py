"""The cycle of the pages, from audit to clean, as the commands print it in a terminal."""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from centralized_root_access.cli.errors import ExitCode
from centralized_root_access.cli.main import main
from support.accounts import MEMBER
from support.command_line import NOW

if TYPE_CHECKING:
    from support.command_line import CommandLine

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = "centralized-root-access"
PLAN = "plan-delete-20261125-0433-2345"
COMMANDS = (
    ("audit",),
    ("plan", "delete", "--account", MEMBER),
    ("execute", PLAN, "--yes"),
    ("audit",),
)


CREATED = datetime(2019, 3, 12, 12, tzinfo=UTC)
USED = datetime(2026, 5, 14, 9, 30, tzinfo=UTC)


def typed(command_line: CommandLine, command: tuple[str, ...]) -> tuple[str, int]:
    """Return what a terminal shows when somebody types a command, and its exit code."""
    screen = io.StringIO()
    with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
        exit_code = command_line.run(*command).exit_code
    return f"$ {shlex.join([PROGRAM, *command])}\n{screen.getvalue()}", exit_code


@pytest.fixture
def transcript(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> str:
    root_tasks = command_line.root_tasks
    root_tasks.now = NOW
    organization = root_tasks.organization
    with monkeypatch.context() as patch:
        # Plans show when a credential was created.
        patch.setattr(organization._emulation, "now", lambda: CREATED)
        organization.put_root_credentials(
            account_id=MEMBER, password=True, access_keys=1, access_key_last_used=USED
        )
    # The widest terminal in which a report is a list: a page has room for it.
    monkeypatch.setenv("COLUMNS", "109")
    shown = []
    for command, expected in zip(COMMANDS, (1, 0, 0, 0), strict=True):
        text, exit_code = typed(command_line, command)
        assert exit_code == expected, text
        shown.append(text)
        command_line.now += timedelta(minutes=1)
    assert not organization.root_credentials(MEMBER).password
    return "\n".join(shown)


def test_the_pages_show_the_cycle_as_the_commands_print_it(transcript: str) -> None:
    for page in ("README.md", "docs/command-line.md"):
        section = (ROOT / page).read_text().partition("\n## From audit to clean\n")[2].partition("\n## ")[0]
        blocks = re.findall(r"^```[a-z]*\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        assert [block for block in blocks if block.startswith(f"$ {PROGRAM} ")] == [transcript], page


def test_each_command_is_the_one_that_the_command_before_it_names(transcript: str) -> None:
    typed_commands = [shlex.split(line[2:]) for line in transcript.splitlines() if line.startswith("$ ")]
    named = [
        shlex.split(line.partition(": ")[2]) for line in transcript.splitlines() if line.startswith("Next, ")
    ]
    assert [named[0], [*named[1], "--yes"], named[2]] == typed_commands[1:], "nobody is there to say yes"


def test_the_page_has_the_commands_and_options_that_there_are() -> None:
    generator = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    assert (ROOT / "docs" / "command-line.md").read_text() == generator["command_line"](), "Run `make docs`."


def test_the_page_has_every_exit_code_and_every_command() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text()
    section = page.partition("\n## Exit codes\n")[2].partition("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == [*ExitCode]
    permissions = page.partition("\n## Permissions\n")[2].partition("\n### ")[0]
    named = re.findall(r"`([a-z -]+)`", "".join(re.findall(r"^\|([^|]+)\|", permissions, re.MULTILINE)))
    assert {name.partition(" --")[0] for name in named} == set(main.commands)


def test_completion_is_set_up_as_documented() -> None:
    page = (ROOT / "docs" / "command-line.md").read_text()
    assert all(f"{shell}_source" in page for shell in ("bash", "zsh", "fish"))
    result = subprocess.run(
        [sys.executable, "-m", "centralized_root_access"],
        env={"_CENTRALIZED_ROOT_ACCESS_COMPLETE": "zsh_source", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "_CENTRALIZED_ROOT_ACCESS_COMPLETE" in result.stdout
