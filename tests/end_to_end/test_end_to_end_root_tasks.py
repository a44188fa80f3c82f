"""Root tasks, deployed by the real CDK CLI, in the sixty accounts of a local AWS."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aws_cdk import Stack
from botocore.exceptions import ClientError

from centralized_root_access import (
    AcceptedCredentials,
    CentralizedRootAccess,
    CredentialType,
    RootTask,
    RootTasks,
)
from local_aws.emulation import Organization
from local_aws.services import LocalAws
from root_tasks.refusals import RefusalReason
from support.accounts import MANAGEMENT
from support.deploying import Deployer, assert_succeeded, stack_outputs
from support.processes import run_command_line
from support.root_tasks import (
    Execution,
    StoredReports,
    accounts_of_sessions_by_run,
    lock_bucket_and_queue,
)

PASSWORD, KEYS, EVERYTHING, MFA_ONLY = (
    "100000000001",
    "100000000002",
    "100000000003",
    "100000000004",
)
SUSPENDED, PROTECTED, DENIED = "100000000005", "100000000006", "100000000007"
ALSO_PASSWORD, ACCEPTED, LOCKED_OUT = "100000000008", "100000000009", "100000000010"
DELETABLE = {PASSWORD, KEYS, EVERYTHING, MFA_ONLY, ALSO_PASSWORD}
DELETE = RootTask.DELETE


class Deployed(StoredReports):
    """The deployed construct, used like a person with the AWS CLI does."""

    def __init__(self, aws: LocalAws) -> None:
        self.organization = aws.organization
        self.s3 = aws.client("s3")
        self._step_functions = aws.client("stepfunctions")
        self._lambda = aws.client("lambda")
        outputs = stack_outputs(aws)
        self._audit_arn = outputs["RootTasksAuditStateMachineArn"]
        self._execute_arn = outputs["RootTasksExecuteStateMachineArn"]
        self._executions_of_plans = self._execute_arn.replace(":stateMachine:", ":execution:")
        self.bucket = outputs["RootTasksBucket"]

    def run(self, *inputs: Mapping[str, object]) -> list[Execution]:
        """Start executions at once, of plans or of anything else, and wait until all have ended."""
        started = [
            self._step_functions.start_execution(
                stateMachineArn=self._execute_arn if "plan" in input_ else self._audit_arn,
                input=json.dumps(input_),
            )
            for input_ in inputs
        ]
        return [self._wait_for_end(execution["executionArn"]) for execution in started]

    def _wait_for_end(self, arn: str) -> Execution:
        """Wait until an execution has ended, and return it."""
        wait_until(lambda: self._describe(arn)["status"] != "RUNNING")
        response = self._describe(arn)
        return Execution(
            folder="executions" if arn.startswith(self._executions_of_plans) else "runs",
            run_id=response["name"],
            status=response["status"],
            output=json.loads(response.get("output") or "{}"),
            cause=response.get("cause", ""),
        )

    def _describe(self, arn: str) -> dict[str, Any]:
        """Return what Step Functions says of an execution."""
        response: dict[str, Any] = self._step_functions.describe_execution(executionArn=arn)
        return response

    def run_at_once(self, *inputs: Mapping[str, object]) -> list[Execution]:
        """Run executions at once. All must succeed, and each session must name its run."""
        before = len(self.organization.calls)
        executions = self.run(*inputs)
        assert [found.cause for found in executions if found.status != "SUCCEEDED"] == []
        assert accounts_of_sessions_by_run(self.organization, before) == {
            f"centralized-root-access/{found.run_id}": self.results(found).keys()
            - self.accounts(found, "SKIPPED")
            - self.accounts(found, "PROTECTED")
            for found in executions
        }
        return executions

    def run_successfully(self, **request: object) -> Execution:
        """Run an execution, which must succeed."""
        (execution,) = self.run(request)
        assert execution.status == "SUCCEEDED", execution.cause
        return execution

    def start_wave(self, plan: Execution) -> None:
        """Start to execute a plan, as the execution *wave*."""
        input_ = json.dumps({"plan": plan.run_id})
        self._step_functions.start_execution(
            stateMachineArn=self._execute_arn, name="wave", input=input_
        )

    def change_variables(self, handler: str, **changed: str) -> Callable[[], None]:
        """Change variables of a handler's functions, and return what changes them back."""
        before = {
            function["FunctionName"]: function["Environment"]["Variables"]
            for function in self._lambda.list_functions()["Functions"]
            if function["Handler"] == f"root_tasks.handlers.{handler}"
        }

        def set_variables(changed: Mapping[str, str]) -> None:
            """Give each of the functions its own variables, with these changed."""
            for name, variables in before.items():
                self._lambda.update_function_configuration(
                    FunctionName=name, Environment={"Variables": {**variables, **changed}}
                )

        set_variables(changed)
        return lambda: set_variables({})

    def accounts(self, execution: Execution, outcome: str) -> set[str]:
        """Return the accounts in which an execution ended with an outcome."""
        return {
            id_ for id_, result in self.results(execution).items() if result["outcome"] == outcome
        }


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; fail after a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.1)


