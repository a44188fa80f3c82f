"""The user's shell in a local AWS: what the user's start-up files change is set again after them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from local_aws.environment import FOLDER_VARIABLE, variables_of_run

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROMPT = "(local-aws) "


def shell_command(environment: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return the command that opens the user's shell, and variables for it.

    Start-up files may prepend to the PATH, as pyenv's lines do, or set AWS_PROFILE. Each shell has another
    way to run something after them; a shell that is not known here gets none.

    Args:
        environment: The environment of the shell, in a local AWS.
    """
    shell = environment.get("SHELL", "/bin/sh")
    folder = Path(environment[FOLDER_VARIABLE]) / "shell"
    folder.mkdir(exist_ok=True)
    settings = "\n".join(_settings(environment))
    match Path(shell).name:
        case "bash":
            lines = [_source('"$HOME/.bashrc"'), settings, f'PS1="{_PROMPT}$PS1"']
            return [shell, "--rcfile", str(_write(folder / "bashrc", *lines))], {}
        case "zsh":
            theirs = shlex.quote(environment["ZDOTDIR"]) if "ZDOTDIR" in environment else '"$HOME"'
            # The first of their files may say that the others are elsewhere.
            lines = [f"ZDOTDIR={theirs}", _source('"$ZDOTDIR/.zshenv"'), "_theirs=$ZDOTDIR"]
            _write(folder / ".zshenv", *lines, f"ZDOTDIR={shlex.quote(str(folder))}")
            lines = ["ZDOTDIR=$_theirs", _source('"$ZDOTDIR/.zshrc"'), settings, f'PROMPT="{_PROMPT}$PROMPT"']
            _write(folder / ".zshrc", *lines)
            return [shell], {"ZDOTDIR": str(folder)}
        case "sh" | "dash" | "ksh":
            lines = [settings, f'PS1="{_PROMPT}$PS1"']
            if "ENV" in environment:
                lines.insert(0, _source(shlex.quote(environment["ENV"])))
            return [shell], {"ENV": str(_write(folder / "shrc", *lines))}
    return [shell], {}


def _settings(environment: Mapping[str, str]) -> list[str]:
    kept = variables_of_run(environment)
    return [
        "unset AWS_PROFILE AWS_SESSION_TOKEN",
        *(f"export {name}={shlex.quote(value)}" for name, value in kept.items()),
    ]


def _source(file: str) -> str:
    return f"if [ -f {file} ]; then . {file}; fi"


def _write(file: Path, *parts: str) -> Path:
    # It has the secret access key.
    file.touch(mode=0o600)
    file.write_text("\n".join([*parts, ""]), encoding="utf-8")
    return file
