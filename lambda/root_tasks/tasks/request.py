"""What the input of an execution asks for, for example to delete all keys of a unit's accounts."""

from __future__ import annotations

from dataclasses import dataclass

from common.untrusted import ACCOUNT_ID

from ..model.report_schema import PlanSelection, Task
from ..model.run_documents import Assignment

# Buckets and queues, and the targets of a plan, have their accounts in their assignments.
_NO_ACCOUNTS = PlanSelection(all_accounts=False)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the input of an execution asks for, once it is checked.

    For example, `{"task": "delete", "accounts": ["222222222222"]}` is the task *delete*, and a
    selection of one account ID and of what was unused for 90 days.

    Attributes:
        requested_by: The requester, as the input states.
        reason: Why the run is asked for, as the input states.
        until: When a recovery is to be closed.
        selection: The accounts, and of a deletion the credentials.
        assignments: The buckets or queues, by account.
        backup: The reference of the backup whose policy the only bucket or queue gets.
    """

    task: Task
    requested_by: str | None = None
    reason: str | None = None
    until: str | None = None
    selection: PlanSelection = _NO_ACCOUNTS
    assignments: tuple[Assignment, ...] = ()
    backup: str | None = None

    @property
    def full(self) -> bool:
        """True if it is an audit of every account of the organization."""
        selection = self.selection
        return self.task is Task.AUDIT and selection.all_accounts and not selection.exclude

    @property
    def member_ids(self) -> frozenset[str]:
        """The accounts that have to be members of the organization."""
        excluded = frozenset(filter(ACCOUNT_ID.fullmatch, self.selection.exclude))
        # One that is named and excluded as well may have left the organization.
        named_or_excluded = excluded.symmetric_difference(self.selection.accounts)
        return named_or_excluded.union(assignment.account_id for assignment in self.assignments)
