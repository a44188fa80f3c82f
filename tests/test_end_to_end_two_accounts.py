"""The example of two accounts, by the documented commands: root tasks in a delegated administrator."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from local_aws.services import running_local_aws
from support.accounts import MANAGEMENT, MEMBER, OTHER, THIRD
from support.apps import ROOT
from support.deploying import STACK, stack_outputs

if TYPE_CHECKING:
    from pathlib import Path

    from local_aws.services import LocalAws

SECURITY = MEMBER
TASKS_STACK = "RootTasks"
CREDENTIALS_FOUND = 1


def documented_commands() -> str:
    """Return the commands of the page on the local AWS."""
    page = (ROOT / "docs" / "local-aws.md").read_text()
    (commands,) = re.findall(r"<!-- test: two accounts -->\n```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return str(commands)


def own_stacks(aws: LocalAws, *, account_id: str) -> set[str]:
    """Return the names of an account's stacks, without the CDK's own."""
    listed = aws.client("cloudformation", account_id=account_id).describe_stacks()["Stacks"]
    return {stack["StackName"] for stack in listed} - {"CDKToolkit"}


@pytest.mark.slow
def test_root_tasks_in_a_delegated_administrator_audit_the_organization(tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples" / "two_accounts.py", tmp_path)
    with running_local_aws() as aws:
        organization = aws.organization
        organization.put_root_credentials(account_id=OTHER, password=True)
        ran = subprocess.run(
            ["sh", "-e", "-c", documented_commands()],
            cwd=tmp_path,
            env=aws.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert ran.returncode == CREDENTIALS_FOUND, ran.stdout

        assert organization.root_access().delegated_administrators == (SECURITY,)
        assert own_stacks(aws, account_id=MANAGEMENT) == {STACK}
        assert own_stacks(aws, account_id=SECURITY) == {TASKS_STACK}
        outputs = stack_outputs(aws, TASKS_STACK, account_id=SECURITY)

        step_functions = aws.client("stepfunctions", account_id=SECURITY)
        audits = step_functions.list_executions(stateMachineArn=outputs["RootTasksAuditStateMachineArn"])
        (audit,) = audits["executions"]
        assert audit["status"] == "SUCCEEDED"
        sessions = [call for call in organization.calls if call.operation == "AssumeRoot"]
        assert {call.account_id for call in sessions} == {SECURITY}

        bucket = outputs["RootTasksReportLocation"].split("/")[2]
        s3 = aws.client("s3", account_id=SECURITY)
        report = json.load(s3.get_object(Bucket=bucket, Key=f"runs/{audit['name']}/report.json")["Body"])
        assert report["accountId"] == SECURITY
        outcomes = {result["accountId"]: result["outcome"] for result in report["results"]}
        assert outcomes[OTHER] == "has credentials"
        assert outcomes[THIRD] == "clean"
        assert outcomes[SECURITY] == outcomes[MANAGEMENT] == "skipped"
        in_management = aws.client("s3").list_buckets()["Buckets"]
        assert bucket not in {bucket["Name"] for bucket in in_management}, "in the role's own account"
