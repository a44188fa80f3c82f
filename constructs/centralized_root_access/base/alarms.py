"""The alarms that several constructs have, and who hears them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import jsii
from aws_cdk import Annotations, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from constructs import Construct, IValidation

from .code import runbook_line

if TYPE_CHECKING:
    from aws_cdk import aws_sns as sns

NAMESPACE = "CentralizedRootAccess"

MINUTE = Duration.minutes(1)

# Checks and audits have stopped if none ended for this many intervals. After only one, an audit
# that takes longer than the previous one would count as well.
INTERVALS_UNTIL_STOPPED = 3
# A new alarm waits for at most two days.
MAX_WARM_UP_MINUTES = 2880


def alarm_description(what: str, *steps: str, runbook: str) -> str:
    """Return the description of an alarm, for which CloudWatch has room for 1,024 characters.

    Args:
        what: What the alarm means.
        steps: What to do: sentences, or commands with a few words before them.
        runbook: The heading in docs/guides/operating.md, which says more.
    """
    return "\n".join([what, *steps, runbook_line(runbook)])


def create_alarm(
    scope: Construct,
    id: str,
    metric: cloudwatch.Metric | cloudwatch.MathExpression,
    *,
    description: str,
    missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING,
    periods: int = 1,
    below_one: bool = False,
) -> cloudwatch.Alarm:
    """Create an alarm for a metric above zero in any period, or below one in all of them.

    Args:
        scope: The construct that the alarm belongs to.
        id: The alarm's id.
        metric: The metric.
        description: The alarm's description.
        missing: What a period without a value counts as. Default: as one that sets off no alarm.
        periods: How many of the last periods count.
        below_one: True for the metric below one in all of them. Default: above zero in any.
    """
    comparison = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
    if below_one:
        comparison = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
    return metric.create_alarm(
        scope,
        id,
        alarm_description=description,
        comparison_operator=comparison,
        threshold=1 if below_one else 0,
        evaluation_periods=periods,
        datapoints_to_alarm=periods if below_one else 1,
        treat_missing_data=missing,
    )


def alarm_of_missing_data(
    scope: Construct,
    id: str,
    metric: cloudwatch.Metric,
    *,
    name: str,
    label: str,
    description: str,
    interval: Duration,
) -> cloudwatch.Alarm:
    """Return the alarm for a metric that has had no value for three intervals.

    Args:
        scope: The construct that the alarm belongs to.
        id: The alarm's id.
        metric: The metric.
        name: What the metric's values are called in the alarm's expression, for example ``audits``.
        label: What graphs call the expression, for example ``Full audits``.
        description: The alarm's description.
        interval: How often the metric has a value.
    """
    # Without FILL CloudWatch looks further back for data points, and waits for longer than this.
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    values = cloudwatch.MathExpression(
        expression=f"FILL({name}, 0)",
        label=label,
        using_metrics={name: metric.with_(statistic="SampleCount")},
        period=interval,
    )
    alarm = create_alarm(
        scope,
        id,
        values,
        description=description,
        missing=cloudwatch.TreatMissingData.BREACHING,
        periods=INTERVALS_UNTIL_STOPPED,
        below_one=True,
    )
    # A new alarm has no data points yet, and FILL's zeros would end its warm-up early and set it
    # off. It waits for the intervals after which it could tell, but CloudWatch has a maximum. The
    # oldest supported aws-cdk-lib does not have the property.
    warm_up = min(INTERVALS_UNTIL_STOPPED * round(interval.to_minutes()), MAX_WARM_UP_MINUTES)
    _cfn_alarm(alarm).add_property_override(
        "WarmUpConfiguration",
        {
            "OnlyStartEvaluatingAfterWarmUpPeriodEnds": True,
            "WarmUpPeriodDurationInMinutes": warm_up,
        },
    )
    return alarm


def alarms_of(construct: Construct) -> list[cloudwatch.Alarm]:
    """Return a construct's own alarms, in the order in which they were created."""
    return [child for child in construct.node.children if isinstance(child, cloudwatch.Alarm)]


def notify_of_alarms(topic: sns.ITopic | None, construct: Construct) -> None:
    """Send the changes of a construct's alarms to a topic, or warn if no one hears them."""
    if topic is None:
        construct.node.add_validation(_WarningOfUnheardAlarms(construct))
        return
    # A topic that gets a policy of its own loses the default one, which lets CloudWatch publish.
    # Other alarms of the account may rely on that: the condition names the account, not these
    # alarms.
    topic.grant_publish(
        iam.ServicePrincipal(
            "cloudwatch.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceAccount": Stack.of(construct).account}},
        )
    )
    # People want to know when it is over, too.
    for alarm in alarms_of(construct):
        alarm.add_alarm_action(actions.SnsAction(topic))
        alarm.add_ok_action(actions.SnsAction(topic))


@jsii.implements(IValidation)
class _WarningOfUnheardAlarms:
    """A warning at synth, when an app may have added actions of its own to a construct's alarms."""

    def __init__(self, construct: Construct) -> None:
        self._construct = construct

    def validate(self) -> list[str]:
        """Add the warning, and return no problems, which would fail the synth."""
        for alarm in alarms_of(self._construct):
            # One alarm with an action is enough: its app knows that alarms need actions.
            if Stack.of(alarm).resolve(_cfn_alarm(alarm).alarm_actions):
                return []
        Annotations.of(self._construct).add_warning_v2(
            "centralized-root-access:noAlarmAction",
            f"The alarms of {self._construct.node.path} notify no one. Give it a "
            "notification_topic with a subscription, or add actions to its alarms.",
        )
        return []


def _cfn_alarm(alarm: cloudwatch.Alarm) -> cloudwatch.CfnAlarm:
    """Return the resource of CloudFormation, which has properties that the CDK's alarm lacks."""
    return cast("cloudwatch.CfnAlarm", alarm.node.default_child)
