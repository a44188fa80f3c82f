"""Places that a case names without an ID: the root, the member account's parent, a closed account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acceptance.model import AUDIT_MACHINE, CLOSED, DETECTOR, MEMBERS_PARENT, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from acceptance.callers import Callers


class NothingFoundError(Exception):
    """The organization does not have what a case asks for."""


def find_root(callers: Callers) -> str:
    """Return the ID of the organization's root."""
    return str(callers.own("organizations").list_roots()["Roots"][0]["Id"])


def find_parent(callers: Callers) -> str:
    """Return the ID of the unit or root that the member account is in."""
    found = callers.own("organizations").list_parents(ChildId=callers.names.member)
    return str(found["Parents"][0]["Id"])


def find_closed_account(callers: Callers) -> str:
    """Return a closed account.

    Raises:
        NothingFoundError: There is none.
    """
    for page in callers.own("organizations").get_paginator("list_accounts").paginate():
        for account in page["Accounts"]:
            if account.get("State") == "CLOSED":
                return str(account["Id"])
    raise NothingFoundError("no account of the organization is closed")


def find_detector(callers: Callers) -> str:
    """Return GuardDuty's detector in the member account.

    Raises:
        NothingFoundError: GuardDuty is not enabled there.
    """
    for detector_id in callers.member("guardduty").list_detectors()["DetectorIds"]:
        return str(detector_id)
    raise NothingFoundError("GuardDuty is not enabled in the member account and the run's Region")


def find_audit_machine(callers: Callers) -> str:
    """Return the ARN of the state machine for audits in the run's stack."""
    [stack] = callers.own("cloudformation").describe_stacks(StackName=callers.names.stack)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    return str(outputs["RootTasksAuditStateMachineArn"])


FINDERS: Mapping[str, Callable[[Callers], str]] = {
    ROOT: find_root,
    MEMBERS_PARENT: find_parent,
    CLOSED: find_closed_account,
    DETECTOR: find_detector,
    AUDIT_MACHINE: find_audit_machine,
}
