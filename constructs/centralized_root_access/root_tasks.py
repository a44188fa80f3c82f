"""The RootTasks construct: a state machine that performs root tasks in the organization's member accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from . import _permissions
from ._arguments import (
    parse_log_settings,
    parse_plan_lifetime,
    parse_protected_accounts,
    parse_tasks,
    require_audit_interval,
    require_bool,
    require_max_concurrency,
    require_partition,
    require_topic,
)
from ._function import function_role, log_group, python_function
from ._outputs import add_output
from ._state_machines import root_tasks_state_machine
from .enums import RootTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_sns as sns
    from aws_cdk import aws_stepfunctions as sfn

# A root session ends after 15 minutes, and a batch before it.
_RUN_BATCH_TIMEOUT = Duration.minutes(10)
# Ten thousand accounts are five hundred calls of ListAccounts, or four hundred results to read.
_START_RUN_TIMEOUT = _WRITE_REPORT_TIMEOUT = Duration.minutes(15)

_REPORT_RETENTION = Duration.days(400)
_NONCURRENT_RETENTION = Duration.days(90)


class RootTasks(Construct):
    """Root tasks in the member accounts of an organization, for ten accounts or ten thousand.

    One state machine performs AWS's root tasks: the audit of root credentials, and any of the four tasks
    that make changes. Each execution writes a report to S3. A change needs a plan: an execution without
    ``"plan"`` only reports what it would change; one with the run id of that plan applies exactly that.

    **The stack is deployed in the organization's management account, or in the account that is the
    delegated administrator for IAM.** :class:`CentralizedRootAccess` enables the features that the tasks
    need.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user-privileged-task.html

    Example::

        RootTasks(stack, "RootTasks", audit_interval=Duration.days(1))

    Args:
        scope: The stack, or a construct in it.
        id: The construct's id; the outputs' keys are ``<id>StateMachineArn`` and ``<id>ReportLocation``.
        tasks: The tasks that executions may ask for. Default: the audit alone, which changes nothing.
        protected_accounts: Account IDs of 12 digits to exclude from every task. They are skipped, and the
            functions' roles are denied a root session there. Default: none.
        audit_interval: How often every account of the organization is audited: whole minutes, from 1
            minute to 365 days. Default: no schedule.
        plan_lifetime: How long a plan can be executed, at most 24 hours. Default: 24 hours.
        allow_policy_override: Whether a backup may be restored with a corrected policy. Default: only the
            policy that a task removed can be restored.
        notification_topic: SNS topic that is notified when a full audit differs from the previous one.
            Default: none.
        max_concurrency: The number of batches that run in parallel, from 1 to 1,000. Default: 5, for a
            new account's functions have a concurrency of 10 in all.

        encryption_key: The KMS key of the bucket and the log group. CloudWatch Logs of the Region and the
            construct's roles are allowed to use it; the policy of an imported key must allow CloudWatch Logs
            itself. Default: each service encrypts with its own.
        log_retention: How long the logs are kept. Default: a year.

    Raises:
        ValueError: A task is unknown or none is listed; an account ID is not 12 digits; a role's policy has
            no room for so many protected accounts; a duration or number is out of its range; the stack is
            in a China Region.
        TypeError: An argument has another type. An iterator is not a list: it could be used up.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        tasks: Iterable[RootTask | str] = (RootTask.AUDIT,),
        protected_accounts: Iterable[str] = (),
        audit_interval: Duration | None = None,
        plan_lifetime: Duration | None = None,
        allow_policy_override: bool = False,
        notification_topic: sns.ITopic | None = None,
        max_concurrency: int = 5,
        encryption_key: kms.IKey | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_YEAR,
    ) -> None:
        super().__init__(scope, id)
        self._tasks = parse_tasks(tasks)
        self._protected_accounts = parse_protected_accounts(protected_accounts)
        self._plan_lifetime = parse_plan_lifetime(plan_lifetime)
        if audit_interval is not None:
            require_audit_interval(audit_interval, tasks=self._tasks)
        require_bool("allow_policy_override", allow_policy_override)
        require_topic("notification_topic", notification_topic)
        require_max_concurrency(max_concurrency)
        log_settings = parse_log_settings(encryption_key, log_retention)
        require_partition(self)

        self._encryption_key = encryption_key
        self._log_group = log_group(self, log_settings)
        self.bucket: s3.Bucket = self._build_bucket()
        """The bucket that has the reports, the plans and the backups."""
        start_run = self._build_start_run(allow_policy_override=allow_policy_override)
        self.state_machine: sfn.StateMachine = root_tasks_state_machine(
            self,
            bucket=self.bucket,
            start_run=start_run,
            run_batch={task: self._build_run_batch(task) for task in self._tasks},
            write_report=self._build_write_report(notification_topic),
            max_concurrency=max_concurrency,
        )
        """The state machine. An execution with the input ``{}`` audits every account."""
        for statement in self._key_statements(write=False):
            self.state_machine.add_to_role_policy(statement)
        if self._makes_changes:
            self._allow_reading_plans(start_run)
        if audit_interval is not None:
            self._build_schedule(audit_interval)
        self._build_outputs()

    @property
    def _makes_changes(self) -> bool:
        return self._tasks != [RootTask.AUDIT]

    def _build_bucket(self) -> s3.Bucket:
        return s3.Bucket(
            self,
            "Bucket",
            encryption=(
                s3.BucketEncryption.S3_MANAGED if self._encryption_key is None else s3.BucketEncryption.KMS
            ),
            encryption_key=self._encryption_key,
            bucket_key_enabled=None if self._encryption_key is None else True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=True,
            lifecycle_rules=[
                # Not for backups/: a removed policy can be restored at any time.
                s3.LifecycleRule(
                    prefix="runs/",
                    expiration=_REPORT_RETENTION,
                    noncurrent_version_expiration=_NONCURRENT_RETENTION,
                ),
                s3.LifecycleRule(prefix="latest/", noncurrent_version_expiration=_NONCURRENT_RETENTION),
                s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(7)),
            ],
            # Except when its creation is rolled back: it is empty then.
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )

    def _build_start_run(self, *, allow_policy_override: bool) -> lambda_.Function:
        return self._build_function(
            "StartRun",
            description="Starts a run of a root task.",
            handler="start_run",
            timeout=_START_RUN_TIMEOUT,
            statements=_permissions.start_run_statements(bucket=self.bucket, tasks=self._tasks),
            settings={
                "tasks": [str(task) for task in self._tasks],
                "protectedAccounts": self._protected_accounts,
                "planLifetimeSeconds": self._plan_lifetime.to_seconds(),
                "allowPolicyOverride": allow_policy_override,
            },
        )

    def _build_run_batch(self, task: RootTask) -> lambda_.Function:
        """Build a function for each task: the audit's role can assume root for no task that deletes."""
        id = task.name.title().replace("_", "")
        function = self._build_function(
            id,
            description=f"Performs {task} in a batch of accounts.",
            handler="run_batch",
            timeout=_RUN_BATCH_TIMEOUT,
            statements=_permissions.run_batch_statements(bucket=self.bucket, task=task),
            settings={},
        )
        if self._protected_accounts:
            # A policy of its own: CDK splits a policy that is too long, and may attach the rest later.
            policy = iam.Policy(
                self,
                f"{id}ProtectedAccounts",
                roles=[function_role(function)],
                statements=[_permissions.deny_root_sessions_statement(self._protected_accounts)],
            )
            function.node.add_dependency(policy)
        return function

    def _build_write_report(self, notification_topic: sns.ITopic | None) -> lambda_.Function:
        function = self._build_function(
            "WriteReport",
            description="Writes the report of a root task.",
            handler="write_report",
            timeout=_WRITE_REPORT_TIMEOUT,
            statements=_permissions.write_report_statements(bucket=self.bucket),
            settings={
                "notificationTopicArn": notification_topic.topic_arn if notification_topic else None,
                "planLifetimeSeconds": self._plan_lifetime.to_seconds(),
            },
        )
        if notification_topic:
            notification_topic.grant_publish(function)
        return function

    def _build_function(
        self,
        id: str,
        *,
        description: str,
        handler: str,
        timeout: Duration,
        statements: Sequence[iam.PolicyStatement],
        settings: dict[str, object],
    ) -> lambda_.Function:
        return python_function(
            self,
            id,
            description=description,
            handler=f"root_tasks.handlers.{handler}",
            log_group=self._log_group,
            statements=[*statements, *self._key_statements(write=True)],
            timeout=timeout,
            settings={"bucket": self.bucket.bucket_name, **settings},
            # For an SDK of the runtime that still defaults to the global STS.
            environment={"AWS_STS_REGIONAL_ENDPOINTS": "regional"},
        )

    def _key_statements(self, *, write: bool) -> list[iam.PolicyStatement]:
        if self._encryption_key is None:
            return []
        return [_permissions.encryption_key_statement(self._encryption_key, write=write)]

    def _allow_reading_plans(self, start_run: lambda_.Function) -> None:
        """Allow the function to read executions: a plan's checksum comes from their output.

        The policy is of its own: the function's exists before the state machine, and this one needs it.
        """
        iam.Policy(
            self,
            "StartRunPlans",
            roles=[function_role(start_run)],
            statements=[_permissions.read_plans_statement(self.state_machine)],
        )

    def _build_schedule(self, audit_interval: Duration) -> None:
        events.Rule(
            self,
            "Interval",
            description="Audits the root users of every account of the organization.",
            schedule=events.Schedule.rate(audit_interval),
            targets=[
                targets.SfnStateMachine(
                    self.state_machine, input=events.RuleTargetInput.from_object({"task": RootTask.AUDIT})
                )
            ],
        )

    def _build_outputs(self) -> None:
        add_output(
            self,
            "StateMachineArn",
            description="ARN of the root tasks state machine.",
            value=self.state_machine.state_machine_arn,
        )
        add_output(
            self,
            "ReportLocation",
            description="S3 location of the latest full audit's report.",
            value=f"s3://{self.bucket.bucket_name}/latest/report.html",
        )
