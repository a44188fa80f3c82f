"""A run's preparation: its work, accounts and batches. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from root_access.organization import OrganizationIdentity

from ..aws.executions import Execution
from ..messages import (
    MANAGEMENT_ACCOUNT,
    NO_LONGER_A_MEMBER,
    PROTECTED,
    skip_reason_for_state,
)
from ..model.report_schema import Task
from ..model.run_documents import (
    AcceptedCredentials,
    Account,
    Assignment,
    CredentialSelection,
    Mode,
    Plan,
    Run,
    Work,
)
from ..refusals import RefusalReason, RunRefusedError
from ..report.accepted import is_over
from ..tasks import DEFINITIONS
from ..tasks.request import Request
from ..tasks.task_input import end_of_recovery

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
    request: Request,
    *,
    execution: Execution,
    account_id: str,
    organization: OrganizationIdentity,
    members: Mapping[str, Account],
    plan: Plan | None = None,
    expires_at: datetime | None = None,
    protected_accounts: Collection[str] = (),
    accepted_credentials: tuple[AcceptedCredentials, ...] = (),
) -> tuple[Run, Work]:
    """Return a run and the work of its batches. Neither is stored yet.

    Args:
        request: What the run is to do.
        execution: Its execution.
        account_id: The account that it runs in.
        organization: The organization.
        members: The accounts that it is about, by their IDs, as far as these are members.
        plan: The plan that it executes.
        expires_at: When no batch may make changes any longer.
        protected_accounts: The accounts in which no run makes changes.
        accepted_credentials: What stays on purpose.
    """
    task, mode = request.task, _mode(request, plan)

    # The accounts, and those among them in which the task runs. One of a plan may have left since.
    accounts = with_skip_reasons(
        members.values(),
        management_account_id=organization.management_account_id,
        protected_accounts=frozenset(protected_accounts),
        audits=task is Task.AUDIT,
    )
    assigned = {assignment.account_id: assignment for assignment in request.assignments}
    gone = assigned.keys() - members.keys()
    accounts += tuple(Account(account_id=id_, skip_reason=NO_LONGER_A_MEMBER) for id_ in gone)
    in_order = tuple(sorted(accounts, key=lambda account: account.account_id))
    possible = [account.account_id for account in in_order if account.skip_reason is None]
    batches = batches_of(possible, mode)

    # The run, with names: for the report.
    selection = None
    if task is Task.DELETE:
        selection = request.selection
    until, open_hours = None, None
    if request.until is not None:
        until, open_hours = end_of_recovery(request.until, now=execution.started_at)
    run = Run(
        run_id=execution.name,
        execution_arn=execution.arn,
        task=task,
        sets_policy=any(assignment.sets_policy for assignment in request.assignments),
        mode=mode,
        full=request.full,
        organization_id=organization.organization_id,
        management_account_id=organization.management_account_id,
        account_id=account_id,
        started_at=execution.started_at,
        requested_by=request.requested_by,
        reason=request.reason,
        until=until,
        open_hours=open_hours,
        selection=selection,
        accepted_credentials=accepted_credentials,
        accounts=in_order,
        batches=batches,
    )
    if plan is not None:
        run = replace(
            run,
            executed_plan=plan.run_id,
            planned_by=plan.requested_by,
            selection=plan.selection,
            until=plan.end_of_recovery(execution.started_at),
        )

    # Its work, without names: for the functions that run the batches.
    assignments = {id_: assigned.get(id_, Assignment(account_id=id_)) for id_ in possible}
    work = Work(
        run_id=execution.name,
        task=task,
        mode=mode,
        batches=tuple(tuple(assignments[id_] for id_ in ids) for ids in batches),
        credentials=_credential_selection(request, execution.started_at, accepted_credentials),
        expires_at=expires_at,
        execution_arn=execution.arn,
        other_address=_accounts_with_other_address(plan, members),
    )
    return run, work


def _credential_selection(
    request: Request, started_at: datetime, accepted_credentials: Iterable[AcceptedCredentials]
) -> CredentialSelection:
    """Return which credentials a plan of a run that started at this time may list."""
    selection = request.selection
    in_use_since = None
    if selection.unused_for_days is not None:
        in_use_since = started_at - timedelta(days=selection.unused_for_days)
    overdue = [
        entry.target_id
        for entry in accepted_credentials
        if entry.recovered and is_over(entry, started_at)
    ]
    return CredentialSelection(
        types=selection.credential_types, in_use_since=in_use_since, overdue=tuple(overdue)
    )


def with_skip_reasons(
    members: Iterable[Account],
    *,
    management_account_id: str,
    protected_accounts: Collection[str] = (),
    audits: bool,
) -> tuple[Account, ...]:
    """Return accounts, each with the reason to skip it, if there is one.

    Args:
        members: The accounts.
        management_account_id: The management account.
        protected_accounts: The accounts in which no run makes changes.
        audits: Whether they are audited, which skips no protected account.
    """
    classified = []
    for account in members:
        protected = account.account_id in protected_accounts
        skip_reason = None
        if account.account_id == management_account_id:
            skip_reason = MANAGEMENT_ACCOUNT
        elif protected and not audits:
            skip_reason = PROTECTED
        elif account.state != "ACTIVE":
            skip_reason = skip_reason_for_state(account.state or "unknown")
        classified.append(replace(account, skip_reason=skip_reason, protected=protected))
    return tuple(classified)


def _accounts_with_other_address(
    plan: Plan | None, members: Mapping[str, Account]
) -> tuple[str, ...]:
    """Return the accounts whose root user has another e-mail address than the plan has shown.

    Nothing is recovered in them: no one has approved that this mailbox can reset the password.
    """
    if plan is None:
        return ()
    return tuple(
        address.account_id
        for address in plan.addresses
        if address.account_id in members and members[address.account_id].email != address.email
    )


def require_members(
    request: Request, *, organization: OrganizationIdentity, members: Mapping[str, Account]
) -> None:
    """Refuse a typo: each account that a request names or leaves out has to be a member.

    Args:
        request: The request.
        organization: The organization.
        members: The members among its accounts, by their IDs.

    Raises:
        RunRefusedError: One is not.
    """
    absent = sorted(request.member_ids - members.keys())
    if absent:
        raise RunRefusedError(
            RefusalReason.NOT_MEMBERS,
            account_ids=absent,
            organization_id=organization.organization_id,
        )


def _mode(request: Request, plan: Plan | None) -> Mode:
    """Return the purpose of a run: a task that makes changes is planned before it is executed."""
    if plan is not None:
        return Mode.EXECUTE
    if DEFINITIONS[request.task].makes_changes:
        return Mode.PLAN
    return Mode.AUDIT


def batches_of(account_ids: list[str], mode: Mode) -> tuple[tuple[str, ...], ...]:
    """Return the accounts of each batch of a run.

    For example, an audit of 30 accounts has a batch of 25 and one of 5, and an audit of 10,000
    accounts has 100 batches of 100.
    """
    # Large batches are cheap, but too few of them would not run in parallel. Too many would not
    # fit into the state of the state machine.
    accounts = len(account_ids)
    cheapest = min(_MAX_ACCOUNTS_PER_BATCH[mode], math.ceil(accounts / _MIN_BATCHES))
    size = max(ACCOUNTS_PER_BATCH[mode], cheapest, math.ceil(accounts / _MAX_BATCHES))
    return tuple(tuple(account_ids[first : first + size]) for first in range(0, accounts, size))
