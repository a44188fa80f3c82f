"""The start of a run: whether it can start, in which accounts it acts, and in which batches."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from aws_calls.failures import CallError

from ..aws.stores import ChecksumMismatchError, RunIdUsedError
from ..messages import NO_LONGER_A_MEMBER
from ..model.codec import DecodingError
from ..model.report import Task
from ..model.run import Account, Assignment, Mode, Restore, Run, Target, Work
from ..policies.preflight import CheckedAccounts
from ..refusals import RefusalReason, RunRefusedError
from ..tasks import DEFINITIONS
from ..tasks.scope import Scope, assignments_of
from .accounts import Watcher, classify
from .backup_origins import run_id_of
from .order import Order
from .plans import parse_plan_request
from .request import parse_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ..aws.stores import Storage
    from ..model.run import Backup, Member
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


class Early:
    """Looks into accounts while others are still listed. This one does not: each batch looks into its own."""

    def offer(self, members: Mapping[str, Member]) -> None:
        """Take accounts that were just listed."""

    def begin(self, accessible: Callable[[Mapping[str, Member]], Iterable[str]]) -> None:
        """Begin, now that the task is possible.

        Args:
            accessible: Returns in which of some accounts the task may run.
        """

    def end(self) -> None:
        """Take note that every account was offered, and return once it is known which may be looked into."""


@dataclass(frozen=True, kw_only=True)
class _Starter:
    directory: MemberDirectory
    preflight: PolicyPreflight
    storage: Storage
    account_id: str
    protected_accounts: frozenset[str]
    root_email_domains: frozenset[str] = frozenset()
    early: Early = field(default_factory=Early)

    def _store(self, order: Order, *, execution: Execution, preflight: PendingPreflight) -> dict[str, Any]:
        """Store a run and its work, and return what the state machine holds of them."""
        selection = order.selection
        organization, members = self.directory.survey(
            order.task, selection, watcher=self._watcher(order, preflight)
        )
        # Who excludes an account that does not exist has mistyped one that does.
        absent = sorted(selection.account_ids - members.keys())
        if absent and order.mode is not Mode.EXECUTE:
            raise RunRefusedError(
                RefusalReason.NOT_MEMBERS, account_ids=absent, organization_id=organization.organization_id
            )
        excluded = order.scope.account_exclusions | self.directory.ids_in_units(order.scope.unit_exclusions)
        members = {id_: member for id_, member in members.items() if id_ not in excluded}
        # The names of the units are read while the policies are.
        preflight.read(self._accounts_to_check(order, organization, members).unit_ids)
        members = self.directory.with_unit_names(members, whole=selection.all_accounts)
        accounts = self._classify(order, organization, members)
        self.early.end()
        found = preflight.findings(
            replace(
                self._accounts_to_check(order, organization, members),
                account_count=len(members) if selection.all_accounts else None,
                target_names=self.directory.target_names(members),
            )
        )
        gone = [Account(account_id=id_, skip_reason=NO_LONGER_A_MEMBER) for id_ in absent]
        accounts = tuple(
            replace(account, note=found.notes.get(account.account_id, account.note))
            for account in sorted((*accounts, *gone), key=lambda account: account.account_id)
        )
        run = Run(
            run_id=execution.name,
            execution_arn=execution.arn,
            task=order.task,
            action=order.action,
            mode=order.mode,
            executed_plan=order.executed_plan,
            full=order.task is Task.AUDIT and order.scope.full,
            organization_id=organization.organization_id,
            management_account_id=organization.management_account_id,
            account_id=self.account_id,
            started_at=execution.started_at,
            preflight=found.preflight,
            requested_by=order.requested_by,
            root_email_domains=tuple(sorted(self.root_email_domains)) if order.task is Task.AUDIT else (),
            accounts=accounts,
            batches=_batches(_accessible_ids(accounts), mode=order.mode),
        )
        work = Work(
            run_id=run.run_id,
            task=order.task,
            mode=order.mode,
            batches=tuple(tuple(map(order.assignment, batch)) for batch in run.batches),
            credentials=order.credentials,
            expires_at=order.expires_at,
            execution_arn=execution.arn,
            denials=found.denials,
        )
        runs = self.storage.executions if order.mode is Mode.EXECUTE else self.storage.runs
        try:
            run_sha256 = runs.write_run(run)
        except RunIdUsedError as error:
            raise RunRefusedError(RefusalReason.NAME_ALREADY_USED, run_id=run.run_id) from error
        return {
            "runId": run.run_id,
            "task": run.task,
            "runSha256": run_sha256,
            "workSha256": runs.write_work(work),
            "batches": list(range(len(run.batches))),
        }

    def _watcher(self, order: Order, preflight: PendingPreflight) -> Watcher:
        def begin(organization: OrganizationContext) -> None:
            self.early.begin(
                lambda members: preflight.find_accessible(
                    self._accounts_to_check(order, organization, members)
                )
            )

        # While the accounts are listed, nobody knows which of them are left out.
        return Watcher(possible=begin, found=self.early.offer if order.scope.full else lambda members: None)  # noqa: ARG005

    def _accounts_to_check(
        self, order: Order, organization: OrganizationContext, members: Mapping[str, Member]
    ) -> CheckedAccounts:
        return CheckedAccounts(
            mode=order.mode,
            assignments=[
                order.assignment(id_) for id_ in _accessible_ids(self._classify(order, organization, members))
            ],
            members=members,
            organization_id=organization.organization_id,
            account_count=None,
            # While everybody is listed, the names come with what each policy is attached to.
            target_names={},
            credentials=order.credentials,
        )

    def _classify(
        self, order: Order, organization: OrganizationContext, members: Mapping[str, Member]
    ) -> tuple[Account, ...]:
        return classify(
            (member.account for member in members.values()),
            management_account_id=organization.management_account_id,
            protected_accounts=self.protected_accounts,
            audits=order.task is Task.AUDIT,
        )


@dataclass(frozen=True, kw_only=True)
class RunStarter(_Starter):
    """Starts runs that look: audits and plans.

    Attributes:
        directory: The organization.
        preflight: What the organization's policies let root sessions do.
        storage: The bucket.
        backup_origins: Which backups runs have made.
        account_id: The account that runs the task.
        tasks: The tasks of the stack.
        protected_accounts: The accounts in which no run makes changes.
        root_email_domains: The domains that the e-mail addresses of root users may have; empty: any.
        early: Looks into accounts while others are listed.
        allow_policy_override: Whether the input may give a corrected policy.
    """

    backup_origins: BackupOrigins
    tasks: tuple[Task, ...]
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
        scope = request.scope
        with (
            _refuse_failed_calls(self.account_id),
            self.preflight.begin(request.task, whole=scope.all_accounts) as preflight,
        ):
            order = Order(
                task=request.task,
                mode=Mode.PLAN if DEFINITIONS[request.task].makes_changes else Mode.AUDIT,
                scope=scope,
                assignments={assignment.account_id: assignment for assignment in self._assignments(request)},
                credentials=scope.credential_selection(execution.started_at),
                requested_by=request.requested_by,
            )
            return self._store(order, execution=execution, preflight=preflight)

    def _assignments(self, request: Request) -> Iterable[Assignment]:
        return request.scope.assignments or self._restore_assignments(request)

    def _restore_assignments(self, request: Request) -> Iterable[Assignment]:
        restores = request.scope.restores
        backups = [self._backup(restore, task=request.task) for restore in restores]
        notes = self.backup_origins.notes(restore.reference for restore in restores)
        targets = [
            Target(
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
            for restore, backup in zip(restores, backups, strict=True)
        ]
        return assignments_of(zip((backup.account_id for backup in backups), targets, strict=True))

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
class ExecutionStarter(_Starter):
    """Starts runs that act: each executes a plan.

    Attributes:
        directory: The organization.
        preflight: What the organization's policies let root sessions do.
        storage: The bucket.
        plans: The plans that can be executed.
        account_id: The account that runs the task.
        protected_accounts: The accounts in which no run makes changes.
        early: Looks into accounts while others are listed.
    """

    plans: Plans

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
            with self.preflight.begin(found.plan.task, whole=False) as preflight:
                return self._start(found, execution, preflight, requested_by=request.requested_by)

    def _start(
        self,
        found: FoundPlan,
        execution: Execution,
        preflight: PendingPreflight,
        *,
        requested_by: str | None,
    ) -> dict[str, Any]:
        plan = found.plan
        order = Order(
            task=plan.task,
            mode=Mode.EXECUTE,
            scope=Scope(),
            assignments={assignment.account_id: assignment for assignment in plan.assignments},
            executed_plan=plan.run_id,
            expires_at=found.expires_at,
            requested_by=requested_by,
        )
        stored = self._store(order, execution=execution, preflight=preflight)
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


def _batches(ids: list[str], *, mode: Mode) -> tuple[tuple[str, ...], ...]:
    largest = min(_MAX_ACCOUNTS_PER_BATCH[mode], math.ceil(len(ids) / _MIN_BATCHES))
    size = max(_ACCOUNTS_PER_BATCH[mode], largest, math.ceil(len(ids) / _MAX_BATCHES))
    return tuple(tuple(ids[first : first + size]) for first in range(0, len(ids), size))
