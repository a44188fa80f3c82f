"""The construct: one state machine that performs root tasks in the organization's member accounts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aws_cdk import ArnFormat, Aws, CfnOutput, Duration, RemovalPolicy, Stack, Token
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks_
from constructs import Construct

from ._arguments import require_list
from ._code import everything_but, lambda_root
from ._function import log_group, role_for
from .enums import RootTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aws_cdk import aws_sns as sns

_UNLOCKS = (RootTask.UNLOCK_BUCKET_POLICY, RootTask.UNLOCK_QUEUE_POLICY)

# A root session ends after 15 minutes, and a batch before it.
_PERFORM_TIMEOUT = Duration.minutes(10)
# Ten thousand accounts are five hundred calls of ListAccounts, or four hundred results to read.
_SELECT_TIMEOUT = _CONCLUDE_TIMEOUT = Duration.minutes(15)
_LONGEST_PLAN_LIFETIME = Duration.hours(24)
_REPORTS_KEPT = Duration.days(400)
_REPLACED_KEPT = Duration.days(90)

# A role's inline policies have 10,240 characters, of which the statements other than the Deny take less
# than 2,240. The longest partition's name counts, for the stack's is not known at synth.
_LONGEST_DENY = 10_240 - 2_240
_MOST_PROTECTED_ACCOUNTS = _LONGEST_DENY // len('"arn:aws-us-gov:iam::111111111111:root",')


class RootTasks(Construct):
    """Performs root tasks in the member accounts of an organization, for ten accounts or ten thousand.

    One state machine performs AWS's root tasks: the audit of root credentials, and whichever of the four
    that act are listed. Each execution leaves a report in S3. What acts is bound to a plan: an execution
    without ``"execute"`` only says what it would do; one with the run id of that plan does exactly that.

    **The stack is deployed in the organization's management account, or in the account that is the
    delegated administrator for IAM.** The features that the tasks need are turned on by
    :class:`CentralizedRootAccess`.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user-privileged-task.html

    Example::

        RootTasks(stack, "RootTasks", interval=Duration.days(1))

    Args:
        scope: the stack, or a construct in it.
        id: the construct's id; the outputs' keys are ``<id>StateMachineArn`` and ``<id>ReportLocation``.
        tasks: the tasks that executions may ask for. By default the audit alone, which changes nothing.
        protected_accounts: accounts, as 12 digits, in which no task is ever performed: they are skipped,
            and the functions' roles are denied a root session there.
        interval: how often every account of the organization is audited. By default only executions that
            somebody starts do anything.
        plan_lifetime: how old a plan may be when it is executed: at most, and by default, 24 hours.
        allow_policy_override: whether a backup may be restored with a corrected policy. By default only
            what a task removed before can be restored.
        topic: is told when a full audit finds something else than the one before.
        max_concurrency: how many batches are performed side by side; in each are five accounts at a time.

    Raises:
        ValueError: a task is unknown or none is listed; an account id is not 12 digits; more accounts are
            protected than a role's policy has room for; a duration or number is out of its range; the
            stack's Region is in China.
        TypeError: a list is not a list, a tuple or a set; an iterator is refused, for it could be used up.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        tasks: Iterable[RootTask | str] = (RootTask.AUDIT,),
        protected_accounts: Iterable[str] = (),
        interval: Duration | None = None,
        plan_lifetime: Duration | None = None,
        allow_policy_override: bool = False,
        topic: sns.ITopic | None = None,
        max_concurrency: int = 10,
    ) -> None:
        super().__init__(scope, id)
        self._tasks = _checked_tasks(tasks)
        self._protected_accounts = _checked_protected_accounts(protected_accounts)
        plan_lifetime = plan_lifetime or _LONGEST_PLAN_LIFETIME
        self._refuse_out_of_range(interval, plan_lifetime, max_concurrency)
        self._refuse_china()

        self._log_group = log_group(self)
        self.bucket: s3.Bucket = self._build_bucket()
        """Where the reports, the plans and the backups are."""
        select = self._build_select(plan_lifetime, allow_policy_override=allow_policy_override)
        perform = {task: self._build_perform(task) for task in self._tasks}
        conclude = self._build_conclude(topic)
        self.state_machine: sfn.StateMachine = self._build_state_machine(
            select, perform, conclude, max_concurrency
        )
        """The state machine; an execution of it with the input ``{}`` audits every account."""
        if self._acts:
            self._allow_reading_executions(select)
        if interval is not None:
            self._build_rule(interval)
        self._build_outputs(id)

    @property
    def _acts(self) -> bool:
        return self._tasks != [RootTask.AUDIT]

    def _refuse_out_of_range(
        self, interval: Duration | None, plan_lifetime: Duration, max_concurrency: int
    ) -> None:
        if interval is not None:
            if interval.to_milliseconds() % 60_000 or interval.to_milliseconds() < 60_000:
                raise ValueError(
                    f"{self.node.path} has an interval of {interval.to_human_string()}; give whole minutes, "
                    "at least one."
                )
            if RootTask.AUDIT not in self._tasks:
                raise ValueError(
                    f"{self.node.path} has an interval, and what runs on it is the audit: list "
                    "RootTask.AUDIT in tasks."
                )
        if not 0 < plan_lifetime.to_milliseconds() <= _LONGEST_PLAN_LIFETIME.to_milliseconds():
            raise ValueError(
                f"{self.node.path} has a plan_lifetime of {plan_lifetime.to_human_string()}; a plan can be "
                "executed for at most 24 hours."
            )
        if not 1 <= max_concurrency <= 1000:
            raise ValueError(
                f"{self.node.path} has max_concurrency={max_concurrency}; give a number from 1 to 1000."
            )

    def _refuse_china(self) -> None:
        region = Stack.of(self).region
        if not Token.is_unresolved(region) and region.startswith("cn-"):
            raise ValueError(
                f"{self.node.path} is in {region}; in China AWS has no centralized root access. Use a Region "
                "of another partition."
            )

    def _build_bucket(self) -> s3.Bucket:
        return s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=True,
            lifecycle_rules=[
                # Not of backups/: a policy that was removed can be put back for ever.
                s3.LifecycleRule(
                    prefix="runs/",
                    expiration=_REPORTS_KEPT,
                    noncurrent_version_expiration=_REPLACED_KEPT,
                ),
                s3.LifecycleRule(prefix="latest/", noncurrent_version_expiration=_REPLACED_KEPT),
                s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(7)),
            ],
            removal_policy=RemovalPolicy.RETAIN,
        )

    def _build_select(self, plan_lifetime: Duration, *, allow_policy_override: bool) -> lambda_.Function:
        statements = [
            iam.PolicyStatement(
                sid="Organization",
                actions=[
                    "iam:ListOrganizationsFeatures",
                    "organizations:DescribeOrganization",
                    "organizations:ListAccounts",
                    "organizations:ListAccountsForParent",
                    "organizations:ListOrganizationalUnitsForParent",
                ],
                resources=["*"],
            ),
            iam.PolicyStatement(
                sid="Run",
                actions=["s3:GetObject", "s3:PutObject"],
                resources=[self.bucket.arn_for_objects("runs/*")],
            ),
        ]
        if any(task in _UNLOCKS for task in self._tasks):
            statements.append(
                iam.PolicyStatement(
                    sid="Backups",
                    actions=["s3:GetObject"],
                    resources=[self.bucket.arn_for_objects("backups/*")],
                )
            )
        return self._build_function(
            "Select",
            description="Selects the accounts of a root task.",
            handler="select",
            timeout=_SELECT_TIMEOUT,
            statements=statements,
            environment={
                "TASKS": ",".join(self._tasks),
                "PROTECTED_ACCOUNTS": ",".join(self._protected_accounts),
                "PLAN_LIFETIME_SECONDS": str(plan_lifetime.to_seconds()),
                "ALLOW_POLICY_TEXT": "true" if allow_policy_override else "false",
            },
        )

    def _build_perform(self, task: RootTask) -> lambda_.Function:
        """A function for each task: what audits can assume nothing that deletes."""
        statements = [
            iam.PolicyStatement(
                sid="RootSession",
                actions=["sts:AssumeRoot"],
                resources=[f"arn:{Aws.PARTITION}:iam::*:root"],
                conditions={
                    "StringEquals": {
                        "sts:TaskPolicyArn": f"arn:{Aws.PARTITION}:iam::aws:policy/root-task/{task}"
                    }
                },
            ),
            iam.PolicyStatement(
                sid="Work",
                actions=["s3:GetObject"],
                resources=[self.bucket.arn_for_objects("runs/*/work.json")],
            ),
            iam.PolicyStatement(
                sid="Result",
                actions=["s3:PutObject"],
                resources=[self.bucket.arn_for_objects("runs/*/results/*")],
            ),
            self._list_statement("runs/*"),
        ]
        if task in _UNLOCKS:
            statements.append(
                iam.PolicyStatement(
                    sid="Backup",
                    actions=["s3:PutObject"],
                    resources=[self.bucket.arn_for_objects("backups/*")],
                )
            )
        id = task.name.title().replace("_", "")
        function = self._build_function(
            id,
            description=f"Performs {task} in a batch of accounts.",
            handler="perform",
            timeout=_PERFORM_TIMEOUT,
            statements=statements,
        )
        if self._protected_accounts:
            self._deny_protected_accounts(id, function)
        return function

    def _deny_protected_accounts(self, id: str, function: lambda_.Function) -> None:
        """Denies root sessions, whatever the function's code may ask for.

        It is a policy of its own, for CDK would split a long one, and what it splits off may come later.
        """
        if function.role is None:
            raise ValueError(f"{function.node.path} has no role.")
        policy = iam.Policy(
            self,
            f"{id}ProtectedAccounts",
            roles=[function.role],
            statements=[
                iam.PolicyStatement(
                    sid="ProtectedAccounts",
                    effect=iam.Effect.DENY,
                    actions=["sts:AssumeRoot"],
                    resources=[f"arn:{Aws.PARTITION}:iam::{id_}:root" for id_ in self._protected_accounts],
                )
            ],
        )
        function.node.add_dependency(policy)

    def _build_conclude(self, topic: sns.ITopic | None) -> lambda_.Function:
        function = self._build_function(
            "Conclude",
            description="Writes the report of a root task.",
            handler="conclude",
            timeout=_CONCLUDE_TIMEOUT,
            statements=[
                iam.PolicyStatement(
                    sid="Report",
                    actions=["s3:GetObject", "s3:PutObject"],
                    resources=[
                        self.bucket.arn_for_objects("runs/*"),
                        self.bucket.arn_for_objects("latest/*"),
                    ],
                ),
                self._list_statement("runs/*", "latest/*"),
            ],
            environment={"TOPIC_ARN": topic.topic_arn} if topic else {},
        )
        if topic:
            topic.grant_publish(function)
        return function

    def _list_statement(self, *prefixes: str) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            sid="List",
            actions=["s3:ListBucket"],
            resources=[self.bucket.bucket_arn],
            conditions={"StringLike": {"s3:prefix": list(prefixes)}},
        )

    def _build_function(
        self,
        id: str,
        *,
        description: str,
        handler: str,
        timeout: Duration,
        statements: Sequence[iam.PolicyStatement],
        environment: dict[str, str] | None = None,
    ) -> lambda_.Function:
        function = lambda_.Function(
            self,
            id,
            description=description,
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            handler=f"root_tasks.handlers.{handler}",
            code=lambda_.Code.from_asset(
                str(lambda_root()),
                exclude=everything_but("aws_calls", "root_access", "root_tasks"),
            ),
            # Memory is processor time, too: each session makes clients of its own.
            memory_size=1024,
            timeout=timeout,
            role=role_for(self, f"{id}Role", self._log_group),
            log_group=self._log_group,
            environment={
                "BUCKET": self.bucket.bucket_name,
                # For an SDK of the runtime that would still choose the global STS.
                "AWS_STS_REGIONAL_ENDPOINTS": "regional",
                **(environment or {}),
            },
        )
        for statement in statements:
            function.add_to_role_policy(statement)
        return function

    def _build_state_machine(
        self,
        select: lambda_.Function,
        perform: dict[RootTask, lambda_.Function],
        conclude: lambda_.Function,
        max_concurrency: int,
    ) -> sfn.StateMachine:
        selected = self._invoke(
            "Select accounts",
            select,
            timeout=_SELECT_TIMEOUT,
            payload={
                "input": sfn.JsonPath.object_at("$"),
                "execution": {
                    "id": sfn.JsonPath.string_at("$$.Execution.Id"),
                    "name": sfn.JsonPath.string_at("$$.Execution.Name"),
                    "startedAt": sfn.JsonPath.string_at("$$.Execution.StartTime"),
                },
            },
        )
        concluded = self._invoke(
            "Write report",
            conclude,
            timeout=_CONCLUDE_TIMEOUT,
            payload={"runId": sfn.JsonPath.string_at("$.runId")},
        )
        batches = sfn.DistributedMap(
            self,
            "Batches of accounts",
            item_reader=sfn.S3JsonItemReader(bucket=self.bucket, key=sfn.JsonPath.string_at("$.itemsKey")),
            item_selector={
                "runId": sfn.JsonPath.string_at("$.runId"),
                "task": sfn.JsonPath.string_at("$.task"),
                "workSha256": sfn.JsonPath.string_at("$.workSha256"),
                "batch": sfn.JsonPath.number_at("$$.Map.Item.Value.batch"),
            },
            max_concurrency=max_concurrency,
            # A batch that fails loses only itself, and shows in the report.
            tolerated_failure_percentage=100,
            result_path=sfn.JsonPath.DISCARD,
        )
        batches.item_processor(
            self._performed(perform),
            mode=sfn.ProcessorMode.DISTRIBUTED,
            execution_type=sfn.ProcessorType.STANDARD,
        )
        # Whatever happens to the map, there is a report that says so.
        batches.add_catch(concluded, result_path=sfn.JsonPath.DISCARD)
        definition = selected.next(
            sfn.Choice(self, "Any account?")
            .when(sfn.Condition.number_greater_than("$.batches", 0), batches.next(concluded))
            .otherwise(concluded)
        )
        return sfn.StateMachine(
            self,
            "StateMachine",
            comment="Performs root tasks in the organization's member accounts.",
            definition_body=sfn.DefinitionBody.from_chainable(definition),
        )

    def _performed(self, perform: dict[RootTask, lambda_.Function]) -> sfn.IChainable:
        choice = sfn.Choice(self, "Which task?")
        for task, function in perform.items():
            choice.when(
                sfn.Condition.string_equals("$.task", task),
                self._invoke(task, function, timeout=_PERFORM_TIMEOUT, payload=None),
            )
        return choice

    def _invoke(
        self, id: str, function: lambda_.Function, *, timeout: Duration, payload: dict[str, Any] | None
    ) -> tasks_.LambdaInvoke:
        invoke = tasks_.LambdaInvoke(
            self,
            id,
            lambda_function=function,
            payload=None if payload is None else sfn.TaskInput.from_object(payload),
            payload_response_only=True,
            task_timeout=sfn.Timeout.duration(timeout.plus(Duration.minutes(1))),
        )
        # The account's functions may all be running: then this one has not begun.
        invoke.add_retry(
            errors=["Lambda.TooManyRequestsException"],
            interval=Duration.seconds(5),
            max_delay=Duration.minutes(1),
            max_attempts=20,
            jitter_strategy=sfn.JitterType.FULL,
        )
        return invoke

    def _allow_reading_executions(self, select: lambda_.Function) -> None:
        """What a plan was is told by the execution that made it, which nobody can alter."""
        if select.role is None:
            raise ValueError(f"{select.node.path} has no role.")
        # A policy of its own: the function's is made before the function, and this needs the state machine.
        iam.Policy(
            self,
            "SelectPlans",
            roles=[select.role],
            statements=[
                iam.PolicyStatement(
                    sid="Plans",
                    actions=["states:DescribeExecution"],
                    resources=[
                        Stack.of(self).format_arn(
                            service="states",
                            resource="execution",
                            resource_name=f"{self.state_machine.state_machine_name}:*",
                            arn_format=ArnFormat.COLON_RESOURCE_NAME,
                        )
                    ],
                )
            ],
        )

    def _build_rule(self, interval: Duration) -> None:
        events.Rule(
            self,
            "Interval",
            description="Audits the root users of every account of the organization.",
            schedule=events.Schedule.rate(interval),
            targets=[
                targets.SfnStateMachine(
                    self.state_machine, input=events.RuleTargetInput.from_object({"task": RootTask.AUDIT})
                )
            ],
        )

    def _build_outputs(self, id: str) -> None:
        prefix = re.sub(r"[^A-Za-z0-9]", "", id)
        for name, description, value in (
            ("StateMachineArn", "Performs root tasks.", self.state_machine.state_machine_arn),
            (
                "ReportLocation",
                "The report of the latest full audit.",
                f"s3://{self.bucket.bucket_name}/latest/report.html",
            ),
        ):
            output = CfnOutput(self, name, description=description, value=value)
            output.override_logical_id(prefix + name)


def _checked_tasks(tasks: Iterable[RootTask | str]) -> list[RootTask]:
    require_list("tasks", tasks)
    listed = set(tasks)
    if unknown := listed.difference(RootTask):
        raise ValueError(
            f"tasks lists {', '.join(sorted(repr(str(name)) for name in unknown))}; AWS knows "
            f"{', '.join(RootTask)}."
        )
    if not listed:
        raise ValueError("tasks is empty: list at least RootTask.AUDIT.")
    return [task for task in RootTask if task in listed]


def _checked_protected_accounts(account_ids: Iterable[str]) -> list[str]:
    require_list("protected_accounts", account_ids)
    listed = sorted(set(account_ids))
    for account_id in listed:
        if not re.fullmatch(r"[0-9]{12}", account_id):
            raise ValueError(
                f"protected_accounts lists {account_id!r}; an account id is a string of 12 digits."
            )
    if len(listed) > _MOST_PROTECTED_ACCOUNTS:
        raise ValueError(
            f"protected_accounts lists {len(listed)} accounts; a role's policy has room to deny "
            f"{_MOST_PROTECTED_ACCOUNTS}. Protect the others by a service control policy."
        )
    return listed
