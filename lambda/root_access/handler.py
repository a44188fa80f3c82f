"""CloudFormation's events for the custom resource: parse, converge, respond."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from aws_calls.retry import Clock, RetryBudget
from aws_calls.runtime import FunctionArn, LambdaContext, system_clock, write_line

from .clients import Clients, create_clients
from .converge import converge
from .desired import desired_state
from .organization import Organization

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

# How long a role's new policy may take to have effect.
_NEW_PERMISSIONS_SECONDS = 30.0


def on_event(event: Mapping[str, Any], context: LambdaContext) -> dict[str, object]:
    """Handle one event of the Provider framework; the function's entry point.

    Args:
        event: CloudFormation's event. It carries a pre-signed URL: never log it.
        context: Lambda's context.

    Returns:
        The physical ID, and for Create and Update the attributes.

    Raises:
        RootAccessError: The deployment fails with this message.
    """
    return respond(event, context, clients=create_clients, clock=system_clock(), log=write_line)


def respond(
    event: Mapping[str, Any],
    context: LambdaContext,
    *,
    clients: Callable[[], Clients],
    clock: Clock,
    log: Callable[..., None],
    executor: Callable[[], Executor] = ThreadPoolExecutor,
) -> dict[str, object]:
    """Handle one event, with everything that it works with passed in.

    Args:
        event: CloudFormation's event.
        context: Lambda's context.
        clients: Returns the boto3 clients.
        clock: The time.
        log: Takes one event as keyword arguments.
        executor: Makes the pool that reads in parallel.

    Returns:
        The physical ID, and for Create and Update the attributes.

    Raises:
        RootAccessError: The deployment fails with this message.
    """
    if event["RequestType"] == "Delete":
        # Root access stays enabled: others rely on it, and a stack does not own it.
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    account_id = FunctionArn.parse(context.invoked_function_arn).account_id
    properties = event["ResourceProperties"]
    desired = desired_state(
        features=properties["Features"],
        delegated_administrators=properties.get("DelegatedAdministrators"),
    )
    started = clock.now()
    budget = RetryBudget(
        clock=clock,
        deadline=started + context.get_remaining_time_in_millis() / 1000,
        new_permissions_until=started + _NEW_PERMISSIONS_SECONDS,
    )
    root_access = converge(
        desired=desired,
        organization=Organization(clients=clients(), account_id=account_id, budget=budget, executor=executor),
        account_id=account_id,
        budget=budget,
        log=log,
    )
    return {
        "PhysicalResourceId": root_access.organization_id,
        "Data": {
            "Status": root_access.status,
            "StatusJson": root_access.to_json(),
            "OrganizationId": root_access.organization_id,
            "EnabledFeatures": ",".join(sorted(root_access.features)),
            "TrustedAccessEnabledAt": root_access.trusted_access_since or "",
        },
    }
