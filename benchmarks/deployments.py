"""Deployments of the candidates, measured by the events of CloudFormation and the organization's calls."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.candidates import COMMANDS, Candidate, State, reset_to
from benchmarks.invocation import Invocation
from benchmarks.journal import Journal, journal
from benchmarks.synthesis import STACK, read_synthesis, synthesize
from local_aws.cdk_cli import REPOSITORY
from local_aws.services import MINISTACK, running_local_aws

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from local_aws.services import LocalAws

# AWS's Node runtime includes the SDK; MiniStack's does not.
NODE_MODULES = Path(__file__).parent / "node_modules"

_RESPONSES = "responses"
_POLL_SECONDS = 0.05
_TIMEOUT_SECONDS = 180.0

# One call in a process of its own, like the AWS CLI.
_ONE_CALL = """
import json, sys, boto3
service, operation, parameters = sys.argv[1:]
response = getattr(boto3.client(service), operation)(**json.loads(parameters))
response.pop("ResponseMetadata")
print(json.dumps(response))
"""


class DeploymentFailedError(Exception):
    """A candidate did not enable root access, so its numbers would mean nothing."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """The measurements of one run of a candidate.

    Attributes:
        seconds: From the first event of a custom resource to the last response; for the CLI's calls from
            the start of the first process to the end of the last one.
        stack_seconds: From the first to the last event of the stack; None without a stack.
        journal: The calls that reached the organization.
        invocations: The number of Lambda invocations.
        memory: The memory of the functions' processes at the end, in bytes; None without a function.
    """

    seconds: float
    stack_seconds: float | None
    journal: Journal
    invocations: int
    memory: int | None


@contextlib.contextmanager
def prepare_aws() -> Iterator[LocalAws]:
    """Run a bootstrapped local AWS in which Node functions find the AWS SDK."""
    # By `env`, because MiniStack inherits no environment variables.
    ministack = ("env", f"NODE_PATH={NODE_MODULES}", *MINISTACK)
    with running_local_aws(ministack=ministack) as aws:
        _run_cdk(aws, "bootstrap", aws.cdk_environment)
        aws.client("s3").create_bucket(Bucket=_RESPONSES)
        yield aws


class Deployer:
    """A deployer of the candidates.

    Args:
        aws: The local AWS.
        folder: An empty folder for the cloud assemblies.
    """

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self._aws = aws
        self._templates: dict[Candidate, str] = {}
        self._folder = folder

    def publish(self, candidate: Candidate) -> None:
        """Deploy a candidate once with the CDK CLI, which uploads its functions, and delete the stack."""
        assembly = self._folder / candidate.name.lower()
        synthesize(candidate, assembly)
        self._templates[candidate] = read_synthesis(assembly).template
        reset_to(State.FRESH, self._aws.organization, latency=0.0)
        _run_cdk(
            self._aws, "deploy", "--require-approval", "never", "--app", str(assembly), folder=self._folder
        )
        self._delete()

    def run(self, candidate: Candidate, *, state: State, latency: float) -> Run:
        """Reset the organization and run a candidate once.

        Args:
            candidate: The candidate; publish its stack before.
            state: The organization before the run.
            latency: How many seconds each AWS call takes.

        Raises:
            DeploymentFailedError: Root access was not enabled afterwards.
        """
        reset_to(state, self._aws.organization, latency=latency)
        if candidate is Candidate.COMMAND_LINE:
            run = self._run_commands(latency)
        else:
            run = self._deploy(candidate, latency)
        if len(self._aws.organization.root_access().features) != 2:
            raise DeploymentFailedError(f"{candidate} did not enable root access in {state}.")
        return run

    def invoke(self) -> Invocation:
        """Invoke this construct's function in a fresh process, with root access already enabled."""
        reset_to(State.ENABLED, self._aws.organization, latency=0.0)
        # As CloudFormation takes responses: by a presigned URL of S3.
        target = {"Bucket": _RESPONSES, "Key": "response"}
        url = self._aws.client("s3").generate_presigned_url("put_object", Params=target)
        output = subprocess.run(
            [sys.executable, "-m", "benchmarks.invocation", url],
            env=self._aws.environment,
            cwd=REPOSITORY,
            check=True,
            stdout=subprocess.PIPE,
            timeout=_TIMEOUT_SECONDS,
        ).stdout
        return Invocation(**json.loads(output))

    def _deploy(self, candidate: Candidate, latency: float) -> Run:
        cloudformation = self._aws.client("cloudformation")
        started_at = time.time()
        cloudformation.create_stack(
            StackName=STACK, TemplateBody=self._templates[candidate], Capabilities=["CAPABILITY_IAM"]
        )
        try:
            self._wait_until_created()
            events = [
                event
                for page in cloudformation.get_paginator("describe_stack_events").paginate(StackName=STACK)
                for event in page["StackEvents"]
            ]
            functions = self._functions()
            return Run(
                seconds=duration(events, "Custom::"),
                stack_seconds=duration(events, "AWS::CloudFormation::Stack"),
                journal=journal(self._aws.organization.calls, latency=latency),
                invocations=self._invocations(functions, since=started_at),
                memory=_memory(functions),
            )
        finally:
            self._delete()

    def _run_commands(self, latency: float) -> Run:
        started_at = time.monotonic()
        for service, operation, parameters in COMMANDS:
            command = [sys.executable, "-c", _ONE_CALL, service, operation, json.dumps(parameters)]
            subprocess.run(
                command,
                env=self._aws.environment,
                check=True,
                stdout=subprocess.DEVNULL,
                timeout=_TIMEOUT_SECONDS,
            )
        return Run(
            seconds=time.monotonic() - started_at,
            stack_seconds=None,
            journal=journal(self._aws.organization.calls, latency=latency),
            invocations=0,
            memory=None,
        )

    def _wait_until_created(self) -> None:
        cloudformation = self._aws.client("cloudformation")
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while True:
            (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
            if stack["StackStatus"] == "CREATE_COMPLETE":
                return
            if stack["StackStatus"] != "CREATE_IN_PROGRESS" or time.monotonic() > deadline:
                raise DeploymentFailedError(f"The stack is in {stack['StackStatus']}.")
            time.sleep(_POLL_SECONDS)

    def _functions(self) -> list[str]:
        pages = self._aws.client("cloudformation").get_paginator("list_stack_resources")
        return [
            resource["PhysicalResourceId"]
            for page in pages.paginate(StackName=STACK)
            for resource in page["StackResourceSummaries"]
            if resource["ResourceType"] == "AWS::Lambda::Function"
        ]

    def _invocations(self, functions: Sequence[str], *, since: float) -> int:
        configurations = [
            self._aws.client("lambda").get_function_configuration(FunctionName=function)
            for function in functions
        ]
        # MiniStack has no metric for the invocations of CloudFormation.
        pages = self._aws.client("logs").get_paginator("filter_log_events")
        return sum(
            event["message"].startswith("START RequestId")
            for log_group in {function["LoggingConfig"]["LogGroup"] for function in configurations}
            for page in pages.paginate(logGroupName=log_group, startTime=int(since * 1000))
            for event in page["events"]
        )

    def _delete(self) -> None:
        cloudformation = self._aws.client("cloudformation")
        cloudformation.delete_stack(StackName=STACK)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )


def duration(events: Sequence[Mapping[str, Any]], resource_type: str) -> float:
    """Return the seconds from the first to the last event of a resource type.

    Args:
        events: CloudFormation's events of one operation on a stack.
        resource_type: The type, or the beginning of several types.
    """
    times = [event["Timestamp"] for event in events if event["ResourceType"].startswith(resource_type)]
    seconds: float = (max(times) - min(times)).total_seconds()
    return seconds


def _memory(functions: Sequence[str]) -> int:
    """Return the memory of functions' processes; MiniStack names their folders after the functions."""
    resident = 0
    # Only of this process's children: functions of another local AWS have the same names.
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            command = " ".join(process.cmdline())
            if any(f"ministack-lambda-{function}-" in command for function in functions):
                resident += process.memory_info().rss
    return resident


def _run_cdk(aws: LocalAws, *arguments: str, **options: Any) -> None:
    run = aws.cdk(*arguments, **options)
    if run.returncode:
        raise DeploymentFailedError(f"cdk {arguments[0]} failed.\n{run.stdout}")
