"""The deployed RootTasks that a command works with: found by the outputs of its stack."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_calls.calls import pages
from aws_calls.failures import CallError, FailureKind

from .errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .aws import Caller

_DESCRIBE_STACKS = "cloudformation:DescribeStacks"
# A page has some 50 stacks; an account may have 2,000 in a Region unless its quota was raised.
_MAX_PAGES = 400
_MAX_SECONDS = 120.0
_AUDIT = "AuditStateMachineArn"
_EXECUTE = "ExecuteStateMachineArn"
_LOCATION = "ReportLocation"
_STATE_MACHINE_ARN = re.compile(r"arn:[a-z-]+:states:[a-z0-9-]+:[0-9]{12}:stateMachine:[^\s:]{1,80}")
_REPORT_LOCATION = re.compile(r"s3://(?P<bucket>[a-z0-9.-]{3,63})/latest/report\.html")


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A RootTasks construct, as its stack's outputs name it.

    Attributes:
        stack: The stack's name.
        construct_id: What the outputs' keys begin with.
        audit_state_machine_arn: The state machine that looks.
        execute_state_machine_arn: The state machine that acts; None where no task acts.
        bucket: The bucket of the reports.
    """

    stack: str
    construct_id: str
    audit_state_machine_arn: str
    execute_state_machine_arn: str | None
    bucket: str

    @property
    def account_id(self) -> str:
        """The account that owns the state machines and the bucket."""
        return self.audit_state_machine_arn.split(":")[4]


def find_deployment(caller: Caller, *, stack: str | None) -> Deployment:
    """Return the one RootTasks of a stack, or of all stacks of the caller's account and Region.

    Args:
        caller: The caller.
        stack: A stack by its name, or with the construct in it as stack:construct; None to look at all.

    Raises:
        CallError: The stacks cannot be read.
        CommandError: There is none or more than one, or the caller may not read all stacks.
    """
    name, _, construct_id = (stack or "").partition(":")
    found = [
        deployment
        for deployment in _deployments(_stacks(caller, name))
        if not construct_id or deployment.construct_id == construct_id
    ]
    if len(found) == 1:
        return found[0]
    if found:
        stacks = [deployment.stack for deployment in found]
        names = (
            deployment.stack
            if stacks.count(deployment.stack) == 1
            else f"{deployment.stack}:{deployment.construct_id}"
            for deployment in found
        )
        raise CommandError(
            f"RootTasks is deployed more than once. Choose one: --stack {' or --stack '.join(names)}"
        )
    if stack:
        raise CommandError(
            f"Stack {stack} of account {caller.account_id} in {caller.region} does not exist, or does not "
            "have the outputs of RootTasks. Use --profile and --region for where it is deployed."
        )
    raise CommandError(
        f"No stack of account {caller.account_id} in {caller.region} has the outputs of RootTasks. Use "
        "--profile and --region for where it is deployed; without a deployment, use `audit --from-here`."
    )


def _stacks(caller: Caller, name: str) -> Iterator[Any]:
    cloudformation = caller.client("cloudformation")
    describe = functools.partial(cloudformation.describe_stacks, **({"StackName": name} if name else {}))
    try:
        yield from pages(
            describe,
            operation=_DESCRIBE_STACKS,
            budget=caller.budget(seconds=_MAX_SECONDS),
            items="Stacks",
            request_token="NextToken",
            response_token="NextToken",
            max_pages=_MAX_PAGES,
        )
    except CallError as error:
        if not name and error.failure.kind is FailureKind.ACCESS_DENIED:
            raise CommandError(
                "These credentials may not read all stacks, which is right for those of grant_audit, "
                "grant_plan, grant_execute and grant_read_reports. Name the stack: --stack STACK."
            ) from error
        # What AWS responds with where there is no such stack.
        if not name or error.failure.name != "ValidationError":
            raise


def _deployments(stacks: Iterable[Mapping[str, Any]]) -> Iterator[Deployment]:
    for stack in stacks:
        outputs = {output["OutputKey"]: output.get("OutputValue", "") for output in stack.get("Outputs", ())}
        for key, audit_arn in outputs.items():
            construct_id = key.removesuffix(_AUDIT)
            location = _REPORT_LOCATION.fullmatch(outputs.get(construct_id + _LOCATION, ""))
            if not key.endswith(_AUDIT) or not location or not _STATE_MACHINE_ARN.fullmatch(audit_arn):
                continue
            execute_arn = outputs.get(construct_id + _EXECUTE, "")
            yield Deployment(
                stack=stack["StackName"],
                construct_id=construct_id,
                audit_state_machine_arn=audit_arn,
                execute_state_machine_arn=(
                    execute_arn if _STATE_MACHINE_ARN.fullmatch(execute_arn) else None
                ),
                bucket=location["bucket"],
            )
