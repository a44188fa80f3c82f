"""The acceptance command on the local AWS, in a process of its own."""

import shlex
import sys
from pathlib import Path

from acceptance.cases import all_cases
from local_aws.services import LocalAws
from support.acceptance import traces_of_run
from support.apps import REPOSITORY, read_page
from support.processes import run_process


def test_every_level_is_the_same_on_the_local_aws_and_leaves_nothing_behind(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    """The command is that of the page on acceptance, word for word."""
    before = traces_of_run(local_aws.organization)
    page = read_page("contributing/acceptance.md")
    (line,) = (line for line in page.splitlines() if " -m local_aws run -- " in line)
    _, *arguments = shlex.split(line.partition(" -- ")[2])
    finished = run_process(
        sys.executable,
        *arguments,
        "--folder",
        tmp_path,
        cwd=REPOSITORY,
        env=local_aws.callers_environment,
        input=f"{local_aws.organization.id}\n",
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    summary = next(tmp_path.glob("*.issue.txt")).read_text()
    # The local AWS shows every case that has no reason in `local`.
    seen = [case for case in all_cases() if case.not_shown_locally is None]
    assert f"{len(seen)} same, 0 different" in summary
    assert list(tmp_path.glob("*.snapshot.json")) == []
    assert traces_of_run(local_aws.organization) == before
