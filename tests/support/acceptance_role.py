"""The IAM role for acceptance runs on AWS: the actions that it allows, and those of a run."""

from collections.abc import Iterable
from typing import Any

import yaml

from acceptance.cases import all_cases
from acceptance.model import MANAGEMENT_ACCOUNT, MEASUREMENT, Level
from support.apps import REPOSITORY

ROLE_FILE = REPOSITORY / "acceptance" / "role.yaml"

# The first needs no permission, and the second one is called on the local AWS only.
_CALLS_WITHOUT_PERMISSION = {"sts:GetCallerIdentity", "organizations:EnablePolicyType"}


def role_template() -> dict[str, Any]:
    """Return the template of the role."""
    template: dict[str, Any] = yaml.safe_load(ROLE_FILE.read_text())
    return template


def statements_of_role(level: Level) -> list[dict[str, Any]]:
    """Return the statements of the role at a level."""
    resources = role_template()["Resources"]
    own = [policy["PolicyDocument"] for policy in resources["Role"]["Properties"]["Policies"]]
    conditions = {"Features": Level.FEATURE, "Members": Level.MEMBER}
    # At the level that only reads, a policy denies the role to open root sessions.
    own += [resources["ReadPolicy"]["Properties"]["PolicyDocument"]] * (level is Level.READ)
    others = [
        policy["Properties"]["PolicyDocument"]
        for policy in resources.values()
        if policy.get("Condition") in conditions and level.includes(conditions[policy["Condition"]])
    ]
    return [statement for document in own + others for statement in document["Statement"]]


def role_actions(level: Level, *, resource: str | None = None) -> set[str]:
    """Return the actions that the role allows at a level, on one resource or on any."""
    actions: set[str] = set()
    for statement in statements_of_role(level):
        if statement["Effect"] == "Allow" and resource in (None, statement["Resource"]):
            action = statement["Action"]
            actions.update([action] if isinstance(action, str) else action)
    return actions


def actions_needed_by(calls: Iterable[str], level: Level) -> set[str]:
    """Return the actions of a run's own calls, and of what the local AWS does not show.

    Args:
        calls: The calls, by boto3's name of the service and the operation.
        level: The level of the run.
    """
    # A run on the local AWS leaves out a case that has a reason in `local`.
    not_shown = {
        case.call.operation
        for case in all_cases()
        if case.not_shown_locally is not None
        and case.caller == MANAGEMENT_ACCOUNT
        and level.includes(case.level)
    }
    actions = set()
    for call in (*calls, *not_shown):
        # A measurement is not a call.
        if not call.startswith(MEASUREMENT):
            actions.add(call)
    return actions - _CALLS_WITHOUT_PERMISSION
