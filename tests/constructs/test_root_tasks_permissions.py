"""Least privilege for RootTasks, both ways: the calls of every path against the template."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from centralized_root_access import RootTask
from local_aws.emulation import mock_organization
from root_tasks.model.report_schema import Task
from support import root_tasks as running
from support.accounts import MEMBER, THIRD_MEMBER
from support.arrange import (
    ROOT_CREDENTIALS_MANAGEMENT,
    ROOT_SESSIONS,
    add_accounts,
    add_unit,
    enable_root_access,
)
from support.policies import (
    PolicyComparison,
    PolicyRequest,
    PolicyStatement,
    compare_policy,
)
from support.scp import attach_policy, policy_document, statement
from support.templates import (
    allowed_to_role,
    new_topic,
    resources_of_type,
    root_tasks_template,
    statements_of_role,
)

if TYPE_CHECKING:
    # The template, and the requests of each function by its name in the run driver.
    Everything = tuple[dict[str, Any], Sequence[tuple[str, PolicyRequest]]]

pytestmark = pytest.mark.no_cover

PROTECTED = THIRD_MEMBER
# No request is denied, and none is allowed that was not made.
NO_DIFFERENCE = PolicyComparison()
# The ids of the functions in the template, by their names in the run driver.
FUNCTION_IDS = {
    "StartRun": "StartRun",
    RootTask.AUDIT: "Audit",
    f"Plan {RootTask.UNLOCK_BUCKET}": "PlanUnlockBucketPolicy",
    f"Plan {RootTask.UNLOCK_QUEUE}": "PlanUnlockQueuePolicy",
    "WriteReport": "WriteReport",
    "StartExecution": "StartExecution",
    RootTask.DELETE: "DeleteCredentials",
    RootTask.RECOVER: "AllowPasswordRecovery",
    RootTask.UNLOCK_BUCKET: "UnlockBucketPolicy",
    RootTask.UNLOCK_QUEUE: "UnlockQueuePolicy",
    "WriteExecutionReport": "WriteExecutionReport",
}


def synthesized(*tasks: RootTask) -> dict[str, Any]:
    """Return the template of RootTasks with some tasks, and everything that needs a permission."""
    return root_tasks_template(
        tasks=tasks,
        protected_accounts=[PROTECTED],
        notification_topic=new_topic,
        security_hub_findings=True,
    )


def role_statements(synthesized: Mapping[str, Any], function: str) -> list[dict[str, Any]]:
    """Return the statements of a function's role; none if the template lacks the function."""
    return statements_of_role(synthesized, f"RootTasks{function}Role")


def allowed_to(synthesized: Mapping[str, Any], function: str) -> tuple[PolicyStatement, ...]:
    """Return what a function may do besides logging, with the driver's names for resources."""
    (bucket,) = resources_of_type(synthesized, "AWS::S3::Bucket")
    machines = resources_of_type(synthesized, "AWS::StepFunctions::StateMachine")
    (topic,) = resources_of_type(synthesized, "AWS::SNS::Topic")
    return allowed_to_role(
        synthesized,
        f"RootTasks{function}Role",
        references={
            f"{bucket}.Arn": f"arn:aws:s3:::{running.REPORT_BUCKET}",
            **{
                f"{id_}.Name": running.AUDIT_MACHINE if "Audit" in id_ else running.EXECUTE_MACHINE
                for id_ in machines
            },
            **{id_: running.AUDIT_MACHINE_ARN for id_ in machines if "Audit" in id_},
            topic: "arn:aws:sns:topic",
        },
    )


