"""The example of two accounts, deployed by the real CDK CLI: root tasks in a delegated administrator."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from local_aws.services import running_local_aws
from support.accounts import MANAGEMENT, MEMBER, OTHER, THIRD
from support.apps import ROOT
from support.deploying import STACK, assert_succeeded

if TYPE_CHECKING:
    from local_aws.services import LocalAws

EXAMPLE = ROOT / "examples" / "two_accounts.py"
SECURITY = MEMBER
TASKS_STACK = "RootTasks"
APP = ("--app", f"{sys.executable} {EXAMPLE}")


def stacks(aws: LocalAws, *, account_id: str) -> dict[str, dict[str, str]]:
    """Return an account's stacks with their outputs, without the CDK's own."""
    listed = aws.client("cloudformation", account_id=account_id).describe_stacks()["Stacks"]
    return {
        stack["StackName"]: {it["OutputKey"]: it["OutputValue"] for it in stack.get("Outputs", ())}
        for stack in listed
        if stack["StackName"] != "CDKToolkit"
    }


def run_audit(aws: LocalAws, state_machine_arn: str) -> dict[str, Any]:
    """Run an audit as the security account, and return the execution at its end."""
    step_functions = aws.client("stepfunctions", account_id=SECURITY)
    arn = step_functions.start_execution(stateMachineArn=state_machine_arn, name="audit-1")["executionArn"]
    deadline = time.monotonic() + 60
    while (execution := step_functions.describe_execution(executionArn=arn))["status"] == "RUNNING":
        assert time.monotonic() < deadline, "the execution does not end"
        time.sleep(0.1)
    return dict(execution)


@pytest.mark.slow
def test_root_tasks_in_a_delegated_administrator_audit_the_organization() -> None:
    with running_local_aws() as aws:
        organization = aws.organization
        organization.put_root_credentials(account_id=OTHER, password=True)
        assert_succeeded(aws.cdk("bootstrap", aws.cdk_environment))
        in_security = {"AWS_ACCESS_KEY_ID": SECURITY}
        assert_succeeded(
            aws.cdk(
                *("bootstrap", f"aws://{SECURITY}/us-east-1", "--trust", MANAGEMENT),
                *("--cloudformation-execution-policies", "arn:aws:iam::aws:policy/AdministratorAccess"),
                variables=in_security,
            )
        )
        organization.clear_calls()

        assert_succeeded(aws.cdk("deploy", "--all", "--require-approval", "never", *APP))

        assert organization.root_access().delegated_administrators == (SECURITY,)
        assert stacks(aws, account_id=MANAGEMENT).keys() == {STACK}
        deployed = stacks(aws, account_id=SECURITY)
        assert deployed.keys() == {TASKS_STACK}
        outputs = deployed[TASKS_STACK]
        assert f":{SECURITY}:" in outputs["RootTasksAuditStateMachineArn"]

        organization.clear_calls()
        execution = run_audit(aws, outputs["RootTasksAuditStateMachineArn"])

        assert execution["status"] == "SUCCEEDED", execution.get("cause")
        sessions = [call for call in organization.calls if call.operation == "AssumeRoot"]
        assert {call.account_id for call in sessions} == {SECURITY}
        bucket = outputs["RootTasksReportLocation"].split("/")[2]
        s3 = aws.client("s3", account_id=SECURITY)
        report = json.load(s3.get_object(Bucket=bucket, Key="runs/audit-1/report.json")["Body"])
        assert report["accountId"] == SECURITY
        outcomes = {it["accountId"]: it["outcome"] for it in report["results"]}
        assert outcomes[OTHER] == "has credentials"
        assert outcomes[THIRD] == "clean"
        assert outcomes[SECURITY] == outcomes[MANAGEMENT] == "skipped"
        in_management = aws.client("s3").list_buckets()["Buckets"]
        assert bucket not in {it["Name"] for it in in_management}, "in the role's own account"
