"""CloudFormation's events for the custom resource: parse, converge, answer."""

from __future__ import annotations

import functools
import json
import random
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from botocore.config import Config

from .converge import converge
from .errors import InvalidPropertyError, PartitionNotSupportedError
from .organization import Clients, Organization
from .retry import Clock, Patience
from .state import DesiredState, Feature

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# How long a role's new policy may take to have effect.
_NEW_PERMISSIONS = 30.0


class LambdaContext(Protocol):
    """What the function uses of Lambda's context object."""

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN, whose account is the one that the function runs in."""

    def get_remaining_time_in_millis(self) -> int:
        """Returns the milliseconds until Lambda ends this invocation."""


def on_event(event: Mapping[str, Any], context: LambdaContext) -> dict[str, object]:
    """Answers one event of the Provider framework; the function's entry point.

    Args:
        event: CloudFormation's event. It carries a pre-signed URL: never log it.
        context: Lambda's context.

    Returns:
        The physical id, and for Create and Update the attributes.

    Raises:
        RootAccessError: the deployment is to fail with this message.
    """
    clock = Clock(now=time.monotonic, sleep=time.sleep, random=random.random)
    return respond(event, context, clients=clients, clock=clock, log=write_line)


def respond(
    event: Mapping[str, Any],
    context: LambdaContext,
    *,
    clients: Callable[[], Clients],
    clock: Clock,
    log: Callable[..., None],
) -> dict[str, object]:
    """Answers one event, with everything that it works with passed in.

    Args:
        event: CloudFormation's event.
        context: Lambda's context.
        clients: returns the boto3 clients.
        clock: the time.
        log: takes one event as keyword arguments.

    Returns:
        The physical id, and for Create and Update the attributes.

    Raises:
        RootAccessError: the deployment is to fail with this message.
    """
    if event["RequestType"] == "Delete":
        # What is on stays on: other people rely on it, and a stack is not its owner.
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    function = _FunctionArn.parse(context.invoked_function_arn)
    if function.partition == "aws-cn":
        raise PartitionNotSupportedError(account_id=function.account_id)
    desired = _desired_state(event["ResourceProperties"])
    started = clock.now()
    patience = Patience(
        clock=clock,
        deadline=started + context.get_remaining_time_in_millis() / 1000,
        new_permissions_until=started + _NEW_PERMISSIONS,
    )
    root_access = converge(
        desired=desired,
        organization=Organization(clients=clients(), account_id=function.account_id, patience=patience),
        account_id=function.account_id,
        patience=patience,
        log=log,
    )
    return {
        "PhysicalResourceId": root_access.organization_id,
        "Data": {
            "Status": root_access.status,
            "StatusJson": root_access.as_json(),
            "OrganizationId": root_access.organization_id,
            "EnabledFeatures": ",".join(sorted(root_access.features)),
            "TrustedAccessEnabledAt": root_access.trusted_access_since or "",
        },
    }


@functools.cache
def clients() -> Clients:
    """Returns clients that make one attempt a call; built once in a sandbox."""
    import boto3

    config = one_attempt()
    return Clients(
        iam=boto3.client("iam", config=config),
        organizations=boto3.client("organizations", config=config),
    )


def one_attempt() -> Config:
    """Returns the clients' settings: one attempt with short timeouts, for the waiting is done elsewhere."""
    return Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 1, "mode": "standard"})


def write_line(**event: object) -> None:
    """Writes one event to the log as a line of JSON."""
    print(json.dumps(event), flush=True)


@dataclass(frozen=True, kw_only=True)
class _FunctionArn:
    partition: str
    account_id: str

    @classmethod
    def parse(cls, arn: str) -> _FunctionArn:
        _, partition, _, _, account_id, *_ = arn.split(":")
        return cls(partition=partition, account_id=account_id)


def _desired_state(properties: Mapping[str, Any]) -> DesiredState:
    unknown = set(properties["Features"]).difference(Feature)
    if unknown:
        raise InvalidPropertyError(
            f"Features lists {', '.join(sorted(unknown))}, which this function does not know; it knows "
            f"{', '.join(Feature)}. Deploy the construct and its function in the same version."
        )
    accounts = properties.get("DelegatedAdministrators")
    if accounts is None:
        return DesiredState(features=frozenset(map(Feature, properties["Features"])))
    for account_id in accounts:
        if not re.fullmatch(r"\d{12}", account_id):
            raise InvalidPropertyError(
                f"DelegatedAdministrators lists {account_id!r}, which is not an account id of 12 digits."
            )
    return DesiredState(
        features=frozenset(map(Feature, properties["Features"])),
        delegated_administrators=frozenset(accounts),
    )
