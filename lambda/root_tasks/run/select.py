"""The beginning of a run: whether it may start, in which accounts it acts, and in which batches."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_calls.failures import CallError

from ..aws.storage import ChecksumMismatchError
from ..messages import LEFT, backup_refused, could_not_select, not_members, run_id_used
from ..model.codec import DecodingError
from ..model.report import ItemType, Task
from ..model.run import Account, Assignment, Mode, Restore, Run, Target, Work
from .accounts import in_scope, selected
from .request import Request, parsed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ..aws.storage import Storage
    from .accounts import Administration, Directory
    from .plans import Execution, Plans

# What dies with a batch is unknown: where a run acts that is to be little.
_ACCOUNTS_IN_A_BATCH = {Mode.AUDIT: 25, Mode.PLAN: 25, Mode.EXECUTE: 5}
_POLICIES = {
    Task.UNLOCK_BUCKET_POLICY: ItemType.BUCKET_POLICY,
    Task.UNLOCK_QUEUE_POLICY: ItemType.QUEUE_POLICY,
}


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Starts runs.

    Attributes:
        directory: the organization.
        storage: the bucket.
        plans: the plans that can be executed.
        account_id: the account that the run is made from.
        tasks: the tasks that the stack was deployed with.
        protected_accounts: the accounts that no task is performed in.
        allow_policy_override: whether a policy may be given as text.
    """

    directory: Directory
    storage: Storage
    plans: Plans
    account_id: str
    tasks: tuple[Task, ...]
    protected_accounts: frozenset[str]
    allow_policy_override: bool

    def begun(self, given: object, *, execution: Execution) -> dict[str, Any]:
        """Starts the run that an execution's input asks for.

        Args:
            given: the input.
            execution: the execution.

        Returns:
            What the state machine has to know. There are no names in it.

        Raises:
            RunRefusedError: the run is not to start.
        """
        request = parsed(given, tasks=self.tasks, allow_policy_override=self.allow_policy_override)
        try:
            return self._begun(request, execution)
        except CallError as error:
            raise could_not_select(error.failure, account_id=self.account_id) from error

    def _begun(self, request: Request, execution: Execution) -> dict[str, Any]:
        administration = self.directory.administration(request.task)
        mode = _mode(request)
        assignments = {it.account_id: it for it in self._assignments(request, execution)}
        accounts = self._accounts(request, administration, named={*request.account_ids, *assignments})
        acted_on = [account.account_id for account in accounts if not account.skip_reason]
        size = _ACCOUNTS_IN_A_BATCH[mode]
        run = self.storage.runs.create_run(
            Run(
                run_id=execution.name,
                execution_arn=execution.arn,
                task=request.task,
                mode=mode,
                executed_plan=request.execute,
                full=request.everywhere and mode is Mode.AUDIT,
                organization_id=administration.organization_id,
                management_account_id=administration.management_account_id,
                account_id=self.account_id,
                started_at=execution.started_at,
                accounts=accounts,
                batches=tuple(
                    tuple(acted_on[first : first + size]) for first in range(0, len(acted_on), size)
                ),
            )
        )
        # The ARN is made of the name, which Step Functions lets be used again after 90 days.
        if (run.execution_arn, run.started_at) != (execution.arn, execution.started_at):
            raise run_id_used(run.run_id)
        work = Work(
            run_id=run.run_id,
            task=run.task,
            mode=run.mode,
            batches=tuple(
                tuple(assignments.get(id_, Assignment(account_id=id_)) for id_ in batch)
                for batch in run.batches
            ),
        )
        return {
            "runId": run.run_id,
            "task": run.task,
            "workSha256": self.storage.runs.write_work(work),
            "batches": len(run.batches),
            "itemsKey": self.storage.runs.write_items(
                run.run_id, json.dumps([{"batch": number} for number in range(len(run.batches))]).encode()
            ),
        }

    def _assignments(self, request: Request, execution: Execution) -> Iterable[Assignment]:
        if request.execute:
            return self.plans.to_execute(request.execute, task=request.task, execution=execution).assignments
        return request.assignments or self._put_backs(request)

    def _put_backs(self, request: Request) -> Iterable[Assignment]:
        by_account: dict[str, list[Target]] = {}
        for put_back in request.put_back:
            try:
                backup = self.storage.backups.read(put_back.reference)
            except CallError as error:
                if error.failure.name not in ("NoSuchKey", "AccessDenied"):
                    raise
                raise backup_refused(put_back.reference, "there is no such backup.") from error
            except ChecksumMismatchError as error:
                raise backup_refused(put_back.reference, "it was altered after it was made.") from error
            except DecodingError as error:
                raise backup_refused(put_back.reference, "it is no backup.") from error
            if backup.type is not _POLICIES[request.task]:
                raise backup_refused(
                    put_back.reference, f"it is of a {backup.type}, and the task is {request.task}."
                )
            by_account.setdefault(backup.account_id, []).append(
                Target(
                    type=backup.type,
                    id=backup.id,
                    region=backup.region,
                    restore=Restore(
                        reference=put_back.reference, policy=put_back.policy or backup.policy
                    ),
                )
            )
        return [
            Assignment(account_id=account_id, targets=tuple(targets))
            for account_id, targets in by_account.items()
        ]

    def _accounts(
        self, request: Request, administration: Administration, *, named: Collection[str]
    ) -> tuple[Account, ...]:
        members = in_scope(request, self.directory, named=named)
        strangers = sorted(set(named) - set(members))
        if strangers and not request.execute:
            raise not_members(strangers, organization_id=administration.organization_id)
        accounts = (
            *selected(
                members.values(),
                management_account_id=administration.management_account_id,
                protected_accounts=self.protected_accounts,
            ),
            *(Account(account_id=id_, skip_reason=LEFT) for id_ in strangers),
        )
        return tuple(sorted(accounts, key=lambda account: account.account_id))


def _mode(request: Request) -> Mode:
    if request.task is Task.AUDIT:
        return Mode.AUDIT
    return Mode.EXECUTE if request.execute else Mode.PLAN
