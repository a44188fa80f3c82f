"""The start of a run: whether it can start, in which accounts it acts, and in which batches."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_calls.failures import CallError

from ..aws.storage import ChecksumMismatchError, RunIdUsedError
from ..messages import NO_LONGER_A_MEMBER, RefusalReason, RunRefusedError
from ..model.codec import DecodingError
from ..model.report import Task
from ..model.run import Account, Assignment, CredentialSelection, Mode, Restore, Run, Target, Work
from ..tasks import DEFINITIONS
from ..tasks.scope import Scope
from .accounts import accounts_in_scope, classify
from .backup_origins import run_id_of
from .plans import parse_plan_request
from .request import parse_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from ..aws.storage import RunStore, Storage
    from ..model.report import Preflight
    from ..model.run import Backup, Denial
    from ..policies.preflight import PendingPreflight, PolicyPreflight
    from ..tasks.scope import RestoreRequest
    from .accounts import MemberDirectory, OrganizationContext
    from .backup_origins import BackupOrigins
    from .plans import Execution, FoundPlan, Plans
    from .request import Request

# A batch that dies takes its results with it. Where a run only reads, that is cheap; where it makes changes,
# each account of the batch is unknown and has to be audited.
_ACCOUNTS_PER_BATCH = {Mode.AUDIT: 25, Mode.PLAN: 25, Mode.EXECUTE: 5}
# Most of the price of an audit is that of the state machine's transitions, three a batch. A batch looks into
# 25 accounts at once: so many take four times as long, which is still seconds.
_MAX_ACCOUNTS_PER_BATCH = {**_ACCOUNTS_PER_BATCH, Mode.AUDIT: 100, Mode.PLAN: 100}
# Fewer batches than run in parallel would make a small organization wait.
_MIN_BATCHES = 10
# The state machine holds the hash of each batch's result: 2,000 of them take 190 KB of the 256 KB of a state.
_MAX_BATCHES = 2000


@dataclass(frozen=True, kw_only=True)
class RunStarter:
    """Starts runs that look: audits and plans.

    Attributes:
        directory: The organization.
        preflight: What the organization's policies let root sessions do.
        storage: The bucket.
        backup_origins: Which backups runs have made.
        account_id: The account that runs the task.
        tasks: The tasks of the stack.
        protected_accounts: The accounts that are excluded from every task.
        allow_policy_override: Whether the input may give a corrected policy.
    """

    directory: MemberDirectory
    preflight: PolicyPreflight
    storage: Storage
    backup_origins: BackupOrigins
    account_id: str
    tasks: tuple[Task, ...]
    protected_accounts: frozenset[str]
    allow_policy_override: bool

    def start(self, input_: object, *, execution: Execution) -> dict[str, Any]:
        """Start the run that an execution's input asks for.

        Args:
            input_: The input.
            execution: The execution.

        Returns:
            What the state machine needs. It has no names.

        Raises:
            RunRefusedError: The run cannot start.
        """
        request = parse_request(
            input_,
            tasks=self.tasks,
            allow_policy_override=self.allow_policy_override,
            # The state machine is in the function's own partition.
            partition=execution.partition,
        )
        with _refuse_failed_calls(self.account_id), self.preflight.begin(request.task) as preflight:
            return self._start(request, execution, preflight)

    def _start(self, request: Request, execution: Execution, preflight: PendingPreflight) -> dict[str, Any]:
        scope = request.scope
        organization, everybody = self.directory.survey(request.task, whole=scope.all_accounts)
        assignments = {it.account_id: it for it in self._assignments(request)}
        named = {*scope.account_ids, *assignments}
        members = accounts_in_scope(scope, self.directory, everybody, named=named)
        if strangers := sorted(named - set(members)):
            raise RunRefusedError(
                RefusalReason.NOT_MEMBERS, account_ids=strangers, organization_id=organization.organization_id
            )
        mode = Mode.PLAN if DEFINITIONS[request.task].makes_changes else Mode.AUDIT
        accounts = classify(
            (member.account for member in members.values()),
            management_account_id=organization.management_account_id,
            protected_accounts=self.protected_accounts,
        )
        credentials = scope.credential_selection(execution.started_at)
        checked, denials = preflight.find_denials(
            mode,
            [assignments.get(id_, Assignment(account_id=id_)) for id_ in _accessible_ids(accounts)],
            members=members,
            organization_id=organization.organization_id,
            account_count=len(everybody),
            credentials=credentials,
        )
        return _store_run(
            self.storage.runs,
            task=request.task,
            mode=mode,
            full=request.task is Task.AUDIT and scope.all_accounts,
            execution=execution,
            organization=organization,
            account_id=self.account_id,
            accounts=accounts,
            assignments=assignments,
            preflight=checked,
            denials=denials,
            credentials=credentials,
        )

    def _assignments(self, request: Request) -> Iterable[Assignment]:
        return request.scope.assignments or self._restore_assignments(request)

    def _restore_assignments(self, request: Request) -> Iterable[Assignment]:
        by_account: dict[str, list[Target]] = {}
        restores = request.scope.restores
        backups = [self._backup(restore, task=request.task) for restore in restores]
        notes = self.backup_origins.notes(restore.reference for restore in restores)
        for restore, backup in zip(restores, backups, strict=True):
            target = Target(
                type=backup.type,
                id=backup.id,
                region=backup.region,
                restore=Restore(
                    reference=restore.reference,
                    policy=restore.policy_override or backup.policy,
                    corrected=restore.policy_override is not None,
                    note=notes[restore.reference],
                ),
            )
            by_account.setdefault(backup.account_id, []).append(target)
        return [
            Assignment(account_id=account_id, targets=tuple(targets))
            for account_id, targets in by_account.items()
        ]

    def _backup(self, restore: RestoreRequest, *, task: Task) -> Backup:
        reference = restore.reference
        try:
            backup = self.storage.backups.read(reference)
        except CallError as error:
            # Without permission to list the bucket, S3 denies what does not exist.
            if error.failure.name not in ("NoSuchKey", "AccessDenied"):
                raise
            raise RunRefusedError(RefusalReason.BACKUP_NOT_FOUND, reference=reference) from error
        except ChecksumMismatchError as error:
            raise RunRefusedError(RefusalReason.BACKUP_ALTERED, reference=reference) from error
        except DecodingError as error:
            raise RunRefusedError(RefusalReason.NOT_A_BACKUP, reference=reference) from error
        if backup.type is not DEFINITIONS[task].policy_type:
            raise RunRefusedError(
                RefusalReason.BACKUP_OF_ANOTHER_TYPE, reference=reference, type=backup.type, task=task
            )
        return backup


@dataclass(frozen=True, kw_only=True)
class ExecutionStarter:
    """Starts runs that act: each executes a plan.

    Attributes:
        directory: The organization.
        preflight: What the organization's policies let root sessions do.
        storage: The bucket.
        plans: The plans that can be executed.
        account_id: The account that runs the task.
        protected_accounts: The accounts that are excluded from every task.
    """

    directory: MemberDirectory
    preflight: PolicyPreflight
    storage: Storage
    plans: Plans
    account_id: str
    protected_accounts: frozenset[str]

    def start(self, input_: object, *, execution: Execution) -> dict[str, Any]:
        """Start the execution of the plan that an execution's input names.

        Args:
            input_: The input.
            execution: The execution.

        Returns:
            What the state machine needs. It has no names.

        Raises:
            RunRefusedError: The plan cannot be executed.
        """
        request = parse_plan_request(input_)
        with _refuse_failed_calls(self.account_id):
            self.plans.require_running(execution)
            found = self.plans.find(request, execution=execution)
            _require_backups_of_others(found, execution)
            with self.preflight.begin(found.plan.task) as preflight:
                return self._start(found, execution, preflight)

    def _start(self, found: FoundPlan, execution: Execution, preflight: PendingPreflight) -> dict[str, Any]:
        plan = found.plan
        organization, everybody = self.directory.survey(plan.task, whole=False)
        assignments = {it.account_id: it for it in plan.assignments}
        members = accounts_in_scope(Scope(), self.directory, everybody, named=assignments)
        left = [
            Account(account_id=id_, skip_reason=NO_LONGER_A_MEMBER)
            for id_ in assignments.keys() - members.keys()
        ]
        accounts = classify(
            (member.account for member in members.values()),
            management_account_id=organization.management_account_id,
            protected_accounts=self.protected_accounts,
        )
        credentials = CredentialSelection()
        checked, denials = preflight.find_denials(
            Mode.EXECUTE,
            [assignments[id_] for id_ in _accessible_ids(accounts)],
            members=members,
            organization_id=organization.organization_id,
            account_count=len(everybody),
            credentials=credentials,
        )
        stored = _store_run(
            self.storage.executions,
            task=plan.task,
            mode=Mode.EXECUTE,
            executed_plan=plan.run_id,
            full=False,
            execution=execution,
            organization=organization,
            account_id=self.account_id,
            accounts=(*accounts, *left),
            assignments=assignments,
            preflight=checked,
            denials=denials,
            credentials=credentials,
            expires_at=found.expires_at,
        )
        # The last thing that can fail: a run that cannot start does not use up the plan.
        self.plans.claim(plan.run_id, execution=execution)
        return stored


def _require_backups_of_others(found: FoundPlan, execution: Execution) -> None:
    """Refuse an execution whose report would list, as if it had made it, a backup that was there before."""
    for assignment in found.plan.assignments:
        for target in assignment.targets:
            if target.restore is not None and run_id_of(target.restore.reference) == execution.name:
                raise RunRefusedError(
                    RefusalReason.PLAN_RESTORES_BACKUP_OF_SAME_NAME,
                    run_id=found.plan.run_id,
                    name=execution.name,
                )


def _store_run(
    runs: RunStore,
    *,
    task: Task,
    mode: Mode,
    full: bool,
    execution: Execution,
    organization: OrganizationContext,
    account_id: str,
    accounts: Iterable[Account],
    assignments: Mapping[str, Assignment],
    preflight: Preflight,
    denials: tuple[Denial, ...],
    credentials: CredentialSelection,
    executed_plan: str | None = None,
    expires_at: datetime | None = None,
) -> dict[str, Any]:
    """Store a run and its work, and return what the state machine holds of them."""
    accounts = tuple(sorted(accounts, key=lambda account: account.account_id))
    run = Run(
        run_id=execution.name,
        execution_arn=execution.arn,
        task=task,
        mode=mode,
        executed_plan=executed_plan,
        full=full,
        organization_id=organization.organization_id,
        management_account_id=organization.management_account_id,
        account_id=account_id,
        started_at=execution.started_at,
        preflight=preflight,
        accounts=accounts,
        batches=_batches(accounts, size=_batch_size(mode, accounts=len(_accessible_ids(accounts)))),
    )
    work = Work(
        run_id=run.run_id,
        task=task,
        mode=mode,
        batches=tuple(
            tuple(assignments.get(id_, Assignment(account_id=id_)) for id_ in batch) for batch in run.batches
        ),
        credentials=credentials,
        expires_at=expires_at,
        denials=denials,
    )
    try:
        run_sha256 = runs.write_run(run)
    except RunIdUsedError as error:
        raise RunRefusedError(RefusalReason.NAME_ALREADY_USED, run_id=run.run_id) from error
    return {
        "runId": run.run_id,
        "task": task,
        "runSha256": run_sha256,
        "workSha256": runs.write_work(work),
        "batches": list(range(len(run.batches))),
    }


@contextmanager
def _refuse_failed_calls(account_id: str) -> Iterator[None]:
    try:
        yield
    except CallError as error:
        raise RunRefusedError(
            RefusalReason.CALL_FAILED, failure=error.failure, account_id=account_id
        ) from error


def _accessible_ids(accounts: Iterable[Account]) -> list[str]:
    return [account.account_id for account in accounts if account.skip_reason is None]


def _batch_size(mode: Mode, *, accounts: int) -> int:
    largest = min(_MAX_ACCOUNTS_PER_BATCH[mode], math.ceil(accounts / _MIN_BATCHES))
    return max(_ACCOUNTS_PER_BATCH[mode], largest)


def _batches(accounts: Iterable[Account], *, size: int) -> tuple[tuple[str, ...], ...]:
    ids = _accessible_ids(accounts)
    size = max(size, math.ceil(len(ids) / _MAX_BATCHES))
    return tuple(tuple(ids[first : first + size]) for first in range(0, len(ids), size))
