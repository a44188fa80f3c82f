"""`make local-deploy`: what this project does, shown on a local AWS by a deployment with the real CDK CLI."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local_aws.emulation.records import MANAGEMENT_ACCOUNT_ID
from local_aws.processes import (
    Interrupted,
    StartError,
    child_process,
    raise_interrupted_on_signals,
    run_command,
)
from local_aws.seed import seed_organization
from local_aws.services import REPOSITORY, LocalAws, running_local_aws

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STACK = "OrganizationBootstrap"
OUTPUT = "RootAccessStatus"
LOGS = REPOSITORY / ".local-aws"
_CDK_LOG = LOGS / "cdk.log"
# In a notice, below its subject: who did it, what differs, and what was applied.
_FACT = re.compile(r"^(?:Caller|Deviations|Applied .*):(?: .+|(?:\n- .+)+)", re.MULTILINE)
# The width of the audit's output where there is no terminal.
_COLUMNS = 120
# The names that the command line gives to the files of a report in a folder.
_PAGE, _REPORT = LOGS / "report.html", LOGS / "report.json"

_DRIFT_CHECK = "RootAccessDriftCheckFunctionB47D14F6"
# As EventBridge's schedule invokes the check.
_SCHEDULED = {"detail-type": "Scheduled Event", "source": "aws.events"}

_AUDIT_GRACE_SECONDS = 5.0
_CANCELLED = "Resource creation cancelled"


class DemonstrationError(Exception):
    """A step failed. The message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        arguments: The arguments; default: this process's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m local_aws.local_deploy", description=(__doc__ or "").partition(": ")[2]
    )
    parser.add_argument("--keep", action="store_true", help="open a shell in the local AWS at the end")
    options = parser.parse_args(arguments)
    raise_interrupted_on_signals()
    started_at = time.monotonic()
    try:
        with running_local_aws(logs=LOGS) as aws:
            demonstrate(aws)
            print_next_steps(keep=options.keep)
            print(f"Done in {time.monotonic() - started_at:.0f} s.", end=" ", flush=True)
            if options.keep:
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
    _CDK_LOG.write_bytes(b"")
    seed_organization(aws.organization)
    accounts = len(aws.organization.members) + 1
    print(f"== A local AWS on this machine, with an organization of {accounts} accounts")
    _show_features(aws)
    _say(f"Deploy app.py with the CDK CLI (all that it prints: {_CDK_LOG.relative_to(REPOSITORY)})")
    # In a folder with an app, the CLI would synthesize it first.
    deploy(aws, "CDKToolkit", "bootstrap", aws.cdk_environment, folder=aws.addresses.folder)
    deploy(aws, STACK, "deploy", "--require-approval", "never")
    status = _stack_output(aws)
    print(f"{STACK}.{OUTPUT} = {status}")
    _show_features(aws)
    _say("A feature is disabled; the drift check publishes by whom, and enables it")
    _show_drift(aws)
    _say("Which root users have credentials? No deployment is needed, nothing changes")
    report = _show_audit(aws)
    features = aws.organization.root_access().features
    if json.loads(status)["status"] != "ENABLED" or len(features) != 2:
        raise DemonstrationError(f"Root access is not enabled as deployed: {status}, now {sorted(features)}.")
    _say(
        "Verdict: root access is enabled, drift repaired,"
        f" {report['totals'].get('has credentials', 0)} root users have credentials"
    )


def print_next_steps(*, keep: bool) -> None:
    """Print where the report is, and what to try next.

    Args:
        keep: Whether a shell in the local AWS follows.
    """
    print(f"1. Open the report in a browser: {_PAGE}")
    if keep:
        print("2. Try it in this shell: centralized-root-access status, or cdk diff")
    else:
        print("2. Try more in a shell in this local AWS: make local-deploy KEEP=1")
    print("3. Deploy an app of your own to it: docs/local-aws.md")


