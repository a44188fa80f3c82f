"""The functions of RootTasks, each with a role for its own calls and its objects in the bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_iam as iam

from ..base.enums import TASK_IDS, RootTask, read_only_session
from ..base.function import function_role, python_function
from ..base.permissions import import_findings_statement
from . import permissions
from .bucket_access import (
    BucketAccess,
    access_statements,
    bucket_access,
    read_only_functions,
    tasks_with_changes,
)
from .state_machines import RunFunctions

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_logs as logs
    from aws_cdk import aws_s3 as s3
    from aws_cdk import aws_sns as sns
    from aws_cdk import aws_stepfunctions as sfn
    from constructs import Construct

# A root session ends after 15 minutes, and a batch before it.
_BATCH_TIMEOUT = Duration.minutes(10)
# Ten thousand accounts are five hundred calls of ListAccounts, or four hundred results to read.
_RUN_TIMEOUT = Duration.minutes(15)


@dataclass(frozen=True, kw_only=True)
class RootTaskFunctions:
    """Builds the functions.

    Attributes:
        scope: The construct that they belong to.
        bucket: The bucket of the runs.
        encryption_key: The KMS key of the bucket; None: S3 has its own.
        tasks: The tasks that executions may ask for.
        protected_accounts: The accounts in which no run makes changes.
        role_path: The IAM path of the roles that open root sessions.
        notification_topic: The topic for notices.
        settings: The settings of all functions; each gets those that it reads.
        access: What it has built so far: the access to the bucket of each role, by the role's ARN.
    """

    scope: Construct
    log_group: logs.LogGroup
    bucket: s3.Bucket
    encryption_key: kms.IKey | None
    tasks: Sequence[RootTask]
    protected_accounts: list[str]
    role_path: str
    notification_topic: sns.ITopic | None
    settings: Mapping[str, object]
    access: dict[str, BucketAccess] = field(default_factory=dict)

    def build_read_only(self) -> RunFunctions:
        """Build the functions that audit and plan."""
        start = self._build(
            "StartRun",
            description="Starts an audit or a plan of a root task.",
            handler="start_run",
            # Only its input names units.
            statements=[
                permissions.organization_statement(
                    "organizations:ListAccountsForParent", "organizations:ListRoots"
                )
            ],
            settings=self._settings(
                "tasks", "protectedAccounts", "acceptedCredentials", "allowPolicyOverride"
            ),
        )
        # One function audits, and plans what AWS's audit policy can see: it could not change
        # anything if it wanted to.
        batch: dict[lambda_.Function, list[RootTask]] = {}
        for id, tasks in read_only_functions(self.tasks).items():
            session = read_only_session(tasks[0])
            function = self._build_batch(
                id,
                session,
                description=f"Reads a batch of accounts in sessions of the task {session}.",
                handler="run_batch",
            )
            batch[function] = tasks
        return RunFunctions(start=start, batch=batch, report=self._build_write_report())

    def build_making_changes(self, audits: sfn.StateMachine) -> RunFunctions:
        """Build the functions that execute plans.

        Args:
            audits: The state machine that makes the plans.
        """
        # It checks the plan against what is allowed now, and against the execution that made it.
        settings = self._settings("tasks", "protectedAccounts", "allowPolicyOverride")
        settings["auditStateMachineArn"] = audits.state_machine_arn
        start = self._build(
            "StartExecution",
            description="Starts the execution of a plan.",
            handler="start_execution",
            statements=[
                permissions.organization_statement(),
                permissions.executions_statement(
                    "DescribePlanningExecutions", ["states:DescribeExecution"], audits
                ),
            ],
            settings=settings,
        )
        # One function makes the changes of each task.
        batch: dict[lambda_.Function, list[RootTask]] = {}
        for task in tasks_with_changes(self.tasks):
            function = self._build_batch(
                TASK_IDS[task],
                task,
                description=f"Executes the task {task} in a batch of accounts.",
                handler="execute_batch",
            )
            batch[function] = [task]
        report = self._build(
            "WriteExecutionReport",
            description="Writes the report of the execution of a plan.",
            handler="write_execution_report",
            # Notices and findings are about audits, but the function reads the same settings.
            settings={"notificationTopicArn": None, "securityHubFindings": False},
        )
        return RunFunctions(start=start, batch=batch, report=report)

    def _build_write_report(self) -> lambda_.Function:
        """Build the function that writes the reports of audits and plans, and sends notices."""
        statements: list[iam.PolicyStatement] = []
        # An audit in the management account also looks at that account's own root user.
        if RootTask.AUDIT in self.tasks:
            statements.append(permissions.own_root_user_statement())
        if self.settings["securityHubFindings"]:
            statements.append(import_findings_statement(self.scope))
        function = self._build(
            "WriteReport",
            description="Writes the report of an audit or a plan.",
            handler="write_report",
            statements=statements,
            settings=self._settings("notificationTopicArn", "securityHubFindings"),
        )
        if self.notification_topic:
            self.notification_topic.grant_publish(function)
        return function

    def _build_batch(
        self, id: str, session: RootTask, *, description: str, handler: str
    ) -> lambda_.Function:
        """Build a function that opens root sessions for one task only."""
        function = self._build(
            id,
            description=description,
            handler=handler,
            statements=[permissions.root_session_statement(session)],
            timeout=_BATCH_TIMEOUT,
            role_path=self.role_path,
        )
        # An audit reads protected accounts as well: its sessions can change nothing.
        if self.protected_accounts and session is not RootTask.AUDIT:
            # A policy of its own, for which the function waits: the CDK splits a policy that is too
            # long, and may attach the rest, such as this Deny, after the function exists.
            policy = iam.Policy(
                self.scope,
                f"{id}ProtectedAccounts",
                roles=[function_role(function)],
                statements=[permissions.deny_root_sessions_statement(self.protected_accounts)],
            )
            function.node.add_dependency(policy)
        return function

    def _build(
        self,
        id: str,
        *,
        description: str,
        handler: str,
        statements: Sequence[iam.PolicyStatement] = (),
        settings: Mapping[str, object] | None = None,
        timeout: Duration = _RUN_TIMEOUT,
        role_path: str | None = None,
    ) -> lambda_.Function:
        """Build a function whose role may make certain calls, and use certain objects.

        Args:
            id: The function's id, by which :func:`bucket_access` has its objects.
            description: Its purpose.
            handler: The function in ``root_tasks.handlers``.
            statements: The calls that it may make, besides those for its objects.
            settings: What it reads from its environment, besides the bucket's name.
            timeout: The maximum duration of an invocation.
            role_path: The IAM path of its role; by default "/".
        """
        access = bucket_access(self.tasks)[id]
        all_statements = list(statements) + access_statements(access, self.bucket)
        if self.encryption_key is not None:
            all_statements.append(permissions.encryption_key_statement(self.encryption_key))
        function = python_function(
            self.scope,
            id,
            description=description,
            handler=f"root_tasks.handlers.{handler}",
            log_group=self.log_group,
            statements=all_statements,
            timeout=timeout,
            settings={"bucket": self.bucket.bucket_name} | dict(settings or {}),
            role_path=role_path,
        )
        self.access[function_role(function).role_arn] = access
        return function

    def _settings(self, *names: str) -> dict[str, object]:
        """Return those of all settings that a function reads."""
        return {name: self.settings[name] for name in names}


def allow_reading_executions(
    scope: Construct, function: lambda_.Function, statement: iam.PolicyStatement
) -> None:
    """Let a function read executions of a state machine that cannot be built before it.

    Args:
        scope: The construct that they belong to.
        function: The function.
        statement: What it may read.
    """
    # A policy of its own, which the function does not depend on: the state machine needs the
    # function.
    iam.Policy(
        scope,
        f"{function.node.id}Own",
        roles=[function_role(function)],
        statements=[statement],
    )
