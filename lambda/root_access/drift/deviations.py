"""What the drift check reads in a plan: deviations, what they mean, and what a repair applies. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..state import SERVICE_PRINCIPAL
from ..steps import ENABLE_FEATURE, Operation, Step, plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..state import DesiredState, RootAccess

_SESSIONS_OF = "anyone with sts:AssumeRoot in the management account or a delegated administrator's account"
_IAM = f"--service-principal {SERVICE_PRINCIPAL}"


@dataclass(frozen=True, kw_only=True)
class _Deviation:
    """What a step corrects: in words, what it means meanwhile, the call behind it, and the correction."""

    words: str
    effect: str
    caused_by: str
    command: str


# The worst first: what lets others in, then what ends the control of root users.
_DEVIATIONS = {
    Operation.DEREGISTER: _Deviation(
        words="{account_id} is registered but not listed",
        effect="{account_id} can open root sessions in every member account.",
        caused_by="RegisterDelegatedAdministrator",
        command=f"aws organizations deregister-delegated-administrator --account-id {{account_id}} {_IAM}",
    ),
    Operation.ENABLE_TRUSTED_ACCESS: _Deviation(
        words=f"trusted access for {SERVICE_PRINCIPAL} is disabled",
        effect="Neither feature works: no root session can be opened.",
        caused_by="DisableAWSServiceAccess",
        command=f"aws organizations enable-aws-service-access {_IAM}",
    ),
    Operation.ENABLE_ROOT_CREDENTIALS_MANAGEMENT: _Deviation(
        words="RootCredentialsManagement is disabled",
        effect="Root credentials cannot be audited, deleted or recovered; new ones stay unnoticed.",
        caused_by="DisableOrganizationsRootCredentialsManagement",
        command="aws iam enable-organizations-root-credentials-management",
    ),
    Operation.ENABLE_ROOT_SESSIONS: _Deviation(
        words="RootSessions is disabled",
        effect="Bucket and queue policies that lock everyone out cannot be removed.",
        caused_by="DisableOrganizationsRootSessions",
        command="aws iam enable-organizations-root-sessions",
    ),
    Operation.DISABLE_ROOT_CREDENTIALS_MANAGEMENT: _Deviation(
        words="RootCredentialsManagement is enabled but not listed",
        effect=f"Root credentials can be audited, deleted and recovered by {_SESSIONS_OF}.",
        caused_by="EnableOrganizationsRootCredentialsManagement",
        command="aws iam disable-organizations-root-credentials-management",
    ),
    Operation.DISABLE_ROOT_SESSIONS: _Deviation(
        words="RootSessions is enabled but not listed",
        effect=f"Bucket and queue policies can be removed by {_SESSIONS_OF}.",
        caused_by="EnableOrganizationsRootSessions",
        command="aws iam disable-organizations-root-sessions",
    ),
    Operation.REGISTER: _Deviation(
        words="{account_id} is listed but not registered",
        effect="{account_id} cannot open root sessions: its root tasks fail.",
        caused_by="DeregisterDelegatedAdministrator",
        command=f"aws organizations register-delegated-administrator --account-id {{account_id}} {_IAM}",
    ),
}


def worst_first(steps: Iterable[Step]) -> list[Step]:
    """Return the steps in the order of what they correct."""
    return sorted(steps, key=lambda step: list(_DEVIATIONS).index(step.operation))


def deviation(step: Step) -> str:
    """Return in words what the step would correct."""
    return _DEVIATIONS[step.operation].words.format(account_id=step.account_id)


def effect(step: Step) -> str:
    """Return what the deviation means for as long as it lasts."""
    return _DEVIATIONS[step.operation].effect.format(account_id=step.account_id)


def cause(step: Step) -> str:
    """Return the name of the call that leads to the deviation."""
    return _DEVIATIONS[step.operation].caused_by


def correction(step: Step) -> str:
    """Return the command that applies the step."""
    return _DEVIATIONS[step.operation].command.format(account_id=step.account_id)


def plan_repair(*, desired: DesiredState, observed: RootAccess) -> tuple[Step, ...]:
    """Return the part of the plan that enables something and changes no delegated administrator.

    It can only enable, even what was disabled on purpose: in an incident, stop the repair first.
    """
    enabling = {Operation.ENABLE_TRUSTED_ACCESS, *ENABLE_FEATURE.values()}
    return tuple(step for step in plan(desired=desired, observed=observed) if step.operation in enabling)
