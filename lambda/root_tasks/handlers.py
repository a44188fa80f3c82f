"""The entry points of the state machine's functions: start a run, run a batch, write the report."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from aws_calls.calls import call
from aws_calls.errors import SettingsError
from aws_calls.retry import RetryBudget
from aws_calls.runtime import FunctionArn, one_attempt, system_clock, write_line
from aws_calls.settings import read_settings

from .aws.sessions import Sessions, client_factory
from .aws.storage import Storage
from .model.report import Task
from .model.run import BatchResult
from .run.accounts import MemberDirectory
from .run.batch import BatchRunner
from .run.finish import RunFinisher
from .run.plans import Execution, Plans
from .run.start import RunStarter
from .tasks import DEFINITIONS

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

T = TypeVar("T")

# A batch opens no session in its last minute: the results of its other accounts have to be stored.
_RESULT_RESERVE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Clients:
    """The clients of the functions; each makes one attempt a call.

    Attributes:
        create_session_client: Creates the clients of root sessions. The others act in the functions'
            own account.
    """

    iam: IAMClient
    organizations: OrganizationsClient
    s3: S3Client
    sns: SNSClient
    step_functions: SFNClient
    sts: STSClient
    create_session_client: ClientFactory


class InvalidSettingError(SettingsError):
    """Raised for a setting that has a value of another type.

    Attributes:
        key: The setting.
        value: Its value.
    """

    def __init__(self, *, key: str, value: object, expected: str) -> None:
        super().__init__(
            f"The setting {key} must be {expected}, got {value!r}. "
            "Deploy the construct and its function in the same version."
        )
        self.key = key
        self.value = value


@dataclass(frozen=True, kw_only=True)
class StartRunSettings:
    """The settings of the function that starts a run.

    Attributes:
        bucket: The bucket's name.
        tasks: The tasks that the stack was deployed with.
        protected_accounts: The accounts that are excluded from every task.
        plan_lifetime: The maximum age of a plan that is executed.
        allow_policy_override: Whether the input may give a corrected policy.
    """

    bucket: str
    tasks: tuple[Task, ...]
    protected_accounts: frozenset[str]
    plan_lifetime: timedelta
    allow_policy_override: bool

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> StartRunSettings:
        """Return the settings in a function's environment.

        Raises:
            SettingsError: A key is missing or unknown, or has a value of another type.
        """
        settings = read_settings(
            environment,
            keys=("bucket", "tasks", "protectedAccounts", "planLifetimeSeconds", "allowPolicyOverride"),
        )
        tasks = _setting(settings, "tasks", list)
        if unknown := [name for name in tasks if name not in list(Task)]:
            raise InvalidSettingError(key="tasks", value=unknown, expected=f"a list of {', '.join(Task)}")
        return cls(
            bucket=_setting(settings, "bucket", str),
            tasks=tuple(Task(name) for name in tasks),
            protected_accounts=frozenset(_setting(settings, "protectedAccounts", list)),
            plan_lifetime=timedelta(seconds=_setting(settings, "planLifetimeSeconds", int)),
            allow_policy_override=_setting(settings, "allowPolicyOverride", bool),
        )


@dataclass(frozen=True, kw_only=True)
class RunBatchSettings:
    """The settings of the function of a task.

    Attributes:
        bucket: The bucket's name.
    """

    bucket: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> RunBatchSettings:
        """Return the settings in a function's environment.

        Raises:
            SettingsError: A key is missing or unknown, or has a value of another type.
        """
        settings = read_settings(environment, keys=("bucket",))
        return cls(bucket=_setting(settings, "bucket", str))


@dataclass(frozen=True, kw_only=True)
class WriteReportSettings:
    """The settings of the function that writes the report.

    Attributes:
        bucket: The bucket's name.
        notification_topic_arn: The SNS topic for notices; None where nobody is notified.
        plan_lifetime: How long a plan can be executed, for its page.
    """

    bucket: str
    notification_topic_arn: str | None
    plan_lifetime: timedelta

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> WriteReportSettings:
        """Return the settings in a function's environment.

        Raises:
            SettingsError: A key is missing or unknown, or has a value of another type.
        """
        settings = read_settings(environment, keys=("bucket", "notificationTopicArn", "planLifetimeSeconds"))
        topic_arn = settings["notificationTopicArn"]
        return cls(
            bucket=_setting(settings, "bucket", str),
            notification_topic_arn=None
            if topic_arn is None
            else _setting(settings, "notificationTopicArn", str),
            plan_lifetime=timedelta(seconds=_setting(settings, "planLifetimeSeconds", int)),
        )


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


@functools.cache
def create_clients() -> Clients:
    """Return clients that make one attempt a call; created once in a sandbox."""
    import boto3

    config = one_attempt()
    return Clients(
        iam=boto3.client("iam", config=config),
        organizations=boto3.client("organizations", config=config),
        s3=boto3.client("s3", config=config),
        sns=boto3.client("sns", config=config),
        step_functions=boto3.client("stepfunctions", config=config),
        # AssumeRoot exists only in a Region's own STS, not in the global one.
        sts=boto3.client("sts", region_name=os.environ["AWS_REGION"], config=config),
        create_session_client=client_factory(config),
    )


def _setting(settings: Mapping[str, Any], key: str, type_: type[T]) -> T:
    value = settings[key]
    # Not isinstance: true is an int.
    if type(value) is not type_:
        raise InvalidSettingError(key=key, value=value, expected=f"a value of type {type_.__name__}")
    return value
