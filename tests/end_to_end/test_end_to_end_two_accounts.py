"""The example of two accounts, by the documented commands: root tasks in a delegated administrator."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from local_aws.services import running_local_aws
from support.accounts import MANAGEMENT, MEMBER, OTHER, THIRD
from support.apps import ROOT
from support.deploying import STACK, stack_outputs
from support.processes import run_with_aws_cli

if TYPE_CHECKING:
    from pathlib import Path

    from local_aws.services import LocalAws

SECURITY = MEMBER
TASKS_STACK = "RootTasks"
CREDENTIALS_FOUND = 1
AUDIT_POLICY = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"


def documented_commands() -> str:
    """Return the page's commands, as the page on the local AWS has them there."""
    page = (ROOT / "docs" / "guides" / "two-accounts.md").read_text()
    (block,) = re.findall(
        r"<!-- test: two accounts -->\n```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL
    )
    commands = block.replace("\\\n", "").replace(
        "cdk deploy", "cdk deploy --require-approval never"
    )
    lines = commands.replace(" --profile management", "").splitlines()
    assert len(lines) == 10
    security = " --profile security"
    return "\n".join(
        f"AWS_ACCESS_KEY_ID={SECURITY} {line.replace(security, '')}" if security in line else line
        for line in lines
    )


def own_stacks(aws: LocalAws, *, account_id: str) -> set[str]:
    """Return the names of an account's stacks, without the CDK's own."""
    listed = aws.client("cloudformation", account_id=account_id).describe_stacks()["Stacks"]
    return {stack["StackName"] for stack in listed} - {"CDKToolkit"}


@pytest.mark.slow
def test_root_tasks_in_a_delegate_audit_all_and_no_one_else_opens_root_sessions(
    tmp_path: Path,
) -> None:
    shutil.copy(ROOT / "examples" / "two_accounts.py", tmp_path)
    with running_local_aws() as aws:
        organization = aws.organization
        organization.put_root_credentials(account_id=OTHER, password=True)
        ran = run_with_aws_cli(documented_commands(), local_aws=aws, folder=tmp_path)
        assert ran.returncode == CREDENTIALS_FOUND, ran.stdout + ran.stderr

        assert organization.root_access().delegated_administrators == (SECURITY,)
        assert own_stacks(aws, account_id=MANAGEMENT) == {STACK}
        assert own_stacks(aws, account_id=SECURITY) == {TASKS_STACK}, ran.stdout
        outputs = stack_outputs(aws, TASKS_STACK, account_id=SECURITY)

        step_functions = aws.client("stepfunctions", account_id=SECURITY)
        audits = step_functions.list_executions(
            stateMachineArn=outputs["RootTasksAuditStateMachineArn"]
        )
        (audit,) = audits["executions"]
        assert audit["status"] == "SUCCEEDED"
        sessions = [call for call in organization.calls if call.operation == "AssumeRoot"]
        assert {call.account_id for call in sessions} == {SECURITY}

        bucket = outputs["RootTasksBucket"]
        s3 = aws.client("s3", account_id=SECURITY)
        report = json.load(
            s3.get_object(Bucket=bucket, Key=f"runs/{audit['name']}/report.json")["Body"]
        )
        assert report["accountId"] == SECURITY
        outcomes = {result["accountId"]: result["outcome"] for result in report["results"]}
        assert outcomes[OTHER] == "HAS_CREDENTIALS"
        assert outcomes[THIRD] == "CLEAN"
        assert (outcomes[SECURITY], outcomes[MANAGEMENT]) == ("CLEAN", "SKIPPED")
        for administrator in (MANAGEMENT, SECURITY):
            with pytest.raises(
                ClientError, match=r"explicit deny in a (service|resource) control policy"
            ):
                aws.client("sts", account_id=administrator).assume_root(
                    TargetPrincipal=OTHER, TaskPolicyArn={"arn": AUDIT_POLICY}
                )
        in_management = aws.client("s3").list_buckets()["Buckets"]
        assert bucket not in {bucket["Name"] for bucket in in_management}, (
            "in the role's own account"
        )

        organization.clear_calls()
        plan = json.loads(
            run_command(aws, "plan", "delete", "--account", OTHER, "--format", "json")
        )
        done = json.loads(run_command(aws, "execute", plan["runId"], "--yes", "--format", "json"))
        assert [(row["accountId"], row["outcome"]) for row in done["results"]] == [(OTHER, "DONE")]
        assert not organization.root_credentials(OTHER).password
        calls = [call for call in organization.calls if call.service in ("iam", "organizations")]
        own = [call for call in calls if not call.root_session]
        assert {call.account_id for call in own} == {SECURITY}
        assert "ListAccounts" not in {call.operation for call in own}


def run_command(aws: LocalAws, *arguments: str) -> str:
    """Run the command line in the delegated administrator, and return what it shows."""
    ran = subprocess.run(
        [sys.executable, "-m", "centralized_root_access", *arguments],
        env={**aws.environment, "AWS_ACCESS_KEY_ID": SECURITY},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