def requests_of_every_path(*tasks: RootTask) -> Sequence[tuple[str, PolicyRequest]]:
    """Return what the functions request of AWS on every path of the tasks."""
    with mock_organization() as organization:
        enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS)
        root_tasks = running.RootTasks(organization=organization)
        root_tasks.settings = running.DeployedSettings(
            tasks=tuple(map(Task, tasks)), security_hub_findings=True
        )
        root_tasks.client("securityhub").enable_security_hub()
        # Every batch is run twice, as after a lost response.
        root_tasks.run_batches_twice = True
        unit_id = add_unit(organization, "Workloads", MEMBER)
        _audit_in_every_way(root_tasks)
        # Executions that end well, and those that do not.
        if RootTask.DELETE in tasks:
            _stop_and_redrive(root_tasks, RootTask.DELETE, accounts=["all"])
            _plan_and_execute(root_tasks, RootTask.DELETE, accounts=["all"])
        if RootTask.RECOVER in tasks:
            _stop_and_redrive(root_tasks, RootTask.RECOVER, accounts=[MEMBER])
            _plan_and_execute(root_tasks, RootTask.RECOVER, accounts=[MEMBER], until="8h")
        for locked, named in running.lock_bucket_and_queue(root_tasks).items():
            if (task := RootTask(locked)) in tasks:
                _unlock_and_give_back(root_tasks, task, **named)
        # A second run of each batch would request nothing else, and take as long as the first.
        root_tasks.run_batches_twice = False
        # More accounts than StartRun reads one by one, of which two are in units.
        *many, last = add_accounts(organization, 102)
        add_unit(organization, "Sandbox", many[0])
        organization.client("organizations").move_account(
            AccountId=many[1], SourceParentId=organization.root_id, DestinationParentId=unit_id
        )
        if RootTask.DELETE in tasks:
            for account_id in (*many, last):
                organization.put_root_credentials(account_id, password=True)
            _plan_and_execute(root_tasks, RootTask.DELETE, accounts=many)
            _execute_with_a_denied_result(root_tasks, RootTask.DELETE, accounts=[last])
        elif RootTask.UNLOCK_QUEUE in tasks:
            arns = [_lock_queue(root_tasks, account_id) for account_id in many]
            _plan_and_execute(root_tasks, RootTask.UNLOCK_QUEUE, queues=arns)
            other = _lock_queue(root_tasks, last)
            _execute_with_a_denied_result(root_tasks, RootTask.UNLOCK_QUEUE, queues=[other])
        _deny_a_result(root_tasks)
        root_tasks.run({"accounts": [MEMBER]})
        # A policy denies what audits read first.
        denial = statement(Action="iam:GetAccountSummary")
        attach_policy(organization, organization.root_id, denial, name="no-summary")
        root_tasks.run()
        return root_tasks.requests


def _audit_in_every_way(root_tasks: running.RootTasks) -> None:
    """Audit a unit, an account, and everything: twice by one name, and overtaken by another run."""
    root_tasks.run({"organizationalUnits": ["Workloads"]})
    root_tasks.run({"accounts": [MEMBER]})
    # Step Functions allows a name again after 90 days.
    root_tasks.run(name="audited")
    root_tasks.run(name="audited")
    root_tasks.advance(days=90)
    root_tasks.run(name="audited")
    overtaken = root_tasks.run(name="overtaken")
    root_tasks.advance(minutes=1)
    root_tasks.run()
    root_tasks.redrive(overtaken)
    # A change that a notice and a finding tell.
    root_tasks.organization.put_root_credentials(MEMBER, password=True)
    root_tasks.advance(hours=1)
    root_tasks.run()


def _plan_and_execute(root_tasks: running.RootTasks, task: RootTask | Task, **named: object) -> Any:
    """Plan a task for what is named, and execute the plan, losing the response of each write."""
    plan = root_tasks.run({"task": task, **named})
    # A retry finds the mark, the run and the claim that an earlier attempt has stored.
    root_tasks.lose_response("s3:PutObject", url="executed-by.json")
    root_tasks.lose_response("s3:PutObject", url="executions/")
    root_tasks.lose_response("s3:PutObject", url=".claim")
    executed = root_tasks.execute(plan)
    assert set(executed.output["totals"]) == {"DONE"}
    return executed


def _deny_a_result(root_tasks: running.RootTasks) -> None:
    """Let S3 deny the next read of a batch's result, as S3 denies what does not exist.

    The function then looks for the result in the list.
    """
    root_tasks.fail_calls("s3:GetObject", "AccessDenied", url="/00000-", times=1)


def _execute_with_a_denied_result(
    root_tasks: running.RootTasks, task: RootTask, **named: object
) -> None:
    """Plan and execute a task whose results the report cannot read."""
    plan = root_tasks.run({"task": task, **named})
    _deny_a_result(root_tasks)
    assert root_tasks.execute(plan).status == "FAILED"


def _stop_and_redrive(root_tasks: running.RootTasks, task: RootTask, **named: object) -> None:
    """Plan and execute a task, stop the execution before its batches, and redrive it."""
    plan = root_tasks.run({"task": task, **named})
    root_tasks.lose_batches = lambda batch: True
    stopped = root_tasks.execute(plan)
    stopped.status, root_tasks.lose_batches = "ABORTED", lambda batch: False
    redriven = root_tasks.redrive(stopped)
    assert set(redriven.totals) == {"FAILED"}, redriven.cause