def deploy(aws: LocalAws, stack: str, *arguments: str, folder: Path = REPOSITORY) -> None:
    """Run the CDK CLI with its output in a log, and show one line.

    Args:
        aws: The local AWS.
        stack: The stack that the command deploys.
        arguments: The CLI's arguments.
        folder: The folder that the CLI runs in.

    Raises:
        DemonstrationError: The CLI failed. The message is the reason of the first resource that failed.
    """
    command = " ".join(("$ cdk", *arguments))
    started_at = time.monotonic()
    print(f"{command} ...", end="", flush=True)
    finished = aws.cdk(*arguments, folder=folder)
    with _CDK_LOG.open("a", encoding="utf-8") as log:
        log.write(finished.stdout)
    outcome = "failed" if finished.returncode else "done"
    print(f" {outcome} in {time.monotonic() - started_at:.0f} s", flush=True)
    if finished.returncode:
        raise DemonstrationError(
            f"{_find_reason(aws, stack) or f'cdk {arguments[0]} failed.'}\n"
            f"All that the CDK CLI printed is in {_CDK_LOG.relative_to(REPOSITORY)}."
        )


def _find_reason(aws: LocalAws, stack: str) -> str | None:
    """Return the reason of the first resource that failed, or None."""
    pages = aws.client("cloudformation").get_paginator("describe_stack_events")
    try:
        events = pages.paginate(StackName=stack).build_full_result()["StackEvents"]
    except ClientError:
        # There is no such stack: the app itself failed.
        return None
    reasons = [
        str(event["ResourceStatusReason"])
        for event in reversed(events)
        if event["ResourceStatus"].endswith("_FAILED")
        and event["ResourceType"] != "AWS::CloudFormation::Stack"
        and not event.get("ResourceStatusReason", _CANCELLED).startswith(_CANCELLED)
    ]
    return reasons[0] if reasons else None


def _stack_output(aws: LocalAws) -> str:
    [stack] = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return next(str(o["OutputValue"]) for o in stack["Outputs"] if o["OutputKey"] == OUTPUT)


def _show_drift(aws: LocalAws) -> None:
    sqs, sns = aws.client("sqs"), aws.client("sns")
    resources = aws.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    function = next(found for found in resources if found["LogicalResourceId"] == _DRIFT_CHECK)
    topic = next(found for found in resources if found["ResourceType"] == "AWS::SNS::Topic")
    inbox = sqs.create_queue(QueueName="local-deploy")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=inbox, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic["PhysicalResourceId"], Protocol="sqs", Endpoint=attributes["QueueArn"])

    _show_command("aws", "iam", "disable-organizations-root-sessions", ">/dev/null")
    aws.client("iam").disable_organizations_root_sessions()
    print("CloudTrail and the schedule are not emulated: the demo invokes the check as they would.")
    for event in (_cloudtrail_event(), _SCHEDULED):
        payload = json.dumps(event)
        aws.client("lambda").invoke(FunctionName=function["PhysicalResourceId"], Payload=payload)
        for message in sqs.receive_message(QueueUrl=inbox, WaitTimeSeconds=5).get("Messages", []):
            sqs.delete_message(QueueUrl=inbox, ReceiptHandle=message["ReceiptHandle"])
            notice = json.loads(message["Body"])
            print(f"Published: {notice['Subject']}")
            for line in _facts(notice["Message"]):
                print(f"  | {line}")


def _facts(message: str) -> list[str]:
    """Return each fact and each list of a notice in a line."""
    return [fact.replace("\n- ", " ", 1).replace("\n- ", ", ") for fact in _FACT.findall(message)]


def _cloudtrail_event() -> dict[str, Any]:
    """Return the event of a call that disabled a feature, as EventBridge passes it on."""
    return {
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventName": "DisableOrganizationsRootSessions",
            "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "eventID": str(uuid.uuid4()),
            "userIdentity": {"arn": f"arn:aws:sts::{MANAGEMENT_ACCOUNT_ID}:assumed-role/Admin/alice"},
        },
    }


def _show_audit(aws: LocalAws) -> dict[str, Any]:
    """Show an audit, and return its report."""
    for file in (_PAGE, _REPORT):
        file.unlink(missing_ok=True)
    arguments = ("audit", "--from-here", "--output", LOGS.name)
    _show_command("centralized-root-access", *arguments)
    command = [sys.executable, "-m", "centralized_root_access", *arguments]
    columns = {} if sys.stdout.isatty() else {"COLUMNS": str(_COLUMNS)}
    with child_process(
        command, environment=aws.environment | columns, folder=REPOSITORY, grace=_AUDIT_GRACE_SECONDS
    ) as audit:
        exit_code = audit.wait()
    if not _REPORT.exists():
        raise DemonstrationError(f"The audit failed with exit code {exit_code}.")
    return dict(json.loads(_REPORT.read_text(encoding="utf-8")))


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
