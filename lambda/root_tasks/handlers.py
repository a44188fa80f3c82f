"""The state machine's functions: select the accounts, perform the task in a batch, conclude the run."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aws_calls.calls import made
from aws_calls.retry import RetryBudget
from aws_calls.runtime import FunctionArn, one_attempt, system_clock, write_line

from .aws.sessions import BotoClientFactory, Sessions
from .aws.storage import Storage
from .model.report import Task
from .model.run import BatchResult
from .run.accounts import Directory
from .run.batch import Performer
from .run.finish import Conclusion
from .run.plans import Execution, Plans
from .run.select import Selection
from .tasks.unlock_policy import Unlocking

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_iam import IAMClient
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_sts import STSClient

    from aws_calls.retry import Clock
    from aws_calls.runtime import LambdaContext

    from .aws.sessions import ClientFactory


# The seconds at the end of a batch in which no account is begun.
_RESULT_RESERVE = 60.0


@dataclass(frozen=True, kw_only=True)
class Clients:
    """The clients of the functions' own account; each makes one attempt a call."""

    iam: IAMClient
    organizations: OrganizationsClient
    s3: S3Client
    sns: SNSClient
    step_functions: SFNClient
    sts: STSClient
    in_sessions: ClientFactory


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the construct was given.

    Attributes:
        bucket: the name of the bucket.
        tasks: the tasks that the stack was deployed with.
        protected_accounts: the accounts that no task is performed in.
        allow_policy_override: whether a policy may be given as text.
        plan_lifetime: how old a plan may be.
        topic_arn: the topic for notices; "" for none.
    """

    bucket: str
    tasks: tuple[Task, ...] = (Task.AUDIT,)
    protected_accounts: frozenset[str] = frozenset()
    allow_policy_override: bool = False
    plan_lifetime: timedelta = timedelta(hours=24)
    topic_arn: str = ""

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> Settings:
        """Returns the settings that a function's environment has."""
        return cls(
            bucket=environment["BUCKET"],
            tasks=tuple(Task(name) for name in environment.get("TASKS", "").split(",") if name),
            protected_accounts=frozenset(filter(None, environment.get("PROTECTED_ACCOUNTS", "").split(","))),
            allow_policy_override=environment.get("ALLOW_POLICY_TEXT") == "true",
            plan_lifetime=timedelta(seconds=int(environment.get("PLAN_LIFETIME_SECONDS", "86400"))),
            topic_arn=environment.get("TOPIC_ARN", ""),
        )


class Invocation:
    """One invocation of one of the functions, with everything that it works with passed in.

    Args:
        context: Lambda's context.
        settings: what the construct was given.
        clients: the clients.
        clock: the time that waiting is measured by.
        log: takes one event as keyword arguments.
    """

    def __init__(
        self,
        context: LambdaContext,
        *,
        settings: Settings,
        clients: Clients,
        clock: Clock,
        log: Callable[..., None],
    ) -> None:
        function = FunctionArn.parse(context.invoked_function_arn)
        self._partition, self._account_id = function.partition, function.account_id
        self._settings = settings
        self._clients = clients
        self._clock = clock
        self._log = log
        self._deadline = clock.now() + context.get_remaining_time_in_millis() / 1000
        self._budget = RetryBudget(clock=clock, deadline=self._deadline)
        self._storage = Storage(
            s3=clients.s3, bucket=settings.bucket, account_id=self._account_id, budget=self._budget
        )

    def select(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Starts the run that an execution's input asks for."""
        selection = Selection(
            directory=Directory(
                organizations=self._clients.organizations,
                iam=self._clients.iam,
                account_id=self._account_id,
                budget=self._budget,
            ),
            storage=self._storage,
            plans=Plans(
                storage=self._storage,
                step_functions=self._clients.step_functions,
                lifetime=self._settings.plan_lifetime,
                budget=self._budget,
            ),
            account_id=self._account_id,
            tasks=self._settings.tasks,
            protected_accounts=self._settings.protected_accounts,
            allow_policy_override=self._settings.allow_policy_override,
        )
        begun = selection.begun(event["input"], execution=Execution.parse(event["execution"]))
        self._log(event="selected", **begun)
        return begun

    def perform(self, event: Mapping[str, Any]) -> None:
        """Performs the run's task in the accounts of one batch; harmless where it was done before."""
        run_id, batch = event["runId"], event["batch"]
        if self._storage.has_result(run_id, batch):
            self._log(event="performed before", runId=run_id, batch=batch)
            return
        work = self._storage.work(run_id, sha256_=event["workSha256"])
        performer = Performer(
            task=work.task,
            mode=work.mode,
            sessions=Sessions(
                sts=self._clients.sts,
                factory=self._clients.in_sessions,
                task=work.task,
                partition=self._partition,
                clock=self._clock,
                # Whatever the accounts take, their results are to be kept.
                deadline=self._deadline - _RESULT_RESERVE,
            ),
            unlocking=Unlocking(run_id=run_id, keep=self._storage.put_backup),
        )
        findings = performer.performed(work.batches[batch])
        self._storage.put_result(run_id, batch, BatchResult(findings=findings))
        outcomes = [finding.outcome for finding in findings]
        self._log(
            event="performed",
            runId=run_id,
            batch=batch,
            outcomes={outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
        )

    def conclude(self, event: Mapping[str, Any], *, now: Callable[[], datetime]) -> dict[str, Any]:
        """Ends the run."""
        conclusion = Conclusion(
            storage=self._storage,
            notify=self._notify if self._settings.topic_arn else None,
            now=now,
            log=self._log,
        )
        return conclusion.concluded(event["runId"])

    def _notify(self, subject: str, message: str) -> None:
        made(
            lambda: self._clients.sns.publish(
                TopicArn=self._settings.topic_arn, Subject=subject, Message=message
            ),
            operation="sns:Publish",
            budget=self._budget,
        )


def select(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Starts a run; the entry point of the state machine's first function.

    Raises:
        RunRefusedError: the run is not to start; the message says why, and what to do.
    """
    return _invocation(context).select(event)


def perform(event: Mapping[str, Any], context: LambdaContext) -> None:
    """Performs a task in a batch of accounts; the entry point of the function of each task."""
    _invocation(context).perform(event)


def conclude(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Ends a run; the entry point of the state machine's last function."""
    return _invocation(context).conclude(event, now=lambda: datetime.now(UTC))


def _invocation(context: LambdaContext) -> Invocation:
    return Invocation(
        context,
        settings=Settings.parse(os.environ),
        clients=clients(),
        clock=system_clock(),
        log=write_line,
    )


@functools.cache
def clients() -> Clients:
    """Returns clients that make one attempt a call; built once in a sandbox."""
    import boto3

    config = one_attempt()
    return Clients(
        iam=boto3.client("iam", config=config),
        organizations=boto3.client("organizations", config=config),
        s3=boto3.client("s3", config=config),
        sns=boto3.client("sns", config=config),
        step_functions=boto3.client("stepfunctions", config=config),
        # The Region's own STS: the global one does not know AssumeRoot.
        sts=boto3.client("sts", region_name=os.environ["AWS_REGION"], config=config),
        in_sessions=BotoClientFactory(config=config),
    )
