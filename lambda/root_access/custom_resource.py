"""A Create or an Update of the custom resource: parse the request, converge, report."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aws_calls.invocation import Invocation

from .converge import Convergence
from .organization import Organization
from .state import InvalidValueError, desired_state
from .steps import plan

# IAM names no limit for how long a new policy takes to be effective.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
_NEW_PERMISSIONS_SECONDS = 90.0


def apply_request(
    event: Mapping[str, Any], *, aws: Invocation, abandoned: threading.Event
) -> dict[str, Any]:
    """Bring the organization to the state that a Create or an Update asks for.

    Args:
        event: CloudFormation's request.
        aws: The function.
        abandoned: Once it is set it is too late: no call starts after that.

    Returns:
        The members of the response that say so: the physical ID, and the attributes that the stack
        reads.

    Raises:
        RootAccessError: The organization did not get there.
    """
    # Check the request.
    request_type = event.get("RequestType")
    if request_type not in ("Create", "Update"):
        raise InvalidValueError(
            name="RequestType", value=request_type, expected="Create, Update or Delete"
        )
    properties = event["ResourceProperties"]
    desired = desired_state(
        features=properties.get("Features"),
        delegated_administrators=properties.get("DelegatedAdministrators"),
    )

    # Observe, plan and apply, until AWS reports what the stack lists. The same deployment may have
    # created the function's role, whose policy takes a moment to be effective: at first a denied
    # call is repeated.
    budget = replace(
        aws.budget,
        stopped=abandoned,
        new_permissions_until=aws.clock.now() + _NEW_PERMISSIONS_SECONDS,
    )
    organization = Organization(
        aws=aws.with_budget(budget),
        delegates_managed=desired.delegated_administrators is not None,
    )
    root_access = Convergence(
        organization=organization,
        plan=lambda observed: plan(desired=desired, observed=observed),
        retry_advice="Deploy again.",
    ).run()

    # Respond with what AWS reports, not with what was asked for.
    return {
        "PhysicalResourceId": root_access.organization_id,
        "Data": {
            "Status": root_access.status,
            "StatusJson": json.dumps(root_access.to_dict(), separators=(",", ":")),
            "OrganizationId": root_access.organization_id,
        },
    }
