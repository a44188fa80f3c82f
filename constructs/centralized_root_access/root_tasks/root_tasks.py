"""The RootTasks construct: state machines for root tasks in the organization's member accounts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from ..base.alarms import create_alarm, notify_of_alarms
from ..base.arguments import (
    parse_members,
    require_bool,
    require_duration,
    require_region_with_root_access,
)
from ..base.enums import TASK_IDS, UNLOCK_TASKS, RootTask
from ..base.function import function_role, log_group
from ..base.outputs import add_output
from ..base.resource_arguments import parse_log_settings, require_topic
from . import grants
from .accepted_root_credentials import AcceptedCredentials, parse_accepted_credentials
from .alarms import (
    CREDENTIALS,
    FAILED,
    INACCESSIBLE,
    MANAGEMENT_ROOT_USER,
    MINUTES_UNTIL_METRIC,
    NOT_STARTED,
    alarm_of_audits,
    alarm_of_missing_audits,
    audit_metric,
    metric_of_failed_executions,
    metric_of_failed_starts,
    metric_of_refused_executions,
)
from .arguments import (
    parse_protected_accounts,
    parse_role_path,
    require_audit,
    require_max_concurrency,
    require_room,
    warn_of_opt_in_region,
)
from .bucket_access import protect_bucket, tasks_with_changes
from .functions import RootTaskFunctions, allow_reading_executions
from .grants import Permission
from .permissions import execution_arn, executions_statement
from .report_bucket import report_bucket
from .state_machines import audit_rule, build_state_machine

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk import aws_events as events
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_s3 as s3
    from aws_cdk import aws_sns as sns
    from aws_cdk import aws_stepfunctions as sfn


# AWS documents no maximum of a rate; an audit less often than this is a mistake.
_MAX_AUDIT_INTERVAL = Duration.days(365)


class RootTasks(Construct):
    """Root tasks in the member accounts of an organization, for ten accounts or ten thousand.

    Two state machines: *Audit* is read-only, *Execute* makes changes. Audit audits root
    credentials, and plans any of the four tasks that make changes. Execute takes the run ID of such
    a plan, and does what its report shows: once, and nothing else. It exists if ``tasks`` lists a
    task that makes changes. Both write their reports to S3.

    **The stack is deployed in the organization's management account, or in the account that is the
    delegated administrator for IAM, in a Region that is enabled by default.** In another
    Region AWS refuses root sessions in member accounts that have not enabled it.
    :class:`CentralizedRootAccess` enables the features that the tasks need.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user-privileged-task.html

    Example::

        RootTasks(stack, "RootTasks", audit_interval=Duration.days(1))

    Args:
        scope: The stack, or a construct in it.
        id: The construct's id; the outputs' keys are ``<id>AuditStateMachineArn``,
            ``<id>ExecuteStateMachineArn``, ``<id>Bucket`` and, for the roles that open root
            sessions, such as ``<id>AuditRoleArn``. There ``<id>`` has no characters other than
            letters and digits.
        tasks: The tasks that runs may carry out. Default: the audit, which changes nothing.
        protected_accounts: The accounts, as 12 digits, in which no run makes changes: plans and
            executions skip them, and every role but the audit's is denied root sessions there.
            Audits include them. The list of a ``CommaDelimitedList`` parameter is not checked at
            synth: give the parameter the ``allowed_pattern`` ``[0-9]{12}``. Default: none.
        accepted_credentials: The root credentials that stay on purpose, by the ID of an account, or
            of an organizational unit for all accounts in it. Audits show them as *accepted*, and
            the alarm leaves them out. Default: none.
        audit_interval: How often every account of the organization is audited: whole minutes, from
            1 minute to 365 days. ``tasks`` has to list ``RootTask.AUDIT``. Default: no schedule.
        allow_policy_override: True to let a plan set any policy of a bucket or a queue. Default: a
            plan can only remove a policy, or give back one that a run has backed up.
        notification_topic: A standard SNS topic in the stack's Region for the alarms, and for
            notices: what the first full audit found, and what has changed since at a later one.
            The policies of an imported topic and of its key must let CloudWatch and the function
            that writes reports publish. Default: none.
        security_hub_findings: True to have the full audits that are published import a finding for
            every account into Security Hub CSPM of the stack's account and Region, which has to be
            enabled there. ``tasks`` has to list ``RootTask.AUDIT``. Default: no findings.
        max_concurrency: The number of batches that run in parallel, from 1 to 1,000. Default: 5,
            because a new account's functions have a concurrency of 10 in all.
        role_path: The IAM path of the roles that open root sessions. No other role should have it,
            because a :class:`RootUseAlarm` may know the ``session_roles`` by their path. Default:
            ``/centralized-root-access/``.
        encryption_key: The KMS key of the bucket and the log group; an alias is refused.
            The policy of an imported key must let CloudWatch Logs use it. An old key is needed as
            long as anything is encrypted with it. Default: S3 and CloudWatch Logs encrypt with keys
            of their own.
        log_retention: How long the logs are kept. Default: a year.

    Attributes:
        credentials_alarm: In alarm while the last full audit found root credentials that are not
            accepted.
        inaccessible_alarm: In alarm while accounts were inaccessible at the last full audit.
        management_root_user_alarm: In alarm while the management account's root user is
            unprotected: it had an access key, or no MFA, at the last full audit there.
        failed_alarm: In alarm when a run did not succeed. One that was
            refused for its input did not fail.
        not_started_alarm: In alarm when EventBridge could not start an audit, and gave up. None
            without an interval.
        audits_stopped_alarm: In alarm when no full audit has ended for three intervals. None
            without an interval, or with one of two days or more.
        metric_accounts_audited: The accounts that a full audit could audit.
        metric_accounts_with_root_credentials: Those that have root credentials which are not
            accepted.
        metric_accounts_inaccessible: The accounts that were inaccessible in a full audit.
        metric_management_root_user_unprotected: 1 if the management account's own root user has an
            access key, or no MFA; otherwise 0. No data point from a delegated administrator, or
            if it could not be read.
        metric_findings_imported: The findings that a full audit imported. None without
            ``security_hub_findings``.
        metric_findings_refused: Those that it could not import. None without
            ``security_hub_findings``.
        metric_failed_executions: The runs that did not succeed.
        metric_refused_executions: The runs that were refused for their input, such as an
            expired plan. They ended as SUCCEEDED, and set off no alarm.

    Raises:
        ValueError: An argument is malformed, out of its range, or too long for a function's
            environment; ``audit_interval`` or ``security_hub_findings`` without ``RootTask.AUDIT``
            in ``tasks``; the topic is a FIFO topic, or in another Region; the stack is in a China
            Region.
        TypeError: An argument has another type, such as an iterator.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        tasks: Iterable[RootTask | str] = (RootTask.AUDIT,),
        protected_accounts: Iterable[str] = (),
        accepted_credentials: Mapping[str, AcceptedCredentials] | None = None,
        audit_interval: Duration | None = None,
        allow_policy_override: bool = False,
        notification_topic: sns.ITopic | None = None,
        security_hub_findings: bool = False,
        max_concurrency: int = 5,
        role_path: str = "/centralized-root-access/",
        encryption_key: kms.IKey | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_YEAR,
    ) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)

        # Every argument is checked before anything is built.
        self.tasks: list[RootTask] = parse_members("tasks", tasks, RootTask)
        """The tasks, in the order of the enum."""
        protected = parse_protected_accounts(protected_accounts)
        accepted = parse_accepted_credentials(
            {} if accepted_credentials is None else accepted_credentials
        )
        # These go into the environment of a function.
        require_room({"protected_accounts": protected, "accepted_credentials": accepted})
        self.role_path: str = parse_role_path(role_path)
        """The IAM path of the roles that open root sessions."""
        if audit_interval is not None:
            require_duration("audit_interval", audit_interval, maximum=_MAX_AUDIT_INTERVAL)
            require_audit("audit_interval", tasks=self.tasks)
        require_bool("allow_policy_override", allow_policy_override)
        require_topic(notification_topic, stack=stack)
        require_bool("security_hub_findings", security_hub_findings)
        if security_hub_findings:
            require_audit("security_hub_findings", tasks=self.tasks)
        require_max_concurrency(max_concurrency)
        log_settings = parse_log_settings(encryption_key, log_retention, stack=stack)
        # What AWS offers in the stack's Region.
        # Only the tasks that unlock policies do without the management of root credentials.
        manages_credentials = not UNLOCK_TASKS.issuperset(self.tasks)
        require_region_with_root_access(self, manages_credentials=manages_credentials)
        warn_of_opt_in_region(self)

        # The functions and their state machines, in the order of the template.
        self._encryption_key = encryption_key
        logs_of_all = log_group(self, log_settings)
        self.bucket: s3.Bucket = report_bucket(self, encryption_key=encryption_key)
        """The bucket that has the reports, the plans and the backups."""
        topic_arn = None
        if notification_topic is not None:
            topic_arn = notification_topic.topic_arn
        functions = RootTaskFunctions(
            scope=self,
            log_group=logs_of_all,
            bucket=self.bucket,
            encryption_key=encryption_key,
            tasks=self.tasks,
            protected_accounts=protected,
            role_path=self.role_path,
            notification_topic=notification_topic,
            settings={
                "tasks": [str(task) for task in self.tasks],
                "protectedAccounts": protected,
                "allowPolicyOverride": allow_policy_override,
                "notificationTopicArn": topic_arn,
                "securityHubFindings": security_hub_findings,
                "acceptedCredentials": accepted,
            },
        )
        read_only = functions.build_read_only()
        batches = list(read_only.batch)
        self.audit_state_machine: sfn.StateMachine = build_state_machine(
            self, read_only, max_concurrency=max_concurrency, makes_changes=False
        )
        """The state machine of audits and plans.

        The input ``{}`` audits every account.
        """
        self._own_state_machines = [self.audit_state_machine]
        self.execute_state_machine: sfn.StateMachine | None = None
        """The state machine of runs that make changes; None if no task does.

        Its input is ``{"plan": "<run id>"}``.
        """
        # It reads the audits' executions, to know who planned what it executes.
        if tasks_with_changes(self.tasks):
            executing = functions.build_making_changes(self.audit_state_machine)
            batches += executing.batch
            self.execute_state_machine = build_state_machine(
                self, executing, max_concurrency=max_concurrency, makes_changes=True
            )
            self._own_state_machines.append(self.execute_state_machine)
            # A batch makes no change once its execution was stopped.
            for batch in executing.batch:
                stopped = executions_statement(
                    "DescribeOwnExecutions",
                    ["states:DescribeExecution", "states:GetExecutionHistory"],
                    self.execute_state_machine,
                )
                allow_reading_executions(self, batch, stopped)
            # An audit accepts what a recovery brought if its execution did that.
            if RootTask.RECOVER in self.tasks:
                recovering = executions_statement(
                    "DescribeRecoveries", ["states:DescribeExecution"], self.execute_state_machine
                )
                allow_reading_executions(self, read_only.start, recovering)
        protect_bucket(self.bucket, functions.access)
        self.functions: dict[RootTask, lambda_.IFunction] = {
            task: cast("lambda_.IFunction", self.node.find_child(TASK_IDS[task]))
            for task in self.tasks
        }
        """The function that audits, and for each other task the one that executes its plans."""
        self.session_roles: list[iam.IRole] = [function_role(function) for function in batches]
        """The roles that open root sessions, for the ``session_roles`` of a :class:`RootUseAlarm`.

        For an alarm in another stack, list their path instead. While another stack imports the ID
        or the ARN of a role, CloudFormation refuses to remove the role, for example when its task
        is no longer listed, and to replace it, for example when ``role_path`` changes.
        """

        # What watches them.
        rule = None
        if audit_interval is not None:
            rule = audit_rule(self, self.audit_state_machine, interval=audit_interval)
        self._build_metrics(security_hub_findings=security_hub_findings)
        self._build_alarms(audit_interval, rule=rule)
        notify_of_alarms(notification_topic, self)
        self._build_outputs()

    def grant_plan(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant the commands ``audit`` and ``plan``.

        They read this stack, which ``--stack`` has to name, and start, follow and list runs.
        Neither changes anything. One state machine serves both, so one grant does, too.

        Args:
            grantee: The principal.

        Raises:
            ValueError: The principal is known to be of another account, or has no policies.
        """
        starting = grants.to_start_and_follow_runs(self.audit_state_machine)
        return grants.grant_command(self, grantee, starting)

    def grant_execute(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant the command ``execute``.

        It reads this stack, which ``--stack`` has to name, executes plans, and follows and lists
        executions. The grant does not include planning. The command shows the plan first, for which
        it needs :meth:`grant_read_reports`. To keep a principal from executing plans regardless of
        what else allows it, deny ``states:StartExecution`` on the state machine, and
        ``states:RedriveExecution`` on its executions, which no grant includes.

        Args:
            grantee: The principal.

        Raises:
            ValueError: None of the listed tasks makes changes, so there is nothing to execute; or
                the principal is known to be of another account, or has no policies.
        """
        if self.execute_state_machine is None:
            raise ValueError(
                f"{self.node.path} lists no task that makes changes, so it has no state machine to "
                "execute plans. Add one to tasks."
            )
        starting = grants.to_start_and_follow_runs(self.execute_state_machine)
        return grants.grant_command(self, grantee, starting)

    def grant_stop(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant the command ``stop``.

        It reads this stack, which ``--stack`` has to name, stops runs, and reads what executions
        had done. The grant includes no start of a run, and no result of an audit or a plan.

        Args:
            grantee: The principal.

        Raises:
            ValueError: The principal is known to be of another account, or has no policies.
        """
        # Of audits and plans, too: to stop these needs no reading of what they found.
        executions = [execution_arn(own) for own in self._own_state_machines]
        stopping = Permission(["states:DescribeExecution", "states:StopExecution"], executions)
        return self._grant_with_key(grantee, [stopping] + self._to_read_results_of_executions())

    def grant_read_reports(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant the command ``report``; the others end with a report, for which they need it, too.

        It reads this stack, which ``--stack`` has to name, and every report. Reports have the names
        of accounts and e-mail addresses. The executions hold the hashes of the report and of the
        batches' results, by which the commands know whether the run wrote them.

        Args:
            grantee: The principal.

        Raises:
            ValueError: The principal is known to be of another account, or has no policies.
        """
        reports = [
            "runs/*/report.*",
            "executions/*/report.*",
            "latest/report.json",
            "runs/*/executed-by.json",
        ]
        objects = [self.bucket.arn_for_objects(pattern) for pattern in reports]
        reading = [Permission(["s3:GetObject"], objects)]
        reading += grants.to_read_results(self.bucket, self.audit_state_machine, folder="runs")
        return self._grant_with_key(grantee, reading + self._to_read_results_of_executions())

    def _to_read_results_of_executions(self) -> list[Permission]:
        """Return the permissions to read what executions of plans did; none if there are none."""
        if self.execute_state_machine is None:
            return []
        return grants.to_read_results(self.bucket, self.execute_state_machine, folder="executions")

    def _grant_with_key(self, grantee: iam.IGrantable, permissions: list[Permission]) -> iam.Grant:
        """Grant a command its permissions, and the key of the bucket, from which it reads."""
        grant = grants.grant_command(self, grantee, permissions)
        if self._encryption_key is None:
            return grant
        return grant.combine(self._encryption_key.grant_decrypt(grantee))

    def _build_metrics(self, *, security_hub_findings: bool) -> None:
        """Set the metrics of the full audits, and of the state machines' executions."""
        audits = self.audit_state_machine
        self.metric_accounts_audited = audit_metric(audits, "AccountsAudited")
        self.metric_accounts_with_root_credentials = audit_metric(
            audits, "AccountsWithRootCredentials"
        )
        self.metric_accounts_inaccessible = audit_metric(audits, "AccountsInaccessible")
        self.metric_management_root_user_unprotected = audit_metric(
            audits, "ManagementRootUserUnprotected"
        )
        # Without findings these would never have a data point.
        self.metric_findings_imported: cloudwatch.Metric | None = None
        self.metric_findings_refused: cloudwatch.Metric | None = None
        if security_hub_findings:
            self.metric_findings_imported = audit_metric(audits, "FindingsImported")
            self.metric_findings_refused = audit_metric(audits, "FindingsRefused")
        self.metric_failed_executions = metric_of_failed_executions(self._own_state_machines)
        self.metric_refused_executions = metric_of_refused_executions(self._own_state_machines)

    def _build_alarms(self, audit_interval: Duration | None, *, rule: events.Rule | None) -> None:
        """Build the alarms; two of them are only about audits on an interval, by a rule."""
        self.credentials_alarm = alarm_of_audits(
            self, "Credentials", self.metric_accounts_with_root_credentials, description=CREDENTIALS
        )
        self.inaccessible_alarm = alarm_of_audits(
            self, "Inaccessible", self.metric_accounts_inaccessible, description=INACCESSIBLE
        )
        self.management_root_user_alarm = alarm_of_audits(
            self,
            "ManagementRootUser",
            self.metric_management_root_user_unprotected,
            description=MANAGEMENT_ROOT_USER,
        )
        self.failed_alarm = create_alarm(
            self,
            "Failed",
            self.metric_failed_executions,
            description=FAILED,
            periods=MINUTES_UNTIL_METRIC,
        )
        self.not_started_alarm: cloudwatch.Alarm | None = None
        if rule is not None:
            self.not_started_alarm = create_alarm(
                self,
                "NotStarted",
                metric_of_failed_starts(rule),
                description=NOT_STARTED,
                periods=MINUTES_UNTIL_METRIC,
            )
        self.audits_stopped_alarm: cloudwatch.Alarm | None = None
        if audit_interval is not None:
            self.audits_stopped_alarm = alarm_of_missing_audits(
                self, self.metric_accounts_audited, interval=audit_interval
            )

    def _build_outputs(self) -> None:
        """Add the outputs by which the command line finds the state machines, roles and bucket."""
        add_output(
            self,
            "AuditStateMachineArn",
            description="ARN of the state machine that audits and plans root tasks.",
            value=self.audit_state_machine.state_machine_arn,
        )
        if self.execute_state_machine is not None:
            add_output(
                self,
                "ExecuteStateMachineArn",
                description="ARN of the state machine that executes plans of root tasks.",
                value=self.execute_state_machine.state_machine_arn,
            )
        # The pre-flight takes the roles from here: it has to judge policies for their ARNs.
        for role in self.session_roles:
            add_output(
                self,
                f"{role.node.id}Arn",
                description="ARN of a role that opens root sessions, by which `preflight` judges "
                "policies.",
                value=role.role_arn,
            )
        add_output(
            self,
            "Bucket",
            description="Name of the bucket with the reports; latest/report.json is of the latest "
            "full audit.",
            value=self.bucket.bucket_name,
        )
