"""A run's preparation: its work, accounts and batches. Nothing here is stored."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from ..messages import NO_LONGER_A_MEMBER
from ..model.report_schema import Task
from ..model.run import Account, Assignment, Mode, Run, Work
from ..refusals import RefusalReason, RunRefusedError
from ..tasks import DEFINITIONS
from .accounts import classify

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from ..aws.executions import Execution
    from ..model.run import Plan
    from ..tasks.task_input import Request
    from .directory import MemberDirectory, OrganizationContext

# A batch that dies takes its results with it. That is cheap if the run only reads; if it makes
# changes, each account of the batch is unknown and has to be audited.
ACCOUNTS_PER_BATCH = {Mode.AUDIT: 25, Mode.PLAN: 25, Mode.EXECUTE: 5}
# Most of the price of an audit is that of the state machine's transitions, three per batch. A batch
# reads 25 accounts at once: this many take four times as long, which is still seconds.
_MAX_ACCOUNTS_PER_BATCH = {**ACCOUNTS_PER_BATCH, Mode.AUDIT: 100, Mode.PLAN: 100}
# Fewer batches than run in parallel would make a small organization wait.
_MIN_BATCHES = 10
# The state machine holds the hash of each batch's result: 2,000 of them take 190 KB of the 256 KB
# of a state.
_MAX_BATCHES = 2000


def prepare(
    directory: MemberDirectory,
    request: Request,
    *,
    execution: Execution,
    plan: Plan | None = None,
    expires_at: datetime | None = None,
    protected_accounts: Collection[str] = (),
    on_page: Callable[[OrganizationContext, Mapping[str, Account]], None] | None = None,
) -> tuple[Run, Work]:
    """Return a run and the work of its batches, if its task is possible. Neither is stored yet.

    Args:
        directory: The organization.
        request: What the run is to do.
        execution: Its execution.
        plan: The plan that it executes.
        expires_at: When no batch may make changes any longer.
        protected_accounts: The accounts in which no run makes changes.
        on_page: Gets the accounts of each page while all accounts are listed.

    Raises:
        RunRefusedError: The task is not possible, or the input names what does not exist.
        CallError: A read failed.
    """
    task, mode = request.task, _mode(request, plan)
    organization, members = directory.survey(request, on_page=on_page)
    # Excluding an account that does not exist is almost certainly a typo.
    absent = sorted(request.member_ids - members.keys())
    if absent and mode is not Mode.EXECUTE:
        raise RunRefusedError(
            RefusalReason.NOT_MEMBERS,
            account_ids=absent,
            organization_id=organization.organization_id,
        )
    excluded = (
        request.account_exclusions | directory.accounts.in_units(request.unit_exclusions).keys()
    )
    accounts = classify(
        (member for id_, member in members.items() if id_ not in excluded),
        management_account_id=organization.management_account_id,
        protected_accounts=frozenset(protected_accounts),
        audits=task is Task.AUDIT,
    )
    gone = [Account(account_id=id_, skip_reason=NO_LONGER_A_MEMBER) for id_ in absent]
    in_order = tuple(sorted((*accounts, *gone), key=lambda account: account.account_id))
    batches = batches_of(
        [account.account_id for account in in_order if account.skip_reason is None], mode
    )
    run = Run(
        run_id=execution.name,
        execution_arn=execution.arn,
        task=task,
        sets_policy=any(assignment.sets_policy for assignment in request.assignments),
        mode=mode,
        executed_plan=None if plan is None else plan.run_id,
        full=request.full,
        organization_id=organization.organization_id,
        management_account_id=organization.management_account_id,
        account_id=directory.aws.account_id,
        started_at=execution.started_at,
        requested_by=request.requested_by,
        planned_by=None if plan is None else plan.requested_by,
        selection=request.selection if mode is Mode.PLAN else None,
        accounts=in_order,
        batches=batches,
    )
    named = {assignment.account_id: assignment for assignment in request.assignments}
    work = Work(
        run_id=execution.name,
        task=task,
        mode=mode,
        batches=tuple(
            tuple(named.get(id_, Assignment(account_id=id_)) for id_ in ids) for ids in batches
        ),
        credentials=request.credential_selection(execution.started_at),
        expires_at=expires_at,
        execution_arn=execution.arn,
    )
    return run, work


def with_unit_names(run: Run, directory: MemberDirectory, *, whole: bool) -> Run:
    """Return a run with the names of its accounts' units, if these can be read in time.

    Args:
        run: The run.
        directory: The organization.
        whole: Whether its accounts are those of the whole organization: then all units are read.
    """
    members = {account.account_id: account for account in run.accounts if account.state is not None}
    named = directory.units.with_names(members, whole=whole)
    accounts = (named.get(account.account_id, account) for account in run.accounts)
    return replace(run, accounts=tuple(accounts))


def _mode(request: Request, plan: Plan | None) -> Mode:
    if plan is not None:
        return Mode.EXECUTE
    return Mode.PLAN if DEFINITIONS[request.task].makes_changes else Mode.AUDIT


def batches_of(ids: list[str], mode: Mode) -> tuple[tuple[str, ...], ...]:
    """Return the accounts of each batch of a run."""
    largest = min(_MAX_ACCOUNTS_PER_BATCH[mode], math.ceil(len(ids) / _MIN_BATCHES))
    size = max(ACCOUNTS_PER_BATCH[mode], largest, math.ceil(len(ids) / _MAX_BATCHES))
    return tuple(tuple(ids[first : first + size]) for first in range(0, len(ids), size))
