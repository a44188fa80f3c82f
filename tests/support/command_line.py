"""The command line in this process, on an emulated organization.

CloudFormation and Step Functions respond within this process; the state machines run the real
functions.
"""

import io
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest

from centralized_root_access.cli.base.caller import Caller
from centralized_root_access.cli.main import run
from common.clock import Clock
from local_aws.emulation import LocalOrganization
from support.accounts import MANAGEMENT, MEMBER
from support.arrange import ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS, enable_root_access
from support.responding import client_error, respond_to
from support.root_tasks import (
    AUDIT_MACHINE,
    EXECUTE_MACHINE,
    REPORT_BUCKET,
    RUNNING,
    RootTasks,
)

STACK_NAME = "OrganizationBootstrap"
CALLER_ARN = f"arn:aws:iam::{MANAGEMENT}:user/local"
_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": MANAGEMENT,
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
NOW = datetime(2026, 11, 25, 4, 32, tzinfo=UTC)


@dataclass(kw_only=True)
class DeployedServices:
    """CloudFormation and Step Functions of the account that RootTasks is deployed in.

    Attributes:
        root_tasks: The deployed RootTasks, whose state machines run in this process.
        stacks: The outputs of each stack.
        resources: The resources that each of them has, each by its type and its physical ID.
        polls_while_running: How often an execution that a command has started is described as
            running.
        errors_by_operation: What a call responds with instead: the code and the message.
        omitted_members: The member of executions that a response lacks, by the operation.
        start_outputs: What the function that started a run returned, by the execution's ARN.
        batch_outputs: Each batch of it that started: its number, and what its function returned.
        before_call: Runs right before a call is responded to.
        requests: The calls, each with its parameters.
    """

    root_tasks: RootTasks
    stacks: dict[str, dict[str, str]] = field(default_factory=dict)
    resources: list[tuple[str, str]] = field(default_factory=list)
    polls_while_running: int = 2
    errors_by_operation: dict[str, tuple[str, str]] = field(default_factory=dict)
    omitted_members: dict[str, str] = field(default_factory=dict)
    start_outputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    batch_outputs: dict[str, list[tuple[int, Mapping[str, Any]]]] = field(default_factory=dict)
    before_call: dict[str, Callable[[], object]] = field(default_factory=dict)
    requests: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deploy()

    def deploy(self) -> None:
        """Deploy the stack, and another one, in the account of RootTasks."""
        self.stacks = {
            STACK_NAME: self.outputs_of_construct(),
            "Other": {"Url": "https://example.com"},
        }
        machines = (
            ("AWS::StepFunctions::StateMachine", self._machine_arn(machine))
            for machine in (AUDIT_MACHINE, EXECUTE_MACHINE)
        )
        self.resources = [("AWS::S3::Bucket", REPORT_BUCKET), *machines]

    def outputs_of_construct(
        self, construct_id: str = "RootTasks", *, executes: bool = True
    ) -> dict[str, str]:
        """The outputs of a RootTasks construct."""
        outputs = {
            f"{construct_id}AuditStateMachineArn": self._machine_arn(AUDIT_MACHINE),
            f"{construct_id}Bucket": REPORT_BUCKET,
        }
        if executes:
            outputs[f"{construct_id}ExecuteStateMachineArn"] = self._machine_arn(EXECUTE_MACHINE)
        return outputs

    @property
    def inputs_by_run(self) -> dict[str, Any]:
        """The input of each execution by its name, without who asked for it: always the caller."""
        inputs = {
            call["name"]: json.loads(call["input"])
            for call in self.parameters_of_calls("StartExecution")
        }
        assert {input_.pop("requestedBy") for input_ in inputs.values()} <= {CALLER_ARN}
        return inputs

    def respond(self, operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Respond to a call."""
        self.requests.append((operation, parameters))
        self.before_call.get(operation, lambda: None)()
        if operation in self.errors_by_operation:
            raise client_error(*self.errors_by_operation[operation], operation=operation)
        response: Mapping[str, Any] = getattr(self, f"_{operation}")(parameters)
        if operation in self.omitted_members:
            for execution in response.get("executions", [response]):
                del execution[self.omitted_members[operation]]
        return response

    def parameters_of_calls(self, operation: str) -> list[Mapping[str, Any]]:
        """The parameters of each call of an operation."""
        return [parameters for name, parameters in self.requests if name == operation]

    def _machine_arn(self, machine: str) -> str:
        """Return the ARN of a state machine, by its name."""
        return (
            self.root_tasks.arn("", machine=machine)
            .replace(":execution:", ":stateMachine:")
            .rstrip(":")
        )

    # CloudFormation

    def _DescribeStacks(self, parameters: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        """Return one stack a page, or the stack of a name."""
        name = parameters.get("StackName")
        if name and name not in self.stacks:
            message = f"Stack with id {name} does not exist"
            raise client_error("ValidationError", message, operation="DescribeStacks")
        names = [name] if name else list(self.stacks)
        # One stack a page.
        place = int(parameters.get("NextToken", 0))
        if not names:
            return {"Stacks": []}
        outputs = [
            {"OutputKey": key, "OutputValue": value}
            for key, value in self.stacks[names[place]].items()
        ]
        token = {"NextToken": str(place + 1)} if place + 1 < len(names) else {}
        stack = {"StackName": names[place], "StackId": _stack_id(names[place]), "Outputs": outputs}
        return {"Stacks": [stack], **token}

    def _ListStackResources(self, parameters: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        """Return one resource a page; every stack of the account has the same ones."""
        assert parameters["StackName"] in map(_stack_id, self.stacks)
        # One resource a page.
        place = int(parameters.get("NextToken", 0))
        type_, id_ = self.resources[place]
        token = {"NextToken": str(place + 1)} if place + 1 < len(self.resources) else {}
        return {
            "StackResourceSummaries": [{"ResourceType": type_, "PhysicalResourceId": id_}],
            **token,
        }

    # Step Functions

    def _StartExecution(self, parameters: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        """Run an execution to its end; one that has this name already is not run again."""
        name, input_ = parameters["name"], json.loads(parameters["input"])
        arn = f"{parameters['stateMachineArn'].replace(':stateMachine:', ':execution:')}:{name}"
        if arn not in self.root_tasks.executions:
            self.root_tasks.advance(seconds=1)
            if EXECUTE_MACHINE in arn:
                self.root_tasks.run_execute_machine(input_, name=name)
            else:
                self.root_tasks.run(input_, name=name)
            self.root_tasks.outdated_descriptions.setdefault(
                arn, [RUNNING] * self.polls_while_running
            )
        return {"executionArn": arn, "startDate": self.root_tasks.executions[arn].started_at}

    def _DescribeExecution(self, parameters: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        """Return an execution, or one of its batches."""
        arn = parameters["executionArn"]
        # A batch is an execution of a map run: "...:Execute/Batches:run-1:0" is its first one.
        if "/" in arn:
            parent, _, place = arn.replace("/Batches:", ":").rpartition(":")
            number, output = self.batch_outputs[parent][int(place)]
            return {
                "status": "SUCCEEDED",
                "input": json.dumps({"batch": number}),
                "output": json.dumps(output),
            }
        return self.root_tasks.describe_execution(arn)

    def _StopExecution(self, parameters: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        """Abort an execution that runs."""
        execution = self.root_tasks.executions[parameters["executionArn"]]
        if execution.status == "RUNNING":
            execution.status, execution.cause = "ABORTED", parameters["cause"]
        return {"stopDate": execution.started_at}

    def _GetExecutionHistory(self, parameters: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        """Return the output of the function that starts a run, if `start_outputs` has one."""
        started = self.start_outputs.get(parameters["executionArn"])
        exited = {
            "type": "TaskStateExited",
            "stateExitedEventDetails": {"output": json.dumps(started)},
        }
        return {"events": [{"type": "ExecutionStarted"}, *([exited] if started else [])]}

    def _ListMapRuns(self, parameters: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        """Return the only map run of an execution: that of its batches."""
        machine_arn, _, run_id = (
            parameters["executionArn"].replace(":execution:", ":mapRun:").rpartition(":")
        )
        return {"mapRuns": [{"mapRunArn": f"{machine_arn}/Batches:{run_id}"}]}

    def _DescribeMapRun(self, parameters: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        """Return the same progress always: one batch of one has succeeded."""
        return {"itemCounts": {"total": 1, "succeeded": 1}}

    def _ListExecutions(self, parameters: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
        """Return the batches of a map run, or a state machine's executions, newest first."""
        if map_run := parameters.get("mapRunArn"):
            parent = map_run.replace(":mapRun:", ":execution:").replace("/Batches:", ":")
            machine_arn, _, run_id = parent.rpartition(":")
            arns = [
                f"{machine_arn}/Batches:{run_id}:{place}"
                for place, _ in enumerate(self.batch_outputs.get(parent, ()))
            ]
            # As those of a stopped execution. The command line reads the outputs, not the status.
            return {"executions": [{"executionArn": arn, "status": "ABORTED"} for arn in arns]}
        prefix = parameters["stateMachineArn"].replace(":stateMachine:", ":execution:")
        executions = [
            self.root_tasks.summary_of_execution(arn)
            for arn in reversed(self.root_tasks.executions)
            if arn.startswith(f"{prefix}:")
        ]
        return {"executions": executions[: parameters["maxResults"]]}


def _stack_id(name: str) -> str:
    """Return the ARN of a stack of this name, or the ARN itself."""
    arn = f"arn:aws:cloudformation:us-east-1:{MANAGEMENT}:stack/{name}/0123"
    return name if name.startswith("arn:") else arn


@dataclass(kw_only=True)
class CommandOutput:
    """What a command showed, and how it ended.

    Attributes:
        exit_code: Its exit code.
        stdout: What it wrote to stdout.
        stderr: What it wrote to stderr, without the line about the stack.
        stack: The line about the stack that it took; None if it took none.
    """

    exit_code: int
    stdout: str
    stderr: str
    stack: str | None = None

    @property
    def lines(self) -> list[str]:
        """The lines of stdout."""
        return self.stdout.splitlines()

    @property
    def json(self) -> Any:
        """What stdout has as JSON."""
        return json.loads(self.stdout)


@dataclass(kw_only=True)
class CommandLine:
    """The command line, with the time and chance of a test.

    Attributes:
        capsys: Captures what it shows.
        services: CloudFormation and Step Functions.
        sleep: Waits.
        now: The time in UTC, by which runs are named.
    """

    capsys: pytest.CaptureFixture[str]
    services: DeployedServices
    sleep: Callable[[float], None] = lambda seconds: None
    now: datetime = NOW

    @property
    def root_tasks(self) -> RootTasks:
        """The deployed RootTasks, whose state machines run in this process."""
        return self.services.root_tasks

    @property
    def organization(self) -> LocalOrganization:
        """The organization of the deployed RootTasks."""
        return self.root_tasks.organization

    def listed_runs(self) -> list[dict[str, Any]]:
        """Return the runs that `runs` lists."""
        runs: list[dict[str, Any]] = self.run("runs", "--format", "json").json["runs"]
        return runs

    def run(self, *arguments: str, typed: str | None = None) -> CommandOutput:
        """Run a command to its end, at a terminal at which something is typed, or at none."""
        self.capsys.readouterr()
        passed = [0.0]

        def now() -> float:
            """Return a time that passes a little with each look at it."""
            passed[0] += 0.001
            return passed[0]

        def sleep(seconds: float) -> None:
            """Let seconds pass at once, and then whatever the test wants."""
            passed[0] += seconds
            self.sleep(seconds)

        # A run's name ends in four of 31 characters: the first one in "2345", the next in "6789".
        numbers = iter(range(1_000_000))
        clock = Clock(
            now=now,
            utc_now=lambda: self.now,
            sleep=sleep,
            random=lambda: next(numbers) % 31 / 31,
        )
        stdin = sys.stdin if typed is None else _TypedInput(typed)
        handler = signal.getsignal(signal.SIGINT)
        try:
            with patch("sys.stdin", stdin):
                exit_code = run(arguments, clock=clock)
        finally:
            # An interrupted command ignores further interrupts, for its process ends.
            signal.signal(signal.SIGINT, handler)
        captured = self.capsys.readouterr()
        first, _, others = captured.err.partition("\n")
        # Each command that takes a stack says which; one test asserts it.
        stack = re.fullmatch(rf"(Stack \S+ in \S+, account {MANAGEMENT}\.)", first)
        return CommandOutput(
            exit_code=exit_code,
            stdout=captured.out,
            stderr=others if stack else captured.err,
            stack=first if stack else None,
        )

    def refusal(self, *arguments: str, typed: str | None = None) -> str:
        """Run a command that has no result and shows none, and return what it says on stderr."""
        shown = self.run(*arguments, typed=typed)
        assert (shown.exit_code, shown.stdout) == (2, ""), (arguments, shown)
        return shown.stderr


def change_each_client(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[Any, str], object]
) -> None:
    """Give each client that a command creates to a function, with its service's name."""
    create = Caller.client

    def create_client(caller: Caller, service: str, **options: Any) -> Any:
        """Stand in for `Caller.client`."""
        client = create(caller, service, **options)
        change(client, service)
        return client

    monkeypatch.setattr(Caller, "client", create_client)


