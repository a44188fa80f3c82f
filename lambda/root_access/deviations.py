"""What the drift check makes of a plan: the deviations in words, and the part that a repair applies. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .plan import DISABLE_FEATURE, ENABLE_FEATURE, Operation, Step, plan
from .state import SERVICE_PRINCIPAL

if TYPE_CHECKING:
    from .state import DesiredState, RootAccess

_ENABLED_FEATURE = {operation: feature for feature, operation in ENABLE_FEATURE.items()}
_DISABLED_FEATURE = {operation: feature for feature, operation in DISABLE_FEATURE.items()}


def deviation(step: Step) -> str:
    """Return in words what the step would correct."""
    if feature := _ENABLED_FEATURE.get(step.operation):
        return f"{feature} is disabled"
    if feature := _DISABLED_FEATURE.get(step.operation):
        return f"{feature} is enabled but not listed"
    if step.operation is Operation.ENABLE_TRUSTED_ACCESS:
        return f"trusted access for {SERVICE_PRINCIPAL} is disabled"
    if step.operation is Operation.REGISTER:
        return f"{step.account_id} is listed but not registered"
    return f"{step.account_id} is registered but not listed"


def plan_repair(*, desired: DesiredState, observed: RootAccess) -> tuple[Step, ...]:
    """Return the part of the plan that enables something and changes no delegated administrator.

    It can only enable, also what somebody disabled on purpose: in an incident, stop the repair first.
    Delegated administrators stay as they are.
    """
    enabling = {Operation.ENABLE_TRUSTED_ACCESS, *_ENABLED_FEATURE}
    return tuple(step for step in plan(desired=desired, observed=observed) if step.operation in enabling)
