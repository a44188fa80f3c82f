"""The start of a run: whether it can start, in which accounts it acts, and in which batches."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_calls.failures import CallError

from ..aws.storage import ChecksumMismatchError
from ..messages import NO_LONGER_A_MEMBER, RefusalReason, RunRefusedError
from ..model.codec import DecodingError
from ..model.report import Task
from ..model.run import Account, Assignment, Mode, Restore, Run, Target, Work
from ..tasks import DEFINITIONS
from .accounts import accounts_in_scope, classify
from .request import parse_request

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ..aws.storage import Storage
    from ..model.run import Backup
    from ..tasks.scope import RestoreRequest
    from .accounts import MemberDirectory, OrganizationContext
    from .plans import Execution, Plans
    from .request import Request

# A batch that dies takes its results with it. Where a run only reads, that is cheap; where it makes changes,
# each account of the batch is unknown and has to be audited.
_MAX_ACCOUNTS_PER_BATCH = {Mode.AUDIT: 25, Mode.PLAN: 25, Mode.EXECUTE: 5}


@dataclass(frozen=True, kw_only=True)
class RunStarter:
    """Starts runs.

    Attributes:
        directory: The organization.
        storage: The bucket.
        plans: The plans that can be executed.
        account_id: The account that runs the task.
        tasks: The tasks of the stack.
        protected_accounts: The accounts that are excluded from every task.
        allow_policy_override: Whether the input may give a corrected policy.
    """

    directory: MemberDirectory
    storage: Storage
    plans: Plans
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
            partition=execution.arn.split(":")[1],
        )
        try:
            return self._start(request, execution)
        except CallError as error:
            raise RunRefusedError(
                RefusalReason.CALL_FAILED, failure=error.failure, account_id=self.account_id
            ) from error

    def _start(self, request: Request, execution: Execution) -> dict[str, Any]:
        organization = self.directory.find_organization(request.task)
        assignments = {it.account_id: it for it in self._assignments(request, execution)}
        accounts = self._accounts(request, organization, named={*request.scope.account_ids, *assignments})
        run = self._create_run(request, execution, organization=organization, accounts=accounts)
        work = Work(
            run_id=run.run_id,
            task=run.task,
            mode=run.mode,
            credentials=request.scope.credential_selection(run.started_at),
            batches=tuple(
                tuple(assignments.get(id_, Assignment(account_id=id_)) for id_ in batch)
                for batch in run.batches
            ),
        )
        items = json.dumps([{"batch": number} for number in range(len(run.batches))])
        return {
            "runId": run.run_id,
            "task": run.task,
            "workSha256": self.storage.runs.write_work(work),
            "batches": len(run.batches),
            "itemsKey": self.storage.runs.write_items(run.run_id, items.encode()),
        }

    def _create_run(
        self,
        request: Request,
        execution: Execution,
        *,
        organization: OrganizationContext,
        accounts: tuple[Account, ...],
    ) -> Run:
        mode = _mode(request)
        run = self.storage.runs.create_run(
            Run(
                run_id=execution.name,
                execution_arn=execution.arn,
                task=request.task,
                mode=mode,
                executed_plan=request.plan,
                full=request.task is Task.AUDIT and request.scope.all_accounts,
                organization_id=organization.organization_id,
                management_account_id=organization.management_account_id,
                account_id=self.account_id,
                started_at=execution.started_at,
                accounts=accounts,
                batches=_batches(accounts, size=_MAX_ACCOUNTS_PER_BATCH[mode]),
            )
        )
        # An ARN has only the name, and Step Functions allows the same name again after 90 days.
        if (run.execution_arn, run.started_at) != (execution.arn, execution.started_at):
            raise RunRefusedError(RefusalReason.NAME_ALREADY_USED, run_id=run.run_id)
        return run

    def _assignments(self, request: Request, execution: Execution) -> Iterable[Assignment]:
        if request.plan:
            return self.plans.find(request.plan, task=request.task, execution=execution).assignments
        return request.scope.assignments or self._restore_assignments(request)

    def _restore_assignments(self, request: Request) -> Iterable[Assignment]:
        by_account: dict[str, list[Target]] = {}
        for restore in request.scope.restores:
            backup = self._backup(restore, task=request.task)
            target = Target(
                type=backup.type,
                id=backup.id,
                region=backup.region,
                restore=Restore(
                    reference=restore.reference,
                    policy=restore.policy_override or backup.policy,
                    corrected=restore.policy_override is not None,
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

    def _accounts(
        self, request: Request, organization: OrganizationContext, *, named: Collection[str]
    ) -> tuple[Account, ...]:
        members = accounts_in_scope(request.scope, self.directory, named=named)
        strangers = sorted(set(named) - set(members))
        if strangers and not request.plan:
            raise RunRefusedError(
                RefusalReason.NOT_MEMBERS, account_ids=strangers, organization_id=organization.organization_id
            )
        accounts = (
            *classify(
                members.values(),
                management_account_id=organization.management_account_id,
                protected_accounts=self.protected_accounts,
            ),
            *(Account(account_id=id_, skip_reason=NO_LONGER_A_MEMBER) for id_ in strangers),
        )
        return tuple(sorted(accounts, key=lambda account: account.account_id))


def _mode(request: Request) -> Mode:
    if not DEFINITIONS[request.task].makes_changes:
        return Mode.AUDIT
    return Mode.EXECUTE if request.plan else Mode.PLAN


def _batches(accounts: Iterable[Account], *, size: int) -> tuple[tuple[str, ...], ...]:
    ids = [account.account_id for account in accounts if account.skip_reason is None]
    return tuple(tuple(ids[first : first + size]) for first in range(0, len(ids), size))
