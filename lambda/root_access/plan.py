"""What leads from the root access that is there to the one that is wanted: steps, in order. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from .state import SERVICE_PRINCIPAL, Feature

if TYPE_CHECKING:
    from .state import DesiredState, RootAccess


class Operation(StrEnum):
    """The calls that change an organization's root access, named as in an IAM policy."""

    ENABLE_TRUSTED_ACCESS = "organizations:EnableAWSServiceAccess"
    ENABLE_ROOT_CREDENTIALS_MANAGEMENT = "iam:EnableOrganizationsRootCredentialsManagement"
    ENABLE_ROOT_SESSIONS = "iam:EnableOrganizationsRootSessions"
    DISABLE_ROOT_SESSIONS = "iam:DisableOrganizationsRootSessions"
    DISABLE_ROOT_CREDENTIALS_MANAGEMENT = "iam:DisableOrganizationsRootCredentialsManagement"
    REGISTER = "organizations:RegisterDelegatedAdministrator"
    DEREGISTER = "organizations:DeregisterDelegatedAdministrator"


ENABLE_FEATURE = {
    Feature.ROOT_CREDENTIALS_MANAGEMENT: Operation.ENABLE_ROOT_CREDENTIALS_MANAGEMENT,
    Feature.ROOT_SESSIONS: Operation.ENABLE_ROOT_SESSIONS,
}
DISABLE_FEATURE = {
    Feature.ROOT_SESSIONS: Operation.DISABLE_ROOT_SESSIONS,
    Feature.ROOT_CREDENTIALS_MANAGEMENT: Operation.DISABLE_ROOT_CREDENTIALS_MANAGEMENT,
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One call that changes something.

    Attributes:
        operation: which call.
        account_id: the account that is registered or deregistered; None for the others.
    """

    operation: Operation
    account_id: str | None = None

    def __str__(self) -> str:
        return f"{self.operation}({self.account_id})" if self.account_id else str(self.operation)


# What a step would mend, in words; "{}" is the account.
_DEVIATIONS = {
    Operation.ENABLE_TRUSTED_ACCESS: f"trusted access for {SERVICE_PRINCIPAL} is off",
    Operation.ENABLE_ROOT_CREDENTIALS_MANAGEMENT: "RootCredentialsManagement is off",
    Operation.ENABLE_ROOT_SESSIONS: "RootSessions is off",
    Operation.DISABLE_ROOT_SESSIONS: "RootSessions is on but not listed",
    Operation.DISABLE_ROOT_CREDENTIALS_MANAGEMENT: "RootCredentialsManagement is on but not listed",
    Operation.REGISTER: "{} is listed but not registered",
    Operation.DEREGISTER: "{} is registered but not listed",
}


def deviation(step: Step) -> str:
    """Returns in words what the step would mend."""
    return _DEVIATIONS[step.operation].format(step.account_id)


def plan(*, desired: DesiredState, observed: RootAccess) -> tuple[Step, ...]:
    """Returns the steps that are missing, in the order in which they are to be made.

    Trusted access first, for nothing works without it; features on before features off, and delegated
    administrators registered before others are deregistered, so that nobody is without in between.
    Trusted access is never switched off. A feature that this code does not know is left as it is.

    Where trusted access is off, IAM hides what features are on: the steps after the first are then
    what is known to be missing, and are to be planned again once the features can be read.
    """
    steps = []
    if not observed.trusted_access:
        steps.append(Step(operation=Operation.ENABLE_TRUSTED_ACCESS))
    steps += [
        Step(operation=operation)
        for feature, operation in ENABLE_FEATURE.items()
        if feature in desired.features - observed.features
    ]
    steps += [
        Step(operation=operation)
        for feature, operation in DISABLE_FEATURE.items()
        if feature in observed.features - desired.features
    ]
    if desired.delegated_administrators is not None:
        registered = observed.delegated_administrators
        steps += [
            Step(operation=Operation.REGISTER, account_id=account_id)
            for account_id in sorted(desired.delegated_administrators.difference(registered))
        ]
        steps += [
            Step(operation=Operation.DEREGISTER, account_id=account_id)
            for account_id in registered
            if account_id not in desired.delegated_administrators
        ]
    return tuple(steps)


def plan_to_turn_on(*, desired: DesiredState, observed: RootAccess) -> tuple[Step, ...]:
    """Returns the part of the plan that turns something on and touches no delegated administrator.

    It is what may be made without anybody watching: what was turned off or deregistered on purpose, in an
    incident perhaps, stays so.
    """
    turning_on = {Operation.ENABLE_TRUSTED_ACCESS, *ENABLE_FEATURE.values()}
    return tuple(step for step in plan(desired=desired, observed=observed) if step.operation in turning_on)
