"""The drift check as it is deployed: where and when it runs, and its alarms."""

import json
from typing import Any

import pytest
from aws_cdk import Duration, Environment
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Annotations, Match

from centralized_root_access import CentralizedRootAccess
from root_access.drift.check import DriftCheckSettings
from support.templates import (
    bootstrap_stack,
    functions_with_handler,
    only_resource,
    properties_of_type,
    resources_finished_before,
    resources_of_type,
    settings_of_function,
    template_of,
)


def drift_template(*, interval: Duration | None = None) -> dict[str, Any]:
    """Return the template of a stack with root access and a drift check."""
    stack = bootstrap_stack()
    CentralizedRootAccess(stack, "RootAccess").add_drift_check(interval=interval)
    return template_of(stack)


def test_elsewhere_it_runs_on_the_interval_alone_and_synth_says_so() -> None:
    """The events of changes by others are in us-east-1 alone."""
    stack = bootstrap_stack(env=Environment(account="111111111111", region="eu-central-1"))
    CentralizedRootAccess(stack, "RootAccess").add_drift_check()
    (rule,) = properties_of_type(template_of(stack), "AWS::Events::Rule").values()
    assert "EventPattern" not in rule
    Annotations.from_stack(stack).has_info(
        "/OrganizationBootstrap/RootAccess/DriftCheck",
        Match.string_like_regexp(
            "The Region is eu-central-1: the drift check runs only on its interval.*"
        ),
    )


def test_in_a_template_for_any_region_the_deployment_decides_whether_calls_run_it() -> None:
    stack = bootstrap_stack(env=None)
    CentralizedRootAccess(stack, "RootAccess").add_drift_check()
    synthesized = template_of(stack)
    ((name, condition),) = synthesized["Conditions"].items()
    assert condition == {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}
    # The rule, and its permission to invoke the function.
    conditional = [it for it in synthesized["Resources"].values() if it.get("Condition") == name]
    assert {it["Type"] for it in conditional} == {"AWS::Events::Rule", "AWS::Lambda::Permission"}
    assert len(conditional) == 2


def test_the_function_reads_empty_lists_as_empty_lists() -> None:
    stack = bootstrap_stack()
    CentralizedRootAccess(
        stack, "RootAccess", features=[], delegated_administrators=[]
    ).add_drift_check()
    (function,) = functions_with_handler(template_of(stack), "root_access.drift.check.on_check")
    as_read = DriftCheckSettings.from_environment(
        {"SETTINGS": json.dumps(settings_of_function(function))}
    )
    assert (as_read.features, as_read.delegated_administrators) == ((), ())


def test_no_check_runs_with_new_lists_before_they_are_applied() -> None:
    """Otherwise the events of a deployment's own calls would be taken for drift."""
    synthesized = drift_template()
    (resource,) = resources_of_type(synthesized, "Custom::CentralizedRootAccess")
    function_ids = resources_of_type(synthesized, "AWS::Lambda::Function")
    (check,) = (id_ for id_ in function_ids if "DriftCheck" in id_)
    assert check in resources_finished_before(synthesized, resource)
    for rule in resources_of_type(synthesized, "AWS::Events::Rule"):
        assert resource in resources_finished_before(synthesized, rule)


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
    synthesized = drift_template(interval=interval)
    (stopped,) = properties_of_type(synthesized, "AWS::CloudWatch::Alarm", "Stopped").values()
    (checks,) = [metric["MetricStat"] for metric in stopped["Metrics"] if "MetricStat" in metric]
    assert checks["Period"] == seconds
    assert stopped["EvaluationPeriods"] == stopped["DatapointsToAlarm"] == 3
    assert stopped["TreatMissingData"] == "breaching"
    # Three intervals, but not more than CloudWatch's maximum of two days.
    assert stopped["WarmUpConfiguration"]["WarmUpPeriodDurationInMinutes"] == warm_up_minutes
    # CloudWatch looks back on a day with a period under an hour, and on seven days otherwise.
    days = 1 if seconds < 3600 else 7
    assert 3 * seconds <= days * 86_400


def test_cloudwatch_may_publish_the_alarm_to_the_topic() -> None:
    stack = bootstrap_stack()
    topic = sns.Topic(stack, "Topic")
    CentralizedRootAccess(stack, "RootAccess").add_drift_check(notification_topic=topic)
    policy = only_resource(template_of(stack), "AWS::SNS::TopicPolicy")["Properties"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sns:Publish")
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "111111111111"}}
