"""The deployed RootTasks that a command works with: found by the outputs of its stack."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_calls.calls import pages
from aws_calls.failures import CallError, FailureKind

from .errors import NotDeployedError, SeveralDeploymentsError, StackNotFoundError, StackNotNamedError

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
        NotDeployedError: No stack has the outputs.
        StackNotFoundError: This stack does not.
        StackNotNamedError: The caller may not read all stacks.
        SeveralDeploymentsError: There is more than one.
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
        by_stack = [deployment.stack for deployment in found]
        raise SeveralDeploymentsError(
            tuple(
                it.stack if by_stack.count(it.stack) == 1 else f"{it.stack}:{it.construct_id}" for it in found
            )
        )
    if stack:
        raise StackNotFoundError(stack, account_id=caller.account_id, region=caller.region)
    raise NotDeployedError(account_id=caller.account_id, region=caller.region)


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
            raise StackNotNamedError from error
        # What AWS responds with where there is no such stack.
        if not name or error.failure.name != "ValidationError":
            raise


def _deployments(stacks: Iterable[Mapping[str, Any]]) -> Iterator[Deployment]:
    for stack in stacks:
        outputs = {it["OutputKey"]: it.get("OutputValue", "") for it in stack.get("Outputs", ())}
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
