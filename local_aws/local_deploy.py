"""`make local-deploy`: what this project does, on a local AWS, deployed by the real CDK CLI."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local_aws.emulation import Organization
from local_aws.emulation.records import MANAGEMENT_ACCOUNT_ID
from local_aws.processes import Interrupted, StartError, raise_interrupted_on_signals, run_command
from local_aws.services import REPOSITORY, LocalAws, running_local_aws

STACK = "OrganizationBootstrap"
LOGS = REPOSITORY / ".local-aws"
_CDK_LOG = LOGS / "cdk.log"
# The names that the command line gives to the files of a report in a folder.
_PAGE, _REPORT = LOGS / "report.html", LOGS / "report.json"
_PROGRAM = "centralized-root-access"
# Whatever the width of the terminal is, so that the demonstration has as many lines everywhere.
_COLUMNS = "120"
# The exit code of an audit that found root credentials.
_CREDENTIALS_FOUND = 1
# In a notice, below its subject: who did it, and what was applied.
_FACT = re.compile(r"^(?:Caller|Applied .*):(?: .+|(?:\n- .+)+)", re.MULTILINE)


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
            more = "more in a shell in this local AWS: make local-deploy KEEP=1"
            if keep:
                more = "in this shell: centralized-root-access status, or cdk diff"
            print(f"1. Open the report in a browser: {_PAGE}")
            print(f"2. Try {more}")
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
    """Enable root access, repair a drift, and delete the root credentials of every member account.

    Args:
        aws: A local AWS in its initial state.

    Raises:
        DemonstrationError: A step failed.
    """
    LOGS.mkdir(exist_ok=True)
    for file in (_CDK_LOG, _PAGE, _REPORT):
        file.unlink(missing_ok=True)
    accounts = _put_root_credentials(aws.organization)
    print(f"== A local AWS on this machine, with an organization of {len(accounts) + 1} accounts")

    _print_heading(
        f"Deploy app.py with the CDK CLI (all that it prints: {_CDK_LOG.relative_to(REPOSITORY)})"
    )
    # In a folder with an app, the CLI would synthesize it first.
    deploy(aws, "bootstrap", aws.cdk_environment, folder=aws.addresses.folder)
    deploy(aws, "deploy", "--require-approval", "never")
    [stack] = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    print(f"{STACK}.RootAccessStatus = {outputs['RootAccessStatus']}")

    _print_heading(
        "Alice disables a feature: the drift check publishes that it was her, and enables it"
    )
    _show_drift_check(aws)
    if len(aws.organization.root_access().features) != 2:
        raise DemonstrationError("The drift check has not enabled the feature.")

    _print_heading("Which root users have credentials? Each command prints the next one")
    audit = _run_and_print(
        aws, f"{_PROGRAM} audit --output {LOGS.name}", exit_code=_CREDENTIALS_FOUND
    )
    _print_heading("Plan to delete them: a plan changes nothing, and is there to be read")
    plan = _run_and_print(aws, _next_command(audit, "plan"), only_summary=True)
    _print_heading("Execute exactly that plan, and audit again")
    execution = _run_and_print(aws, f"{_next_command(plan, 'execute')} --yes", only_summary=True)
    _run_and_print(aws, _next_command(execution, "audit"))

    done = "root access is enabled, drift is repaired"
    _print_heading(
        f"Verdict: {done}, no root credentials in {len(accounts)} of {len(accounts)} accounts"
    )


def _put_root_credentials(organization: Organization) -> list[str]:
    """Give each member's root user credentials that no one used lately, and return the accounts."""
    now = datetime.now(UTC)
    first, second, third = organization.members
    organization.put_root_credentials(
        first,
        password=True,
        access_keys=1,
        access_key_last_used=now - timedelta(days=194),
        created_at=now - timedelta(days=2800),
    )
    organization.put_root_credentials(
        second,
        password=True,
        mfa_devices=1,
        password_last_used=now - timedelta(days=412),
        created_at=now - timedelta(days=1900),
    )
    organization.put_root_credentials(
        third, password=True, certificates=1, created_at=now - timedelta(days=3100)
    )
    return [first, second, third]


def _run_and_print(
    aws: LocalAws, command: str, *, exit_code: int = 0, only_summary: bool = False
) -> str:
    """Print a command of this project and what it prints, and return that.

    Args:
        aws: The local AWS.
        command: The command.
        exit_code: The exit code that it must have.
        only_summary: Whether to leave out the list, down to the blank line before the summary.

    Raises:
        DemonstrationError: It had another exit code.
    """
    print(f"$ {command}", flush=True)
    module = [sys.executable, "-m", "centralized_root_access"]
    finished = subprocess.run(
        [*module, *command.split()[1:]],
        env={**aws.environment, "COLUMNS": _COLUMNS, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    printed = finished.stdout
    print(printed.rpartition("\n\n")[2] if only_summary else printed, end="", flush=True)
    if finished.returncode != exit_code:
        raise DemonstrationError(f"The command failed with exit code {finished.returncode}.")
    return printed


def _next_command(printed: str, name: str) -> str:
    """Return the command with this name that another command printed as the next one."""
    found = re.search(rf": ({_PROGRAM} {name} .*)", printed)
    if found is None:
        raise DemonstrationError(f"No command `{name}` was printed as the next one.")
    return found[1]


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


def _show_drift_check(aws: LocalAws) -> None:
    """Disable a feature, let the drift check find it and enable it, and print both notices."""
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


def _print_heading(sentence: str) -> None:
    """Print what the next commands show."""
    print(f"\n== {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
