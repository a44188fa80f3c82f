"""What the drift check makes of a plan: the deviations in words, and the part that a repair applies. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..steps import DISABLE_FEATURE, ENABLE_FEATURE, Operation, Step, plan
from ..state import SERVICE_PRINCIPAL

if TYPE_CHECKING:
    from ..state import DesiredState, RootAccess

_DEVIATIONS = {
    Operation.ENABLE_TRUSTED_ACCESS: f"trusted access for {SERVICE_PRINCIPAL} is disabled",
    **{operation: f"{feature} is disabled" for feature, operation in ENABLE_FEATURE.items()},
    **{operation: f"{feature} is enabled but not listed" for feature, operation in DISABLE_FEATURE.items()},
    Operation.REGISTER: "{account_id} is listed but not registered",
    Operation.DEREGISTER: "{account_id} is registered but not listed",
}


def deviation(step: Step) -> str:
    """Return in words what the step would correct."""
    return _DEVIATIONS[step.operation].format(account_id=step.account_id)


def plan_repair(*, desired: DesiredState, observed: RootAccess) -> tuple[Step, ...]:
    """Return the part of the plan that enables something and changes no delegated administrator.

    It can only enable, also what somebody disabled on purpose: in an incident, stop the repair first.
    Delegated administrators stay as they are.
    """
    enabling = {Operation.ENABLE_TRUSTED_ACCESS, *ENABLE_FEATURE.values()}
    return tuple(step for step in plan(desired=desired, observed=observed) if step.operation in enabling)
