"""The deviations that a plan would correct, what they mean, and the steps of a repair. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..state import SERVICE_PRINCIPAL, DesiredState, Feature, RootAccess
from ..steps import DISABLE_FEATURE, ENABLE_FEATURE, Operation, Step, plan

_CREDENTIALS, _SESSIONS = Feature
# Each step's deviation in words, and its effect. The worst first: what lets others in, then what
# ends the control of root users.
_DEVIATIONS = {
    Operation.DEREGISTER: (
        "{account_id} is registered but not listed",
        "{account_id} can open root sessions in every member account.",
    ),
    Operation.ENABLE_TRUSTED_ACCESS: (
        f"trusted access for {SERVICE_PRINCIPAL} is disabled",
        "Neither feature works: no root session can be opened.",
    ),
    ENABLE_FEATURE[_CREDENTIALS]: (
        f"{_CREDENTIALS} is disabled",
        "Root credentials cannot be audited, deleted or recovered; new ones stay unnoticed.",
    ),
    ENABLE_FEATURE[_SESSIONS]: (
        f"{_SESSIONS} is disabled",
        "Bucket and queue policies that lock everyone out cannot be removed.",
    ),
    DISABLE_FEATURE[_CREDENTIALS]: (
        f"{_CREDENTIALS} is enabled but not listed",
        "Root credentials can be audited, deleted and recovered.",
    ),
    DISABLE_FEATURE[_SESSIONS]: (
        f"{_SESSIONS} is enabled but not listed",
        "Bucket and queue policies can be removed.",
    ),
    Operation.REGISTER: (
        "{account_id} is listed but not registered",
        "{account_id} cannot open root sessions: its root tasks fail.",
    ),
}
_OPPOSITES = {
    "Enable": "Disable",
    "Disable": "Enable",
    "Register": "Deregister",
    "Deregister": "Register",
}


def worst_first(steps: Iterable[Step]) -> list[Step]:
    """Return the steps in the order of what they correct: first what lets others in.

    For example, an account that is registered but not listed comes before a disabled feature.
    """
    # Its keys are in this order.
    operations = list(_DEVIATIONS)
    return sorted(steps, key=lambda step: operations.index(step.operation))


def deviation(step: Step) -> str:
    """Return in words what the step would correct, such as "RootSessions is disabled"."""
    in_words, _ = _DEVIATIONS[step.operation]
    return in_words.format(account_id=step.account_id)


def effect(step: Step) -> str:
    """Return what the deviation that the step would correct means for as long as it lasts."""
    _, meaning = _DEVIATIONS[step.operation]
    return meaning.format(account_id=step.account_id)


def cause(operation: Operation) -> str:
    """Return the name of the call that leads to what an operation corrects: the opposite one.

    For example, organizations:EnableAWSServiceAccess corrects what DisableAWSServiceAccess did.
    """
    # Only the verb at the beginning differs.
    return re.sub("^[A-Z][a-z]+", lambda verb: _OPPOSITES[verb[0]], operation.partition(":")[2])


def status_command(desired: DesiredState) -> str:
    """Return the command that shows what differs from the lists, which it takes as options."""
    words = ["centralized-root-access status"]
    # Without options, the command takes both features for listed.
    if desired.features != set(Feature):
        listed = [f"--feature {feature}" for feature in sorted(desired.features)]
        words += listed or ["--no-features"]
    delegates = desired.delegated_administrators
    if delegates is not None:
        listed = [f"--delegated-administrator {account_id}" for account_id in sorted(delegates)]
        words += listed or ["--no-delegated-administrators"]
    return " ".join(words)


def plan_repair(*, desired: DesiredState, observed: RootAccess) -> tuple[Step, ...]:
    """Return the part of the plan that enables something and changes no delegated administrator.

    It can only enable, even what was disabled on purpose: in an incident, stop the repair first.
    """
    enabling = set(ENABLE_FEATURE.values()) | {Operation.ENABLE_TRUSTED_ACCESS}
    steps = plan(desired=desired, observed=observed)
    return tuple(step for step in steps if step.operation in enabling)
