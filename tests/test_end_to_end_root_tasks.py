"""Root tasks end to end: the real CDK CLI, sixty accounts, and what the state machine itself says."""

from __future__ import annotations

import csv
import io
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks
from support.deploying import STACK, Deployer, succeeded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aws_cdk import Stack

    from local_aws.emulation import Organization
    from local_aws.services import LocalAws

PASSWORD, KEYS, EVERYTHING, MFA_ONLY = "100000000001", "100000000002", "100000000003", "100000000004"
SUSPENDED, PROTECTED, DENIED = "100000000005", "100000000006", "100000000007"
SCRIPT, FORMULA, LOCKED_OUT = "100000000008", "100000000009", "100000000010"
NAMES = {SCRIPT: "<img src=x onerror=alert(1)>", FORMULA: "=1+1"}
DELETABLE = {PASSWORD, KEYS, EVERYTHING, MFA_ONLY, SCRIPT}
DELETE = RootTask.DELETE_CREDENTIALS
REGION = "us-east-1"
BUCKET, QUEUE = "locked-bucket", f"arn:aws:sqs:{REGION}:{LOCKED_OUT}:locked-queue"


@dataclass(frozen=True, kw_only=True)
class Execution:
    """An execution that has ended."""

    run_id: str
    status: str
    output: dict[str, Any]
    cause: str


class Deployed:
    """The deployed construct, as a person with the AWS CLI uses it."""

    def __init__(self, aws: LocalAws) -> None:
        self.organization = aws.organization
        self._s3 = aws.client("s3")
        self._step_functions = aws.client("stepfunctions")
        self._lambda = aws.client("lambda")
        (stack,) = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        outputs = {it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}
        self._state_machine_arn = outputs["RootTasksStateMachineArn"]
        self.bucket = outputs["RootTasksReportLocation"].split("/")[2]

    def run(self, **given: object) -> Execution:
        """Starts an execution and waits for its end."""
        started = self._step_functions.start_execution(
            stateMachineArn=self._state_machine_arn, input=json.dumps(given)
        )
        arn = started["executionArn"]
        given_up_at = time.monotonic() + 60
        while True:
            described = self._step_functions.describe_execution(executionArn=arn)
            if described["status"] != "RUNNING":
                return Execution(
                    run_id=described["name"],
                    status=described["status"],
                    output=json.loads(described.get("output") or "{}"),
                    cause=described.get("cause", ""),
                )
            assert time.monotonic() < given_up_at, "the execution does not end"
            time.sleep(0.1)

    def succeeded(self, **given: object) -> Execution:
        """Runs an execution that succeeds."""
        execution = self.run(**given)
        assert execution.status == "SUCCEEDED", execution.cause
        return execution

    def refused(self, **given: object) -> str:
        """Runs an execution that fails, and returns what it says."""
        execution = self.run(**given)
        assert execution.status == "FAILED"
        return execution.cause

    def executed(self, plan: Execution) -> Execution:
        """Executes a plan."""
        return self.succeeded(task=plan.output["task"], execute=plan.run_id)

    def read(self, key: str) -> bytes:
        """Reads an object of the bucket."""
        body: bytes = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def alter(self, key: str, old: str, new: str) -> None:
        """Replaces text in an object of the bucket."""
        body = self.read(key)
        assert old.encode() in body
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=body.replace(old.encode(), new.encode()))

    def let_plans_age_at_once(self) -> None:
        """Makes every plan too old, which else takes a day."""
        for function in self._lambda.list_functions()["Functions"]:
            if function["Handler"] == "root_tasks.handlers.select":
                variables = function["Environment"]["Variables"]
                self._lambda.update_function_configuration(
                    FunctionName=function["FunctionName"],
                    Environment={"Variables": {**variables, "PLAN_LIFETIME_SECONDS": "0"}},
                )

    def results(self, execution: Execution) -> dict[str, dict[str, Any]]:
        """The results of an execution, by account."""
        report = json.loads(self.read(f"runs/{execution.run_id}/report.json"))
        return {result["accountId"]: result for result in report["results"]}

    def accounts(self, execution: Execution, outcome: str) -> set[str]:
        """The accounts that an execution ended with an outcome in."""
        return {id_ for id_, it in self.results(execution).items() if it["outcome"] == outcome}


