"""Deploys the candidates on a local AWS, and measures what CloudFormation and the organization saw."""

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

from benchmarks.candidates import COMMANDS, Candidate, State, bring_about
from benchmarks.invocation import Invocation
from benchmarks.journal import Journal, journal
from benchmarks.synthesis import STACK, synthesize, synthesized
from local_aws.cdk_cli import REPOSITORY
from local_aws.services import MINISTACK, running_local_aws

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from local_aws.services import LocalAws

# What AWS's Node runtime brings, and MiniStack's does not.
NODE_MODULES = Path(__file__).parent / "node_modules"

_POLL_SECONDS = 0.05
_DEPLOYED_WITHIN = 180.0

# One call by a process of its own, as the AWS CLI makes it.
_ONE_CALL = """
import json, sys, boto3
service, operation, parameters = sys.argv[1:]
answer = getattr(boto3.client(service), operation)(**json.loads(parameters))
answer.pop("ResponseMetadata")
print(json.dumps(answer))
"""


class DeploymentFailedError(Exception):
    """Raised where a candidate did not turn root access on; its numbers would mean nothing."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run of a candidate cost.

    Attributes:
        seconds: from the first custom resource's first event to the last one's answer; of the CLI's calls
            from the first process's start to the last one's end.
        stack_seconds: the same of the whole stack; None without one.
        journal: the calls that reached the organization.
        invocations: how often Lambda functions were invoked.
        memory: what the functions' processes held at the end, in bytes; None without one.
    """

    seconds: float
    stack_seconds: float | None
    journal: Journal
    invocations: int
    memory: int | None


@contextlib.contextmanager
def prepared_aws() -> Iterator[LocalAws]:
    """Runs a local AWS whose Node functions find the SDK, with the CDK's bootstrap stack."""
    # An own program, for MiniStack's environment starts from nothing.
    ministack = ("env", f"NODE_PATH={NODE_MODULES}", *MINISTACK)
    with running_local_aws(ministack=ministack) as aws:
        _succeeded(aws, "bootstrap", aws.cdk_environment)
        yield aws


class Deployer:
    """Deploys the candidates.

    Args:
        aws: the local AWS.
        folder: an empty folder for the synthesized apps.
    """

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self._aws = aws
        self._templates: dict[Candidate, str] = {}
        self._folder = folder

    def publish(self, candidate: Candidate) -> None:
        """Deploys a candidate once with the CDK CLI, which uploads its functions, and deletes the stack."""
        assembly = self._folder / candidate.name.lower()
        synthesize(candidate, assembly)
        self._templates[candidate] = synthesized(assembly).template
        bring_about(State.FRESH, self._aws.organization, latency=0.0)
        _succeeded(
            self._aws, "deploy", "--require-approval", "never", "--app", str(assembly), folder=self._folder
        )
        self._delete()

    def run(self, candidate: Candidate, *, state: State, latency: float) -> Run:
        """Makes one run, from a state that it brings about.

        Args:
            candidate: the candidate; a stack must have been published.
            state: what the organization is before.
            latency: seconds for each AWS call.

        Raises:
            DeploymentFailedError: root access was not on afterwards.
        """
        bring_about(state, self._aws.organization, latency=latency)
        if candidate is Candidate.COMMAND_LINE:
            run = self._run_commands(latency)
        else:
            run = self._deploy(candidate, latency)
        if len(self._aws.organization.root_access().features) != 2:
            raise DeploymentFailedError(f"{candidate} left root access off in {state}.")
        return run

    def invoke(self) -> Invocation:
        """Invokes this construct's function in a fresh process, on an organization where all is on."""
        bring_about(State.ALL_ON, self._aws.organization, latency=0.0)
        printed = subprocess.run(
            [sys.executable, "-m", "benchmarks.invocation"],
            env=self._aws.environment,
            cwd=REPOSITORY,
            check=True,
            stdout=subprocess.PIPE,
            timeout=_DEPLOYED_WITHIN,
        ).stdout
        return Invocation(**json.loads(printed))

    def _deploy(self, candidate: Candidate, latency: float) -> Run:
        cloudformation = self._aws.client("cloudformation")
        began = time.time()
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
                invocations=self._invocations(functions, since=began),
                memory=_memory(functions),
            )
        finally:
            self._delete()

    def _run_commands(self, latency: float) -> Run:
        began = time.monotonic()
        for service, operation, parameters in COMMANDS:
            command = [sys.executable, "-c", _ONE_CALL, service, operation, json.dumps(parameters)]
            subprocess.run(
                command,
                env=self._aws.environment,
                check=True,
                stdout=subprocess.DEVNULL,
                timeout=_DEPLOYED_WITHIN,
            )
        return Run(
            seconds=time.monotonic() - began,
            stack_seconds=None,
            journal=journal(self._aws.organization.calls, latency=latency),
            invocations=0,
            memory=None,
        )

    def _wait_until_created(self) -> None:
        cloudformation = self._aws.client("cloudformation")
        deadline = time.monotonic() + _DEPLOYED_WITHIN
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
        # MiniStack has no metric of what CloudFormation invokes.
        pages = self._aws.client("logs").get_paginator("filter_log_events")
        return sum(
            event["message"].startswith("START RequestId")
            for log_group in {it["LoggingConfig"]["LogGroup"] for it in configurations}
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
    """Returns the seconds from the first event of resources of a type to the last one.

    Args:
        events: CloudFormation's events of one operation on a stack.
        resource_type: how the type begins.
    """
    times = [event["Timestamp"] for event in events if event["ResourceType"].startswith(resource_type)]
    seconds: float = (max(times) - min(times)).total_seconds()
    return seconds


def _memory(functions: Sequence[str]) -> int:
    """Returns what the processes of functions hold; MiniStack names their folders after the functions."""
    held = 0
    # Of this process's alone, for another local AWS gives its functions the same names.
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            command = " ".join(process.cmdline())
            if any(f"ministack-lambda-{function}-" in command for function in functions):
                held += process.memory_info().rss
    return held


def _succeeded(aws: LocalAws, *arguments: str, **options: Any) -> None:
    deployed = aws.cdk(*arguments, **options)
    if deployed.returncode:
        raise DeploymentFailedError(f"cdk {arguments[0]} failed.\n{deployed.stdout}")
