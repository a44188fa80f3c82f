"""The page on acceptance: every command on it works, here on the emulated organization."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from acceptance import __main__ as command
from acceptance.cases import policies, unlock
from acceptance.local import enable_policies
from acceptance.model import Level, Source
from acceptance.snapshot import Snapshot
from acceptance.state import State
from local_aws.emulation import LocalOrganization
from support.acceptance import EmulatedAws, run_names, traces_of_run
from support.apps import read_page

PAGE = read_page("contributing/acceptance.md")
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
SUITE = ".venv/bin/python -m acceptance "


def level_of(line: str) -> str:
    """Return the level that a command of the page names."""
    return line.partition("--level ")[2].partition(" ")[0] or "read"


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith(SUITE)])
def test_a_command_of_the_page_works(
    organization: LocalOrganization, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str
) -> None:
    enable_policies(organization)
    before = traces_of_run(organization)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "connect", lambda profile, region: EmulatedAws(organization))
    # What the command that restores finds.
    killed = Snapshot(names=run_names(organization), level=Level.FEATURE, before=State())
    killed.write(tmp_path / "acceptance-0123456789ab.snapshot.json")
    organization.clear_calls()
    arguments = shlex.split(line.removeprefix(SUITE))
    # The levels above take longer, and are run in other tests: here it is enough that they begin.
    typed = "no" if level_of(line) != "read" and "--run" in arguments else organization.id
    finished = CliRunner().invoke(command.main, arguments, input=f"{typed}\n")
    assert finished.exit_code == (0 if typed == organization.id else 2), finished.output
    assert ("--run" in arguments or "--restore" in arguments) == bool(organization.calls)
    assert traces_of_run(organization) == before


def test_each_question_names_its_cases_and_each_case_that_aws_does_not_document_is_asked() -> None:
    """About unlocking and policies."""
    part = PAGE.partition("### What a run decides\n")[2].partition("\n## ")[0]
    questions = [" ".join(paragraph.split()) for paragraph in part.strip().split("\n\n")]
    assert [found for found in questions if not found.startswith("**Whether ")] == []
    named = [re.findall(r"\*(.+?)\*", re.split("Cases?: ", found)[1]) for found in questions]
    assumed = unlock.CASES + policies.CASES
    assert sorted(name for names in named for name in names) == sorted(
        case.name for case in assumed if case.source is Source.ASSUMED
    )
