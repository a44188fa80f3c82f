"""The functions of RootTasks: each has a role of its own, for its calls and its objects in the bucket."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_iam as iam

from ..base import permissions
from ..base.enums import TASK_IDS, RootTask
from ..base.function import function_role, python_function
from ..base.permissions import UNLOCK_TASKS, BucketAccess, read_only_id, read_only_session
from .state_machines import RunFunctions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
_OF_REPORTS = ("notificationTopicArn", "securityHubFindings")


@dataclass(frozen=True, kw_only=True)
class RootTaskFunctions:
    """Builds the functions.

    Attributes:
        scope: The construct that they belong to.
        log_group: The log group.
        bucket: The bucket of the runs.
        encryption_key: The KMS key of the bucket; None: S3 has its own.
        tasks: The tasks that executions may ask for.
        protected_accounts: The accounts in which no run makes changes.
        role_path: The IAM path of the roles that open root sessions.
        notification_topic: The topic for notices.
        settings: The settings of all functions; each gets those that it reads.
        writers: The role of each function that was built, with its access to the bucket.
        session_roles: The roles of those that open root sessions.
    """

    scope: Construct
    log_group: logs.LogGroup
    bucket: s3.Bucket
    encryption_key: kms.IKey | None
    tasks: Sequence[RootTask]
    protected_accounts: Sequence[str]
    role_path: str
    notification_topic: sns.ITopic | None
    settings: Mapping[str, object]
    writers: list[tuple[iam.IRole, BucketAccess]] = field(default_factory=list)
    session_roles: list[iam.IRole] = field(default_factory=list)

    @property
    def tasks_with_changes(self) -> list[RootTask]:
        """The tasks that make changes."""
        return [task for task in self.tasks if task is not RootTask.AUDIT]

    @property
    def _backups(self) -> tuple[str, ...]:
        return ("backups/*",) if UNLOCK_TASKS.intersection(self.tasks) else ()

    def build_read_only(self) -> RunFunctions:
        """Build the functions that audit and plan."""
        return RunFunctions(
            start=self._build_start_run(),
            batch=self._build_run_batch(),
            report=self._build_write_report(),
        )

    def build_making_changes(self, audit_state_machine: sfn.StateMachine) -> RunFunctions:
        """Build the functions that execute plans."""
        return RunFunctions(
            start=self._build_start_execution(audit_state_machine),
            batch=self._build_execute_batch(),
            report=self._build_write_execution_report(),
        )

    def _build_start_run(self) -> lambda_.Function:
        return self._build(
            "StartRun",
            description="Starts an audit or a plan of a root task.",
            handler="start_run",
            access=BucketAccess(
                read=("runs/*/run.json", *self._backups),
                write=("runs/*/run.json", "runs/*/work.json"),
                # S3 denies a backup that does not exist, unless the function looks for it in the
                # list.
                prefixes=self._backups,
            ),
            statements=[permissions.organization_statement()],
            settings=(
                "tasks",
                "protectedAccounts",
                "acceptedCredentials",
                "rootEmailDomains",
                "allowPolicyOverride",
            ),
        )

    def _build_run_batch(self) -> dict[RootTask, lambda_.Function]:
        """Build the functions of read-only runs, and return that of each task.

        One audits, and plans what AWS's audit policy can see: it could not change anything if it
        wanted to.
        """
        by_session: dict[RootTask, list[RootTask]] = {}
        for task in self.tasks:
            by_session.setdefault(read_only_session(task), []).append(task)
        functions: dict[RootTask, lambda_.Function] = {}
        for session, tasks in by_session.items():
            function = self._build_batch(
                read_only_id(session),
                session,
                description=f"Reads a batch of accounts in sessions of the task {session}.",
                handler="run_batch",
                access=BucketAccess(
                    read=("runs/*/work.json",),
                    write=tuple(f"runs/*/results/{task}/*" for task in tasks),
                ),
            )
            functions |= dict.fromkeys(tasks, function)
        return functions

    def _build_write_report(self) -> lambda_.Function:
        audits, imports_findings = (
            RootTask.AUDIT in self.tasks,
            self.settings["securityHubFindings"],
        )
        plan = ("runs/*/plan.json",) if self.tasks_with_changes else ()
        latest = ("latest/*",) if audits else ()
        function = self._build(
            "WriteReport",
            description="Writes the report of an audit or a plan.",
            handler="write_report",
            access=BucketAccess(
                read=("runs/*/run.json", "runs/*/results/*", *latest),
                write=("runs/*/report.*", *plan, *latest),
                prefixes=latest,
            ),
            statements=[
                *([permissions.own_root_user_statement()] if audits else []),
                *([permissions.import_findings_statement(self.scope)] if imports_findings else []),
            ],
            settings=_OF_REPORTS,
        )
        if self.notification_topic:
            self.notification_topic.grant_publish(function)
        return function

    def _build_start_execution(self, audit_state_machine: sfn.StateMachine) -> lambda_.Function:
        mark = "runs/*/executed-by.json"
        return self._build(
            "StartExecution",
            description="Starts the execution of a plan.",
            handler="start_execution",
            access=BucketAccess(
                read=("runs/*/plan.json", mark, "executions/*/run.json"),
                write=(mark, "executions/*/run.json", "executions/*/work.json"),
            ),
            statements=[
                permissions.organization_statement(),
                permissions.read_executions_statement(
                    audit_state_machine, sid="DescribePlanningExecutions"
                ),
            ],
            settings=("tasks", "protectedAccounts", "allowPolicyOverride"),
            more_settings={"auditStateMachineArn": audit_state_machine.state_machine_arn},
        )

    def _build_execute_batch(self) -> dict[RootTask, lambda_.Function]:
        return {
            task: self._build_batch(
                TASK_IDS[task],
                task,
                description=f"Executes the task {task} in a batch of accounts.",
                handler="execute_batch",
                access=BucketAccess(
                    read=("executions/*/work.json", f"executions/*/results/{task}/*.claim"),
                    write=(
                        f"executions/*/results/{task}/*",
                        *(self._backups if task in UNLOCK_TASKS else ()),
                    ),
                ),
            )
            for task in self.tasks_with_changes
        }

    def _build_write_execution_report(self) -> lambda_.Function:
        return self._build(
            "WriteExecutionReport",
            description="Writes the report of the execution of a plan.",
            handler="write_execution_report",
            access=BucketAccess(
                read=("executions/*/run.json", "executions/*/results/*"),
                write=("executions/*/report.*",),
                prefixes=self._backups,
            ),
            # These are about audits.
            more_settings={"notificationTopicArn": None, "securityHubFindings": False},
        )

    def _build_batch(
        self, id: str, task: RootTask, *, description: str, handler: str, access: BucketAccess
    ) -> lambda_.Function:
        """Build a function that opens root sessions for one task, and for no other."""
        function = self._build(
            id,
            description=description,
            handler=handler,
            timeout=_BATCH_TIMEOUT,
            access=access,
            statements=[permissions.root_session_statement(task)],
            role_path=self.role_path,
        )
        self.session_roles.append(function_role(function))
        # An audit reads protected accounts as well: its sessions can change nothing.
        if self.protected_accounts and task is not RootTask.AUDIT:
            # A policy of its own: CDK splits a policy that is too long, and may attach the rest
            # later.
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
        access: BucketAccess,
        statements: Sequence[iam.PolicyStatement] = (),
        settings: Sequence[str] = (),
        more_settings: Mapping[str, object] = MappingProxyType({}),
        timeout: Duration = _RUN_TIMEOUT,
        role_path: str | None = None,
    ) -> lambda_.Function:
        key = self.encryption_key
        function = python_function(
            self.scope,
            id,
            description=description,
            handler=f"root_tasks.handlers.{handler}",
            log_group=self.log_group,
            statements=[
                *statements,
                *access.statements(self.bucket),
                *([] if key is None else [permissions.encryption_key_statement(key)]),
            ],
            timeout=timeout,
            settings={
                "bucket": self.bucket.bucket_name,
                **{name: self.settings[name] for name in settings},
                **more_settings,
            },
            role_path=role_path,
        )
        self.writers.append((function_role(function), access))
        return function


def allow_reading_executions(
    scope: Construct, state_machine: sfn.StateMachine, function: lambda_.Function
) -> None:
    """Let a function read the executions of its own state machine, with their events.

    Args:
        scope: The construct that they belong to.
        state_machine: The state machine.
        function: The function.
    """
    # A policy of its own, which the function does not depend on: the state machine needs the
    # function.
    iam.Policy(
        scope,
        f"{function.node.id}Own",
        roles=[function_role(function)],
        statements=[permissions.read_executions_statement(state_machine, history=True)],
    )
