"""What a run is to do, in which accounts, and in which batches. Nothing here is stored."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..messages import NO_LONGER_A_MEMBER
from ..model.report_schema import Task
from ..model.run import Account, Mode, Run, Work
from ..refusals import RefusalReason, RunRefusedError
from .accounts import classify

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from ..aws.executions import Execution
    from ..model.run import Assignment
    from .directory import MemberDirectory, OrganizationContext
    from .request import Order

# A batch that dies takes its results with it. That is cheap if the run only reads; if it makes changes, each
# account of the batch is unknown and has to be audited.
ACCOUNTS_PER_BATCH = {Mode.AUDIT: 25, Mode.PLAN: 25, Mode.EXECUTE: 5}
# Most of the price of an audit is that of the state machine's transitions, three per batch. A batch looks
# into 25 accounts at once: this many take four times as long, which is still seconds.
_MAX_ACCOUNTS_PER_BATCH = {**ACCOUNTS_PER_BATCH, Mode.AUDIT: 100, Mode.PLAN: 100}
# Fewer batches than run in parallel would make a small organization wait.
_MIN_BATCHES = 10
# The state machine holds the hash of each batch's result: 2,000 of them take 190 KB of the 256 KB of a state.
_MAX_BATCHES = 2000


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """A run before it is stored: what it is to do, and the accounts that it is about.

    Attributes:
        order: What it is to do.
        execution: Its execution.
        account_id: The account that runs it.
        organization: The organization.
        members: The accounts, by their IDs.
        gone: The accounts of its plan that are no longer in the organization.
        protected_accounts: The accounts in which no run makes changes.
    """

    order: Order
    execution: Execution
    account_id: str
    organization: OrganizationContext
    members: Mapping[str, Account]
    gone: tuple[str, ...]
    protected_accounts: frozenset[str]

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Every account in scope, in the order of their IDs; some have a reason to be skipped."""
        accounts = classify(
            self.members.values(),
            management_account_id=self.organization.management_account_id,
            protected_accounts=self.protected_accounts,
            audits=self.order.task is Task.AUDIT,
        )
        gone = [Account(account_id=id_, skip_reason=NO_LONGER_A_MEMBER) for id_ in self.gone]
        return tuple(sorted((*accounts, *gone), key=lambda account: account.account_id))

    @property
    def assignments(self) -> list[Assignment]:
        """What to do in each account in which a session is to be opened."""
        return [
            self.order.assignment(account.account_id)
            for account in self.accounts
            if account.skip_reason is None
        ]

    def run(self, **fields: Any) -> Run:
        """Return the run, with fields that are known only to some runs."""
        order, execution, accounts = self.order, self.execution, self.accounts
        ids = [account.account_id for account in accounts if account.skip_reason is None]
        return Run(
            run_id=execution.name,
            execution_arn=execution.arn,
            task=order.task,
            action=order.action,
            mode=order.mode,
            executed_plan=order.executed_plan,
            full=order.full,
            organization_id=self.organization.organization_id,
            management_account_id=self.organization.management_account_id,
            account_id=self.account_id,
            started_at=execution.started_at,
            requested_by=order.requested_by,
            accounts=accounts,
            batches=batches_of(ids, order.mode),
            **fields,
        )

    def work(self, run: Run) -> Work:
        """Return the work of the run's batches."""
        return Work(
            run_id=run.run_id,
            task=run.task,
            mode=run.mode,
            batches=tuple(tuple(map(self.order.assignment, batch)) for batch in run.batches),
            credentials=self.order.scope.credential_selection(self.execution.started_at),
            expires_at=self.order.expires_at,
            execution_arn=self.execution.arn,
        )


def prepare(
    directory: MemberDirectory,
    order: Order,
    *,
    execution: Execution,
    protected_accounts: Collection[str] = (),
    on_page: Callable[[OrganizationContext, Mapping[str, Account]], None] | None = None,
) -> Preparation:
    """Find the accounts that a run is about, if its task is possible.

    Args:
        directory: The organization.
        order: What the run is to do.
        execution: Its execution.
        protected_accounts: The accounts in which no run makes changes.
        on_page: Gets the accounts of each page while all accounts are listed.

    Raises:
        RunRefusedError: The task is not possible, or the input names what does not exist.
        CallError: A read failed.
    """
    selection = order.selection
    organization, members = directory.survey(order.task, selection, on_page=on_page)
    # Excluding an account that does not exist is almost certainly a typo.
    absent = sorted(selection.account_ids - members.keys())
    if absent and order.mode is not Mode.EXECUTE:
        raise RunRefusedError(
            RefusalReason.NOT_MEMBERS, account_ids=absent, organization_id=organization.organization_id
        )
    excluded = (
        order.scope.account_exclusions | directory.accounts.in_units(order.scope.unit_exclusions).keys()
    )
    return Preparation(
        order=order,
        execution=execution,
        account_id=directory.aws.account_id,
        organization=organization,
        members={id_: member for id_, member in members.items() if id_ not in excluded},
        gone=tuple(absent),
        protected_accounts=frozenset(protected_accounts),
    )


def with_unit_names(prepared: Preparation, directory: MemberDirectory) -> Preparation:
    """Return a run with the names of its accounts' units, if these can be read in time."""
    members = directory.units.with_names(prepared.members, whole=prepared.order.scope.all_accounts)
    return replace(prepared, members=members)


def batches_of(ids: list[str], mode: Mode) -> tuple[tuple[str, ...], ...]:
    """Return the accounts of each batch of a run."""
    largest = min(_MAX_ACCOUNTS_PER_BATCH[mode], math.ceil(len(ids) / _MIN_BATCHES))
    size = max(ACCOUNTS_PER_BATCH[mode], largest, math.ceil(len(ids) / _MAX_BATCHES))
    return tuple(tuple(ids[first : first + size]) for first in range(0, len(ids), size))