def environment_variables_for(organization: LocalOrganization) -> dict[str, str]:
    """Return the variables of a process in a served organization's management account."""
    return {
        **_CREDENTIALS,
        "AWS_ENDPOINT_URL": str(organization.url),
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": os.environ["PATH"],
    }


def running_command_line(
    organization: LocalOrganization,
    *,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> CommandLine:
    """Deploy RootTasks in an organization, and return the command line of its account."""
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS)
    services = DeployedServices(root_tasks=RootTasks(organization=organization))

    def respond(client: Any, service: str) -> None:
        """Let the services of the test respond to a client's calls."""
        if service in ("cloudformation", "stepfunctions"):
            respond_to(client, services.respond)

    change_each_client(monkeypatch, respond)
    for name, value in {**_CREDENTIALS, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return CommandLine(capsys=capsys, services=services)


# Runs, as the tests of the commands name them

RUN_NAME_SUFFIX = "20261125-0432-2345"
AUDIT_RUN, PLAN_RUN, EXECUTION_RUN = (
    f"{prefix}-{RUN_NAME_SUFFIX}" for prefix in ("audit", "plan-delete", "execute")
)
PLAN_DELETE = ("plan", "delete", "--account", MEMBER)
EMPTY_POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})


class _TypedInput(io.StringIO):
    """What a person types at a terminal."""

    def isatty(self) -> bool:
        """Return that it is a terminal: without one the command line asks nothing."""
        return True


