"""`make local-deploy`: the demonstration ends in a true verdict, and fails in one sentence."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk import App, Stack

from centralized_root_access import CentralizedRootAccess
from local_aws.local_deploy import LOGS, STACK, DemonstrationError, deploy
from local_aws.services import LocalAws
from support.accounts import OUTSIDE_ORGANIZATION
from support.apps import REPOSITORY
from support.arrange import ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS
from support.pages import code_blocks
from support.processes import run_successfully
from support.templates import MANAGEMENT_ENVIRONMENT as ENVIRONMENT

MAX_LINES = 60
# What it prints, with names for what differs each time.
SHOWN = Path(__file__).with_name("local_deploy.txt")
DIFFERS = {
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\dZ| UTC)": "<time>",
    r"\d{4}-\d\d-\d\d": "<date>",
    r"plan-delete-\d{8}-\d{4}-\w{4}": "<plan>",
    r"\b[0-9a-f]{64}\b": "<hash>",
    r"in \d+ s\b": "in <seconds> s",
    re.escape(str(REPOSITORY)): "<folder>",
}
PLAN = """$(centralized-root-access runs --format json |
  python3 -c 'import json, sys; print(*[run["run"] for run in json.load(sys.stdin)["runs"]
                                        if run["planExpiresAt"]][-1:])')"""


def test_it_goes_the_whole_way_in_sixty_lines_and_its_shell_runs_what_it_printed(
    tmp_path: Path,
) -> None:
    commands = re.findall(r"^\$ (.*?)(?: \.\.\. done.*)?$", SHOWN.read_text(), re.MULTILINE)
    script = [f"{command.replace('<plan>', PLAN)} >&2; echo ended: $?" for command in commands]
    ran = subprocess.run(
        [sys.executable, "-m", "local_aws.local_deploy", "--keep"],
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(tmp_path), "SHELL": "/bin/sh"},
        input="\n".join([*script, "exit 5", ""]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    shown, end, shell = ran.stdout.partition("Done in ")
    for pattern, name in DIFFERS.items():
        shown = re.sub(pattern, name, shown)
    assert shown == SHOWN.read_text()
    assert len(f"{shown}{end}".splitlines()) <= MAX_LINES
    assert (LOGS / "report.html").exists()
    assert "CREATE_COMPLETE" in (LOGS / "cdk.log").read_text()

    # Everything is deleted by now, so there is nothing to plan, and a plan is executed once.
    assert re.findall(r"^ended: (\d+)$", shell, re.MULTILINE) == ["0", "0", "0", "0", "2", "0"]
    assert "To be deleted in 0 of " in ran.stderr
    assert "This plan was claimed by" in ran.stderr
    assert shell.splitlines()[-1].startswith("The local AWS has ended")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_deployment_shows_our_sentence_and_where_the_rest_is(
    local_aws: LocalAws, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    app = App(outdir=str(tmp_path), analytics_reporting=False)
    stack = Stack(app, STACK, env=ENVIRONMENT)
    CentralizedRootAccess(stack, "RootAccess", delegated_administrators=[OUTSIDE_ORGANIZATION])
    app.synth()
    LOGS.mkdir(exist_ok=True)

    with pytest.raises(DemonstrationError) as failure:
        deploy(local_aws, "deploy", "--app", str(tmp_path), "--require-approval", "never")

    summary, _, where = str(failure.value).rpartition("\n")
    words = " ".join(summary.split())
    assert words.startswith("❌ ")
    assert " organizations:RegisterDelegatedAdministrator(" in words
    assert (
        f"Not applied: organizations:RegisterDelegatedAdministrator({OUTSIDE_ORGANIZATION})."
        in words
    )
    assert where == "All that the CDK CLI printed is in .local-aws/cdk.log."
    assert local_aws.organization.root_access().features == {
        ROOT_CREDENTIALS_MANAGEMENT,
        ROOT_SESSIONS,
    }, "applied steps stay"
    output, errors = capfd.readouterr()
    assert errors == ""
    (line,) = output.splitlines()
    assert line.startswith("$ cdk deploy")
    assert " failed in " in line


def test_the_commands_of_the_readme_work_as_they_stand_in_a_fresh_clone(tmp_path: Path) -> None:
    (commands,) = [
        block.text for block in code_blocks("sh") if block.page == REPOSITORY / "README.md"
    ]
    run_successfully("git", "clone", "-q", REPOSITORY, tmp_path / "clone")
    ran = subprocess.run(
        ["sh", "-e", "-c", commands],
        cwd=tmp_path / "clone",
        # The Python of a user, who has nothing of this project; a few tests stand for the gate's.
        env={
            "HOME": os.environ["HOME"],
            "PATH": f"{sys.base_prefix}/bin:{os.defpath}",
            "PYTEST_ADDOPTS": "tests/root_access/test_plan.py",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert "no root credentials in 3 of 3 accounts" in ran.stdout
    assert re.search(r"^== zuban\nSuccess: .*\n== pytest\n(?s:.*) passed", ran.stdout, re.MULTILINE)


def test_make_passes_on_that_a_shell_is_wanted() -> None:
    printed = run_successfully("make", "--dry-run", "local-deploy", "KEEP=1", cwd=REPOSITORY)
    assert "-m local_aws.local_deploy --keep\n" in printed
