"""The metrics and alarms of RootTasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aws_cdk import aws_events as events
    from aws_cdk import aws_sns as sns
    from aws_cdk import aws_stepfunctions as sfn
    from constructs import Construct

_NAMESPACE = "CentralizedRootAccess"
_DIMENSION = "StateMachineName"

# FILL fills the newest minute, so that what CloudWatch gets late would never be looked at by an alarm of one.
_MINUTES_UNTIL_METRIC = 10

# Audits that stopped are reported after this many intervals, as far as CloudWatch looks back. With a single
# one, an audit that takes longer than the previous one would be reported, too.
_INTERVALS_UNTIL_STOPPED = 3
_MIN_INTERVALS_UNTIL_STOPPED = 2
_MAX_ALARM_MINUTES = 7 * 24 * 60
_MAX_WARM_UP_MINUTES = 2880


def audit_metric(state_machine: sfn.StateMachine, name: str) -> cloudwatch.Metric:
    """Return a metric of the full audits of a state machine."""
    return cloudwatch.Metric(
        namespace=_NAMESPACE,
        metric_name=name,
        dimensions_map={_DIMENSION: state_machine.state_machine_name},
        statistic="Maximum",
        period=Duration.minutes(5),
    )


def audit_alarm(scope: Construct, id: str, metric: cloudwatch.Metric, *, what: str) -> cloudwatch.Alarm:
    """Return an alarm that has the state of the last full audit."""
    return metric.with_(period=Duration.minutes(1)).create_alarm(
        scope,
        id,
        alarm_description=f"{what} at the last full audit.",
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        threshold=0,
        evaluation_periods=1,
        datapoints_to_alarm=1,
        # Between two audits, and before the first one, the state stays as it is.
        treat_missing_data=cloudwatch.TreatMissingData.IGNORE,
    )


def metric_of_failed_executions(state_machines: Sequence[sfn.StateMachine]) -> cloudwatch.MathExpression:
    """Return how many executions of state machines failed or timed out, or were stopped."""
    metrics = {
        f"{name}{number}": cast("cloudwatch.IMetric", metric)
        for number, it in enumerate(state_machines)
        for name, metric in (
            ("failed", it.metric_failed(period=Duration.minutes(1))),
            ("timedOut", it.metric_timed_out(period=Duration.minutes(1))),
            ("aborted", it.metric_aborted(period=Duration.minutes(1))),
        )
    }
    return cloudwatch.MathExpression(
        expression="+".join(f"FILL({name}, 0)" for name in metrics),
        label="Executions that did not succeed",
        using_metrics=metrics,
        period=Duration.minutes(1),
    )


def alarm_of_failures(scope: Construct, metric: cloudwatch.MathExpression) -> cloudwatch.Alarm:
    """Return the alarm for executions that did not succeed."""
    return metric.create_alarm(
        scope,
        "Failed",
        alarm_description="An execution of a root task did not succeed. Its cause says why.",
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        threshold=0,
        evaluation_periods=_MINUTES_UNTIL_METRIC,
        datapoints_to_alarm=1,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )


def alarm_of_failed_starts(scope: Construct, rules: Sequence[events.Rule]) -> cloudwatch.Alarm | None:
    """Return the alarm for audits that EventBridge gave up starting; None without rules."""
    if not rules:
        return None
    metrics = {
        f"failed{number}": cast(
            "cloudwatch.IMetric",
            cloudwatch.Metric(
                namespace="AWS/Events",
                metric_name="FailedInvocations",
                dimensions_map={"RuleName": rule.rule_name},
                statistic="Sum",
                period=Duration.minutes(1),
            ),
        )
        for number, rule in enumerate(rules)
    }
    return cloudwatch.MathExpression(
        expression="+".join(f"FILL({name}, 0)" for name in metrics),
        label="Audits that were not started",
        using_metrics=metrics,
        period=Duration.minutes(1),
    ).create_alarm(
        scope,
        "NotStarted",
        alarm_description=(
            "EventBridge could not start an audit of root users. An account that has joined the organization "
            "may not have been audited: audit every account."
        ),
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        threshold=0,
        evaluation_periods=_MINUTES_UNTIL_METRIC,
        datapoints_to_alarm=1,
        # EventBridge sends the metric only where it is not zero.
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )


def alarm_of_missing_audits(
    scope: Construct, audits: cloudwatch.Metric, *, interval: Duration
) -> cloudwatch.Alarm | None:
    """Return the alarm for full audits that do not run, or fail; None where two intervals are over a week."""
    minutes = round(interval.to_minutes())
    intervals = min(_INTERVALS_UNTIL_STOPPED, _MAX_ALARM_MINUTES // minutes)
    if intervals < _MIN_INTERVALS_UNTIL_STOPPED:
        return None
    alarm = cloudwatch.MathExpression(
        expression="FILL(audits, 0)",
        label="Full audits",
        using_metrics={"audits": audits.with_(statistic="SampleCount")},
        period=interval,
    ).create_alarm(
        scope,
        "AuditsStopped",
        alarm_description=(
            f"No full audit has ended for {intervals} intervals: root credentials would not be noticed."
            + (
                # The first audit may come after one interval, and the warm-up is then over.
                " A new alarm may be in alarm until the first full audit has ended."
                if minutes >= _MAX_WARM_UP_MINUTES
                else ""
            )
        ),
        comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        threshold=1,
        evaluation_periods=intervals,
        datapoints_to_alarm=intervals,
        treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
    )
    # A new alarm has no data points yet. The oldest supported aws-cdk-lib does not have the property.
    cast("cloudwatch.CfnAlarm", alarm.node.default_child).add_property_override(
        "WarmUpConfiguration.WarmUpPeriodDurationInMinutes", min(intervals * minutes, _MAX_WARM_UP_MINUTES)
    )
    return alarm


def notify_of_alarms(topic: sns.ITopic, alarms: Iterable[cloudwatch.Alarm], *, stack: Stack) -> None:
    """Send the alarms' changes of state to a topic."""
    # A topic that gets a policy of its own loses the default one, which lets CloudWatch publish.
    topic.grant_publish(
        iam.ServicePrincipal(
            "cloudwatch.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": stack.account}}
        )
    )
    for alarm in alarms:
        alarm.add_alarm_action(actions.SnsAction(topic))
        alarm.add_ok_action(actions.SnsAction(topic))