def give_root_credentials(command_line: CommandLine, account_id: str = MEMBER) -> None:
    """Give a root user a password, an access key and an MFA device."""
    command_line.organization.put_root_credentials(
        account_id, password=True, access_keys=1, mfa_devices=1
    )


def member_has_password(command_line: CommandLine) -> bool:
    """Return whether the root user of the member account has a password."""
    return command_line.organization.root_credentials(MEMBER).password


def plan_deletion(command_line: CommandLine) -> str:
    """Plan to delete credentials, and return the name of the plan."""
    give_root_credentials(command_line)
    assert command_line.run(*PLAN_DELETE).exit_code == 0
    return PLAN_RUN


def lock_bucket(command_line: CommandLine, policy: str = EMPTY_POLICY) -> None:
    """Create a bucket with a policy in the member account."""
    s3 = command_line.organization.client("s3", account_id=MEMBER)
    s3.create_bucket(Bucket="locked")
    s3.put_bucket_policy(Bucket="locked", Policy=policy)


def suggested_command(shown: CommandOutput) -> list[str]:
    """Return the command that another one names last."""
    return shown.stderr.rpartition("centralized-root-access ")[2].partition("\n")[0].split()


def run_suggested_command(
    command_line: CommandLine, shown: CommandOutput, *options: str
) -> CommandOutput:
    """Run the command that another one names, a minute later: its run has another name."""
    command_line.now += timedelta(minutes=1)
    return command_line.run(*suggested_command(shown), *options)


def input_of_last_execution(command_line: CommandLine) -> dict[str, Any]:
    """Return the input of the execution that was started last."""
    input_: dict[str, Any] = list(command_line.services.inputs_by_run.values())[-1]
    return input_


def replace_in_stored_report(command_line: CommandLine, folder: str, old: str, new: str) -> None:
    """Alter a stored report."""
    key = f"{folder}/report.json"
    altered = command_line.root_tasks.read_object(key).replace(old.encode(), new.encode())
    command_line.root_tasks.write_object(key, altered)