def add_accounts(organization: Organization) -> None:
    """Add 56 accounts to the first four, some of them with a peculiarity."""
    for number in range(1, 57):
        account_id = f"{100_000_000_000 + number}"
        organization.add_account(
            name=f"team-{number}", email=f"team-{number}@example.com", account_id=account_id
        )
    organization.put_root_credentials(PASSWORD, password=True)
    organization.put_root_credentials(KEYS, access_keys=2)
    organization.put_root_credentials(
        EVERYTHING, password=True, access_keys=1, mfa_devices=2, certificates=1
    )
    organization.put_root_credentials(MFA_ONLY, mfa_devices=1)
    for account_id in (ALSO_PASSWORD, ACCEPTED, PROTECTED, SUSPENDED):
        organization.put_root_credentials(account_id, password=True)
    organization.suspend(SUSPENDED)
    organization.deny(DENIED, "iam:*")


def build(stack: Stack) -> None:
    """Add the constructs to the stack."""
    CentralizedRootAccess(stack, "RootAccess")
    RootTasks(
        stack,
        "RootTasks",
        tasks=RootTask,
        protected_accounts=[PROTECTED],
        # Two whose last day has not come yet, and one whose last day has passed.
        accepted_credentials={
            account_id: AcceptedCredentials(
                types=[CredentialType.PASSWORD], reason="A trial", until=until
            )
            for account_id, until in (
                (ACCEPTED, "9999-12-31"),
                (PROTECTED, "9999-12-31"),
                (PASSWORD, "2026-01-01"),
            )
        },
        security_hub_findings=True,
    )