def sixty_accounts(organization: Organization) -> None:
    """Adds 56 accounts to the four that there are, some of them peculiar."""
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
        account_id=EVERYTHING, password=True, access_keys=1, mfa_devices=2, certificates=1
    )
    organization.put_root_credentials(account_id=MFA_ONLY, mfa_devices=1)
    for account_id in (SCRIPT, PROTECTED, SUSPENDED):
        organization.put_root_credentials(account_id=account_id, password=True)
    organization.suspend(SUSPENDED)
    organization.deny(account_id=DENIED, action="iam:*")


def build(stack: Stack) -> None:
    """The stack under test: root access, and what puts it to use."""
    CentralizedRootAccess(stack, "RootAccess")
    RootTasks(stack, "RootTasks", tasks=RootTask, protected_accounts=[PROTECTED])


def test_an_organization_of_sixty_accounts_is_audited_cleaned_and_unlocked(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    sixty_accounts(local_aws.organization)
    succeeded(Deployer(local_aws, tmp_path).deploy(build))
    deployed = Deployed(local_aws)
    audit_everything(deployed)
    plan = plan_to_delete(deployed)
    refuse_what_is_not_that_plan(deployed)
    execute(deployed, plan)
    find_it_clean(deployed)
    lock_out(local_aws)
    for kind, named in (
        ("bucket", {"task": RootTask.UNLOCK_BUCKET_POLICY, "buckets": {LOCKED_OUT: [BUCKET]}}),
        ("queue", {"task": RootTask.UNLOCK_QUEUE_POLICY, "queues": [QUEUE]}),
    ):
        unlock_and_put_back(local_aws, deployed, kind, named)
    allow_recovery(deployed)
    refuse_a_plan_that_is_too_old(deployed)


def audit_everything(deployed: Deployed) -> None:
    audit = deployed.succeeded()
    assert audit.output["totals"] == {"clean": 51, "has credentials": 5, "skipped": 3, "inaccessible": 1}
    assert deployed.accounts(audit, "has credentials") == DELETABLE
    assert deployed.accounts(audit, "skipped") == {"111111111111", SUSPENDED, PROTECTED}
    denied = deployed.results(audit)[DENIED]
    assert denied["outcome"] == "inaccessible"
    assert "aws:AssumedRoot" in denied["hint"]
    assert deployed.read("latest/report.json") == deployed.read(f"runs/{audit.run_id}/report.json")
    page = deployed.read("latest/report.html").decode()
    assert "<img src=x" not in page
    assert "onerror=alert(1)" in page, "as text"
    rows = {
        row["accountId"]: row
        for row in csv.DictReader(io.StringIO(deployed.read("latest/report.csv").decode("utf-8-sig")))
    }
    assert len(rows) == 60
    assert rows[FORMULA]["name"] == "'=1+1"
    assert audit.output["report"] == f"s3://{deployed.bucket}/runs/{audit.run_id}/report.html"


def plan_to_delete(deployed: Deployed) -> Execution:
    plan = deployed.succeeded(task=DELETE, accounts="all")
    assert deployed.accounts(plan, "planned") == DELETABLE
    assert deployed.accounts(plan, "inaccessible") == {DENIED}
    assert deployed.organization.root_credentials(PASSWORD).password
    return plan


def refuse_what_is_not_that_plan(deployed: Deployed) -> None:
    assert "no such execution" in deployed.refused(task=DELETE, execute="nobody-ran-this")
    foreign = deployed.succeeded(task=RootTask.ALLOW_PASSWORD_RECOVERY, accounts=[KEYS])
    assert "it is a plan for IAMCreateRootUserPassword" in deployed.refused(
        task=DELETE, execute=foreign.run_id
    )
    altered = deployed.succeeded(task=DELETE, accounts=[PASSWORD])
    deployed.alter(f"runs/{altered.run_id}/plan.json", PASSWORD, PROTECTED)
    assert "was altered after it was made" in deployed.refused(task=DELETE, execute=altered.run_id)
    for account_id in (PASSWORD, PROTECTED):
        assert deployed.organization.root_credentials(account_id).password


def execute(deployed: Deployed, plan: Execution) -> None:
    # Nobody planned to delete this one.
    deployed.organization.put_root_credentials(account_id=LOCKED_OUT, access_keys=1)
    executed = deployed.executed(plan)
    assert deployed.accounts(executed, "done") == DELETABLE
    assert [item["type"] for item in deployed.results(executed)[EVERYTHING]["items"]] == [
        "password",
        "access key",
        "signing certificate",
        "MFA device",
        "MFA device",
    ]


def find_it_clean(deployed: Deployed) -> None:
    audit = deployed.succeeded()
    assert deployed.accounts(audit, "clean") >= DELETABLE
    assert deployed.accounts(audit, "has credentials") == {LOCKED_OUT}
    for account_id in (SUSPENDED, PROTECTED):
        assert deployed.organization.root_credentials(account_id).password, "not touched"
    assert deployed.read("latest/report.json") == deployed.read(f"runs/{audit.run_id}/report.json")


def lock_out(aws: LocalAws) -> None:
    s3 = aws.client("s3", account_id=LOCKED_OUT)
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=locking("s3:*", f"arn:aws:s3:::{BUCKET}"))
    aws.client("sqs", account_id=LOCKED_OUT).create_queue(
        QueueName="locked-queue", Attributes={"Policy": locking("sqs:*", QUEUE)}
    )