def _unlock_and_give_back(root_tasks: running.RootTasks, task: RootTask, **named: object) -> None:
    """Remove a policy, give it back from its backup, and lose the result of another removal."""
    _stop_and_redrive(root_tasks, task, **named)
    root_tasks.lose_response("s3:PutObject", url="backups/")
    unlocked = _plan_and_execute(root_tasks, task, **named)
    (item,) = root_tasks.results(unlocked)[MEMBER]["items"]
    root_tasks.fail_calls("s3:GetObject", "AccessDenied", url="backups/", times=1)
    with_backup = {**named, "backup": item["backup"]}
    assert root_tasks.run({"task": task, **with_backup}).status == "FAILED"
    _plan_and_execute(root_tasks, task, **with_backup)
    plan = root_tasks.run({"task": task, **named})
    root_tasks.lose_results = lambda batch: True
    assert set(root_tasks.execute(plan).totals) == {"UNKNOWN"}
    root_tasks.lose_results = lambda batch: False


def _lock_queue(root_tasks: running.RootTasks, account_id: str) -> str:
    """Create a queue whose policy denies everyone everything, and return its ARN."""
    arn = f"arn:aws:sqs:us-east-1:{account_id}:locked"
    sqs = root_tasks.client("sqs", account_id=account_id)
    denies = policy_document(statement(Principal="*", Action="sqs:*", Resource=arn))
    sqs.create_queue(QueueName="locked", Attributes={"Policy": json.dumps(denies)})
    return arn


@pytest.fixture(scope="module")
def everything() -> Everything:
    """The template with every task, and what the functions request for all of them."""
    return synthesized(*RootTask), requests_of_every_path(*RootTask)


@pytest.mark.parametrize("function", FUNCTION_IDS)
def test_each_function_may_do_exactly_what_it_does(everything: Everything, function: str) -> None:
    template, requests = everything
    own_requests = [request for name, request in requests if name == function]
    allowed = allowed_to(template, FUNCTION_IDS[function])
    assert compare_policy(allowed, own_requests) == NO_DIFFERENCE


@pytest.mark.parametrize(
    "tasks_with_changes",
    [pytest.param((), marks=pytest.mark.slow), (RootTask.UNLOCK_QUEUE,)],
    ids=["none", "one"],
)
def test_no_function_may_do_more_than_the_listed_tasks_need(
    tasks_with_changes: Sequence[RootTask],
) -> None:
    template = synthesized(RootTask.AUDIT, *tasks_with_changes)
    requests = requests_of_every_path(RootTask.AUDIT, *tasks_with_changes)
    for function, function_id in FUNCTION_IDS.items():
        if role_statements(template, function_id):
            own_requests = [request for name, request in requests if name == function]
            allowed = allowed_to(template, function_id)
            assert compare_policy(allowed, own_requests) == NO_DIFFERENCE, function


@pytest.mark.parametrize(
    ("function", "task"),
    [
        *((task, task) for task in RootTask),
        (f"Plan {RootTask.UNLOCK_BUCKET}", RootTask.UNLOCK_BUCKET),
        (f"Plan {RootTask.UNLOCK_QUEUE}", RootTask.UNLOCK_QUEUE),
    ],
)
def test_a_function_can_assume_root_for_its_task_only(
    everything: Everything, function: str, task: RootTask
) -> None:
    template, _requests = everything
    allowed = allowed_to(template, FUNCTION_IDS[function])
    for other in RootTask:
        request = PolicyRequest(
            action="sts:AssumeRoot",
            resource=f"arn:aws:iam::{MEMBER}:root",
            context={
                "sts:TaskPolicyArn": f"arn:aws:iam::aws:policy/root-task/{Task(other).policy}"
            },
        )
        assert any(statement.allows(request) for statement in allowed) == (other is task)


@pytest.mark.parametrize(
    "function", [name for name in FUNCTION_IDS if name in set(RootTask) or name.startswith("Plan ")]
)
def test_a_root_session_in_a_protected_account_is_denied_to_all_but_audits(
    everything: Everything, function: str
) -> None:
    template, _requests = everything
    denied = [
        (statement["Action"], statement["Resource"], statement.get("Condition"))
        for statement in role_statements(template, FUNCTION_IDS[function])
        if statement["Effect"] == "Deny"
    ]
    audits = function == RootTask.AUDIT
    assert denied == ([] if audits else [("sts:AssumeRoot", f"arn:*:iam::{PROTECTED}:root", None)])