def test_an_organization_of_sixty_accounts_is_audited_cleaned_and_unlocked(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    add_accounts(local_aws.organization)
    local_aws.client("securityhub").enable_security_hub()
    assert_succeeded(Deployer(local_aws, tmp_path).deploy(build))
    deployed = Deployed(local_aws)
    audit, plan = deployed.run_at_once({}, {"task": DELETE, "accounts": ["all"]})
    check_audit(deployed, audit)
    check_findings(local_aws)
    check_plan(deployed, plan)
    execute_plan(deployed, plan)
    refuse_what_was_executed(deployed, plan)
    audit_again(deployed)
    fail_with_a_report(deployed)
    lose_batches(deployed)
    stop_wave(local_aws, deployed)
    for task, named in lock_bucket_and_queue(local_aws, LOCKED_OUT).items():
        unlock_and_give_back(local_aws, deployed, {"task": task, **named})
    allow_recovery(local_aws, deployed)


def check_audit(deployed: Deployed, audit: Execution) -> None:
    """Each account has the outcome that its peculiarity leads to, and the report is the latest."""
    assert audit.output["totals"] == {
        "CLEAN": 50,
        "HAS_CREDENTIALS": 5,
        "ACCEPTED": 2,
        "PROTECTED": 1,
        "SKIPPED": 1,
        "INACCESSIBLE": 1,
    }
    assert deployed.accounts(audit, "HAS_CREDENTIALS") == DELETABLE
    assert deployed.accounts(audit, "ACCEPTED") == {ACCEPTED, PROTECTED}
    assert deployed.accounts(audit, "SKIPPED") == {SUSPENDED}
    assert deployed.accounts(audit, "INACCESSIBLE") == {DENIED}
    assert deployed.read_object("latest/report.json") == deployed.read_object(
        f"runs/{audit.run_id}/report.json"
    )
    assert audit.output["report"] == f"s3://{deployed.bucket}/runs/{audit.run_id}/report.html"


def check_findings(aws: LocalAws) -> None:
    """Each of the sixty accounts has its finding in Security Hub."""
    pages = aws.client("securityhub").get_paginator("get_findings").paginate()
    found = {
        finding["Resources"][0]["Id"].removeprefix("AWS::::Account:"): finding["Compliance"]
        for page in pages
        for finding in page["Findings"]
    }
    assert len(found) == 60
    assert found[DENIED] == {"Status": "NOT_AVAILABLE"}
    failed = {id_ for id_, compliance in found.items() if compliance == {"Status": "FAILED"}}
    assert failed == DELETABLE | {ACCEPTED, PROTECTED}


def check_plan(deployed: Deployed, plan: Execution) -> None:
    """The plan has every account with credentials that no one accepted or protected."""
    assert deployed.accounts(plan, "PLANNED") == DELETABLE
    assert deployed.accounts(plan, "ACCEPTED") == {ACCEPTED}
    assert deployed.accounts(plan, "SKIPPED") == {MANAGEMENT, SUSPENDED, PROTECTED}
    assert deployed.accounts(plan, "INACCESSIBLE") == {DENIED}
    assert deployed.organization.root_credentials(PASSWORD).password


def fail_with_a_report(deployed: Deployed) -> None:
    """An execution in which an account failed has failed; a lost batch is unknown."""
    organization = deployed.organization
    organization.put_root_credentials(KEYS, access_keys=1)
    plan = deployed.run_successfully(task=DELETE, accounts=[KEYS])
    organization.deny(KEYS, "iam:DeleteAccessKey")
    (execution,) = deployed.run({"plan": plan.run_id})
    assert execution.status == "FAILED"
    assert deployed.accounts(execution, "FAILED") == {KEYS}
    assert f"executions/{execution.run_id}/report.html" in execution.cause


def lose_batches(deployed: Deployed) -> None:
    """A batch whose function does not return is unknown, and is not run again."""
    deployed.organization.put_root_credentials(MFA_ONLY, mfa_devices=1)
    plan = deployed.run_successfully(task=DELETE, accounts=[MFA_ONLY])
    # Without its settings the function ends before it does anything.
    restore = deployed.change_variables("execute_batch", SETTINGS="{}")
    (execution,) = deployed.run({"plan": plan.run_id})
    restore()
    assert execution.status == "FAILED"
    assert deployed.accounts(execution, "UNKNOWN") == {MFA_ONLY}
    assert "1 account is unknown" in execution.cause


def stop_wave(aws: LocalAws, deployed: Deployed) -> None:
    """A stopped wave's report is made the next day, of results that Step Functions confirms."""
    wave = sorted(DELETABLE | {LOCKED_OUT})
    for account_id in wave:
        deployed.organization.put_root_credentials(account_id, password=True)
    plan = deployed.run_successfully(task=DELETE, accounts=wave)
    # Nothing is at this address: the function of the report calls S3 again and again.
    connect = deployed.change_variables(
        "write_execution_report", AWS_ENDPOINT_URL_S3="http://127.0.0.1:9"
    )
    deployed.start_wave(plan)
    # The wave has six accounts, and a batch that acts has five.
    # Of each there are a claim and a result.
    wait_until(lambda: len(deployed.object_keys("executions/wave/results/")) == 4)
    assert run_command_line(aws, "stop", "wave", "--yes").returncode == 0
    connect()
    assert deployed.object_keys("executions/wave/report.json") == []
    shown = run_command_line(aws, "report", "wave", "--format", "json")
    # As that of a run that was stopped.
    assert shown.returncode == 2, shown.stderr
    done = {row["accountId"]: row["outcome"] for row in json.loads(shown.stdout)["results"]}
    assert done == dict.fromkeys(wave, "DONE")


def execute_plan(deployed: Deployed, plan: Execution) -> None:
    """Execute a plan beside another plan: it deletes what it lists, devices last."""
    # Not in the plan.
    deployed.organization.put_root_credentials(LOCKED_OUT, access_keys=1)
    others = {"task": DELETE, "accounts": ["all"], "exclude": sorted(DELETABLE)}
    execution, _ = deployed.run_at_once({"plan": plan.run_id}, others)
    assert deployed.accounts(execution, "DONE") == DELETABLE
    assert [item["type"] for item in deployed.results(execution)[EVERYTHING]["items"]] == [
        "PASSWORD",
        "ACCESS_KEY",
        "SIGNING_CERTIFICATE",
        "MFA_DEVICE",
        "MFA_DEVICE",
    ]


def refuse_what_was_executed(deployed: Deployed, plan: Execution) -> None:
    """A plan is executed once."""
    (execution,) = deployed.run({"plan": plan.run_id})
    assert execution.status == "SUCCEEDED"
    assert execution.output["refused"] == RefusalReason.PLAN_CLAIMED.name


def audit_again(deployed: Deployed) -> None:
    """Only what was not planned is left."""
    audit = deployed.run_successfully()
    assert deployed.accounts(audit, "CLEAN") >= DELETABLE
    assert deployed.accounts(audit, "HAS_CREDENTIALS") == {LOCKED_OUT}
    assert deployed.accounts(audit, "ACCEPTED") == {ACCEPTED, PROTECTED}
    for account_id in (SUSPENDED, PROTECTED, ACCEPTED):
        assert deployed.organization.root_credentials(account_id).password, "not changed"


def unlock_and_give_back(aws: LocalAws, deployed: Deployed, request: Mapping[str, object]) -> None:
    """Remove the policy of a bucket or a queue, and give it back from its backup."""
    kind = "bucket" if "buckets" in request else "queue"
    locked = policy_of(aws, kind)
    assert locked is not None
    plan = deployed.run_successfully(**request)
    assert deployed.accounts(plan, "PLANNED") == {LOCKED_OUT}
    assert policy_of(aws, kind) == locked
    unlocked = deployed.run_successfully(plan=plan.run_id)
    assert deployed.accounts(unlocked, "DONE") == {LOCKED_OUT}
    assert policy_of(aws, kind) is None
    (item,) = deployed.results(unlocked)[LOCKED_OUT]["items"]
    plan = deployed.run_successfully(**request, backup=item["backup"])
    assert deployed.accounts(plan, "PLANNED") == {LOCKED_OUT}
    deployed.run_successfully(plan=plan.run_id)
    assert policy_of(aws, kind) == locked


def allow_recovery(aws: LocalAws, deployed: Deployed) -> None:
    """A recovery has a reason, and an end until which audits accept the password."""
    options = ("--until", "8h", "--reason", "CHG0012345", "--format", "json")
    planned = run_command_line(aws, "plan", "recover", "--account", LOCKED_OUT, *options)
    plan = json.loads(planned.stdout)["runId"]
    executed = run_command_line(aws, "execute", plan, "--yes", "--format", "json")
    report = json.loads(executed.stdout)
    assert (report["reason"], report["totals"]) == ("CHG0012345", {"DONE": 1}), executed.stderr
    assert deployed.organization.root_credentials(LOCKED_OUT).password
    audited = run_command_line(aws, "audit", "--account", LOCKED_OUT)
    assert audited.returncode == 0, audited.stderr
    assert "Recovered until " in audited.stdout


def policy_of(aws: LocalAws, kind: str) -> object:
    """Return the policy of the bucket or the queue as its owner sees it, or None."""
    if kind == "bucket":
        try:
            text = aws.client("s3", account_id=LOCKED_OUT).get_bucket_policy(Bucket="locked")[
                "Policy"
            ]
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
                raise
            return None
    else:
        sqs = aws.client("sqs", account_id=LOCKED_OUT)
        url = sqs.get_queue_url(QueueName="locked")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get(
            "Attributes", {}
        )
        text = attributes.get("Policy")
    return json.loads(text) if text else None
