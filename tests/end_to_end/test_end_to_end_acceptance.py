"""The acceptance command on the local AWS, with the real `cdk deploy` and `cdk destroy`."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name

from acceptance.cases import all_cases
from acceptance.model import Level
from local_aws.services import LocalAws
from support.acceptance import traces_of_run
from support.acceptance_role import actions_needed_by, role_actions
from support.apps import REPOSITORY, read_page

# Writes down the calls with the run's own credentials: in the local AWS the key ID is the account.
RECORDER = """
from botocore.client import BaseClient

call = BaseClient._make_api_call

def record(client, operation, parameters):
    if client._request_signer._credentials.access_key == "111111111111":
        with open({file!r}, "a") as calls:
            print(client.meta.service_model.service_name + ":" + operation, file=calls)
    return call(client, operation, parameters)

BaseClient._make_api_call = record
"""


def surroundings(aws: LocalAws) -> dict[str, Any]:
    """Return what a run could leave behind."""
    logs = aws.client("logs").describe_log_groups()["logGroups"]
    return {
        **traces_of_run(aws.organization),
        "stacks": [
            stack["StackName"] for stack in aws.client("cloudformation").describe_stacks()["Stacks"]
        ],
        "management buckets": [
            bucket["Name"] for bucket in aws.client("s3").list_buckets()["Buckets"]
        ],
        "log groups": [group["logGroupName"] for group in logs],
    }


@pytest.mark.slow
def test_every_level_is_the_same_on_the_local_aws_and_leaves_nothing_behind(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    """The command is that of the page on acceptance, word for word."""
    before = surroundings(local_aws)
    page = read_page("contributing/acceptance.md")
    [line] = [line for line in page.splitlines() if line.endswith("--level deploy --run")]
    recorder, calls = tmp_path / "recorder", tmp_path / "calls"
    recorder.mkdir()
    (recorder / "sitecustomize.py").write_text(RECORDER.format(file=str(calls)))
    finished = subprocess.run(
        [sys.executable, *shlex.split(line)[1:], "--folder", str(tmp_path)],
        cwd=REPOSITORY,
        env={**local_aws.callers_environment, "PYTHONPATH": str(recorder)},
        input=f"{local_aws.organization.id}\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    log = "".join(path.read_text() for path in tmp_path.glob("*.log"))
    assert finished.returncode == 0, finished.stdout + finished.stderr + log[-3000:]
    summary = next(tmp_path.glob("*.issue.txt")).read_text()
    # The local AWS shows every case that has no reason in `local`.
    seen = [case for case in all_cases() if case.not_shown_locally is None]
    assert f"{len(seen)} same, 0 different" in summary
    assert list(tmp_path.glob("*.snapshot.json")) == []
    assert surroundings(local_aws) == before
    assert_role_fits(actions_needed_by(calls.read_text().splitlines(), Level.DEPLOY))


def assert_role_fits(actions: set[str]) -> None:
    """Assert that the role for runs on AWS allows what the cases call, and no more than is called.

    Args:
        actions: What the cases call. The deployment and the measurements, which are no cases, make
            the other calls that the role allows.
    """
    role = role_actions(Level.DEPLOY)
    assert actions <= role
    source = "".join(
        (REPOSITORY / "acceptance" / f"{name}.py").read_text()
        for name in ("deployment", "measurements")
    )
    for action in role - actions:
        assert re.search(rf"\b{xform_name(action.partition(':')[2])}\b", source), action
