"""The drift check: is the organization still as the stack lists it? With repair, turns on what is off."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from aws_calls.errors import RootAccessError
from aws_calls.failures import CallError, call_errors
from aws_calls.retry import Clock, RetryBudget
from aws_calls.runtime import FunctionArn, LambdaContext, one_attempt, system_clock, write_line

from .clients import Clients, create_clients
from .converge import converge
from .desired import desired_state
from .errors import described
from .organization import Organization
from .plan import deviation, plan, plan_to_turn_on

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .state import DesiredState, RootAccess

NAMESPACE = "CentralizedRootAccess"
METRIC = "InDesiredState"
DIMENSION = "OrganizationId"

SCHEDULED = "Scheduled Event"

DESCRIBE_STACKS = "cloudformation:DescribeStacks"


class CheckFailedError(RootAccessError):
    """Raised where the check could not look, which says nothing about the organization."""


class StackStatus(Protocol):
    """Looks up the status of a stack."""

    def __call__(self, stack_id: str) -> str:
        """Returns a status such as UPDATE_COMPLETE."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the construct tells the function.

    Attributes:
        desired: what the stack lists.
        repaired_stack_id: the stack, where the check is to repair; None: it only tells.
    """

    desired: DesiredState
    repaired_stack_id: str | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Returns the settings that the function's environment variables carry."""
        return cls(
            desired=desired_state(**json.loads(environment["DESIRED_STATE"])),
            repaired_stack_id=environment.get("REPAIRED_STACK_ID"),
        )


def on_check(event: Mapping[str, Any], context: LambdaContext) -> None:
    """Makes one check; the function's entry point.

    Args:
        event: EventBridge's event: of the schedule, or of a call that CloudTrail has seen.
        context: Lambda's context.

    Raises:
        CheckFailedError: the check could not look.
        RootAccessError: the repair failed.
    """
    check(
        event,
        context,
        settings=Settings.from_environment(os.environ),
        clients=create_clients,
        stack_status=stack_status,
        clock=system_clock(),
        wall_clock=time.time,
        log=write_line,
    )


def check(
    event: Mapping[str, Any],
    context: LambdaContext,
    *,
    settings: Settings,
    clients: Callable[[], Clients],
    stack_status: StackStatus,
    clock: Clock,
    wall_clock: Callable[[], float],
    log: Callable[..., None],
) -> None:
    """Makes one check, with everything that it works with passed in.

    Args:
        event: EventBridge's event.
        context: Lambda's context.
        settings: what the construct tells.
        clients: returns the boto3 clients.
        stack_status: looks up the status of the stack.
        clock: the time, to wait by.
        wall_clock: seconds since 1970, to date the metric by.
        log: takes one event as keyword arguments.

    Raises:
        CheckFailedError: the check could not look.
        RootAccessError: the repair failed.
    """
    account_id = FunctionArn.parse(context.invoked_function_arn).account_id
    deadline = clock.now() + context.get_remaining_time_in_millis() / 1000
    budget = RetryBudget(clock=clock, deadline=deadline)
    organization = Organization(clients=clients(), account_id=account_id, budget=budget)
    by_interval = event.get("detail-type") == SCHEDULED
    trigger = "interval" if by_interval else event.get("detail", {}).get("eventName", "unknown")

    def report(root_access: RootAccess) -> None:
        log(
            **_metric(root_access, desired=settings.desired, at=wall_clock()),
            event="checked",
            trigger=trigger,
            **root_access.as_dict(),
            deviations=[deviation(step) for step in plan(desired=settings.desired, observed=root_access)],
        )

    stack_id = settings.repaired_stack_id
    try:
        observed = organization.observe()
        report(observed)
        if not by_interval or stack_id is None:
            return
        if not plan_to_turn_on(desired=settings.desired, observed=observed):
            return
        status = budget.attempt(lambda: stack_status(stack_id), operation=DESCRIBE_STACKS)
    except CallError as error:
        raise CheckFailedError(
            f"The drift check could not look: {described(error.failure, step=None, account_id=account_id)}"
        ) from error
    if not status.endswith("_COMPLETE"):
        # The deployment is about to make the organization what it lists; this function's list may be old.
        log(event="not repaired", reason=f"the stack is in {status}")
        return
    report(
        converge(
            desired=settings.desired,
            organization=organization,
            account_id=account_id,
            budget=budget,
            log=log,
            planned=plan_to_turn_on,
        )
    )


def stack_status(stack_id: str) -> str:
    """Returns the status of a stack, such as UPDATE_COMPLETE.

    Raises:
        CallError: CloudFormation did not say.
    """
    import boto3

    cloudformation = boto3.client("cloudformation", config=one_attempt())
    with call_errors(DESCRIBE_STACKS):
        stacks = cloudformation.describe_stacks(StackName=stack_id)["Stacks"]
    return stacks[0]["StackStatus"]


def _metric(root_access: RootAccess, *, desired: DesiredState, at: float) -> dict[str, object]:
    """The metric, in CloudWatch's embedded metric format."""
    in_desired_state = not plan(desired=desired, observed=root_access)
    return {
        "_aws": {
            "Timestamp": int(at * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [[DIMENSION]],
                    "Metrics": [{"Name": METRIC, "Unit": "Count"}],
                }
            ],
        },
        DIMENSION: root_access.organization_id,
        METRIC: int(in_desired_state),
    }
