"""The drift check: is the organization as the stack lists it? A repair enables what has been disabled."""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from aws_calls.calls import call, require
from aws_calls.failures import CallError
from aws_calls.metrics import NAMESPACE, ORGANIZATION_ID, metric_line
from aws_calls.retry import Clock, RetryBudget
from aws_calls.runtime import FunctionArn, LambdaContext, one_attempt, system_clock, write_line
from aws_calls.settings import read_settings

from .clients import Clients, create_clients
from .converge import converge
from .desired import desired_state
from .errors import CheckFailedError
from .organization import Organization
from .plan import deviation, plan, plan_repair

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .state import DesiredState, RootAccess

IN_DESIRED_STATE = "InDesiredState"

SCHEDULED = "Scheduled Event"
_INTERVAL = "interval"

DESCRIBE_STACKS = "cloudformation:DescribeStacks"


class StackStatus(Protocol):
    """Reads the status of a stack."""

    def __call__(self, stack_id: str, *, budget: RetryBudget) -> str:
        """Return the status, such as UPDATE_COMPLETE, or raise CallError."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the construct configures.

    Attributes:
        desired: What the stack lists.
        repaired_stack_id: The stack, where the check repairs; None: it only reports.
    """

    desired: DesiredState
    repaired_stack_id: str | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings in the function's environment variables.

        Raises:
            SettingsError: A key is missing or unknown.
            InvalidPropertyError: A feature or an account ID is not valid.
        """
        settings = read_settings(environment, keys=("features", "delegatedAdministrators", "repairedStackId"))
        return cls(
            desired=desired_state(
                features=settings["features"], delegated_administrators=settings["delegatedAdministrators"]
            ),
            repaired_stack_id=settings["repairedStackId"],
        )


@dataclass(frozen=True, kw_only=True)
class Services:
    """What a check works with.

    Attributes:
        clients: Returns the boto3 clients.
        stack_status: Reads the status of the stack.
        clock: The time, for waiting.
        wall_clock: Seconds since 1970, for the metric.
        log: Takes one event as keyword arguments.
    """

    clients: Callable[[], Clients]
    stack_status: StackStatus
    clock: Clock
    wall_clock: Callable[[], float]
    log: Callable[..., None]


def on_check(event: Mapping[str, Any], context: LambdaContext) -> None:
    """Check once; the function's entry point.

    Args:
        event: EventBridge's event: of the schedule, or of a call that CloudTrail has recorded.
        context: Lambda's context.

    Raises:
        CheckFailedError: Root access could not be read.
        RootAccessError: The repair failed.
    """
    services = Services(
        clients=create_clients,
        stack_status=stack_status,
        clock=system_clock(),
        wall_clock=time.time,
        log=write_line,
    )
    check(event, context, settings=Settings.from_environment(os.environ), services=services)


def check(
    event: Mapping[str, Any], context: LambdaContext, *, settings: Settings, services: Services
) -> None:
    """Check once, with everything that it works with passed in.

    Args:
        event: EventBridge's event.
        context: Lambda's context.
        settings: What the construct configures.
        services: What the check works with.

    Raises:
        CheckFailedError: Root access could not be read.
        RootAccessError: The repair failed.
    """
    account_id = FunctionArn.parse(context.invoked_function_arn).account_id
    deadline = services.clock.now() + context.get_remaining_time_in_millis() / 1000
    budget = RetryBudget(clock=services.clock, deadline=deadline)
    organization = Organization(clients=services.clients(), account_id=account_id, budget=budget)
    trigger = _trigger(event)
    report = functools.partial(_report, desired=settings.desired, trigger=trigger, services=services)
    stack_id = settings.repaired_stack_id
    try:
        observed = organization.observe()
        report(observed)
        if trigger != _INTERVAL or stack_id is None:
            return
        if not plan_repair(desired=settings.desired, observed=observed):
            return
        status = services.stack_status(stack_id, budget=budget)
    except CallError as error:
        raise CheckFailedError(failure=error.failure, account_id=account_id) from error
    if not status.endswith("_COMPLETE"):
        # A deployment is in progress, or has failed: this function's list may not be the current one.
        services.log(event="repair_skipped", reason=f"the stack is in {status}")
        return
    repaired = converge(
        desired=settings.desired,
        organization=organization,
        account_id=account_id,
        budget=budget,
        log=services.log,
        planner=plan_repair,
    )
    report(repaired)


def stack_status(stack_id: str, *, budget: RetryBudget) -> str:
    """Return the status of a stack, such as UPDATE_COMPLETE.

    Raises:
        CallError: CloudFormation did not return it.
    """
    import boto3

    cloudformation = boto3.client("cloudformation", config=one_attempt())
    response = call(
        functools.partial(cloudformation.describe_stacks, StackName=stack_id),
        operation=DESCRIBE_STACKS,
        budget=budget,
    )
    (stack,) = response.require("Stacks")
    status: str = require(stack, "StackStatus", operation=DESCRIBE_STACKS)
    return status


def _trigger(event: Mapping[str, Any]) -> str:
    """Return what started the check: the interval, or the name of the call that CloudTrail recorded."""
    if event.get("detail-type") == SCHEDULED:
        return _INTERVAL
    return str(event.get("detail", {}).get("eventName", "unknown"))


def _report(root_access: RootAccess, *, desired: DesiredState, trigger: str, services: Services) -> None:
    """Write the line of the log that has the deviations, and the metric."""
    steps = plan(desired=desired, observed=root_access)
    services.log(
        **metric_line(
            namespace=NAMESPACE,
            dimensions={ORGANIZATION_ID: root_access.organization_id},
            values={IN_DESIRED_STATE: int(not steps)},
            timestamp=services.wall_clock(),
        ),
        event="checked",
        trigger=trigger,
        **root_access.to_dict(),
        deviations=[deviation(step) for step in steps],
    )
