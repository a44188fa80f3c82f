"""The drift check: a function on a schedule and on CloudTrail's events, a metric, and an alarm behind it."""

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
from ._function import log_group, python_function

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_sns as sns

    from .enums import RootAccessFeature

_NAMESPACE = "CentralizedRootAccess"
_METRIC = "InDesiredState"
_DIMENSION = "OrganizationId"

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
    """Notices when the organization is no longer as the stack lists it; made by ``add_drift_check``.

    Attributes:
        alarm: in alarm when two of the last three intervals were not in the desired state, or had no
            check that could look.
        metric: 1 while the organization is as listed, 0 while it is not; none where nobody could look.
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
        topic: sns.ITopic | None,
    ) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        _require_interval(interval)
        desired: dict[str, object] = {"features": [str(feature) for feature in features]}
        if delegated_administrators is not None:
            desired["delegated_administrators"] = delegated_administrators
        environment = {"DESIRED_STATE": stack.to_json_string(desired)}
        if repair:
            environment["REPAIRED_STACK_ID"] = stack.stack_id
        self._function = python_function(
            self,
            description="Checks that centralized root access is as the stack lists it.",
            handler="root_access.drift.on_check",
            log_group=log_group(self),
            statements=(
                _permissions.to_check_and_repair(features=features, stack_id=stack.stack_id)
                if repair
                else _permissions.to_check()
            ),
            timeout=Duration.minutes(3),
            environment=environment,
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
        self.alarm = self._build_alarm(topic)

    def _add_events(self, stack: Stack) -> None:
        if stack.region != _REGION_OF_GLOBAL_EVENTS:
            region = "unknown at synth" if Token.is_unresolved(stack.region) else stack.region
            Annotations.of(self).add_info(
                f"The Region is {region}: the drift check runs on its interval alone. CloudTrail's events of "
                f"IAM and Organizations are delivered in {_REGION_OF_GLOBAL_EVENTS}."
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

    def _build_alarm(self, topic: sns.ITopic | None) -> cloudwatch.Alarm:
        alarm = self.metric.create_alarm(
            self,
            "Alarm",
            alarm_description=(
                "Centralized root access is not as the stack lists it, or the check stopped. "
                "The check's log says which."
            ),
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            threshold=1,
            evaluation_periods=3,
            datapoints_to_alarm=2,
            # A check that stopped is as bad as one that found something.
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )
        if topic:
            # A topic that gets a policy of its own loses the default one, which lets CloudWatch publish.
            # SourceAccount, for where there was no policy this one replaces what other alarms rely on.
            topic.grant_publish(
                iam.ServicePrincipal(
                    "cloudwatch.amazonaws.com",
                    conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
                )
            )
            alarm.add_alarm_action(actions.SnsAction(topic))
            alarm.add_ok_action(actions.SnsAction(topic))
        return alarm


def _require_interval(interval: Duration) -> None:
    seconds = interval.to_seconds()
    if seconds % 60 or not 60 <= seconds <= 24 * 60 * 60:
        raise ValueError(
            f"interval is {interval.to_human_string()}; it is whole minutes, from 1 minute to 24 hours."
        )
