"""The pre-flight on the local AWS: an audit deployed by the real CDK CLI, and the command without it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from centralized_root_access import CentralizedRootAccess, RootTasks, RootUserGuardrail
from support.accounts import MANAGEMENT, MEMBER, OTHER, THIRD
from support.deploying import STACK, Deployer, assert_succeeded

if TYPE_CHECKING:
    from pathlib import Path

    from aws_cdk import Stack

    from local_aws.services import LocalAws

DENY_ROOT = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "DenyRootUsers",
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}},
        }
    ],
}


def preflight(aws: LocalAws) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the result of the command, in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "centralized_root_access", "preflight", "--format", "json"],
        env=aws.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


def audit_report(aws: LocalAws) -> dict[str, Any]:
    """Audit every account by the deployed state machine, and return the report."""
    (stack,) = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    outputs = {it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}
    step_functions = aws.client("stepfunctions")
    arn = step_functions.start_execution(
        stateMachineArn=outputs["RootTasksAuditStateMachineArn"], input="{}"
    )["executionArn"]
    deadline = time.monotonic() + 60
    while (execution := step_functions.describe_execution(executionArn=arn))["status"] == "RUNNING":
        assert time.monotonic() < deadline, "the execution does not end"
        time.sleep(0.1)
    assert execution["status"] == "SUCCEEDED", execution
    bucket = outputs["RootTasksReportLocation"].split("/")[2]
    body = aws.client("s3").get_object(Bucket=bucket, Key="latest/report.json")["Body"].read()
    report: dict[str, Any] = json.loads(body)
    return report


def test_a_policy_without_the_exemption_is_named_before_any_session_and_the_guardrail_passes(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    organization = local_aws.organization
    organizations = organization.client("organizations")
    units = {}
    for name, members in (("Guarded", (OTHER,)), ("Old", (MEMBER, THIRD))):
        unit = organizations.create_organizational_unit(ParentId=organization.root_id, Name=name)
        units[name] = unit["OrganizationalUnit"]["Id"]
        for account_id in members:
            organizations.move_account(
                AccountId=account_id, SourceParentId=organization.root_id, DestinationParentId=units[name]
            )
    policy_id = organization.attach_service_control_policy(
        name="deny-root-users", document=DENY_ROOT, target_id=units["Old"]
    )

    exit_code, found = preflight(local_aws)
    assert exit_code == 1
    results = {it["accountId"]: it["result"] for it in found["accounts"]}
    assert results == {MEMBER: "denied", OTHER: "allowed", THIRD: "denied"}
    (change,) = found["changes"]
    assert (change["policyId"], change["policyName"], change["attachedToName"], change["accountIds"]) == (
        policy_id,
        "deny-root-users",
        "Old",
        [MEMBER, THIRD],
    )

    def build(stack: Stack) -> None:
        CentralizedRootAccess(stack, "RootAccess")
        RootTasks(stack, "RootTasks")
        RootUserGuardrail(stack, "RootUserGuardrail", targets=[units["Guarded"]])

    assert_succeeded(Deployer(local_aws, tmp_path).deploy(build))
    organization.clear_calls()
    report = audit_report(local_aws)
    by_account = {it["accountId"]: it for it in report["results"]}
    assert {id_: it["outcome"] for id_, it in by_account.items()} == {
        MANAGEMENT: "skipped",
        MEMBER: "inaccessible",
        OTHER: "clean",
        THIRD: "inaccessible",
    }
    for account_id in (MEMBER, THIRD):
        assert f"deny-root-users ({policy_id}), statement DenyRootUsers" in by_account[account_id]["reason"]
    assert report["preflight"] == {"checked": True, "reason": None, "denied": 2, "unknown": 0}
    sessions = [it.parameters["TargetPrincipal"] for it in organization.calls if it.operation == "AssumeRoot"]
    assert sessions == [OTHER]

    organizations.update_policy(
        PolicyId=policy_id,
        Content=json.dumps({"Version": "2012-10-17", "Statement": [change["suggested"]]}),
    )
    exit_code, found = preflight(local_aws)
    assert exit_code == 0
    tasks = {it["accountId"]: set(it["tasks"].values()) for it in found["accounts"]}
    assert tasks == {MEMBER: {"allowed"}, OTHER: {"allowed"}, THIRD: {"allowed"}}
    assert {it["outcome"] for it in audit_report(local_aws)["results"]} == {"skipped", "clean"}
