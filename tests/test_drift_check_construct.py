"""The drift check as it is deployed: schedule, events, permissions, metric and alarm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cdk import Duration, Environment
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Annotations, Match

from centralized_root_access import CentralizedRootAccess, DriftCheck
from root_access.desired import desired_state
from root_access.drift import Settings
from support.templates import (
    MANAGEMENT,
    actions,
    bootstrap_stack,
    functions,
    only_resource,
    policy_statements,
    resources,
    settings,
    template,
)

READS = {
    "iam:ListOrganizationsFeatures",
    "organizations:DescribeOrganization",
    "organizations:ListAWSServiceAccessForOrganization",
    "organizations:ListDelegatedAdministrators",
}


def drift_template(
    *, env: Environment | None = MANAGEMENT, features: Any = None, **arguments: Any
) -> dict[str, Any]:
    stack = bootstrap_stack(env=env)
    chosen = {} if features is None else {"features": features}
    CentralizedRootAccess(stack, "RootAccess", **chosen).add_drift_check(**arguments)
    return template(stack)


def permissions(template: dict[str, Any]) -> set[str]:
    return {
        action
        for statement in policy_statements(template, "RootAccessDriftCheckRole")
        for action in actions(statement)
        if not action.startswith("logs:")
    }


def rules(template: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return [
        it["Properties"]
        for it in resources(template, "AWS::Events::Rule").values()
        if key in it["Properties"]
    ]


def test_the_names_in_the_template_never_change() -> None:
    checked = drift_template()
    assert sorted(id_ for id_ in checked["Resources"] if "DriftCheck" in id_) == [
        "RootAccessDriftCheckAlarmB535B961",
        "RootAccessDriftCheckCalls46B5A574",
        "RootAccessDriftCheckCallsAllowEventRuleOrganizationBootstrapRootAccessDriftCheckFunction16D773979E797DC5",
        "RootAccessDriftCheckFunctionB47D14F6",
        "RootAccessDriftCheckInterval5AA77FBB",
        "RootAccessDriftCheckIntervalAllowEventRuleOrganizationBootstrapRootAccessDriftCheckFunction16D77397E7C81C7E",
        "RootAccessDriftCheckLogs38C55207",
        "RootAccessDriftCheckRole49E2F7C3",
        "RootAccessDriftCheckRoleDefaultPolicy9B0F2DD9",
    ]


def test_by_default_it_runs_every_hour() -> None:
    (rule,) = rules(drift_template(), "ScheduleExpression")
    assert rule["ScheduleExpression"] == "rate(1 hour)"


@pytest.mark.parametrize("minutes", [1, 90, 24 * 60])
def test_the_interval_is_whole_minutes_from_one_minute_to_a_day(minutes: int) -> None:
    checked = drift_template(interval=Duration.minutes(minutes))
    assert rules(checked, "ScheduleExpression")
    assert only_resource(checked, "AWS::CloudWatch::Alarm")["Properties"]["Period"] == minutes * 60


@pytest.mark.parametrize(
    "interval", [Duration.seconds(30), Duration.seconds(90), Duration.hours(25)], ids=["30s", "90s", "25h"]
)
def test_another_interval_is_refused(interval: Duration) -> None:
    with pytest.raises(ValueError, match="interval must be whole minutes, from 1 minute to 1 day, got"):
        drift_template(interval=interval)


def test_in_us_east_1_it_runs_after_each_of_the_eight_calls_that_change_root_access() -> None:
    (rule,) = rules(drift_template(), "EventPattern")
    assert rule["EventPattern"] == {
        "source": ["aws.iam", "aws.organizations"],
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": {
            "eventSource": ["iam.amazonaws.com", "organizations.amazonaws.com"],
            "eventName": [
                "DeregisterDelegatedAdministrator",
                "DisableAWSServiceAccess",
                "DisableOrganizationsRootCredentialsManagement",
                "DisableOrganizationsRootSessions",
                "EnableAWSServiceAccess",
                "EnableOrganizationsRootCredentialsManagement",
                "EnableOrganizationsRootSessions",
                "RegisterDelegatedAdministrator",
            ],
        },
    }


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
    assert not rules(template(stack), "EventPattern")
    Annotations.from_stack(stack).has_info(
        "/OrganizationBootstrap/RootAccess/DriftCheck",
        Match.string_like_regexp(f"The Region is {region}: the drift check runs on its interval alone.*"),
    )


def test_without_repair_the_role_is_read_only() -> None:
    assert permissions(drift_template()) == READS


@pytest.mark.parametrize("features", [["RootSessions"], ["RootCredentialsManagement", "RootSessions"]])
def test_with_repair_the_role_may_enable_what_is_listed_and_nothing_else(features: list[str]) -> None:
    assert permissions(drift_template(features=features, repair=True)) == {
        *READS,
        "organizations:EnableAWSServiceAccess",
        "cloudformation:DescribeStacks",
        *(f"iam:EnableOrganizations{feature}" for feature in features),
    }


def test_the_role_may_read_the_status_of_its_own_stack_alone() -> None:
    (statement,) = [
        it
        for it in policy_statements(drift_template(repair=True), "RootAccessDriftCheckRole")
        if it.get("Sid") == "StackStatus"
    ]
    assert statement["Resource"] == {"Ref": "AWS::StackId"}


@pytest.mark.parametrize("features", [[], ["RootSessions"]], ids=str)
@pytest.mark.parametrize("accounts", [None, [], ["222222222222"]], ids=str)
def test_the_function_reads_what_the_stack_lists(features: list[str], accounts: list[str] | None) -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    root_access = CentralizedRootAccess(
        stack, "RootAccess", features=features, delegated_administrators=accounts
    )
    root_access.add_drift_check(repair=True)
    (function,) = functions(template(stack), "root_access.drift.on_check")
    assert settings(function)["repairedStackId"] == "${AWS::StackId}"
    read = Settings.from_environment({"SETTINGS": json.dumps(settings(function))}).desired
    assert read == desired_state(features=features, delegated_administrators=accounts)


def test_the_alarm_wants_two_bad_intervals_of_three_and_counts_a_missing_one_as_bad() -> None:
    alarm = only_resource(drift_template(), "AWS::CloudWatch::Alarm")["Properties"]
    assert {
        "Namespace": "CentralizedRootAccess",
        "MetricName": "InDesiredState",
        "Dimensions": [
            {"Name": "OrganizationId", "Value": {"Fn::GetAtt": ["RootAccess0F443845", "OrganizationId"]}}
        ],
        "Statistic": "Minimum",
        "Period": 3600,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "ComparisonOperator": "LessThanThreshold",
        "Threshold": 1,
        "TreatMissingData": "breaching",
    }.items() <= alarm.items()
    assert "AlarmActions" not in alarm


def test_a_topic_gets_the_alarms_messages() -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    topic = sns.Topic(stack, "Topic")
    drift_check = CentralizedRootAccess(stack, "RootAccess").add_drift_check(notification_topic=topic)
    assert isinstance(drift_check, DriftCheck)
    alarm = only_resource(template(stack), "AWS::CloudWatch::Alarm")["Properties"]
    assert len(alarm["AlarmActions"]) == len(alarm["OKActions"]) == 1


def test_the_alarm_and_the_metric_are_attributes_for_actions_of_ones_own() -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    drift_check = CentralizedRootAccess(stack, "RootAccess").add_drift_check()
    assert drift_check.metric.metric_name == "InDesiredState"
    deployed = template(stack)
    assert list(resources(deployed, "AWS::CloudWatch::Alarm")) == [
        stack.resolve(drift_check.alarm.alarm_name)["Ref"]
    ]


@pytest.mark.parametrize("enforce_ssl", [True, False])
def test_cloudwatch_may_publish_the_alarm_to_a_topic_whatever_policy_it_has(enforce_ssl: bool) -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    topic = sns.Topic(stack, "Topic", enforce_ssl=enforce_ssl)
    CentralizedRootAccess(stack, "RootAccess").add_drift_check(notification_topic=topic)
    checked = template(stack)
    alarm = only_resource(checked, "AWS::CloudWatch::Alarm")["Properties"]
    policy = only_resource(checked, "AWS::SNS::TopicPolicy")["Properties"]
    assert policy["Topics"] == alarm["AlarmActions"] == alarm["OKActions"]
    assert {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": alarm["AlarmActions"][0],
        "Condition": {"StringEquals": {"aws:SourceAccount": "111111111111"}},
    } in [
        {key: value for key, value in statement.items() if key != "Sid"}
        for statement in policy["PolicyDocument"]["Statement"]
    ]
