"""The steps from the observed to the desired root access, in order. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from .state import SERVICE_PRINCIPAL, DesiredState, Feature, RootAccess


class Operation(StrEnum):
    """The calls that change an organization's root access, named as in an IAM policy."""

    ENABLE_TRUSTED_ACCESS = "organizations:EnableAWSServiceAccess"
    ENABLE_ROOT_CREDENTIALS_MANAGEMENT = "iam:EnableOrganizationsRootCredentialsManagement"
    ENABLE_ROOT_SESSIONS = "iam:EnableOrganizationsRootSessions"
    DISABLE_ROOT_SESSIONS = "iam:DisableOrganizationsRootSessions"
    DISABLE_ROOT_CREDENTIALS_MANAGEMENT = "iam:DisableOrganizationsRootCredentialsManagement"
    REGISTER = "organizations:RegisterDelegatedAdministrator"
    DEREGISTER = "organizations:DeregisterDelegatedAdministrator"


# Features are enabled in this order, and disabled in the opposite one.
ENABLE_FEATURE = {feature: Operation(f"iam:EnableOrganizations{feature}") for feature in Feature}
DISABLE_FEATURE = {
    feature: Operation(f"iam:DisableOrganizations{feature}") for feature in reversed(Feature)
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One call that changes root access; the account is the one to register or deregister."""

    operation: Operation
    account_id: str | None = None

    def __str__(self) -> str:
        if self.account_id is None:
            return str(self.operation)
        return f"{self.operation}({self.account_id})"

    @property
    def command(self) -> str:
        """The command of the AWS CLI that applies it, in the management account."""
        service, _, call = self.operation.partition(":")
        # As the AWS CLI does: EnableAWSServiceAccess is enable-aws-service-access.
        name = re.sub("(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", call).lower()
        command = f"aws {service} {name}"
        if self.account_id:
            command += f" --account-id {self.account_id}"
        if service == "organizations":
            command += f" --service-principal {SERVICE_PRINCIPAL}"
        return command


def plan(*, desired: DesiredState, observed: RootAccess) -> tuple[Step, ...]:
    """Return the steps that are missing, in the order in which to apply them.

    Trusted access comes first, because nothing works without it, and is never disabled. Features
    are enabled before others are disabled, and accounts registered before others are deregistered:
    there is no gap. A feature that this code does not know is left unchanged.

    While trusted access is disabled, IAM hides which features are enabled: plan again once they can
    be read.
    """
    # Trusted access and features.
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

    # Delegated administrators, if they are managed.
    if desired.delegated_administrators is not None:
        registered = observed.delegated_administrators or ()
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
