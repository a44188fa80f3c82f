"""`make local-deploy`: the demonstration ends in a verdict that is true, and fails in one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from aws_cdk import App, Stack

from centralized_root_access import CentralizedRootAccess
from local_aws.local_deploy import LOGS, STACK, DemonstrationError, demonstrate, deploy, print_next_steps
from support.accounts import MANAGEMENT, STRANGER
from support.apps import ROOT
from support.arrange import CREDENTIALS, SESSIONS
from support.processes import run_successfully
from support.templates import MANAGEMENT as ENVIRONMENT

if TYPE_CHECKING:
    from pathlib import Path

    from local_aws.services import LocalAws

MAX_LINES = 60
COMMAND = (sys.executable, "-m", "local_aws.local_deploy")


def test_it_shows_the_product_in_less_than_sixty_lines_and_ends_in_a_verdict(
    local_aws: LocalAws, capfd: pytest.CaptureFixture[str]
) -> None:
    demonstrate(local_aws)
    print_next_steps(keep=False)

    output, errors = capfd.readouterr()
    lines = [*output.splitlines(), *errors.splitlines()]
    assert len(lines) < MAX_LINES, output + errors
    (verdict,) = [line for line in lines if line.startswith("== Verdict:")]
    assert "3 root users have credentials" in verdict
    assert [line[:2] for line in lines[lines.index(verdict) + 1 :]][:3] == ["1.", "2.", "3."]

    before, after = [
        lines[at + 1] for at, line in enumerate(lines) if line.startswith("$ aws iam list-organizations-")
    ]
    assert before.startswith("An error occurred (ServiceAccessNotEnabledException)")
    assert set(after.split("\t")) == {CREDENTIALS, SESSIONS}
    (status,) = [line for line in lines if line.startswith(f"{STACK}.RootAccessStatus = ")]
    assert json.loads(status.partition(" = ")[2])["status"] == "ENABLED"
    assert "  | Deviations: RootSessions is disabled" in lines
    assert "  | Applied by the repair: iam:EnableOrganizationsRootSessions" in lines

    assert local_aws.organization.root_access().features == {CREDENTIALS, SESSIONS}
    calls = [call.operation for call in local_aws.organization.writes]
    assert calls[-2:] == ["DisableOrganizationsRootSessions", "EnableOrganizationsRootSessions"]
    report = json.loads((LOGS / "report.json").read_text())
    assert report["totals"] == {"has credentials": 3, "inaccessible": 1, "clean": 2, "skipped": 2}
    assert (LOGS / "report.html").exists()
    log = (LOGS / "cdk.log").read_text()
    assert "CREATE_COMPLETE" in log
    assert not [line for line in lines if "CREATE_COMPLETE" in line], "folded to a line"


def test_a_failed_deployment_shows_our_sentence_and_where_the_rest_is(
    local_aws: LocalAws, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    app = App(outdir=str(tmp_path), analytics_reporting=False)
    stack = Stack(app, STACK, env=ENVIRONMENT)
    CentralizedRootAccess(stack, "RootAccess", delegated_administrators=[STRANGER])
    app.synth()
    LOGS.mkdir(exist_ok=True)
    (LOGS / "cdk.log").touch()

    with pytest.raises(DemonstrationError) as failure:
        deploy(local_aws, STACK, "deploy", "--app", str(tmp_path), "--require-approval", "never")

    sentence, where = str(failure.value).splitlines()
    assert sentence.startswith("organizations:RegisterDelegatedAdministrator(")
    assert sentence.endswith(f"Not applied: organizations:RegisterDelegatedAdministrator({STRANGER}).")
    assert where == "All that the CDK CLI printed is in .local-aws/cdk.log."
    output, errors = capfd.readouterr()
    assert errors == ""
    (line,) = output.splitlines()
    assert line.startswith("$ cdk deploy")
    assert " failed in " in line


def test_make_passes_on_that_a_shell_is_wanted() -> None:
    printed = run_successfully("make", "--dry-run", "local-deploy", "KEEP=1", cwd=ROOT)
    assert "-m local_aws.local_deploy --keep\n" in printed


def test_the_shell_at_the_end_is_in_the_local_aws_as_it_was_left(tmp_path: Path) -> None:
    script = f"{sys.executable} -m centralized_root_access status --format json; cdk --version; exit 5\n"
    with subprocess.Popen(
        [*COMMAND, "--keep"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), "SHELL": "/bin/sh"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as ran:
        output, _ = ran.communicate(script)
    assert ran.returncode == 0
    lines = output.splitlines()
    (status,) = [line for line in lines if line.startswith('{"status"')]
    assert json.loads(status)["status"] == "ENABLED"
    assert json.loads(status)["managementAccountId"] == MANAGEMENT
    assert lines.index(status) > next(at for at, line in enumerate(lines) if line.startswith("== Verdict"))
    assert lines[-1].startswith("The local AWS has ended")
    assert list(tmp_path.iterdir()) == []
