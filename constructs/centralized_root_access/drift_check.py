"""The DriftCheck construct: a function on a schedule and on CloudTrail's events, a metric and its alarm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Annotations, Duration, Stack, Token
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from constructs import Construct

from . import _permissions
from ._arguments import require_interval
from ._function import log_group, python_function
from .enums import RootAccessFeature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_sns as sns

_NAMESPACE = "CentralizedRootAccess"
_METRIC = "InDesiredState"
_DIMENSION = "OrganizationId"

_MAX_INTERVAL = Duration.hours(24)

# IAM and Organizations are global; CloudTrail delivers their events here.
_REGION_OF_GLOBAL_EVENTS = "us-east-1"
_CALLS_THAT_CHANGE_ROOT_ACCESS = [
    "DeregisterDelegatedAdministrator",
    "DisableAWSServiceAccess",
    *(f"DisableOrganizations{feature}" for feature in RootAccessFeature),
    "EnableAWSServiceAccess",
    *(f"EnableOrganizations{feature}" for feature in RootAccessFeature),
    "RegisterDelegatedAdministrator",
]


class DriftCheck(Construct):
    """Drift detection for a CentralizedRootAccess. Created by ``add_drift_check``.

    Attributes:
        alarm: In alarm when two of the last three intervals had drift or no successful check.
        metric: 1 while the organization matches the stack, 0 while it does not; no data point when the
            check failed.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        features: Sequence[RootAccessFeature],
        delegated_administrators: Sequence[str] | None,
        organization_id: str,
        interval: Duration,
        repair: bool,
        notification_topic: sns.ITopic | None,
    ) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        require_interval("interval", interval, maximum=_MAX_INTERVAL)
        self._function = python_function(
            self,
            "Function",
            description="Checks that centralized root access matches the stack.",
            handler="root_access.drift.on_check",
            packages=("aws_calls", "root_access"),
            log_group=log_group(self),
            statements=(
                _permissions.repair_statements(features=features, stack_id=stack.stack_id)
                if repair
                else _permissions.check_statements()
            ),
            timeout=Duration.minutes(3),
            settings={
                "features": [str(feature) for feature in features],
                "delegatedAdministrators": delegated_administrators,
                "repairedStackId": stack.stack_id if repair else None,
            },
        )
        events.Rule(
            self,
            "Interval",
            description="Checks centralized root access on an interval.",
            schedule=events.Schedule.rate(interval),
            targets=[targets.LambdaFunction(self._function)],
        )
        self._add_events(stack)
        self.metric = cloudwatch.Metric(
            namespace=_NAMESPACE,
            metric_name=_METRIC,
            dimensions_map={_DIMENSION: organization_id},
            statistic="Minimum",
            period=interval,
        )
        self.alarm = self._build_alarm(notification_topic)

    def _add_events(self, stack: Stack) -> None:
        if stack.region != _REGION_OF_GLOBAL_EVENTS:
            region = "unknown at synth" if Token.is_unresolved(stack.region) else stack.region
            Annotations.of(self).add_info(
                f"The Region is {region}: the drift check runs on its interval alone. CloudTrail delivers "
                f"the events of IAM and Organizations in {_REGION_OF_GLOBAL_EVENTS}."
            )
            return
        events.Rule(
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
            targets=[targets.LambdaFunction(self._function)],
        )

    def _build_alarm(self, notification_topic: sns.ITopic | None) -> cloudwatch.Alarm:
        alarm = self.metric.create_alarm(
            self,
            "Alarm",
            alarm_description=(
                "Centralized root access does not match the stack, or the drift check stopped. "
                "The function's log shows which."
            ),
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            threshold=1,
            evaluation_periods=3,
            datapoints_to_alarm=2,
            # A check that stopped is as bad as drift.
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )
        if notification_topic:
            # A topic that gets a policy of its own loses the default one, which lets CloudWatch publish.
            # Other alarms of the account may rely on that: the condition names the account, not this alarm.
            notification_topic.grant_publish(
                iam.ServicePrincipal(
                    "cloudwatch.amazonaws.com",
                    conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
                )
            )
            alarm.add_alarm_action(actions.SnsAction(notification_topic))
            alarm.add_ok_action(actions.SnsAction(notification_topic))
        return alarm
