"""The pages on the local AWS: their commands work in any folder, and leave nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.apps import REPOSITORY
from support.pages import code_blocks

NAMED = {
    (block.name, block.text)
    for block in code_blocks("python", "sh")
    if block.name and block.page.name == "local-aws.md"
}
BLOCKS = dict(NAMED)
assert len(BLOCKS) == len(NAMED)
EXAMPLE = "smallest.py"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user with an app of one's own, and the checkout where the page has it."""
    home, folder = tmp_path / "home", tmp_path / "tmp"
    for created in (home, folder):
        created.mkdir()
    (home / "centralized-root-access").symlink_to(REPOSITORY)
    app = tmp_path / "app"
    app.mkdir()
    shutil.copy(REPOSITORY / "examples" / EXAMPLE, app)
    (app / "cdk.json").write_text(f'{{"app": "python3 {EXAMPLE}"}}')
    (app / "prepare.py").write_text(BLOCKS["prepare.py"])
    programs = Path(sys.executable).parent
    return {
        **os.environ,
        "HOME": str(home),
        # Otherwise each new home has the CDK unpacked again.
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(Path.home() / ".cache/aws/jsii/package-cache"),
        "PATH": f"{programs}:/usr/bin:/bin",
        "SHELL": "/bin/sh",
        "TMPDIR": str(folder),
    }


def run(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a block of the page on a local AWS, and return what it prints."""
    return subprocess.run(
        ["sh", "-e", "-c", code],
        cwd=Path(environment["TMPDIR"]).with_name("app"),
        env=environment,
        # One of the blocks opens a shell.
        input="exit\n",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("block", ["shell", "prepare", "one command", "profiles"])
def test_the_commands_work_in_any_folder_and_leave_nothing(
    block: str, environment: dict[str, str]
) -> None:
    ran = run(BLOCKS[block], environment)
    assert ran.returncode == 0, ran.stdout
    assert list(Path(environment["TMPDIR"]).iterdir()) == []
