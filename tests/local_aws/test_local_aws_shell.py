"""The shell in a local AWS: whatever the user's start-up file does, it has what the caller had."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from local_aws.environment import FOLDER_VARIABLE
from local_aws.shells import shell_command
from support.processes import run

if TYPE_CHECKING:
    from pathlib import Path

# As pyenv's lines do, and a company's.
START_UP = """\
export PATH="/other/shims:$PATH" VIRTUAL_ENV=/other AWS_PROFILE=production AWS_ENDPOINT_URL=https://other
export EDITOR=theirs
PS1='theirs> '
"""
SHOWN = {
    "PATH": "/app/.venv/bin:/usr/bin:/bin",
    "VIRTUAL_ENV": "/app/.venv",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
    "AWS_SECRET_ACCESS_KEY": "it's one",
    "AWS_PROFILE": "",
    "EDITOR": "theirs",
}
# Those that this machine has.
FILES = {"bash": ".bashrc", "zsh": ".zshrc", "sh": ".shrc"}
SHELLS = [name for name in FILES if shutil.which(name)]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    return {
        **{name: SHOWN[name] for name in SHOWN if not name.startswith(("AWS_PROFILE", "EDITOR"))},
        "HOME": str(home),
        FOLDER_VARIABLE: str(tmp_path),
    }


@pytest.mark.parametrize("name", SHELLS)
def test_the_callers_programs_and_the_local_aws_survive_the_start_up_file(
    name: str, environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "home" / FILES[name]
    file.write_text(START_UP)
    assert_has_what_the_caller_had(name, {**environment, "ENV": str(file)})


@pytest.mark.skipif("zsh" not in SHELLS, reason="This machine has no zsh.")
def test_a_zsh_whose_files_are_elsewhere_has_what_the_caller_had(
    environment: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "home" / "zsh"
    folder.mkdir()
    (folder / ".zshrc").write_text(START_UP)
    (tmp_path / "home" / ".zshenv").write_text("ZDOTDIR=$HOME/zsh\n")
    assert_has_what_the_caller_had("zsh", environment)


def assert_has_what_the_caller_had(name: str, environment: dict[str, str]) -> None:
    command, variables = shell_command({**environment, "SHELL": str(shutil.which(name))})
    lines = [f'printf "%s\\n" "{name}=${name}"' for name in SHOWN]
    finished = run(
        *(*command, "-i"),
        env={**environment, **variables},
        input="\n".join([*lines, 'printf "%s\\n" "PS1=$PS1"', "exit", ""]),
    )
    shown = dict(line.split("=", 1) for line in finished.stdout.splitlines() if "=" in line)
    assert {name: shown[name] for name in SHOWN} == SHOWN
    assert shown["PS1"] == "(local-aws) theirs> "


def test_a_shell_that_is_not_known_is_opened_as_it_is(environment: dict[str, str]) -> None:
    assert shell_command({**environment, "SHELL": "/usr/bin/nu"}) == (["/usr/bin/nu"], {})


def test_others_cannot_read_the_secret(environment: dict[str, str], tmp_path: Path) -> None:
    shell_command({**environment, "SHELL": "/bin/bash"})
    assert (tmp_path / "shell" / "bashrc").stat().st_mode & 0o077 == 0
