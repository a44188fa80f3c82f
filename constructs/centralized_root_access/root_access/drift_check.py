"""The DriftCheck construct: a function, when it runs, its metric and two alarms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from aws_cdk import Annotations, Aws, CfnCondition, CfnResource, Duration, Fn, Stack, Token
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from ..base.alarms import (
    INTERVALS_UNTIL_STOPPED,
    MINUTE,
    NAMESPACE,
    alarm_description,
    alarm_of_missing_data,
    create_alarm,
    notify_of_alarms,
)
from ..base.arguments import require_bool, require_duration
from ..base.enums import RootAccessFeature
from ..base.function import LogSettings, log_group, python_function
from ..base.permissions import import_findings_statement
from ..base.resource_arguments import require_topic
from . import permissions

if TYPE_CHECKING:
    from aws_cdk import CustomResource
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_sns as sns


_MAX_INTERVAL = Duration.hours(24)

# IAM and Organizations are global; CloudTrail delivers their events here.
_REGION_OF_GLOBAL_EVENTS = "us-east-1"

_CALLS_THAT_CHANGE_ROOT_ACCESS = [
    "DeregisterDelegatedAdministrator",
    "DisableAWSServiceAccess",
    "DisableOrganizationsRootCredentialsManagement",
    "DisableOrganizationsRootSessions",
    "EnableAWSServiceAccess",
    "EnableOrganizationsRootCredentialsManagement",
    "EnableOrganizationsRootSessions",
    "RegisterDelegatedAdministrator",
]


class DriftCheck(Construct):
    """Drift detection for a CentralizedRootAccess. Created by ``add_drift_check``.

    Attributes:
        drift_alarm: In alarm while the last successful check found drift, even if it repaired it.
            It fires on the first such check, and ends with the next one that finds none.
        checks_stopped_alarm: In alarm when no check has succeeded or found drift for three
            intervals.
        metric_in_desired_state: 1 while the organization matches the stack, 0 while it does not; no
            data point from a check that could not read what it needs, unless it found drift.
        function: The function that checks.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        features: Sequence[RootAccessFeature],
        delegated_administrators: Sequence[str] | None,
        resource: CustomResource,
        interval: Duration,
        repair: bool,
        notification_topic: sns.ITopic | None,
        security_hub_findings: bool,
        log_settings: LogSettings,
    ) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        require_duration("interval", interval, maximum=_MAX_INTERVAL)
        require_bool("repair", repair)
        require_topic(notification_topic, stack=stack)
        require_bool("security_hub_findings", security_hub_findings)
        # A repair waits while this stack is in progress.
        repaired_stack_id = None
        if repair:
            repaired_stack_id = stack.stack_id
        topic_arn = None
        if notification_topic is not None:
            topic_arn = notification_topic.topic_arn

        # The function.
        logs = log_group(self, log_settings)
        statements = permissions.check_statements(
            features=features, repaired_stack_id=repaired_stack_id
        )
        if security_hub_findings:
            statements.append(import_findings_statement(self))
        function = python_function(
            self,
            "Function",
            description="Checks that centralized root access matches the stack.",
            handler="root_access.drift.check.on_check",
            log_group=logs,
            statements=statements,
            timeout=Duration.minutes(3),
            settings={
                "features": [str(feature) for feature in features],
                "delegatedAdministrators": delegated_administrators,
                "repairedStackId": repaired_stack_id,
                "notificationTopicArn": topic_arn,
                "securityHubFindings": security_hub_findings,
            },
        )
        self.function: lambda_.IFunction = function

        # When it runs. In each deployment the function gets the new lists first, then the resource
        # applies them: the checks after its calls use the new lists. In the first deployment no
        # check runs before.
        resource.node.add_dependency(function)
        for rule in self._build_rules(stack, function, interval=interval):
            rule.node.add_dependency(resource)

        # What is known of it: a metric and two alarms.
        self.metric_in_desired_state = cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name="InDesiredState",
            dimensions_map={"OrganizationId": resource.get_att_string("OrganizationId")},
            statistic="Minimum",
            period=interval,
        ).attach_to(self)
        follow_logs = f"aws logs tail {logs.log_group_name} --since 1d"
        self.drift_alarm = create_alarm(
            self,
            "Drift",
            self.metric_in_desired_state.with_(period=MINUTE),
            description=alarm_description(
                "Centralized root access did not match the stack at the last drift check. The "
                "check may have repaired it since.",
                "See what differs (options: the stack's lists): centralized-root-access status",
                f"See the check, and any caller (AWS CLI version 2): {follow_logs}",
                runbook="Drift",
            ),
            # Between two checks, and before the first one, the state does not change.
            missing=cloudwatch.TreatMissingData.IGNORE,
            below_one=True,
        )
        self.checks_stopped_alarm = alarm_of_missing_data(
            self,
            "Stopped",
            self.metric_in_desired_state,
            name="checks",
            label="Successful drift checks",
            description=alarm_description(
                f"For {INTERVALS_UNTIL_STOPPED} intervals no drift check of centralized root "
                "access has succeeded or found drift: new drift may not be noticed.",
                f"See why (AWS CLI version 2): {follow_logs}",
                "See whether there is drift (options: the stack's lists): "
                "centralized-root-access status",
                runbook="The drift check stopped",
            ),
            interval=interval,
        )
        if notification_topic:
            notification_topic.grant_publish(function)
        notify_of_alarms(notification_topic, self)

    def _build_rules(
        self, stack: Stack, function: lambda_.IFunction, *, interval: Duration
    ) -> list[events.Rule]:
        """Build what runs the check: an interval, and in us-east-1 the events of certain calls."""
        on_interval = events.Rule(
            self,
            "Interval",
            description="Checks centralized root access on an interval.",
            schedule=events.Schedule.rate(interval),
            targets=[targets.LambdaFunction(function)],
        )
        known = not Token.is_unresolved(stack.region)
        if known and stack.region != _REGION_OF_GLOBAL_EVENTS:
            Annotations.of(self).add_info(
                f"The Region is {stack.region}: the drift check runs only on its interval. "
                "CloudTrail delivers the events of IAM and Organizations in "
                f"{_REGION_OF_GLOBAL_EVENTS}."
            )
            return [on_interval]
        on_calls = events.Rule(
            self,
            "Calls",
            description="Checks centralized root access after a call that can change it.",
            event_pattern=events.EventPattern(
                source=["aws.iam", "aws.organizations"],
                detail_type=["AWS API Call via CloudTrail"],
                detail={
                    "eventSource": ["iam.amazonaws.com", "organizations.amazonaws.com"],
                    "eventName": _CALLS_THAT_CHANGE_ROOT_ACCESS,
                },
            ),
            targets=[targets.LambdaFunction(function)],
        )
        if not known:
            _require_region_of_global_events(on_calls)
        return [on_interval, on_calls]


def _require_region_of_global_events(rule: events.Rule) -> None:
    """Let a rule exist only in a stack that turns out to be in the Region of the events."""
    condition = CfnCondition(
        rule,
        "InRegionOfEvents",
        expression=Fn.condition_equals(Aws.REGION, _REGION_OF_GLOBAL_EVENTS),
    )
    # The rule, and its permission to invoke the function.
    for resource in filter(CfnResource.is_cfn_resource, rule.node.find_all()):
        cast("CfnResource", resource).cfn_options.condition = condition