def unlock_and_put_back(aws: LocalAws, deployed: Deployed, kind: str, named: Mapping[str, object]) -> None:
    locked = policy_of(aws, kind)
    plan = deployed.succeeded(**named)
    assert deployed.accounts(plan, "planned") == {LOCKED_OUT}
    assert policy_of(aws, kind) == locked
    unlocked = deployed.executed(plan)
    assert deployed.accounts(unlocked, "done") == {LOCKED_OUT}
    assert policy_of(aws, kind) is None
    (item,) = deployed.results(unlocked)[LOCKED_OUT]["items"]
    deployed.executed(deployed.succeeded(task=named["task"], putBack=[item["message"]]))
    assert policy_of(aws, kind) == locked


def allow_recovery(deployed: Deployed) -> None:
    recovery = RootTask.ALLOW_PASSWORD_RECOVERY
    deployed.executed(deployed.succeeded(task=recovery, accounts=[PASSWORD]))
    assert deployed.organization.root_credentials(PASSWORD).password


def refuse_a_plan_that_is_too_old(deployed: Deployed) -> None:
    plan = deployed.succeeded(task=DELETE, accounts=[PASSWORD])
    deployed.let_plans_age_at_once()
    assert "it is older than" in deployed.refused(task=DELETE, execute=plan.run_id)
    assert deployed.organization.root_credentials(PASSWORD).password


def locking(action: str, resource: str) -> str:
    """A policy that locks everybody out."""
    statement = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def policy_of(aws: LocalAws, kind: str) -> object:
    """The policy of the bucket or the queue, as its owner sees it; None: there is none."""
    if kind == "bucket":
        try:
            text = aws.client("s3", account_id=LOCKED_OUT).get_bucket_policy(Bucket=BUCKET)["Policy"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
                raise
            return None
    else:
        sqs = aws.client("sqs", account_id=LOCKED_OUT)
        url = sqs.get_queue_url(QueueName="locked-queue")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {})
        text = attributes.get("Policy")
    return json.loads(text) if text else None
