"""What a run is to do, in which accounts, and in which batches. Nothing here is stored."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..messages import NO_LONGER_A_MEMBER
from ..model.report import Action, Task
from ..model.run import Account, Assignment, CredentialSelection, Mode, Run, Work
from ..refusals import RefusalReason, RunRefusedError
from ..tasks import DEFINITIONS
from .accounts import Selection, classify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from ..model.run import Denial, Member
    from ..tasks.scope import Scope
    from .accounts import MemberDirectory, OrganizationContext
    from .execution import Execution
    from .request import Request

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
class Order:
    """What a run is to do.

    Attributes:
        task: The task.
        mode: What the run is for.
        scope: The accounts that it is about, besides those that have an assignment.
        assignments: What to act on, by account.
        credentials: Which credentials a plan may list.
        executed_plan: The run of the plan that it executes.
        expires_at: From when on no batch may make changes.
        requested_by: The requester, as the input states.
    """

    task: Task
    mode: Mode
    scope: Scope
    assignments: Mapping[str, Assignment]
    credentials: CredentialSelection = field(default_factory=CredentialSelection)
    executed_plan: str | None = None
    expires_at: datetime | None = None
    requested_by: str | None = None

    @classmethod
    def of_request(
        cls, request: Request, *, assignments: Iterable[Assignment], started_at: datetime
    ) -> Order:
        """Return what an audit or a plan is to do."""
        return cls(
            task=request.task,
            mode=Mode.PLAN if DEFINITIONS[request.task].makes_changes else Mode.AUDIT,
            scope=request.scope,
            assignments={assignment.account_id: assignment for assignment in assignments},
            credentials=request.scope.credential_selection(started_at),
            requested_by=request.requested_by,
        )

    @property
    def full(self) -> bool:
        """Whether it is an audit of every account of the organization."""
        return self.task is Task.AUDIT and self.scope.full

    @property
    def selection(self) -> Selection:
        """The accounts to read: those that it is about, and those that it excludes by their IDs."""
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
    members: Mapping[str, Member]
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

    def work(self, run: Run, *, denials: tuple[Denial, ...] = ()) -> Work:
        """Return the work of the run's batches.

        Args:
            run: The run.
            denials: The accounts in which policies deny the task.
        """
        return Work(
            run_id=run.run_id,
            task=run.task,
            mode=run.mode,
            batches=tuple(tuple(map(self.order.assignment, batch)) for batch in run.batches),
            credentials=self.order.credentials,
            expires_at=self.order.expires_at,
            execution_arn=self.execution.arn,
            denials=denials,
        )


def prepare(
    directory: MemberDirectory,
    order: Order,
    *,
    execution: Execution,
    protected_accounts: frozenset[str] = frozenset(),
    on_page: Callable[[OrganizationContext, Mapping[str, Member]], None] | None = None,
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
    excluded = order.scope.account_exclusions | directory.in_units(order.scope.unit_exclusions).keys()
    return Preparation(
        order=order,
        execution=execution,
        account_id=directory.aws.account_id,
        organization=organization,
        members={id_: member for id_, member in members.items() if id_ not in excluded},
        gone=tuple(absent),
        protected_accounts=protected_accounts,
    )


def with_unit_names(prepared: Preparation, directory: MemberDirectory) -> Preparation:
    """Return a run with the names of its accounts' units, if these can be read in time."""
    members = directory.with_unit_names(prepared.members, whole=prepared.order.scope.all_accounts)
    return replace(prepared, members=members)


def batches_of(ids: list[str], mode: Mode) -> tuple[tuple[str, ...], ...]:
    """Return the accounts of each batch of a run."""
    largest = min(_MAX_ACCOUNTS_PER_BATCH[mode], math.ceil(len(ids) / _MIN_BATCHES))
    size = max(ACCOUNTS_PER_BATCH[mode], largest, math.ceil(len(ids) / _MAX_BATCHES))
    return tuple(tuple(ids[first : first + size]) for first in range(0, len(ids), size))
