"""One invocation of a function: start a run, run a batch, or write the report."""

from __future__ import annotations

import functools
import uuid
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from aws_calls.notices import publish
from aws_calls.pace import Pace
from aws_calls.retry import RetryBudget
from aws_calls.runtime import FunctionArn

from .. import messages
from ..aws.bucket import Bucket
from ..aws.context import Aws
from ..aws.executions import was_stopped
from ..aws.sessions import Sessions
from ..aws.stores import Storage
from ..model.report import Task
from ..model.run import Assignment, BatchResult, Mode, Work
from ..policies.preflight import PolicyPreflight
from ..tasks import DEFINITIONS
from .accounts import MemberDirectory
from .backup_origins import BackupOrigins
from .batch import BatchClaimedError, BatchRunner, WrongFunctionError, finding_not_attempted
from .findings_import import import_audit
from .finish import RunFinisher
from .later_audits import LaterAudits
from .management_account import ManagementAccount
from .plans import Execution, Plans
from .start import Early, ExecutionStarter, RunStarter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor
    from datetime import datetime

    from aws_calls.notices import Notice
    from aws_calls.retry import Clock
    from aws_calls.runtime import LambdaContext

    from ..aws.clients import Clients
    from ..aws.stores import RunStore
    from ..model.report import Result
    from ..model.run import Finding
    from .settings import RunBatchSettings, StartExecutionSettings, StartRunSettings, WriteReportSettings

# A batch opens no session in its last minute: the results of its other accounts have to be stored.
_RESULT_RESERVE_SECONDS = 60.0
# A schedule's first audit may come before the new role's policy is in effect everywhere.
_NEW_PERMISSIONS_SECONDS = 60.0


