"""Root access as the status command reads and shows it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from root_access.deviations import deviation
from root_access.organization import Organization, RootAccessClients
from root_access.plan import plan
from root_access.state import SERVICE_PRINCIPAL, Feature, desired_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from root_access.plan import Step
    from root_access.state import DesiredState, RootAccess

    from .aws import Caller

__all__ = ["desired_state", "plan", "read_root_access", "to_json", "to_text"]


def read_root_access(caller: Caller, *, delegates_managed: bool) -> RootAccess:
    """Return the root access of the caller's organization.

    Raises:
        CallError: A read failed.
        RootAccessError: The caller is not the management account, or has no organization.
    """
    clients = RootAccessClients(iam=caller.client("iam"), organizations=caller.client("organizations"))
    return Organization(
        clients=clients,
        account_id=caller.account_id,
        budget=caller.budget(),
        delegates_managed=delegates_managed,
    ).observe()


def to_json(observed: RootAccess, steps: Sequence[Step]) -> str:
    """Return root access and what would change as one line of JSON, with the keys of the stack's output."""
    return json.dumps(
        {
            **observed.to_dict(),
            "deviations": [deviation(step) for step in steps],
            "steps": [str(step) for step in steps],
        },
        separators=(",", ":"),
    )


def to_text(observed: RootAccess, steps: Sequence[Step], desired: DesiredState) -> str:
    """Return root access and what would change in words."""
    rows = [
        (
            f"trusted access for {SERVICE_PRINCIPAL}",
            f"enabled since {observed.trusted_access_since}" if observed.trusted_access else "disabled",
        )
    ]
    for feature in Feature:
        if observed.trusted_access:
            rows.append((feature, "enabled" if feature in observed.features else "disabled"))
        else:
            rows.append((feature, "disabled, or hidden while trusted access is disabled"))
    rows.append(("delegated administrators", _join_accounts(observed.delegated_administrators)))
    width = max(len(name) for name, _ in rows)
    lines = [
        f"{observed.status}: organization {observed.organization_id}, "
        f"management account {observed.management_account_id}",
        *(f"  {name:<{width}}  {value}" for name, value in rows),
    ]
    listed = _list_text(desired)
    if steps:
        lines += [
            f"With {listed}, a deployment would apply these changes:",
            *(f"  {step}  ({deviation(step)})" for step in steps),
        ]
    else:
        lines.append(f"With {listed}, a deployment would change nothing.")
    return "\n".join(lines)


def _list_text(desired: DesiredState) -> str:
    listed = [" and ".join(sorted(desired.features)) or "no features"]
    if desired.delegated_administrators is not None:
        accounts = " ".join(sorted(desired.delegated_administrators))
        listed.append(f"delegated administrators {accounts}" if accounts else "no delegated administrators")
    return ", ".join(listed)


def _join_accounts(account_ids: Sequence[str] | None) -> str:
    if account_ids is None:
        return "unknown (could not be read)"
    return ", ".join(account_ids) or "none"
