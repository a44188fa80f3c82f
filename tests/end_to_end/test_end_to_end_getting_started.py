"""The tutorial: its commands, typed in their order on one local AWS, print what the page shows."""

import re
from collections.abc import Sequence
from pathlib import Path

from local_aws.seed import seed_organization
from local_aws.services import LocalAws, running_local_aws
from support.pages import code_blocks, steps, without_what_varies
from support.processes import run_with_aws_cli

_PLAN = re.compile(r"plan-delete-\d{8}-\d{4}-\w{4}")


def run(command: str, local_aws: LocalAws, folder: Path) -> list[str]:
    """Run a command in a terminal as wide as the page's, and return the lines that it prints."""
    # Its exit code is 1 if it finds root credentials, and both streams are on the terminal.
    typed = f"export COLUMNS=100; ({command}) 2>&1 || true"
    return run_with_aws_cli(typed, local_aws=local_aws, folder=folder).stdout.splitlines()


def test_each_command_of_the_tutorial_prints_what_the_page_shows(tmp_path: Path) -> None:
    tutorial = [
        block
        for block in code_blocks("python", "console")
        if block.page.name == "getting-started.md"
    ]
    (app,) = (block.text for block in tutorial if block.language == "python")
    (tmp_path / "app.py").write_text(app)
    typed = [step for block in tutorial for step in steps(block)]
    plan = None
    with running_local_aws() as aws:
        seed_organization(aws.organization)
        for step in typed:
            command = step.command
            if plan is not None:
                command = _PLAN.sub(plan, command)
            printed = run(command, aws, tmp_path)
            if " plan delete " in command:
                plan = _PLAN.findall("\n".join(printed))[-1]
            expect_in_order(command, step.shown, printed)
        left = aws.organization.root_credentials("333333333333")
    assert (left.password, left.mfa_devices) == (False, ())


def expect_in_order(command: str, shown: Sequence[str], printed: list[str]) -> None:
    """Assert that a command printed the lines of the page; a line `...` stands for any others."""
    remaining = [without_what_varies(line) for line in printed]
    may_skip = False
    for line in map(without_what_varies, shown):
        if line == "...":
            may_skip = True
            continue
        assert line in remaining, (command, line, printed)
        place = remaining.index(line)
        assert may_skip or place == 0, (command, line, printed)
        remaining = remaining[place + 1 :]
        may_skip = False
    # Where the page shows nothing, the command may print anything.
    assert may_skip or not shown or not remaining, (command, remaining)
