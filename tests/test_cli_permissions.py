"""What a person needs for each command, both ways: its calls against the grants of the construct."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import aws_iam as iam

from centralized_root_access import RootTask, RootTasks
from centralized_root_access.cli.aws import Caller
from support import root_tasks as running
from support.accounts import MANAGEMENT, MEMBER
from support.command_line import STACK
from support.policies import PolicyComparison, PolicyRequest, compare_policy, parse_statements
from support.templates import MANAGEMENT as MANAGEMENT_ENVIRONMENT
from support.templates import bootstrap_stack, policy_statements, resources, template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from support.command_line import CommandLine
    from support.policies import PolicyStatement

STACK_ARN = f"arn:aws:cloudformation:us-east-1:{MANAGEMENT}:stack/{STACK}/0123"
ALL_STACKS = f"arn:aws:cloudformation:us-east-1:{MANAGEMENT}:stack/*/*"


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[PolicyRequest]:
    """Return what the command requests of AWS besides who it is, for which nobody needs a permission."""
    found: list[PolicyRequest] = []
    original = Caller.client

    def recording_client(caller: Caller, service: str, **arguments: Any) -> Any:
        client = original(caller, service, **arguments)

        def record(params: Mapping[str, Any], model: Any, **_: object) -> None:
            found.append(policy_request(service, model.name, params))

        client.meta.events.register(
            f"provide-client-params.{client.meta.service_model.service_id.hyphenize()}", record
        )
        return client

    monkeypatch.setattr(Caller, "client", recording_client)
    return found


def policy_request(service: str, operation: str, parameters: Mapping[str, Any]) -> PolicyRequest:
    """Return what IAM decides about, by the Service Authorization Reference."""
    match service, operation:
        case "cloudformation", "DescribeStacks":
            named = parameters.get("StackName")
            return PolicyRequest(
                action="cloudformation:DescribeStacks", resource=STACK_ARN if named else ALL_STACKS
            )
        case "stepfunctions", "StartExecution" | "ListExecutions":
            return PolicyRequest(action=f"states:{operation}", resource=parameters["stateMachineArn"])
        case "stepfunctions", "DescribeExecution" | "ListMapRuns":
            return PolicyRequest(action=f"states:{operation}", resource=parameters["executionArn"])
        case "stepfunctions", "DescribeMapRun":
            return PolicyRequest(action="states:DescribeMapRun", resource=parameters["mapRunArn"])
        case "s3", "GetObject":
            key = f"arn:aws:s3:::{parameters['Bucket']}/{parameters['Key']}"
            return PolicyRequest(action="s3:GetObject", resource=key)
        case _:
            return PolicyRequest(action=f"{service}:{operation}")


def granted(*grants: str) -> tuple[PolicyStatement, ...]:
    """Return what the construct grants to a person."""
    stack = bootstrap_stack(env=MANAGEMENT_ENVIRONMENT)
    root_tasks = RootTasks(stack, "RootTasks", tasks=RootTask)
    role = iam.Role(stack, "Operator", assumed_by=iam.AccountRootPrincipal())
    for grant in grants:
        getattr(root_tasks, grant)(role)
    synthesized = template(stack)
    (bucket,) = resources(synthesized, "AWS::S3::Bucket")
    machines = {
        id_: running.AUDIT_MACHINE if "Audit" in id_ else running.EXECUTE_MACHINE
        for id_ in resources(synthesized, "AWS::StepFunctions::StateMachine")
    }
    arn = f"arn:aws:states:us-east-1:{MANAGEMENT}:stateMachine:"
    return parse_statements(
        policy_statements(synthesized, "Operator"),
        references={
            "AWS::StackName": STACK,
            f"{bucket}.Arn": f"arn:aws:s3:::{running.BUCKET}",
            **{f"{id_}.Name": name for id_, name in machines.items()},
            **{id_: f"{arn}{name}" for id_, name in machines.items()},
        },
    )


def compare(requests: Sequence[PolicyRequest], *grants: str) -> PolicyComparison:
    return compare_policy(granted(*grants), requests)


def audit(command_line: CommandLine) -> None:
    command_line.run("audit", "--stack", STACK, "--open")
    command_line.run("runs", "--stack", STACK)


def plan(command_line: CommandLine) -> None:
    command_line.run("plan", "delete", "--account", MEMBER, "--stack", STACK)
    command_line.run("plan", "unlock-bucket", "--bucket", f"{MEMBER}:b", "--stack", STACK)
    command_line.run("runs", "--stack", STACK)


def read(command_line: CommandLine) -> None:
    command_line.run("report", "--stack", STACK, "--format", "csv")


@pytest.fixture(autouse=True)
def _no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", lambda url: True)


@pytest.mark.parametrize("grant", ["grant_audit", "grant_plan"])
@pytest.mark.parametrize("commands", [audit, plan])
def test_audits_and_plans_need_exactly_what_is_granted(
    command_line: CommandLine,
    requests: list[PolicyRequest],
    commands: Callable[[CommandLine], None],
    grant: str,
) -> None:
    commands(command_line)
    command_line.services.errors["ListExecutions"] = ("AccessDeniedException", "No.")
    of_execute = [it for it in requests if running.EXECUTE_MACHINE in it.resource]
    assert {it.action for it in of_execute} == {"states:ListExecutions"}, "of the other state machine"
    of_person = [it for it in requests if it not in of_execute]
    compared = compare(of_person, grant, "grant_read_reports")
    assert compared.missing == ()
    read(command_line)
    executions = [it for it in compared.unused if "executions/*" not in it]
    assert [it for it in executions if "latest/*" not in it] == []


def test_an_execution_needs_exactly_what_is_granted(
    command_line: CommandLine, requests: list[PolicyRequest]
) -> None:
    command_line.root_tasks.organization.put_root_credentials(account_id=MEMBER, password=True)
    plan_id = command_line.root_tasks.run(
        {"task": "IAMDeleteRootUserCredentials", "accounts": [MEMBER]}
    ).run_id
    assert command_line.run("execute", plan_id, "--yes", "--stack", STACK).exit_code == 0
    command_line.run("runs", "--stack", STACK)
    of_audit = [it for it in requests if running.AUDIT_MACHINE in it.resource]
    assert {it.action for it in of_audit} == {"states:ListExecutions"}, "of the other state machine"
    compared = compare([it for it in requests if it not in of_audit], "grant_execute", "grant_read_reports")
    assert compared.missing == ()
    assert [it for it in compared.unused if "runs/*/run.json" not in it and "latest/*" not in it] == []


def test_reading_reports_needs_exactly_what_is_granted(
    command_line: CommandLine, requests: list[PolicyRequest]
) -> None:
    command_line.root_tasks.organization.put_root_credentials(account_id=MEMBER, password=True)
    root_tasks = command_line.root_tasks
    root_tasks.run({}, name="audited")
    planned = root_tasks.run({"task": "IAMDeleteRootUserCredentials", "accounts": [MEMBER]}, name="planned")
    root_tasks.execute(planned, name="executed")
    command_line.services.errors["DescribeExecution"] = ("AccessDeniedException", "No.")
    read(command_line)
    for run_id in ("audited", "planned", "executed"):
        shown = command_line.run("report", run_id, "--format", "json", "--stack", STACK)
        assert json.loads(shown.stdout)["runId"] == run_id
    allowed = [it for it in requests if it.action != "states:DescribeExecution"]
    compared = compare(allowed, "grant_read_reports")
    assert compared.missing == ()
    assert [it for it in compared.unused if "run.json" not in it] == []


def test_who_may_read_one_stack_alone_names_it(command_line: CommandLine) -> None:
    command_line.services.errors["DescribeStacks"] = ("AccessDenied", "You may not.")
    shown = command_line.run("audit")
    assert shown.exit_code == 2
    assert "Name the stack: --stack STACK" in shown.stderr


def test_the_stack_can_be_named_by_the_environment(
    command_line: CommandLine, requests: list[PolicyRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CENTRALIZED_ROOT_ACCESS_STACK", STACK)
    assert command_line.run("audit").exit_code == 0
    assert ALL_STACKS not in {it.resource for it in requests}
