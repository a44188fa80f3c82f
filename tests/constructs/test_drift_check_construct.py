"""The drift check as it is deployed: schedule, events, permissions, metric and alarms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import Duration, Environment, Stack
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Annotations, Match

from centralized_root_access import CentralizedRootAccess
from root_access.drift.comparison import Settings
from support.templates import (
    MANAGEMENT,
    bootstrap_stack,
    depends_on,
    functions,
    new_topic,
    only_resource,
    properties_of,
    resources,
    settings,
    template,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def drift_template(*, interval: Duration | None = None) -> dict[str, Any]:
    stack = bootstrap_stack(env=MANAGEMENT)
    CentralizedRootAccess(stack, "RootAccess").add_drift_check(interval=interval)
    return template(stack)


def alarm(template: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the properties of one of the two alarms."""
    (found,) = properties_of(template, "AWS::CloudWatch::Alarm", f"RootAccessDriftCheck{name}").values()
    return found


def test_the_names_in_the_template_never_change() -> None:
    checked = drift_template()
    assert sorted(id_ for id_ in checked["Resources"] if "DriftCheck" in id_) == [
        "RootAccessDriftCheckCalls46B5A574",
        "RootAccessDriftCheckCallsAllowEventRuleOrganizationBootstrapRootAccessDriftCheckFunction16D773979E797DC5",
        "RootAccessDriftCheckDriftC8464025",
        "RootAccessDriftCheckFunctionB47D14F6",
        "RootAccessDriftCheckInterval5AA77FBB",
        "RootAccessDriftCheckIntervalAllowEventRuleOrganizationBootstrapRootAccessDriftCheckFunction16D77397E7C81C7E",
        "RootAccessDriftCheckLogs38C55207",
        "RootAccessDriftCheckRole49E2F7C3",
        "RootAccessDriftCheckRoleDefaultPolicy9B0F2DD9",
        "RootAccessDriftCheckStopped4ACBB930",
    ]


@pytest.mark.parametrize(
    ("env", "region"),
    [
        (Environment(account="111111111111", region="eu-central-1"), "eu-central-1"),
        (None, "unknown at synth"),
    ],
    ids=str,
)
def test_elsewhere_it_runs_on_the_interval_alone_and_synth_says_so(
    env: Environment | None, region: str
) -> None:
    stack = bootstrap_stack(env=env)
    CentralizedRootAccess(stack, "RootAccess").add_drift_check()
    (rule,) = properties_of(template(stack), "AWS::Events::Rule").values()
    assert "EventPattern" not in rule
    Annotations.from_stack(stack).has_info(
        "/OrganizationBootstrap/RootAccess/DriftCheck",
        Match.string_like_regexp(f"The Region is {region}: the drift check runs on its interval alone.*"),
    )


def test_the_function_reads_empty_lists_as_empty_lists() -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    CentralizedRootAccess(stack, "RootAccess", features=[], delegated_administrators=[]).add_drift_check()
    (function,) = functions(template(stack), "root_access.drift.comparison.on_check")
    read = Settings.from_environment({"SETTINGS": json.dumps(settings(function))})
    assert (read.features, read.delegated_administrators) == ([], [])


def test_no_check_runs_with_new_lists_before_they_are_applied() -> None:
    """Otherwise the events of a deployment's own calls would be taken for drift."""
    checked = drift_template()
    (resource,) = resources(checked, "Custom::CentralizedRootAccess")
    (function,) = (
        function for function in resources(checked, "AWS::Lambda::Function") if "DriftCheck" in function
    )
    assert function in depends_on(checked, resource)
    for rule in resources(checked, "AWS::Events::Rule"):
        assert resource in depends_on(checked, rule)


METRIC = {
    "Namespace": "CentralizedRootAccess",
    "MetricName": "InDesiredState",
    "Dimensions": [
        {"Name": "OrganizationId", "Value": {"Fn::GetAtt": ["RootAccess0F443845", "OrganizationId"]}}
    ],
}


def test_the_drift_alarm_has_the_state_of_the_last_known_check() -> None:
    assert {
        **METRIC,
        "Statistic": "Minimum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "DatapointsToAlarm": 1,
        "ComparisonOperator": "LessThanThreshold",
        "Threshold": 1,
        "TreatMissingData": "ignore",
    }.items() <= alarm(drift_template(), "Drift").items()


@pytest.mark.parametrize(
    ("interval", "seconds", "warm_up_minutes"),
    [
        (None, 3600, 180),
        (Duration.minutes(1), 60, 3),
        (Duration.minutes(959), 57_540, 2877),
        (Duration.hours(24), 86_400, 2880),
    ],
    ids=["default", "1 min", "959 min", "24 h"],
)
def test_the_stopped_alarm_fires_after_three_intervals_and_not_while_it_is_new(
    interval: Duration | None, seconds: int, warm_up_minutes: int
) -> None:
    stopped = alarm(drift_template(interval=interval), "Stopped")
    filled, checks = stopped["Metrics"]
    assert filled["Expression"] == f"FILL({checks['Id']}, 0)"
    assert filled["ReturnData"] is True
    assert checks["ReturnData"] is False
    assert checks["MetricStat"] == {"Metric": METRIC, "Period": seconds, "Stat": "SampleCount"}
    assert {
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 3,
        "ComparisonOperator": "LessThanThreshold",
        "Threshold": 1,
        "TreatMissingData": "breaching",
        "WarmUpConfiguration": {
            "OnlyStartEvaluatingAfterWarmUpPeriodEnds": True,
            "WarmUpPeriodDurationInMinutes": warm_up_minutes,
        },
    }.items() <= stopped.items()
    # As far as CloudWatch looks back: a day with a period under an hour, and seven days otherwise.
    assert 3 * seconds <= (24 if seconds < 3600 else 7 * 24) * 3600


def topic_and_template(new_topic: Callable[[Stack], sns.Topic]) -> tuple[Any, dict[str, Any]]:
    """Return a topic's ARN, and the template with a drift check that notifies it."""
    stack = bootstrap_stack(env=MANAGEMENT)
    topic = new_topic(stack)
    CentralizedRootAccess(stack, "RootAccess").add_drift_check(notification_topic=topic)
    return stack.resolve(topic.topic_arn), template(stack)


def test_a_topic_gets_the_messages_of_both_alarms() -> None:
    arn, checked = topic_and_template(new_topic)
    for name in ("Drift", "Stopped"):
        assert alarm(checked, name)["AlarmActions"] == alarm(checked, name)["OKActions"] == [arn]


@pytest.mark.parametrize("enforce_ssl", [True, False])
def test_cloudwatch_may_publish_the_alarm_to_a_topic_with_any_policy(enforce_ssl: bool) -> None:
    arn, checked = topic_and_template(lambda stack: sns.Topic(stack, "Topic", enforce_ssl=enforce_ssl))
    policy = only_resource(checked, "AWS::SNS::TopicPolicy")["Properties"]
    assert policy["Topics"] == [arn]
    assert {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": arn,
        "Condition": {"StringEquals": {"aws:SourceAccount": "111111111111"}},
    } in [
        {key: value for key, value in statement.items() if key != "Sid"}
        for statement in policy["PolicyDocument"]["Statement"]
    ]
