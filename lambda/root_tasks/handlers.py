"""The entry points of the state machine's functions: start a run, run a batch, write the report."""

from __future__ import annotations

import functools
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_calls.calls import call
from aws_calls.retry import RetryBudget
from aws_calls.runtime import FunctionArn, system_clock, write_line

from .aws.clients import create_clients
from .aws.sessions import Sessions
from .aws.storage import Storage
from .model.run import BatchResult
from .run.accounts import MemberDirectory
from .run.batch import BatchRunner
from .run.finish import RunFinisher
from .run.plans import Execution, Plans
from .run.settings import RunBatchSettings, StartRunSettings, WriteReportSettings
from .run.start import RunStarter
from .tasks import DEFINITIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_calls.retry import Clock
    from aws_calls.runtime import LambdaContext

    from .aws.clients import Clients

# A batch opens no session in its last minute: the results of its other accounts have to be stored.
_RESULT_RESERVE_SECONDS = 60.0


class Invocation:
    """One invocation of one of the functions, with everything that it works with passed in.

    Args:
        context: Lambda's context.
        clients: The clients.
        clock: The time that waiting is measured by.
        log: Writes one event, given as keyword arguments.
    """

    def __init__(
        self, context: LambdaContext, *, clients: Clients, clock: Clock, log: Callable[..., None]
    ) -> None:
        function = FunctionArn.parse(context.invoked_function_arn)
        self._partition, self._account_id = function.partition, function.account_id
        self._clients = clients
        self._clock = clock
        self._log = log
        self._deadline = clock.now() + context.get_remaining_time_in_millis() / 1000
        self._budget = RetryBudget(clock=clock, deadline=self._deadline)

    def start_run(self, event: Mapping[str, Any], *, settings: StartRunSettings) -> dict[str, Any]:
        """Start the run that an execution's input asks for.

        Args:
            event: `input` and `execution`, as the state machine passes them.
            settings: The function's settings.

        Returns:
            What the state machine needs: `runId`, `task`, `workSha256`, `batches`, `itemsKey`.

        Raises:
            RunRefusedError: The run cannot start.
        """
        storage = self._storage(settings.bucket)
        starter = RunStarter(
            directory=MemberDirectory(
                organizations=self._clients.organizations,
                iam=self._clients.iam,
                account_id=self._account_id,
                budget=self._budget,
            ),
            storage=storage,
            plans=Plans(
                runs=storage.runs,
                step_functions=self._clients.step_functions,
                lifetime=settings.plan_lifetime,
                budget=self._budget,
            ),
            account_id=self._account_id,
            tasks=settings.tasks,
            protected_accounts=settings.protected_accounts,
            allow_policy_override=settings.allow_policy_override,
        )
        run = starter.start(event["input"], execution=Execution.parse(event["execution"]))
        self._log(event="run_started", **run)
        return run

    def run_batch(self, event: Mapping[str, Any], *, settings: RunBatchSettings) -> None:
        """Run the task in the accounts of one batch. A batch that has a result already is not run again.

        Args:
            event: `runId`, `workSha256` and `batch`, as the state machine passes them.
            settings: The function's settings.
        """
        storage = self._storage(settings.bucket)
        run_id, batch = event["runId"], event["batch"]
        if storage.runs.has_result(run_id, batch):
            self._log(event="already_finished", runId=run_id, batch=batch)
            return
        work = storage.runs.read_work(run_id, checksum=event["workSha256"])
        runner = BatchRunner(
            run_id=run_id,
            definition=DEFINITIONS[work.task],
            mode=work.mode,
            sessions=Sessions(
                sts=self._clients.sts,
                create_client=self._clients.create_session_client,
                task=work.task,
                partition=self._partition,
                clock=self._clock,
                deadline=self._deadline - _RESULT_RESERVE_SECONDS,
            ),
            backups=storage.backups,
            credentials=work.credentials,
            log=self._log,
        )
        findings = runner.run(work.batches[batch])
        storage.runs.write_result(run_id, batch, BatchResult(findings=findings))
        outcomes = [finding.outcome for finding in findings]
        self._log(
            event="batch_finished",
            runId=run_id,
            batch=batch,
            outcomes={outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
        )

    def write_report(
        self, event: Mapping[str, Any], *, settings: WriteReportSettings, now: Callable[[], datetime]
    ) -> dict[str, Any]:
        """Finish a run, whatever came of its batches.

        Args:
            event: `runId`, as the state machine passes it.
            settings: The function's settings.
            now: The time in UTC.

        Returns:
            The execution's output: `runId`, `task`, `mode`, `report`, `totals`; `planSha256` of a plan.
        """
        topic_arn = settings.notification_topic_arn
        finisher = RunFinisher(
            storage=self._storage(settings.bucket),
            notify=None if topic_arn is None else functools.partial(self._notify, topic_arn),
            plan_lifetime=settings.plan_lifetime,
            now=now,
            log=self._log,
        )
        return finisher.finish(event["runId"])

    def _storage(self, bucket: str) -> Storage:
        return Storage(s3=self._clients.s3, bucket=bucket, account_id=self._account_id, budget=self._budget)

    def _notify(self, topic_arn: str, subject: str, message: str) -> None:
        call(
            lambda: self._clients.sns.publish(TopicArn=topic_arn, Subject=subject, Message=message),
            operation="sns:Publish",
            budget=self._budget,
        )


def start_run(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Start a run; the entry point of the state machine's first function.

    Raises:
        RunRefusedError: The run cannot start; the message says why, and what to do.
    """
    return _invocation(context).start_run(event, settings=StartRunSettings.from_environment(os.environ))


def run_batch(event: Mapping[str, Any], context: LambdaContext) -> None:
    """Run a task in a batch of accounts; the entry point of each task's function."""
    _invocation(context).run_batch(event, settings=RunBatchSettings.from_environment(os.environ))


def write_report(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write the report of a run; the entry point of the state machine's last function."""
    return _invocation(context).write_report(
        event, settings=WriteReportSettings.from_environment(os.environ), now=lambda: datetime.now(UTC)
    )


def _invocation(context: LambdaContext) -> Invocation:
    return Invocation(context, clients=create_clients(), clock=system_clock(), log=write_line)
