"""`make local-deploy`: a real `cdk deploy` on a local AWS, and the organization before and after it."""

from __future__ import annotations

import base64
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local_aws.cdk_cli import REPOSITORY, run_cdk
from local_aws.processes import StartError, raise_interrupted_on_signals
from local_aws.services import LocalAws, running_local_aws

if TYPE_CHECKING:
    from collections.abc import Callable

STACK = "OrganizationBootstrap"
OUTPUT = "RootAccessStatus"
_DRIFT_CHECK = "RootAccessDriftCheckFunctionB47D14F6"
_METRIC = "InDesiredState"
_LOGS = REPOSITORY / ".local-aws"


def main() -> int:
    """Bootstrap and deploy the reference app, and return the exit code."""
    raise_interrupted_on_signals()
    started_at = time.monotonic()
    try:
        _say("Starting a local AWS: MiniStack, and moto for IAM, Organizations and STS")
        with running_local_aws(logs=_LOGS) as aws:
            exit_code = _deploy(aws)
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    if exit_code:
        print(f"The servers' logs are in {_LOGS.name}.", file=sys.stderr)
    else:
        _say(f"Done in {time.monotonic() - started_at:.0f} s. The local AWS has stopped")
    return exit_code


def _deploy(aws: LocalAws) -> int:
    _say("The organization before")
    _show_root_access(aws)
    for arguments in (
        ("bootstrap", aws.cdk_environment),
        ("deploy", "--require-approval", "never"),
    ):
        _say(f"cdk {arguments[0]}")
        _show_command("cdk", *arguments)
        exit_code = run_cdk(arguments, addresses=aws.addresses, environment=aws.environment)
        if exit_code:
            return exit_code
    _say("The organization after")
    _show_root_access(aws)
    _show_stack_output(aws)
    _say("Somebody disables a feature; the drift check runs, as it does every hour")
    _show_drift(aws)
    return 0


def _show_root_access(aws: LocalAws) -> None:
    organizations, iam = aws.client("organizations"), aws.client("iam")
    pages = organizations.get_paginator("list_aws_service_access_for_organization")
    _show_command("aws", "organizations", "list-aws-service-access-for-organization")
    _show_response(lambda: pages.paginate().build_full_result())
    _show_command("aws", "iam", "list-organizations-features")
    _show_response(iam.list_organizations_features)


def _show_stack_output(aws: LocalAws) -> None:
    query = f"Stacks[0].Outputs[?OutputKey=='{OUTPUT}'].OutputValue"
    _show_command(
        *("aws", "cloudformation", "describe-stacks", "--stack-name", STACK),
        *("--query", f'"{query}"', "--output", "text"),
    )
    [stack] = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    print(*(o["OutputValue"] for o in stack["Outputs"] if o["OutputKey"] == OUTPUT))


def _show_drift(aws: LocalAws) -> None:
    iam = aws.client("iam")
    _show_command("aws", "iam", "disable-organizations-root-sessions")
    _show_response(iam.disable_organizations_root_sessions)
    _show_command("aws", "lambda", "invoke", "--function-name", "<the drift check>")
    scheduled = {"detail-type": "Scheduled Event", "source": "aws.events"}
    response = aws.client("lambda").invoke(
        FunctionName=_physical_id(aws, _DRIFT_CHECK),
        Payload=json.dumps(scheduled),
        LogType="Tail",
    )
    log = base64.b64decode(response["LogResult"]).decode()
    for line in (json.loads(line) for line in log.splitlines() if line.startswith("{")):
        if line["event"] == "checked":
            print(f"{_METRIC}: {line[_METRIC]}; deviations: {', '.join(line['deviations']) or 'none'}")
    _show_command("aws", "iam", "list-organizations-features")
    _show_response(iam.list_organizations_features)


def _physical_id(aws: LocalAws, logical_id: str) -> str:
    resource = aws.client("cloudformation").describe_stack_resource(
        StackName=STACK, LogicalResourceId=logical_id
    )
    return str(resource["StackResourceDetail"]["PhysicalResourceId"])


def _show_response(call: Callable[[], dict[str, Any]]) -> None:
    """Print a response or an error as the AWS CLI does."""
    try:
        response = call()
    except ClientError as error:
        print(f"\n{error}")
        return
    response.pop("ResponseMetadata", None)
    print(json.dumps(response, indent=4, ensure_ascii=False, default=lambda time: time.isoformat()))


def _show_command(*words: str) -> None:
    print(f"\n$ {' '.join(words)}", flush=True)


def _say(sentence: str) -> None:
    print(f"\n== {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
