"""The time in which a plan can be executed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from root_tasks.report.words import minute


@dataclass(frozen=True, kw_only=True)
class PlanState:
    """The state of a plan that has something to execute.

    Attributes:
        now: The time in UTC.
        expires_at: When it can no longer be executed.
        claimed_by: The run that has claimed it, which executes it alone; None if none can be seen.
    """

    now: datetime
    expires_at: datetime
    claimed_by: str | None

    @property
    def obstacle(self) -> str | None:
        """The reason for which it can no longer be executed, as a sentence; None if it can be."""
        if self.claimed_by is not None:
            return f"This plan was claimed by {self.claimed_by}."
        if self.now > self.expires_at:
            return f"This plan expired at {minute(self.expires_at)}. Create a new plan."
        return None

    @property
    def words(self) -> str:
        """The state in a few words.

        For example: "claimed by execute-20261125-0440-k3mp", "expired", "until " and a time.
        """
        # Whatever its time says: a claimed plan is used up.
        if self.claimed_by is not None:
            return f"claimed by {self.claimed_by}"
        if self.obstacle is not None:
            return "expired"
        return f"until {minute(self.expires_at)}"
