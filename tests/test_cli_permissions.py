"""What a person needs for each command, both ways: its calls against the grants and docs/command-line.md.

What is not granted is denied: a command works with its grants alone.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import aws_iam as iam
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from centralized_root_access import RootTask, RootTasks
from centralized_root_access.cli.aws import Caller
from support import root_tasks as running
from support.accounts import MANAGEMENT, MEMBER
from support.command_line import STACK
from support.policies import PolicyRequest, compare_policy, parse_statements
from support.templates import MANAGEMENT as MANAGEMENT_ENVIRONMENT
from support.templates import bootstrap_stack, policy_statements, resources, template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from support.command_line import CommandLine
    from support.policies import PolicyStatement

STACK_ARN = f"arn:aws:cloudformation:us-east-1:{MANAGEMENT}:stack/{STACK}/0123"
ALL_STACKS = f"arn:aws:cloudformation:us-east-1:{MANAGEMENT}:stack/*/*"
FOR_IAM = {"organizations:ServicePrincipal": "iam.amazonaws.com"}
IN_STACK = ("--stack", STACK)
NAME = "20261125-0432-2345"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "command-line.md"


@dataclass(kw_only=True)
class Person:
    """Who runs the commands.

    Attributes:
        permissions: What IAM allows them.
        requests: What they were allowed to call. Nobody needs a permission to ask who they are.
        denied: What they were not.
        omits_paths: Whether the SDK leaves out where accounts are, as before botocore 1.42.80.
    """

    permissions: tuple[PolicyStatement, ...] = ()
    requests: list[PolicyRequest] = field(default_factory=list)
    denied: list[PolicyRequest] = field(default_factory=list)
    omits_paths: bool = False

    @property
    def unused(self) -> tuple[str, ...]:
        """What no command has needed so far."""
        return compare_policy(self.permissions, self.requests).unused

    def authorize(self, request: PolicyRequest) -> bool:
        """Return whether a call is allowed, and remember it."""
        allowed = any(statement.allows(request) for statement in self.permissions)
        (self.requests if allowed else self.denied).append(request)
        return allowed


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Person:
    """Return the person who runs the commands, whose permissions are enforced."""
    person = Person()
    original = Caller.client

    def guarded_client(caller: Caller, service: str, **arguments: Any) -> Any:
        client = original(caller, service, **arguments)

        def note_request(params: Mapping[str, Any], model: Any, context: Any, **_: object) -> None:
            context["policy_request"] = policy_request(service, model.name, params)

        def decide(context: Any, **_: object) -> tuple[AWSResponse, dict[str, Any]] | None:
            if person.authorize(context["policy_request"]):
                return None
            response = AWSResponse(client.meta.endpoint_url, 403, HTTPHeaders(), None)
            return response, {"Error": {"Code": "AccessDenied", "Message": "You may not."}}

        def omit_paths(parsed: dict[str, Any], **_: object) -> None:
            for account in parsed["Accounts"] if person.omits_paths else ():
                account.pop("Paths", None)

        service_id = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register(f"provide-client-params.{service_id}", note_request)
        client.meta.events.register(f"before-call.{service_id}", decide)
        client.meta.events.register(f"after-call.{service_id}.ListAccounts", omit_paths)
        return client

    monkeypatch.setattr(Caller, "client", guarded_client)
    monkeypatch.setattr("webbrowser.open", lambda url: True)
    return person


def policy_request(service: str, operation: str, parameters: Mapping[str, Any]) -> PolicyRequest:
    """Return what IAM decides about, by the Service Authorization Reference."""
    match service, operation:
        case "cloudformation", "DescribeStacks":
            resource = STACK_ARN if parameters.get("StackName") else ALL_STACKS
            return PolicyRequest(action="cloudformation:DescribeStacks", resource=resource)
        case "stepfunctions", "StartExecution" | "ListExecutions":
            return PolicyRequest(action=f"states:{operation}", resource=parameters["stateMachineArn"])
        case "stepfunctions", "DescribeExecution" | "ListMapRuns":
            return PolicyRequest(action=f"states:{operation}", resource=parameters["executionArn"])
        case "stepfunctions", "DescribeMapRun":
            return PolicyRequest(action="states:DescribeMapRun", resource=parameters["mapRunArn"])
        case "s3", "GetObject":
            key = f"arn:aws:s3:::{parameters['Bucket']}/{parameters['Key']}"
            return PolicyRequest(action="s3:GetObject", resource=key)
        case "sts", "AssumeRoot":
            return PolicyRequest(
                action="sts:AssumeRoot",
                resource=f"arn:aws:iam::{parameters['TargetPrincipal']}:root",
                context={"sts:TaskPolicyArn": parameters["TaskPolicyArn"]["arn"]},
            )
        case "organizations", "ListDelegatedAdministrators":
            return PolicyRequest(action=f"organizations:{operation}", context=FOR_IAM)
        case _:
            return PolicyRequest(action=f"{service}:{operation}")


GRANTS = ("grant_audit", "grant_plan", "grant_execute", "grant_read_reports")


def granted(*grants: str) -> tuple[PolicyStatement, ...]:
    """Return what the construct grants to a person."""
    return tuple(statement for grant in grants for statement in statements_of_grants()[grant])


@functools.cache
def statements_of_grants() -> dict[str, tuple[PolicyStatement, ...]]:
    """Return the statements of each grant."""
    stack = bootstrap_stack(env=MANAGEMENT_ENVIRONMENT)
    root_tasks = RootTasks(stack, "RootTasks", tasks=RootTask)
    for grant in GRANTS:
        role = iam.Role(stack, f"Of{grant.replace('_', '')}", assumed_by=iam.AccountRootPrincipal())
        getattr(root_tasks, grant)(role)
    synthesized = template(stack)
    (bucket,) = resources(synthesized, "AWS::S3::Bucket")
    machines = {
        id_: running.AUDIT_MACHINE if "Audit" in id_ else running.EXECUTE_MACHINE
        for id_ in resources(synthesized, "AWS::StepFunctions::StateMachine")
    }
    arn = f"arn:aws:states:us-east-1:{MANAGEMENT}:stateMachine:"
    references = {
        "AWS::StackName": STACK,
        f"{bucket}.Arn": f"arn:aws:s3:::{running.BUCKET}",
        **{f"{id_}.Name": name for id_, name in machines.items()},
        **{id_: f"{arn}{name}" for id_, name in machines.items()},
    }
    return {
        grant: parse_statements(
            policy_statements(synthesized, f"Of{grant.replace('_', '')}"), references=references
        )
        for grant in GRANTS
    }


def documented(heading: str) -> tuple[PolicyStatement, ...]:
    """Return the policy that the page has under a heading."""
    section = PAGE.read_text().partition(f"### {heading}\n")[2]
    block = re.search(r"```json\n(.*?)```", section, re.DOTALL)
    assert block is not None, f"{PAGE.name} has no policy under {heading!r}"
    return parse_statements(json.loads(block[1])["Statement"])


def run_all(command_line: CommandLine, *commands: tuple[str, ...]) -> None:
    for command in commands:
        shown = command_line.run(*command, *IN_STACK)
        assert shown.exit_code in (0, 1), shown.stderr


@pytest.fixture
def organization_with_credentials(command_line: CommandLine) -> CommandLine:
    organization = command_line.root_tasks.organization
    organization.put_root_credentials(account_id=MEMBER, password=True)
    s3 = organization.client("s3", account_id=MEMBER)
    s3.create_bucket(Bucket="locked")
    s3.put_bucket_policy(Bucket="locked", Policy='{"Version": "2012-10-17", "Statement": []}')
    return command_line


PLAN_COMMANDS = (
    ("plan", "delete", "--account", MEMBER),
    ("plan", "unlock-bucket", "--bucket", f"{MEMBER}:locked"),
)


@pytest.mark.parametrize(
    ("grant", "commands"), [("grant_audit", [("audit", "--open")]), ("grant_plan", PLAN_COMMANDS)]
)
def test_audits_and_plans_need_exactly_what_is_granted(
    organization_with_credentials: CommandLine,
    person: Person,
    grant: str,
    commands: Sequence[tuple[str, ...]],
) -> None:
    person.permissions = granted(grant, "grant_read_reports")
    run_all(organization_with_credentials, *commands, ("runs",))
    assert {request.action for request in person.denied} == {"states:ListExecutions"}
    assert all(running.EXECUTE_MACHINE in request.resource for request in person.denied), (
        "executions are not theirs"
    )
    person.permissions = granted(grant)
    assert person.unused == ()


def test_an_execution_needs_exactly_what_is_granted(
    organization_with_credentials: CommandLine, person: Person
) -> None:
    command_line = organization_with_credentials
    plan = command_line.root_tasks.run({"task": "IAMDeleteRootUserCredentials", "accounts": [MEMBER]}).run_id
    person.permissions = granted("grant_execute", "grant_read_reports")
    run_all(command_line, ("execute", plan, "--yes"), ("runs",))
    assert command_line.root_tasks.organization.root_credentials(MEMBER).password is False
    # Of the plan they see whether it has ended, but not how far it is.
    assert {request.action for request in person.denied} == {"states:ListExecutions", "states:ListMapRuns"}
    assert all(running.AUDIT_MACHINE in request.resource for request in person.denied), (
        "audits are not theirs"
    )
    person.permissions = granted("grant_execute")
    assert person.unused == ()


def test_who_executes_is_told_of_a_plan_that_is_not_there(command_line: CommandLine, person: Person) -> None:
    person.permissions = granted("grant_execute", "grant_read_reports")
    shown = command_line.run("execute", "missing", "--yes", *IN_STACK)
    assert shown.exit_code == 2
    assert "There is no run missing" in shown.stderr


def test_reading_reports_needs_exactly_what_is_granted(
    organization_with_credentials: CommandLine, person: Person
) -> None:
    command_line = organization_with_credentials
    person.permissions = granted("grant_audit", "grant_execute", "grant_read_reports")
    run_all(
        command_line,
        ("audit",),
        ("plan", "delete", "--account", MEMBER),
        ("execute", f"plan-delete-{NAME}", "--yes"),
    )
    person.permissions = granted("grant_read_reports")
    for run_id in (f"audit-{NAME}", f"plan-delete-{NAME}", f"execute-{NAME}"):
        for format_ in ("json", "csv"):
            shown = command_line.run("report", run_id, "--format", format_, "--open", *IN_STACK)
            assert shown.exit_code in (0, 1), shown.stderr
            assert shown.stdout
    run_all(command_line, ("report",))
    assert {request.action for request in person.denied} <= {"states:ListMapRuns"}, (
        "how far a run is, is not theirs"
    )
    assert person.unused == ()


def test_a_policy_is_restored_with_the_grants_of_a_plan(
    organization_with_credentials: CommandLine, person: Person
) -> None:
    command_line = organization_with_credentials
    planned = command_line.root_tasks.run({"task": "S3UnlockBucketPolicy", "buckets": {MEMBER: ["locked"]}})
    executed = command_line.root_tasks.execute(planned)
    (result,) = command_line.root_tasks.report(executed)["results"]
    person.permissions = granted("grant_plan", "grant_read_reports")
    run_all(command_line, ("plan", "restore", "--backup", result["items"][0]["backup"]))
    assert person.denied == []


def test_the_status_needs_exactly_what_is_documented(command_line: CommandLine, person: Person) -> None:
    person.permissions = documented("status")
    for options in ((), ("--no-delegated-administrators",)):
        assert command_line.run("status", *options).exit_code == 0
    assert (person.denied, person.unused) == ([], ())


def test_an_audit_from_here_needs_exactly_what_is_documented(
    organization_with_credentials: CommandLine, person: Person
) -> None:
    organization = organization_with_credentials.root_tasks.organization
    organizations = organization.client("organizations")
    (root,) = organizations.list_roots()["Roots"]
    # What its pre-flight reads is read only where there is a policy.
    organization.attach_service_control_policy(
        name="keep-buckets",
        document={
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"}],
        },
        target_id=MEMBER,
    )
    unit = organizations.create_organizational_unit(ParentId=root["Id"], Name="Workloads")
    organizations.move_account(
        AccountId=MEMBER,
        SourceParentId=root["Id"],
        DestinationParentId=unit["OrganizationalUnit"]["Id"],
    )
    person.permissions = documented("audit --from-here")
    for person.omits_paths in (False, True):
        for options in ((), ("--organizational-unit", "Root/Workloads"), ("--account", MEMBER)):
            shown = organization_with_credentials.run("audit", "--from-here", *options)
            assert shown.exit_code == 1, shown.stderr
    assert (person.denied, person.unused) == ([], ())


def test_who_may_read_one_stack_alone_names_it_also_by_the_environment(
    command_line: CommandLine, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.permissions = granted("grant_audit", "grant_read_reports")
    shown = command_line.run("audit")
    assert shown.exit_code == 2
    assert "Name the stack: --stack STACK" in shown.stderr
    person.denied.clear()
    monkeypatch.setenv("CENTRALIZED_ROOT_ACCESS_STACK", STACK)
    assert command_line.run("audit").exit_code == 0
    assert person.denied == []
