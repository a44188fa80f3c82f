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
from local_aws.local_deploy import LOGS, STACK, DemonstrationError, deploy
from support.accounts import MANAGEMENT, STRANGER
from support.apps import ROOT
from support.arrange import CREDENTIALS, SESSIONS
from support.processes import run_successfully
from support.templates import MANAGEMENT as ENVIRONMENT

if TYPE_CHECKING:
    from pathlib import Path

    from local_aws.services import LocalAws

MAX_LINES = 60
SEEN_IN_THE_SHELL = """
from local_aws.emulation import RemoteOrganization

organization = RemoteOrganization.of_environment()
print("Features:", *sorted(organization.root_access().features))
print("Last writes:", *[call.operation for call in organization.writes[-2:]])
"""
EXPLANATION = "preflight --account 777777777777"
SHELL = f"""
{sys.executable} -m centralized_root_access status --format json
{sys.executable} -m centralized_root_access {EXPLANATION}
cdk --version
{sys.executable} -c '{SEEN_IN_THE_SHELL}'
exit 5
"""


def test_it_shows_the_product_in_less_than_sixty_lines_and_leaves_it_in_a_shell(
    tmp_path: Path,
) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "local_aws.local_deploy", "--keep"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), "SHELL": "/bin/sh"},
        input=SHELL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    demonstration, _, shell = ran.stdout.partition("Done in ")
    lines = [*demonstration.splitlines(), *ran.stderr.splitlines()]
    assert len(lines) < MAX_LINES, lines
    (verdict,) = [line for line in lines if line.startswith("== Verdict:")]
    assert "3 root users have credentials" in verdict
    assert [line[:2] for line in lines[lines.index(verdict) + 1 :]][:3] == ["1.", "2.", "3."]

    before, after = [
        lines[at + 1]
        for at, line in enumerate(lines)
        if line.startswith("$ aws iam list-organizations-")
    ]
    assert before.startswith("An error occurred (ServiceAccessNotEnabledException)")
    assert set(after.split("\t")) == {CREDENTIALS, SESSIONS}
    (status,) = [line for line in lines if line.startswith(f"{STACK}.RootAccessStatus = ")]
    assert json.loads(status.partition(" = ")[2])["status"] == "ENABLED"
    assert "  | Deviations: RootSessions is disabled" in lines
    assert "  | Applied by the repair: iam:EnableOrganizationsRootSessions" in lines

    report = json.loads((LOGS / "report.json").read_text())
    assert report["totals"] == {"HAS_CREDENTIALS": 3, "INACCESSIBLE": 1, "CLEAN": 2, "SKIPPED": 2}
    (denied,) = [result for result in report["results"] if result["outcome"] == "INACCESSIBLE"]
    assert "with an explicit deny in a service control policy" in denied["reason"]
    assert f"`centralized-root-access {EXPLANATION}`" in denied["hint"]
    assert (LOGS / "report.html").exists()
    assert "CREATE_COMPLETE" in (LOGS / "cdk.log").read_text()
    assert not [line for line in lines if "CREATE_COMPLETE" in line], "folded to a line"

    in_shell = shell.splitlines()
    (status,) = [line for line in in_shell if line.startswith('{"status"')]
    assert json.loads(status)["status"] == "ENABLED"
    assert json.loads(status)["managementAccountId"] == MANAGEMENT
    assert "To exempt root sessions, change it to:" in in_shell
    assert "Denied: 1 account." in in_shell
    assert f"Features: {CREDENTIALS} {SESSIONS}" in in_shell
    assert (
        "Last writes: DisableOrganizationsRootSessions EnableOrganizationsRootSessions" in in_shell
    )
    assert in_shell[-1].startswith("The local AWS has ended")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_deployment_shows_our_sentence_and_where_the_rest_is(
    local_aws: LocalAws, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    app = App(outdir=str(tmp_path), analytics_reporting=False)
    stack = Stack(app, STACK, env=ENVIRONMENT)
    CentralizedRootAccess(stack, "RootAccess", delegated_administrators=[STRANGER])
    app.synth()
    LOGS.mkdir(exist_ok=True)

    with pytest.raises(DemonstrationError) as failure:
        deploy(local_aws, "deploy", "--app", str(tmp_path), "--require-approval", "never")

    summary, _, where = str(failure.value).rpartition("\n")
    words = " ".join(summary.split())
    assert words.startswith("❌ ")
    assert " organizations:RegisterDelegatedAdministrator(" in words
    assert f"Not applied: organizations:RegisterDelegatedAdministrator({STRANGER})." in words
    assert where == "All that the CDK CLI printed is in .local-aws/cdk.log."
    assert local_aws.organization.root_access().features == {CREDENTIALS, SESSIONS}, (
        "applied steps stay"
    )
    output, errors = capfd.readouterr()
    assert errors == ""
    (line,) = output.splitlines()
    assert line.startswith("$ cdk deploy")
    assert " failed in " in line


def test_make_passes_on_that_a_shell_is_wanted() -> None:
    printed = run_successfully("make", "--dry-run", "local-deploy", "KEEP=1", cwd=ROOT)
    assert "-m local_aws.local_deploy --keep\n" in printed
