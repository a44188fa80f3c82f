"""Root tasks end to end: the real CDK CLI, an organization of sixty accounts, and the state machine's own word."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import App, Stack

from centralized_root_access import RootTask, RootTasks
from support.arrange import CREDENTIALS, SESSIONS, switch_on
from support.templates import MANAGEMENT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from local_aws.emulation import Organization
    from local_aws.services import LocalAws

pytestmark = pytest.mark.xdist_group("local_aws")

STACK = "RootTasks"
PASSWORD, KEYS, ALL, MFA_ONLY = "100000000001", "100000000002", "100000000003", "100000000004"
SUSPENDED, PROTECTED, DENIED = "100000000005", "100000000006", "100000000007"
SCRIPT, FORMULA = "100000000008", "100000000009"
NAMES = {SCRIPT: "<img src=x onerror=alert(1)>", FORMULA: "=1+1"}
WITH_CREDENTIALS = {PASSWORD, KEYS, ALL, MFA_ONLY, SCRIPT}


@dataclass(frozen=True, kw_only=True)
class Execution:
    """An execution that has ended."""

    run_id: str
    status: str
    output: dict[str, Any]
    cause: str


class Deployed:
    """The deployed construct."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        (stack,) = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        outputs = {it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}
        self.state_machine_arn = outputs["RootTasksStateMachineArn"]
        self.bucket = outputs["RootTasksReportLocation"].split("/")[2]

    def run(self, request: Mapping[str, Any]) -> Execution:
        """Starts an execution and waits for its end."""
        step_functions = self.aws.client("stepfunctions")
        started = step_functions.start_execution(
            stateMachineArn=self.state_machine_arn, input=json.dumps(request)
        )
        deadline = time.monotonic() + 60
        while True:
            described = step_functions.describe_execution(executionArn=started["executionArn"])
            if described["status"] != "RUNNING":
                break
            assert time.monotonic() < deadline, "the execution does not end"
            time.sleep(0.2)
        return Execution(
            run_id=described["name"],
            status=described["status"],
            output=json.loads(described.get("output") or "{}"),
            cause=described.get("cause", ""),
        )

    def read(self, key: str) -> bytes:
        """Reads an object of the bucket."""
        body: bytes = self.aws.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def report(self, execution: Execution) -> dict[str, Any]:
        """An execution's report, its results by account."""
        report = json.loads(self.read(f"runs/{execution.run_id}/report.json"))
        return report


@pytest.fixture
def deployed(local_aws: LocalAws, tmp_path: Path) -> Deployed:
    organization = local_aws.organization
    switch_on(organization, CREDENTIALS, SESSIONS)
    for number in range(1, 57):
        account_id = f"{100_000_000_000 + number}"
        organization.add_account(
            name=NAMES.get(account_id, f"team-{number}"),
            email=f"team-{number}@example.com",
            account_id=account_id,
        )
    organization.put_root_credentials(account_id=PASSWORD, password=True)
    organization.put_root_credentials(account_id=KEYS, access_keys=2)
    organization.put_root_credentials(
        account_id=ALL, password=True, access_keys=1, mfa_devices=2, certificates=1
    )
    organization.put_root_credentials(account_id=MFA_ONLY, mfa_devices=1)
    organization.put_root_credentials(account_id=SCRIPT, password=True)
    organization.put_root_credentials(account_id=PROTECTED, password=True)
    organization.suspend(SUSPENDED)
    organization.deny(account_id=DENIED, action="iam:*")
    app = App(outdir=str(tmp_path / "cdk.out"), analytics_reporting=False)
    stack = Stack(app, STACK, env=MANAGEMENT)
    RootTasks(stack, "RootTasks", tasks=list(RootTask), protected_accounts=[PROTECTED])
    assembly = app.synth()
    deployment = local_aws.cdk(
        "deploy", "--require-approval", "never", STACK, "--app", assembly.directory, folder=tmp_path
    )
    assert deployment.returncode == 0, deployment.stdout
    return Deployed(local_aws)


def test_audit(deployed: Deployed) -> None:
    t = time.monotonic()
    execution = deployed.run({})
    print(execution, time.monotonic() - t)
    print(json.dumps(deployed.report(execution))[:3000])
    execution = deployed.run({"task": RootTask.DELETE_CREDENTIALS, "accounts": "all"})
    print(execution, time.monotonic() - t)
    execution = deployed.run({"task": RootTask.DELETE_CREDENTIALS, "execute": execution.run_id})
    print(execution, time.monotonic() - t)
    print(json.dumps(deployed.report(execution))[:3000])
    assert 0
