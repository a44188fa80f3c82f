"""Repeated deployments of one stack with the real CDK CLI, like those of a pipeline."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aws_cdk import App, Stack

from local_aws.services import LocalAws

from .accounts import MANAGEMENT as MANAGEMENT_ID
from .templates import MANAGEMENT_ENVIRONMENT

STACK_NAME = "OrganizationBootstrap"


class Deployer:
    """A deployer of one stack.

    The app is synthesized in this process, into a folder that the CLI deploys, because the CLI
    would start new Python and Node processes for each deployment.

    Args:
        aws: The local AWS.
        folder: The folder for the cloud assemblies.
    """

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self._aws = aws
        self._folder = folder
        self._deployments = 0

    def deploy(self, build: Callable[[Stack], object]) -> subprocess.CompletedProcess[str]:
        """Deploy the stack with the constructs that `build` adds to it."""
        self._deployments += 1
        app = App(outdir=str(self._folder / f"{self._deployments}.out"), analytics_reporting=False)
        build(Stack(app, STACK_NAME, env=MANAGEMENT_ENVIRONMENT))
        app.synth()
        return self._cdk("deploy", "--require-approval", "never")

    def destroy(self) -> subprocess.CompletedProcess[str]:
        """Destroy the stack."""
        return self._cdk("destroy", "--force")

    def _cdk(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the CDK CLI on the stack, with the newest cloud assembly."""
        assembly = str(self._folder / f"{self._deployments}.out")
        return self._aws.cdk(*arguments, STACK_NAME, "--app", assembly, folder=self._folder)


def assert_succeeded(deployment: subprocess.CompletedProcess[str]) -> None:
    """Assert that the CLI succeeded, and show its output if not."""
    assert deployment.returncode == 0, deployment.stdout


def stack_outputs(aws: LocalAws) -> dict[str, str]:
    """Return the values of the stack's outputs."""
    (stack,) = aws.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def stack_names(aws: LocalAws, *, account_id: str) -> set[str]:
    """Return the names of an account's stacks, without the CDK's own."""
    listed = aws.client("cloudformation", account_id=account_id).describe_stacks()["Stacks"]
    return {stack["StackName"] for stack in listed} - {"CDKToolkit"}


def physical_id(aws: LocalAws, start: str) -> str:
    """Return the physical id of the resource whose logical id has this before its hash."""
    listed = aws.client("cloudformation").describe_stack_resources(StackName=STACK_NAME)[
        "StackResources"
    ]
    (found,) = [
        str(resource["PhysicalResourceId"])
        for resource in listed
        if re.fullmatch(rf"{start}[0-9A-F]{{8}}", resource["LogicalResourceId"])
    ]
    return found


def rule_and_target(aws: LocalAws, start: str) -> tuple[dict[str, Any], str]:
    """Return a deployed rule, and the ARN of its target, a function."""
    events = aws.client("events")
    # The physical ID may be that of the bus, "|" and the name.
    name = physical_id(aws, start).rpartition("|")[2]
    (target,) = events.list_targets_by_rule(Rule=name)["Targets"]
    return events.describe_rule(Name=name), target["Arn"]


def invoke_function(aws: LocalAws, function: str, event: dict[str, Any]) -> None:
    """Invoke a function with an event, and wait until it has succeeded."""
    response = aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    assert "FunctionError" not in response, response["Payload"].read()


def logged_drift_checks(aws: LocalAws) -> list[dict[str, Any]]:
    """Return the lines of the checks in their log group."""
    group = physical_id(aws, "RootAccessDriftCheckLogs")
    logs = aws.client("logs").filter_log_events(logGroupName=group)["events"]
    # What Lambda logs itself is no JSON.
    lines = [json.loads(event["message"]) for event in logs if event["message"].startswith("{")]
    return [line for line in lines if line["event"] == "checked"]


def run_drift_check(aws: LocalAws) -> None:
    """Run the drift check as its schedule does."""
    _, function = rule_and_target(aws, "RootAccessDriftCheckInterval")
    invoke_function(aws, function, {"detail-type": "Scheduled Event", "source": "aws.events"})


def subscribed_inbox(aws: LocalAws, topic: str) -> Callable[[], list[str]]:
    """Return a function that receives what a topic has sent since the last time, as text."""
    sqs = aws.client("sqs")
    queue = sqs.create_queue(QueueName=f"inbox-{topic}")["QueueUrl"]
    aws.client("sns").subscribe(
        TopicArn=physical_id(aws, topic),
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:us-east-1:{MANAGEMENT_ID}:inbox-{topic}",
    )

    def receive() -> list[str]:
        """Return the messages that have arrived since the last time."""
        received = []
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                received.append(json.loads(message["Body"])["Message"])
        return received

    # An earlier test may have subscribed the same queue, and left messages in it.
    receive()
    return receive
