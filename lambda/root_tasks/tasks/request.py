"""What the input of an execution asks for, for example to delete all keys of a unit's accounts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.untrusted import ACCOUNT_ID

from ..model.report_schema import ItemType, PlanSelection, Task
from ..model.run_documents import Assignment, CredentialSelection, Target


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the input of an execution asks for, once it is checked.

    For example, `{"task": "delete", "accounts": ["222222222222"]}` is the task *delete*, one
    account ID, and 90 days of `unused_for`.

    Attributes:
        task: The task.
        requested_by: The requester, as the input states.
        reason: Why the run is asked for, as the input states.
        until: When a recovery is to be closed.
        all_accounts: Whether it is every account of the organization.
        account_ids: The accounts.
        from_report: The run of whose report these are, as the input states.
        organizational_units: The organizational units, for their accounts: by ID, path or the end
            of a path.
        exclusions: Accounts and organizational units that are left out of all that.
        assignments: The buckets or queues, by account.
        backup: The reference of the backup whose policy the only bucket or queue gets.
        credential_types: The types of credentials to plan; all types where it is empty.
        unused_for: For how long a credential has to exist and be unused to be planned; None to
            plan it all the same.
    """

    task: Task
    requested_by: str | None = None
    reason: str | None = None
    until: str | None = None
    all_accounts: bool = False
    account_ids: tuple[str, ...] = ()
    from_report: str | None = None
    organizational_units: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    backup: str | None = None
    credential_types: tuple[ItemType, ...] = ()
    unused_for: timedelta | None = None

    @property
    def selection(self) -> PlanSelection | None:
        """The input of a plan to delete credentials; None for any other request."""
        if self.task is not Task.DELETE:
            return None
        return PlanSelection(
            all_accounts=self.all_accounts,
            accounts=self.account_ids,
            from_report=self.from_report,
            organizational_units=self.organizational_units,
            exclude=self.exclusions,
            credential_types=self.credential_types,
            unused_for_days=None if self.unused_for is None else self.unused_for.days,
        )

    @property
    def full(self) -> bool:
        """True if it is an audit of every account of the organization."""
        return self.task is Task.AUDIT and self.all_accounts and not self.exclusions

    @property
    def member_ids(self) -> frozenset[str]:
        """The accounts that have to be members of the organization."""
        excluded = frozenset(filter(ACCOUNT_ID.fullmatch, self.exclusions))
        # One that is named and excluded as well may have left the organization.
        named_or_excluded = excluded.symmetric_difference(self.account_ids)
        return named_or_excluded.union(assignment.account_id for assignment in self.assignments)

    def credential_selection(self, started_at: datetime) -> CredentialSelection:
        """Return which credentials a plan of a run that started at this time may list."""
        since = None if self.unused_for is None else started_at - self.unused_for
        return CredentialSelection(types=self.credential_types, in_use_since=since)


def assignments_of(targets: Iterable[tuple[str, Target]]) -> tuple[Assignment, ...]:
    """Return the assignments of targets that are given with their accounts."""
    by_account: dict[str, list[Target]] = {}
    for account_id, target in targets:
        by_account.setdefault(account_id, []).append(target)
    return tuple(
        Assignment(account_id=account_id, targets=tuple(targets_there))
        for account_id, targets_there in sorted(by_account.items())
    )
