"""What a run is to do, and in which accounts."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..model.report import Action
from ..model.run import Assignment, CredentialSelection
from ..tasks import DEFINITIONS
from .members import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ..model.report import Task
    from ..model.run import Mode
    from ..tasks.scope import Scope


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a run is to do.

    Attributes:
        task: The task.
        mode: What it is for.
        scope: The accounts it is about, besides those that have an assignment.
        assignments: What to act on, by account.
        credentials: Which credentials a plan may list.
        executed_plan: The run of the plan that it executes.
        expires_at: When no batch may act any more.
        requested_by: Who asks for it, as the input states.
    """

    task: Task
    mode: Mode
    scope: Scope
    assignments: Mapping[str, Assignment]
    credentials: CredentialSelection = field(default_factory=CredentialSelection)
    executed_plan: str | None = None
    expires_at: datetime | None = None
    requested_by: str | None = None

    @property
    def selection(self) -> Selection:
        """The accounts to read: those that it is about, and those that it leaves out by their IDs."""
        scope = self.scope
        return Selection(
            all_accounts=scope.all_accounts,
            organizational_units=scope.organizational_units,
            account_ids=scope.member_ids.union(self.assignments),
        )

    @property
    def action(self) -> Action:
        """What the run does: an input, and so a plan, restores policies or removes them, never both."""
        targets = itertools.chain.from_iterable(each.targets for each in self.assignments.values())
        restores = any(target.restore for target in targets)
        return DEFINITIONS[self.task].words_of(Action.RESTORE if restores else None).action

    def assignment(self, account_id: str) -> Assignment:
        """Return what to do in an account."""
        return self.assignments.get(account_id, Assignment(account_id=account_id))
