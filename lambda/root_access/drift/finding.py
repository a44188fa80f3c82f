"""The finding of a drift check for Security Hub: one for the organization. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_calls.security_hub import ComplianceStatus, SecurityFinding, Severity

from .deviations import deviation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ..state import RootAccess
    from ..steps import Step


def drift_finding(
    observed: RootAccess, steps: Sequence[Step], *, account_id: str, checked_at: datetime
) -> SecurityFinding:
    """Return whether the organization matches the stack.

    Args:
        observed: The state that the check found.
        steps: The steps that would correct the deviations.
        account_id: The management account.
        checked_at: The time of the check.
    """
    found = "; ".join(map(deviation, steps)) or "It matches the stack"
    # Not a deviation if the stack lists none, but AWS's Security Reference Architecture asks for one.
    none = " No delegated administrator is registered." if observed.delegated_administrators == () else ""
    return SecurityFinding(
        check="root-access",
        account_id=account_id,
        title="Centralized root access should be enabled as the stack lists it",
        description=f"Organization {observed.organization_id}. {found}.{none}",
        status=ComplianceStatus.FAILED if steps else ComplianceStatus.PASSED,
        severity=Severity.HIGH if steps else Severity.INFORMATIONAL,
        recommendation=(
            "See what differs: centralized-root-access status. Correct it, or change the stack's lists and "
            "deploy."
        ),
        # The check remembers nothing: only this date stays the same from one check to the next.
        created_at=observed.trusted_access_enabled_at or checked_at,
        updated_at=checked_at,
    )
