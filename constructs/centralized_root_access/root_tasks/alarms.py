"""The metrics of RootTasks, and their alarms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from ..base.alarms import (
    INTERVALS_UNTIL_STOPPED,
    MAX_WARM_UP_MINUTES,
    MINUTE,
    NAMESPACE,
    alarm_description,
    alarm_of_missing_data,
    create_alarm,
)

if TYPE_CHECKING:
    from aws_cdk import aws_events as events
    from aws_cdk import aws_stepfunctions as sfn
    from constructs import Construct

# CloudWatch gets some metrics late, and FILL also fills the newest minute: an alarm on one period
# would miss them. So those for what should never happen look at ten.
MINUTES_UNTIL_METRIC = 10

# What the alarms say: the mail has nothing else, and each command in it can be pasted.
CREDENTIALS = alarm_description(
    "Accounts had root credentials at the last full audit.",
    "See which, the riskiest first: centralized-root-access report",
    "Plan their deletion: centralized-root-access plan delete --from-report RUN",
    "Read the plan, and execute it: centralized-root-access execute PLAN",
    runbook="Accounts with root credentials",
)
INACCESSIBLE = alarm_description(
    "Accounts were inaccessible at the last full audit.",
    "See why: centralized-root-access report",
    "See which policy to change: centralized-root-access preflight",
    "Then audit them again: centralized-root-access audit --from-report RUN",
    runbook="Inaccessible accounts",
)
MANAGEMENT_ROOT_USER = alarm_description(
    "The management account's root user has an access key, or no MFA. No policy limits it.",
    "Sign in to the management account as its root user, register MFA, and delete its access keys.",
    "Then audit it again: centralized-root-access audit",
    runbook="The management account's root user",
)
FAILED = alarm_description(
    "An audit, a plan or an execution failed, timed out or was stopped.",
    "See which: centralized-root-access runs",
    "See why, and what was done: centralized-root-access report RUN",
    "Audit unknown accounts (for policies, plan again): "
    "centralized-root-access audit --from-report RUN",
    runbook="A failed run",
)
NOT_STARTED = alarm_description(
    "EventBridge could not start an audit of root users.",
    "Audit every account: centralized-root-access audit",
    runbook="An audit that was not started",
)


def audit_metric(state_machine: sfn.StateMachine, name: str) -> cloudwatch.Metric:
    """Return a metric that the runs of a state machine write, such as ``AccountsAudited``."""
    # Attached, so that a dashboard of another Region names the Region of the metric.
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map={"StateMachineName": state_machine.state_machine_name},
        # Of two audits that end in a period the worse one counts.
        statistic="Maximum",
        period=Duration.minutes(5),
    ).attach_to(state_machine)


def metric_of_failed_executions(
    state_machines: Iterable[sfn.StateMachine],
) -> cloudwatch.MathExpression:
    """Return how many executions of state machines failed or timed out, or were stopped."""
    metrics = {}
    # The names are ids in the expression, which begin with a small letter.
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
    """Return the number of audits that EventBridge gave up starting: it sends no zeros.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
    """
    return cloudwatch.Metric(
        namespace="AWS/Events",
        metric_name="FailedInvocations",
        dimensions_map={"RuleName": rule.rule_name},
        statistic="Sum",
        period=MINUTE,
        label="Audits that were not started",
    )


def alarm_of_audits(
    scope: Construct, id: str, metric: cloudwatch.Metric, *, description: str
) -> cloudwatch.Alarm:
    """Return an alarm that has the state of the last full audit, within a minute of its end."""
    # Between two audits, and before the first one, the state does not change.
    missing = cloudwatch.TreatMissingData.IGNORE
    by_minute = metric.with_(period=MINUTE)
    return create_alarm(scope, id, by_minute, description=description, missing=missing)


def alarm_of_missing_audits(
    scope: Construct, audits: cloudwatch.Metric, *, interval: Duration
) -> cloudwatch.Alarm | None:
    """Return the alarm for full audits that no longer end.

    Returns:
        None for an interval of two days or more: a new alarm is evaluated after two days at most,
        when no audit on such an interval may have ended yet.
    """
    if interval.to_minutes() >= MAX_WARM_UP_MINUTES:
        return None
    return alarm_of_missing_data(
        scope,
        "AuditsStopped",
        audits,
        name="audits",
        label="Full audits",
        description=alarm_description(
            f"No full audit has ended for {INTERVALS_UNTIL_STOPPED} intervals: root credentials "
            "would not be noticed.",
            "See the last ones: centralized-root-access runs",
            "Audit every account: centralized-root-access audit",
            runbook="Audits stopped",
        ),
        interval=interval,
    )


def _sum(metrics: Mapping[str, cloudwatch.Metric], *, label: str) -> cloudwatch.MathExpression:
    """Return the sum of metrics, which have the names by which the expression calls them."""
    # SUM leaves out metrics that have never had a value; with + there would be no value at all.
    filled = ", ".join(f"FILL({name}, 0)" for name in metrics)
    return cloudwatch.MathExpression(
        expression=f"SUM([{filled}])",
        label=label,
        using_metrics=cast("Mapping[str, cloudwatch.IMetric]", metrics),
        period=MINUTE,
    )
