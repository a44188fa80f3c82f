"""Whether a plan can still be executed: until when, or why not. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from root_tasks.messages import quantity
from root_tasks.report.summary import minute

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class PlanState:
    """The state of a plan that has something to execute.

    Attributes:
        now: When that was looked at.
        expires_at: When it can no longer be executed; None if an earlier release did not say.
        executed_by: The run that executed it, or began to; None if none can be seen.
    """

    now: datetime
    expires_at: datetime | None
    executed_by: str | None

    @property
    def has_expired(self) -> bool:
        """Whether its time is up."""
        return self.expires_at is not None and self.now > self.expires_at

    @property
    def until(self) -> str:
        """Until when it can be executed; empty if that is not known."""
        return "" if self.expires_at is None else f"until {minute(self.expires_at)}"

    @property
    def obstacle(self) -> str | None:
        """Why it can no longer be executed, as a sentence; None if it can."""
        if self.executed_by is not None:
            return f"This plan was executed by {self.executed_by}."
        if self.expires_at is not None and self.has_expired:
            return f"This plan expired at {minute(self.expires_at)}. Create a new plan."
        return None

    @property
    def words(self) -> str:
        """The state in a cell of a table."""
        if self.executed_by is not None:
            return f"executed by {self.executed_by}"
        if self.expires_at is None:
            return ""
        if self.has_expired:
            return "expired"
        hours, minutes = divmod(int((self.expires_at - self.now).total_seconds()) // 60, 60)
        return f"{quantity(hours, 'hour') if hours else quantity(minutes, 'minute')} left"
