"""The alarms of all constructs, and the metrics of RootTasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam

from .code import runbook as runbook_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aws_cdk import aws_events as events
    from aws_cdk import aws_sns as sns
    from aws_cdk import aws_stepfunctions as sfn
    from constructs import Construct

NAMESPACE = "CentralizedRootAccess"

MINUTE = Duration.minutes(1)
# FILL also fills the newest minute, so a one-period alarm would miss late data.
_MINUTES_UNTIL_METRIC = 10

# Checks and audits have stopped after this many intervals, if CloudWatch looks back that far. After
# one, an audit that takes longer than the previous one would count as well.
INTERVALS_UNTIL_STOPPED = 3
_MIN_INTERVALS_UNTIL_STOPPED = 2
_MAX_ALARM_MINUTES = 7 * 24 * 60
_MAX_WARM_UP_MINUTES = 2880


def audit_metric(state_machine: sfn.StateMachine, name: str) -> cloudwatch.Metric:
    """Return a metric of the full audits of a state machine."""
    # Attached: a dashboard of another Region has to name this one.
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map={"StateMachineName": state_machine.state_machine_name},
        statistic="Maximum",
        period=Duration.minutes(5),
    ).attach_to(state_machine)


def alarm_description(what: str, *steps: str, runbook: str) -> str:
    """Return the description of an alarm, of at most 1,024 characters.

    Args:
        what: What it means.
        steps: What to do: sentences, or commands with a few words before them.
        runbook: The heading in docs/guides/operating.md.
    """
    return "\n".join([what, *steps, runbook_line(runbook)])


CREDENTIALS = alarm_description(
    "Accounts had root credentials at the last full audit.",
    "See which, the riskiest first: centralized-root-access report",
    "Plan their deletion: centralized-root-access plan delete --from-report RUN",
    "Read the plan, and execute it: centralized-root-access execute RUN",
    runbook="Accounts with root credentials",
)
INACCESSIBLE = alarm_description(
    "Accounts were inaccessible at the last full audit.",
    "See why: centralized-root-access report",
    "See which policy to change: centralized-root-access preflight",
    "Then audit them again: centralized-root-access audit --from-report RUN",
    runbook="Inaccessible accounts",
)
FAILED = alarm_description(
    "An audit, a plan or an execution failed, timed out or was stopped.",
    "See which: centralized-root-access runs",
    "See why, and what was done: centralized-root-access report RUN",
    "Audit unknown accounts (for policies, plan again): centralized-root-access audit --from-report RUN",
    runbook="A failed execution",
)
NOT_STARTED = alarm_description(
    "EventBridge could not start an audit of root users.",
    "Audit every account: centralized-root-access audit",
    runbook="An audit that was not started",
)


def alarm_of_audits(
    scope: Construct, id: str, metric: cloudwatch.Metric, *, description: str
) -> cloudwatch.Alarm:
    """Return an alarm that has the state of the last full audit."""
    # Between two audits, and before the first one, the state does not change.
    missing = cloudwatch.TreatMissingData.IGNORE
    return create_alarm(
        scope, id, metric.with_(period=MINUTE), description=description, missing=missing
    )


def alarm_of_events(
    scope: Construct,
    id: str,
    metric: cloudwatch.Metric | cloudwatch.MathExpression,
    *,
    description: str,
) -> cloudwatch.Alarm:
    """Return an alarm for what should never happen, with time for CloudWatch to get the metric."""
    return create_alarm(scope, id, metric, description=description, periods=_MINUTES_UNTIL_METRIC)


def metric_of_failed_executions(
    state_machines: Iterable[sfn.StateMachine],
) -> cloudwatch.MathExpression:
    """Return how many executions of state machines failed or timed out, or were stopped."""
    metrics = {}
    for number, state_machine in enumerate(state_machines):
        metrics[f"failed{number}"] = state_machine.metric_failed(period=MINUTE)
        metrics[f"timedOut{number}"] = state_machine.metric_timed_out(period=MINUTE)
        metrics[f"aborted{number}"] = state_machine.metric_aborted(period=MINUTE)
    return _sum(metrics, label="Executions that did not succeed")


def metric_of_refused_executions(
    state_machines: Iterable[sfn.StateMachine],
) -> cloudwatch.MathExpression:
    """Return how many executions of state machines were refused for their input."""
    metrics = {}
    for number, state_machine in enumerate(state_machines):
        metric = audit_metric(state_machine, "ExecutionsRefused")
        metrics[f"refused{number}"] = metric.with_(statistic="Sum", period=MINUTE)
    return _sum(metrics, label="Executions that were refused")


def metric_of_failed_starts(rule: events.Rule) -> cloudwatch.Metric:
    """Return the number of audits that EventBridge gave up starting; it is sent only if it is not zero."""
    return cloudwatch.Metric(
        namespace="AWS/Events",
        metric_name="FailedInvocations",
        dimensions_map={"RuleName": rule.rule_name},
        statistic="Sum",
        period=MINUTE,
        label="Audits that were not started",
    )


def alarm_of_missing_audits(
    scope: Construct, audits: cloudwatch.Metric, *, interval: Duration
) -> cloudwatch.Alarm | None:
    """Return the alarm for full audits that do not run, or fail; None if two intervals are over a week."""
    minutes = round(interval.to_minutes())
    intervals = min(INTERVALS_UNTIL_STOPPED, _MAX_ALARM_MINUTES // minutes)
    if intervals < _MIN_INTERVALS_UNTIL_STOPPED:
        return None
    # The first audit may come after one interval, and the warm-up is then over.
    warning = " A new alarm may be in alarm until the first full audit has ended."
    return alarm_of_missing_data(
        scope,
        "AuditsStopped",
        audits,
        name="audits",
        label="Full audits",
        description=alarm_description(
            f"No full audit has ended for {intervals} intervals: root credentials would not be noticed."
            f"{warning if minutes >= _MAX_WARM_UP_MINUTES else ''}",
            "See the last ones: centralized-root-access runs",
            "Audit every account: centralized-root-access audit",
            runbook="Audits stopped",
        ),
        interval=interval,
        intervals=intervals,
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
    intervals: int,
) -> cloudwatch.Alarm:
    """Return the alarm for a metric that has had no value for some intervals.

    Args:
        scope: The construct that the alarm belongs to.
        id: The alarm's id.
        metric: The metric.
        name: What the metric's values are called in the alarm's expression.
        label: What the expression is called.
        description: The alarm's description.
        interval: How often the metric has a value.
        intervals: After how many intervals without a value it is in alarm.
    """
    # Without FILL CloudWatch looks further back for data points, and waits for longer than this.
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
        periods=intervals,
        below_one=True,
    )
    # A new alarm has no data points yet, and FILL's zeros would end its warm-up early. The oldest
    # supported aws-cdk-lib does not have the property.
    cast("cloudwatch.CfnAlarm", alarm.node.default_child).add_property_override(
        "WarmUpConfiguration",
        {
            "OnlyStartEvaluatingAfterWarmUpPeriodEnds": True,
            "WarmUpPeriodDurationInMinutes": min(
                intervals * round(interval.to_minutes()), _MAX_WARM_UP_MINUTES
            ),
        },
    )
    return alarm


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
    """Create an alarm for a metric that was above zero in any period, or instead below one in all of them."""
    comparisons = cloudwatch.ComparisonOperator
    return metric.create_alarm(
        scope,
        id,
        alarm_description=description,
        comparison_operator=(
            comparisons.LESS_THAN_THRESHOLD if below_one else comparisons.GREATER_THAN_THRESHOLD
        ),
        threshold=1 if below_one else 0,
        evaluation_periods=periods,
        datapoints_to_alarm=periods if below_one else 1,
        treat_missing_data=missing,
    )


def alarms_of(construct: Construct) -> list[cloudwatch.Alarm]:
    """Return a construct's own alarms, in the order in which they were created."""
    return [child for child in construct.node.children if isinstance(child, cloudwatch.Alarm)]


def notify_of_alarms(topic: sns.ITopic | None, construct: Construct) -> None:
    """Send the changes of state of a construct's alarms to a topic, if there is one."""
    if topic is None:
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
    for alarm in alarms_of(construct):
        alarm.add_alarm_action(actions.SnsAction(topic))
        alarm.add_ok_action(actions.SnsAction(topic))


def _sum(metrics: Mapping[str, cloudwatch.Metric], *, label: str) -> cloudwatch.MathExpression:
    # SUM leaves out metrics that have never had a value; with + there would be no value at all.
    filled = ", ".join(f"FILL({name}, 0)" for name in metrics)
    return cloudwatch.MathExpression(
        expression=f"SUM([{filled}])",
        label=label,
        using_metrics={
            name: cast("cloudwatch.IMetric", metric) for name, metric in metrics.items()
        },
        period=MINUTE,
    )
