"""`make local-deploy`: what this project does, shown on a local AWS by a deployment with the real CDK CLI."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from local_aws.emulation.records import MANAGEMENT_ACCOUNT_ID
from local_aws.processes import Interrupted, StartError, raise_interrupted_on_signals, run_command
from local_aws.seed import seed_organization
from local_aws.services import REPOSITORY, LocalAws, running_local_aws

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STACK = "OrganizationBootstrap"
LOGS = REPOSITORY / ".local-aws"
_CDK_LOG = LOGS / "cdk.log"
# The names that the command line gives to the files of a report in a folder.
_PAGE, _REPORT = LOGS / "report.html", LOGS / "report.json"
# The width of the audit's output where there is no terminal.
_COLUMNS = "120"
# In a notice, below its subject: who did it, what differs, and what was applied.
_FACT = re.compile(r"^(?:Caller|Deviations|Applied .*):(?: .+|(?:\n- .+)+)", re.MULTILINE)


class DemonstrationError(Exception):
    """A step failed. The message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        arguments: The arguments; default: this process's.
    """
    parser = argparse.ArgumentParser(prog="python -m local_aws.local_deploy")
    parser.add_argument(
        "--keep", action="store_true", help="open a shell in the local AWS at the end"
    )
    keep = parser.parse_args(arguments).keep
    raise_interrupted_on_signals()
    started_at = time.monotonic()
    try:
        with running_local_aws(logs=LOGS) as aws:
            demonstrate(aws)
            here = "in this shell: centralized-root-access status, or cdk diff"
            print(f"1. Open the report in a browser: {_PAGE}")
            print(
                f"2. Try {here if keep else 'more in a shell in this local AWS: make local-deploy KEEP=1'}"
            )
            print("3. Deploy an app of your own to it: docs/guides/local-aws.md")
            print(f"Done in {time.monotonic() - started_at:.0f} s.", end=" ", flush=True)
            if keep:
                print("\nThe local AWS ends with this shell: exit, or Ctrl-D.", flush=True)
                run_command([os.environ.get("SHELL", "sh")], environment=aws.environment)
    except (StartError, DemonstrationError) as error:
        print(error, file=sys.stderr)
        return 1
    except Interrupted:
        print(f"\nInterrupted. Nothing is left but the logs in {LOGS.name}/.", file=sys.stderr)
        raise
    print(f"The local AWS has ended; nothing is left of it but {LOGS.name}/.")
    return 0


def demonstrate(aws: LocalAws) -> None:
    """Show an organization before and after a deployment, a drift, and an audit.

    Args:
        aws: A local AWS in its initial state.

    Raises:
        DemonstrationError: A step failed.
    """
    LOGS.mkdir(exist_ok=True)
    for file in (_CDK_LOG, _PAGE, _REPORT):
        file.unlink(missing_ok=True)
    seed_organization(aws.organization)
    accounts = len(aws.organization.members) + 1
    print(f"== A local AWS on this machine, with an organization of {accounts} accounts")
    _show_features(aws)
    _say(f"Deploy app.py with the CDK CLI (all that it prints: {_CDK_LOG.relative_to(REPOSITORY)})")
    # In a folder with an app, the CLI would synthesize it first.
    deploy(aws, "bootstrap", aws.cdk_environment, folder=aws.addresses.folder)
    deploy(aws, "deploy", "--require-approval", "never")
    [stack] = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    print(f"{STACK}.RootAccessStatus = {outputs['RootAccessStatus']}")
    _show_features(aws)
    _say("A feature is disabled; the drift check publishes by whom, and enables it")
    _show_drift(aws)
    if len(aws.organization.root_access().features) != 2:
        raise DemonstrationError("The drift check has not enabled the feature.")
    _say("Which root users have credentials? No deployment is needed, nothing changes")
    arguments = ("audit", "--from-here", "--output", LOGS.name)
    _show_command("centralized-root-access", *arguments)
    columns = {} if sys.stdout.isatty() else {"COLUMNS": _COLUMNS}
    command = [sys.executable, "-m", "centralized_root_access", *arguments]
    exit_code = run_command(command, environment=aws.environment | columns)
    if not _REPORT.exists():
        raise DemonstrationError(f"The audit failed with exit code {exit_code}.")
    found = json.loads(_REPORT.read_text(encoding="utf-8"))["totals"].get("HAS_CREDENTIALS", 0)
    _say(f"Verdict: root access is enabled, drift repaired, {found} root users have credentials")


def deploy(aws: LocalAws, *arguments: str, folder: Path = REPOSITORY) -> None:
    """Run the CDK CLI with its output in a log, and show one line.

    Args:
        aws: The local AWS.
        arguments: The CLI's arguments.
        folder: The folder that the CLI runs in.

    Raises:
        DemonstrationError: The CLI failed. The message is the CLI's own summary.
    """
    started_at = time.monotonic()
    print(" ".join(("$ cdk", *arguments)), "...", end="", flush=True)
    finished = aws.cdk(*arguments, folder=folder)
    with _CDK_LOG.open("a", encoding="utf-8") as log:
        log.write(finished.stdout)
    outcome = "failed" if finished.returncode else "done"
    print(f" {outcome} in {time.monotonic() - started_at:.0f} s", flush=True)
    if finished.returncode:
        # All of it if the app itself failed.
        summary = "".join(finished.stdout.rpartition("❌")[1:]).strip()
        where = _CDK_LOG.relative_to(REPOSITORY)
        raise DemonstrationError(f"{summary}\nAll that the CDK CLI printed is in {where}.")


def _show_drift(aws: LocalAws) -> None:
    sqs, sns = aws.client("sqs"), aws.client("sns")
    resources = aws.client("cloudformation").describe_stack_resources(StackName=STACK)[
        "StackResources"
    ]
    function, topic = (
        next(
            resource["PhysicalResourceId"]
            for resource in resources
            if resource["ResourceType"] == type_
            and resource["LogicalResourceId"].startswith(prefix)
        )
        for type_, prefix in (
            ("AWS::Lambda::Function", "RootAccessDriftCheck"),
            ("AWS::SNS::Topic", ""),
        )
    )
    inbox = sqs.create_queue(QueueName="local-deploy")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=inbox, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=attributes["QueueArn"])

    _show_command("aws", "iam", "disable-organizations-root-sessions", ">/dev/null")
    aws.client("iam").disable_organizations_root_sessions()
    # The event of the call as EventBridge passes it on, and the schedule's.
    events = (
        {
            "detail-type": "AWS API Call via CloudTrail",
            "detail": {
                "eventName": "DisableOrganizationsRootSessions",
                "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "eventID": "6f1d3c52-8a0e-4c57-9b36-2d4e7a91c0fb",
                "userIdentity": {
                    "arn": f"arn:aws:sts::{MANAGEMENT_ACCOUNT_ID}:assumed-role/Admin/alice"
                },
            },
        },
        {"detail-type": "Scheduled Event", "source": "aws.events"},
    )
    print("CloudTrail and the schedule are not emulated: the demo invokes the check as they would.")
    for event in events:
        aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
        for message in sqs.receive_message(QueueUrl=inbox, WaitTimeSeconds=5).get("Messages", []):
            sqs.delete_message(QueueUrl=inbox, ReceiptHandle=message["ReceiptHandle"])
            notice = json.loads(message["Body"])
            print(f"Published: {notice['Subject']}")
            for fact in _FACT.findall(notice["Message"]):
                print("  |", fact.replace("\n- ", " ", 1).replace("\n- ", ", "))


def _show_features(aws: LocalAws) -> None:
    """Print a command, and its response or error as the AWS CLI does."""
    query = ("--query", "EnabledFeatures", "--output", "text")
    _show_command("aws", "iam", "list-organizations-features", *query)
    try:
        print(*aws.client("iam").list_organizations_features()["EnabledFeatures"], sep="\t")
    except ClientError as error:
        print(error)


def _show_command(*words: str) -> None:
    print(f"$ {' '.join(words)}", flush=True)


def _say(sentence: str) -> None:
    print(f"\n== {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
