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
        executed_by: The run that executed it, or began to; None if none can be seen.
    """

    now: datetime
    expires_at: datetime
    executed_by: str | None

    @property
    def obstacle(self) -> str | None:
        """The reason for which it can no longer be executed, as a sentence; None if it can be."""
        if self.executed_by is not None:
            return f"This plan was executed by {self.executed_by}."
        if self.now > self.expires_at:
            return f"This plan expired at {minute(self.expires_at)}. Create a new plan."
        return None

    @property
    def words(self) -> str:
        """The state in a few words.

        For example: "executed by execute-20261125-0440-k3mp", "expired", "until " and a time.
        """
        # Whatever its time says: an executed plan is used up.
        if self.executed_by is not None:
            return f"executed by {self.executed_by}"
        if self.obstacle is not None:
            return "expired"
        return f"until {minute(self.expires_at)}"