class Invocation:
    """One invocation of one of the functions, with everything that it works with passed in.

    Args:
        context: Lambda's context.
        clients: The clients.
        clock: The time that waiting is measured by.
        now: The time in UTC.
        log: Writes one event, given as keyword arguments.
        outside_vpc: Whether the calls surely do not pass a VPC endpoint, as those of the functions.
        role_may_be_new: Whether a denied call may succeed soon, as those of a function may.
    """

    def __init__(
        self,
        context: LambdaContext,
        *,
        clients: Clients,
        clock: Clock,
        now: Callable[[], datetime],
        log: Callable[..., None],
        outside_vpc: bool = True,
        role_may_be_new: bool = True,
    ) -> None:
        self._started = clock.now()
        deadline = self._started + context.get_remaining_time_in_millis() / 1000
        self._aws = Aws(
            function=FunctionArn.parse(context.invoked_function_arn),
            clients=clients,
            now=now,
            log=log,
            budget=RetryBudget(clock=clock, deadline=deadline),
            outside_vpc=outside_vpc,
        )
        self._role_may_be_new = role_may_be_new

    def start_run(
        self, event: Mapping[str, Any], *, settings: StartRunSettings, early: Early | None = None
    ) -> dict[str, Any]:
        """Start the run that an execution's input asks for.

        Args:
            event: `input` and `execution`, as the state machine passes them.
            settings: The function's settings.
            early: Looks into accounts while others are listed; the functions do not.

        Returns:
            What the state machine holds: `runId`, `task`, `runSha256`, `workSha256`, `batches`.

        Raises:
            RunRefusedError: The run cannot start.
        """
        storage = self._storage(settings.bucket)
        permissions_until = self._started + _NEW_PERMISSIONS_SECONDS if self._role_may_be_new else None
        starter = RunStarter(
            directory=MemberDirectory(
                aws=self._aws.with_budget(replace(self._aws.budget, new_permissions_until=permissions_until))
            ),
            preflight=self._preflight(),
            storage=storage,
            backup_origins=BackupOrigins(aws=self._aws, executions=storage.executions),
            account_id=self._aws.account_id,
            tasks=settings.tasks,
            protected_accounts=settings.protected_accounts,
            root_email_domains=settings.root_email_domains,
            allow_policy_override=settings.allow_policy_override,
            early=early or Early(),
        )
        return self._log_start(starter.start(event["input"], execution=Execution.parse(event["execution"])))

    def start_execution(
        self, event: Mapping[str, Any], *, settings: StartExecutionSettings
    ) -> dict[str, Any]:
        """Start the execution of the plan that an execution's input names.

        Args:
            event: `input` and `execution`, as the state machine passes them.
            settings: The function's settings.

        Returns:
            What the state machine holds: `runId`, `task`, `runSha256`, `workSha256`, `batches`.

        Raises:
            RunRefusedError: The plan cannot be executed.
        """
        storage = self._storage(settings.bucket)
        starter = ExecutionStarter(
            directory=MemberDirectory(aws=self._aws),
            preflight=self._preflight(),
            storage=storage,
            plans=Plans(
                runs=storage.runs,
                aws=self._aws,
                audit_state_machine_arn=settings.audit_state_machine_arn,
                tasks=settings.tasks,
                lifetime=settings.plan_lifetime,
            ),
            account_id=self._aws.account_id,
            protected_accounts=settings.protected_accounts,
        )
        return self._log_start(starter.start(event["input"], execution=Execution.parse(event["execution"])))

    def run_batch(
        self,
        event: Mapping[str, Any],
        *,
        settings: RunBatchSettings,
        found: Mapping[str, Finding] | None = None,
    ) -> dict[str, Any]:
        """Look into the accounts of one batch. It may be done again: what counts is what is returned.

        Args:
            event: `runId`, `workSha256` and `batch`, as the state machine passes them.
            settings: The function's settings.
            found: The results of accounts that were looked into before, by account.

        Returns:
            What the state machine holds: `batch`, and the `sha256` of its result.

        Raises:
            WrongFunctionError: The work is to act.
        """
        storage = self._storage(settings.bucket)
        work = storage.runs.read_work(event["runId"], checksum=event["workSha256"])
        if work.mode is Mode.EXECUTE:
            raise WrongFunctionError(work.mode)
        return self._run_batch(storage, storage.runs, work, event["batch"], found=found or {})

    def execute_batch(self, event: Mapping[str, Any], *, settings: RunBatchSettings) -> dict[str, Any]:
        """Act in the accounts of one batch, once.

        Args:
            event: `runId`, `workSha256` and `batch`, as the state machine passes them.
            settings: The function's settings.

        Returns:
            What the state machine holds: `batch`, and the `sha256` of its result.

        Raises:
            BatchClaimedError: It may have been done before.
            WrongFunctionError: The work is not to act.
        """
        storage = self._storage(settings.bucket)
        run_id, batch = event["runId"], event["batch"]
        work = storage.executions.read_work(run_id, checksum=event["workSha256"])
        if work.mode is not Mode.EXECUTE or work.expires_at is None:
            raise WrongFunctionError(work.mode)
        # Before anything else: a batch that was started earlier may have acted, whatever the time is now.
        if not storage.executions.claim_batch(work, batch, token=uuid.uuid4().hex):
            raise BatchClaimedError(run_id=run_id, batch=batch)
        if obstacle := self._obstacle(work, work.expires_at):
            findings = tuple(
                finding_not_attempted(assignment, obstacle) for assignment in work.batches[batch]
            )
            return self._store(storage.executions, work, batch, findings)
        return self._run_batch(storage, storage.executions, work, batch)

    def _obstacle(self, work: Work, expires_at: datetime) -> str | None:
        """Return why no change may be made any longer. A redrive can run a batch days after the others."""
        if self._aws.now() > expires_at:
            return messages.EXPIRED
        return messages.STOPPED if work.execution_arn and was_stopped(self._aws, work.execution_arn) else None

    def audit_account(
        self, account_id: str, *, run_id: str, pace: Pace, executor: Executor, settings: RunBatchSettings
    ) -> Finding:
        """Look into one account, before it is known which other accounts there are.

        Args:
            account_id: The account.
            run_id: The run.
            pace: How often AssumeRoot is called for the run.
            executor: Makes the calls that are made in parallel.
            settings: The settings of a batch.
        """
        work = Work(run_id=run_id, task=Task.AUDIT, mode=Mode.AUDIT, batches=())
        runner = self._batch_runner(work, self._storage(settings.bucket), pace=pace)
        return runner.run_in_account(Assignment(account_id=account_id), executor=executor)

    def write_report(
        self,
        event: Mapping[str, Any],
        *,
        settings: WriteReportSettings,
        management_account: Callable[[str], Result] | None = None,
    ) -> dict[str, Any]:
        """Finish a run that looks, whatever came of its batches.

        Args:
            event: `runId`, `runSha256` and `results`, as the state machine passes them.
            settings: The function's settings.
            management_account: Returns what its own account has, where that is the management account; by
                default it is read now.

        Returns:
            The execution's output: `runId`, `task`, `mode`, `report`, `reportSha256`, `totals`; `planSha256`
            of a plan.
        """
        storage = self._storage(settings.bucket)
        read = management_account or self.management_account.result
        return self._finish(event, storage.runs, storage, settings, management_account=read)

    def write_execution_report(
        self, event: Mapping[str, Any], *, settings: WriteReportSettings
    ) -> dict[str, Any]:
        """Finish a run that acts, whatever came of its batches.

        Args:
            event: `runId`, `runSha256` and `results`, as the state machine passes them.
            settings: The function's settings.

        Returns:
            The execution's output: `runId`, `task`, `mode`, `report`, `reportSha256`, `totals`, `failed`,
            `summary`.
        """
        storage = self._storage(settings.bucket)
        read = self.management_account.result
        return self._finish(event, storage.executions, storage, settings, management_account=read)

    @property
    def management_account(self) -> ManagementAccount:
        """The account that this runs in, where it is the management account."""
        return ManagementAccount(aws=self._aws)

    def _run_batch(
        self,
        storage: Storage,
        runs: RunStore,
        work: Work,
        batch: int,
        *,
        found: Mapping[str, Finding] = MappingProxyType({}),
    ) -> dict[str, Any]:
        runner = replace(self._batch_runner(work, storage), found=found)
        return self._store(runs, work, batch, runner.run(work.batches[batch]))

    def _batch_runner(self, work: Work, storage: Storage, *, pace: Pace | None = None) -> BatchRunner:
        return BatchRunner(
            run_id=work.run_id,
            definition=DEFINITIONS[work.task],
            mode=work.mode,
            sessions=Sessions(
                sts=self._aws.clients.sts,
                clients=self._aws.clients.sessions,
                task=work.task,
                partition=self._aws.function.partition,
                clock=self._aws.clock,
                deadline=self._aws.deadline - _RESULT_RESERVE_SECONDS,
                pace=pace or Pace(clock=self._aws.clock),
            ),
            backups=storage.backups,
            credentials=work.credentials,
            denials={id_: denial for denial in work.denials for id_ in denial.account_ids},
            log=self._aws.log,
        )

    def _store(self, runs: RunStore, work: Work, batch: int, findings: tuple[Finding, ...]) -> dict[str, Any]:
        checksum = runs.write_result(work, batch, BatchResult(findings=findings, finished_at=self._aws.now()))
        outcomes = [finding.outcome for finding in findings]
        self._aws.log(
            event="batch_finished",
            runId=work.run_id,
            batch=batch,
            outcomes={outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
        )
        return {"batch": batch, "sha256": checksum}

    def _finish(
        self,
        event: Mapping[str, Any],
        runs: RunStore,
        storage: Storage,
        settings: WriteReportSettings,
        *,
        management_account: Callable[[str], Result],
    ) -> dict[str, Any]:
        topic_arn = settings.notification_topic_arn
        finisher = RunFinisher(
            runs=runs,
            reports=storage.reports,
            backups=storage.backups,
            later_audits=LaterAudits(aws=self._aws),
            management_account=management_account,
            notify=None if topic_arn is None else functools.partial(self._notify, topic_arn),
            import_findings=functools.partial(import_audit, self._aws)
            if settings.security_hub_findings
            else None,
            accepted_credentials=settings.accepted_credentials,
            plan_lifetime=settings.plan_lifetime,
            now=self._aws.now,
            log=self._aws.log,
        )
        return finisher.finish(event["runId"], run_sha256=event["runSha256"], results=event["results"])

    def _log_start(self, run: dict[str, Any]) -> dict[str, Any]:
        milliseconds = round((self._aws.clock.now() - self._started) * 1000)
        self._aws.log(
            event="run_started", **{**run, "batches": len(run["batches"])}, milliseconds=milliseconds
        )
        return run

    def _preflight(self) -> PolicyPreflight:
        return PolicyPreflight(
            organizations=self._aws.clients.organizations,
            session=self._aws.root_session,
            clock=self._aws.clock,
            deadline=self._aws.deadline,
            log=self._aws.log,
        )

    def _storage(self, bucket: str) -> Storage:
        return Storage(
            Bucket(
                s3=self._aws.clients.s3,
                name=bucket,
                account_id=self._aws.account_id,
                budget=self._aws.budget,
            )
        )

    def _notify(self, topic_arn: str, notice: Notice) -> None:
        publish(notice, topic_arn=topic_arn, budget=self._aws.budget, sns=self._aws.clients.sns)
