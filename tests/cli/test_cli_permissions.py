"""What a person needs for each command, both ways: its calls, the grants and the page.

What is not granted is denied: a command works with its grants alone.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from aws_calls.failures import FailureKind, error_of_call
from centralized_root_access.cli.base.command_errors import error_sentence
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER
from support.apps import read_page
from support.arrange import add_unit
from support.command_line import STACK_NAME, CommandLine, change_each_client
from support.policies import (
    PolicyRequest,
    PolicyStatement,
    compare_policy,
    parse_statements,
    request_of_task_call,
)
from support.responding import client_error, respond_to
from support.root_tasks import AUDIT_MACHINE, EXECUTE_MACHINE, RUNNING
from support.scp import attach_policy, policy_document, statement

IN_STACK = ("--stack", STACK_NAME)
PERMISSIONS_PAGE = "reference/permissions.md"


@dataclass(kw_only=True)
class Person:
    """Who runs the commands.

    Attributes:
        permissions: What IAM allows them.
        requests: What they were allowed to call. Nobody needs a permission to ask who they are.
        denied: What they were not.
    """

    permissions: tuple[PolicyStatement, ...] = ()
    requests: list[PolicyRequest] = field(default_factory=list)
    denied: list[PolicyRequest] = field(default_factory=list)

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

    def guard(client: Any, service: str) -> None:
        def decide(operation: str, parameters: Mapping[str, Any]) -> None:
            if not person.authorize(policy_request(service, operation, parameters)):
                raise client_error("AccessDenied", "You may not.", operation=operation)

        # A call is denied before the emulated AWS gets it.
        respond_to(client, decide, first=True)

    change_each_client(monkeypatch, guard)
    monkeypatch.setattr("webbrowser.open", lambda url: True)
    return person


def policy_request(service: str, operation: str, parameters: Mapping[str, Any]) -> PolicyRequest:
    """Return what IAM decides about, by the Service Authorization Reference."""
    match service, operation:
        case "cloudformation", "ListStackResources":
            return PolicyRequest(
                action="cloudformation:ListStackResources", resource=str(parameters["StackName"])
            )
        case "cloudformation", "DescribeStacks":
            stack = f"{STACK_NAME}/0123" if parameters.get("StackName") else "*/*"
            resource = f"arn:aws:cloudformation:us-east-1:{MANAGEMENT}:stack/{stack}"
            return PolicyRequest(action="cloudformation:DescribeStacks", resource=resource)
        case "stepfunctions", _:
            (arn,) = (value for name, value in parameters.items() if name.endswith("Arn"))
            return PolicyRequest(action=f"states:{operation}", resource=arn)
        case "organizations", "ListDelegatedAdministrators":
            context = {"organizations:ServicePrincipal": "iam.amazonaws.com"}
            return PolicyRequest(action=f"organizations:{operation}", context=context)
    return request_of_task_call(f"{service}:{operation}", parameters)


def policies_of_grants(*grants: str) -> tuple[PolicyStatement, ...]:
    """Return the policies of grants, which the page has from the construct."""
    return tuple(statement for grant in grants for statement in policy_on_page(grant))


def policy_on_page(heading: str) -> tuple[PolicyStatement, ...]:
    """Return the policy that the page has under a heading."""
    return parse_statements(statements_under(f"### {heading}\n"))


def statements_under(heading: str, page: str = PERMISSIONS_PAGE) -> Any:
    """Return the statements of the first policy that a page has under a heading."""
    section = read_page(page).rpartition(heading)[2]
    block = re.search(r"```json\n(.*?)```", section, re.DOTALL)
    assert block is not None, f"{page} has no policy under {heading!r}"
    return json.loads(block[1])["Statement"]


@pytest.fixture
def names(command_line: CommandLine) -> dict[str, str]:
    """Return the names of an audit, a plan, an execution, and a backup that it made."""
    root_tasks = command_line.root_tasks
    root_tasks.organization.put_root_credentials(MEMBER, password=True)
    s3 = root_tasks.organization.client("s3", account_id=MEMBER)
    for bucket in ("locked", "still-locked"):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_policy(Bucket=bucket, Policy='{"Version": "2012-10-17", "Statement": []}')
    unlocking = root_tasks.run({"task": "unlock-bucket", "buckets": {MEMBER: ["locked"]}})
    execution = root_tasks.execute(unlocking)
    (result,) = root_tasks.report(execution)["results"]
    deleting = root_tasks.run({"task": "delete", "accounts": [MEMBER]})
    return {
        "audit": root_tasks.run({}).run_id,
        "plan": deleting.run_id,
        "execution": execution.run_id,
        "backup": result["items"][0]["backup"],
    }


def run_each_command(command_line: CommandLine, names: dict[str, str], *commands: str) -> None:
    """Run commands, in which names of runs are in braces; each has to show something."""
    for command in commands:
        shown = command_line.run(*command.format(**names).split(), *IN_STACK)
        assert shown.exit_code in (0, 1), shown.stderr
        assert shown.stdout


def denied_calls_of(person: Person) -> set[tuple[str, str]]:
    """Return the calls that were denied to a person, each with the state machine it was about."""
    return {
        (request.action, AUDIT_MACHINE if AUDIT_MACHINE in request.resource else EXECUTE_MACHINE)
        for request in person.denied
    }


@pytest.mark.parametrize(
    ("grant", "commands", "denied"),
    [
        # `runs` also asks for executions, and leaves out what it may not list.
        ("grant_plan", ["audit --open", "runs"], {("states:ListExecutions", EXECUTE_MACHINE)}),
        (
            "grant_plan",
            [
                f"plan delete --account {MEMBER}",
                f"plan unlock-bucket --bucket {MEMBER}:locked --policy {{backup}}",
                f"plan unlock-bucket --bucket {MEMBER}:still-locked",
                "runs",
            ],
            {("states:ListExecutions", EXECUTE_MACHINE)},
        ),
        # Who executes a plan sees whether it has ended, but not how far it is.
        (
            "grant_execute",
            ["execute {plan} --yes", "runs"],
            {("states:ListExecutions", AUDIT_MACHINE), ("states:DescribeMapRun", AUDIT_MACHINE)},
        ),
    ],
    ids=["audits", "plans", "executions"],
)
def test_a_command_needs_exactly_what_is_granted(
    command_line: CommandLine,
    person: Person,
    names: dict[str, str],
    grant: str,
    commands: Sequence[str],
    denied: set[tuple[str, str]],
) -> None:
    person.permissions = policies_of_grants(grant, "grant_read_reports")
    # The plan is still running when a command finds it, and begins to wait for its end.
    plan = command_line.root_tasks.arn(names["plan"])
    command_line.root_tasks.outdated_descriptions[plan] = [RUNNING] * 2
    run_each_command(command_line, names, *commands)
    assert denied_calls_of(person) == denied
    has_password = command_line.organization.root_credentials(MEMBER).password
    assert has_password is (grant != "grant_execute")
    # The grant itself has nothing that these commands did not need.
    person.permissions = policies_of_grants(grant)
    assert person.unused == ()


def test_denied_audits_hide_no_report_of_an_execution(
    command_line: CommandLine, person: Person, names: dict[str, str]
) -> None:
    """S3 denies also missing objects if the caller may not list the bucket."""
    # Everything but the reports of audits and plans, and their state machine.
    person.permissions = tuple(
        replace(
            statement,
            resources=tuple(
                arn
                for arn in statement.resources
                if "/runs/" not in arn and AUDIT_MACHINE not in arn
            ),
        )
        for statement in policies_of_grants("grant_read_reports")
    )
    checked = command_line.run("report", names["execution"], *IN_STACK)
    # Step Functions forgets executions after 90 days.
    command_line.root_tasks.executions.clear()
    unchecked = command_line.run("report", names["execution"], *IN_STACK)
    assert (checked.exit_code, unchecked.exit_code) == (0, 0)
    assert checked.stdout == unchecked.stdout


@pytest.mark.parametrize("grant", ["grant_stop", "grant_read_reports"])
def test_the_results_of_a_run_without_a_report_need_exactly_what_is_granted(
    command_line: CommandLine, person: Person, names: dict[str, str], grant: str
) -> None:
    person.permissions = policies_of_grants(grant)
    root_tasks, services = command_line.root_tasks, command_line.services
    if grant == "grant_read_reports":
        run_each_command(command_line, names, "report", "report {plan}", "report {execution}")
    # Who reads the report of a run that ended without one needs its batches and their results, and
    # its backups where a result is missing.
    for name, machine, has_result in (
        ("execution", EXECUTE_MACHINE, True),
        ("execution", EXECUTE_MACHINE, False),
        ("audit", AUDIT_MACHINE, True),
    ):
        arn = root_tasks.arn(names[name], machine=machine)
        execution = root_tasks.executions[arn]
        execution.status = "RUNNING" if grant == "grant_stop" else "ABORTED"
        folder = f"{execution.folder}/{execution.run_id}"
        run = root_tasks.read_object(f"{folder}/run.json")
        services.start_outputs[arn] = {"runSha256": hashlib.sha256(run).hexdigest()}
        (key,) = [
            key for key in root_tasks.object_keys(f"{folder}/results/") if key.endswith(".json")
        ]
        services.batch_outputs[arn] = [
            # The name of a result ends with its hash.
            (0, {"batch": 0, "sha256": key[-69:-5]} if has_result else {})
        ]
        if grant == "grant_stop":
            assert command_line.run("stop", names[name], "--yes", *IN_STACK).exit_code == 0
            if name == "audit":
                denied = command_line.run("report", names[name], *IN_STACK)
                assert (denied.exit_code, denied.stdout) == (2, "")
                person.denied.clear()
                continue
        shown = command_line.run("report", names[name], *IN_STACK)
        assert shown.exit_code == 2
        assert MEMBER in shown.stdout, shown.stderr
    assert (person.denied, person.unused) == ([], ())
    # Without one of the permissions the sentence names the grant that has it.
    person.permissions = tuple(
        each for each in policies_of_grants(grant) if "states:ListExecutions" not in each.actions
    )
    assert grant in command_line.refusal("report", names["execution"], *IN_STACK)


@pytest.mark.parametrize(
    "action",
    [
        "states:StartExecution",
        "states:StopExecution",
        "states:DescribeExecution",
        "states:GetExecutionHistory",
        "states:ListMapRuns",
        "states:ListExecutions",
        "s3:GetObject",
        "s3:ListBucket",
    ],
)
def test_each_grant_that_a_denial_names_allows_the_call(action: str) -> None:
    denial = error_of_call(action, FailureKind.ACCESS_DENIED, "You may not.")
    named = re.findall(r"\w*grant_\w+", error_sentence(denial))
    assert named != []
    for grant in named:
        assert f"### {grant}\n" in read_page(PERMISSIONS_PAGE)
        assert action in {each for policy in policies_of_grants(grant) for each in policy.actions}


def test_who_executes_is_told_of_a_plan_that_is_not_there(
    command_line: CommandLine, person: Person
) -> None:
    person.permissions = policies_of_grants("grant_execute", "grant_read_reports")
    assert "There is no plan missing" in command_line.refusal(
        "execute", "missing", "--yes", *IN_STACK
    )


def test_the_policy_that_keeps_planner_and_executor_apart_denies_planning_alone() -> None:
    (statement,) = statements_under("## Who asked for a run\n", "guides/delete-root-credentials.md")
    assert statement["Effect"] == "Deny"
    # What matches it is denied, whatever else allows it.
    (denial,) = parse_statements([{**statement, "Effect": "Allow"}])
    # The form of the names that CloudFormation gives to the state machines.
    name = "RootTasks{}StateMachine0B495170"
    denied = {
        (action, machine)
        for statement in policies_of_grants("grant_plan", "grant_execute")
        for action in statement.actions
        for machine in ("Audit", "Execute")
        for resource in (
            f"stateMachine:{name.format(machine)}",
            f"execution:{name.format(machine)}:run",
        )
        if denial.allows(
            PolicyRequest(
                action=action, resource=f"arn:aws:states:us-east-1:{MANAGEMENT}:{resource}"
            )
        )
    }
    assert denied == {("states:StartExecution", "Audit")}


def test_the_status_needs_exactly_what_is_documented(
    command_line: CommandLine, person: Person
) -> None:
    person.permissions = policy_on_page("status")
    for options in ((), ("--no-delegated-administrators",)):
        assert command_line.run("status", *options).exit_code == 0
    assert (person.denied, person.unused) == ([], ())


def test_an_audit_from_here_needs_exactly_what_is_documented(
    command_line: CommandLine, person: Person
) -> None:
    organization = command_line.organization
    organization.put_root_credentials(MEMBER, password=True)
    add_unit(organization, "Workloads", MEMBER)
    person.permissions = policy_on_page("audit --from-here")
    for options in (
        (),
        ("--organizational-unit", "Root/Workloads"),
        ("--account", MEMBER, "--account", OTHER_MEMBER),
    ):
        shown = command_line.run("audit", "--from-here", *options)
        assert shown.exit_code == 1, shown.stderr
    assert (person.denied, person.unused) == ([], ())


def test_the_pre_flight_needs_exactly_what_is_documented(
    command_line: CommandLine, person: Person, tmp_path: Path
) -> None:
    organization = command_line.organization
    attach_policy(organization, organization.root_id, statement(Action="ec2:*"))
    add_unit(organization, "Workloads", MEMBER)
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps(policy_document(statement(Action="ec2:*"))))
    person.permissions = policy_on_page("preflight")
    for options in (
        (),
        ("--organizational-unit", "Root/Workloads"),
        ("--account", MEMBER),
        ("--policy", str(policy), "--target", organization.root_id),
    ):
        shown = command_line.run("preflight", *options)
        assert shown.exit_code == 0, shown.stderr
    assert (person.denied, person.unused) == ([], ())


def test_who_may_read_one_stack_alone_names_it_also_by_the_environment(
    command_line: CommandLine, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.permissions = policies_of_grants("grant_plan", "grant_read_reports")
    assert "Name the stack: --stack STACK" in command_line.refusal("audit")
    person.denied.clear()
    monkeypatch.setenv("CENTRALIZED_ROOT_ACCESS_STACK", STACK_NAME)
    assert command_line.run("audit").exit_code == 0
    assert person.denied == []
