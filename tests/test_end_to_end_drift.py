"""The drift check, deployed by the real CDK CLI on the local AWS: noticed, told, repaired."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import aws_sns as sns

from centralized_root_access import CentralizedRootAccess
from support.arrange import CREDENTIALS, SESSIONS, switch_feature, switch_on
from support.deploying import STACK, Deployer, succeeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aws_cdk import Stack

    from local_aws.services import LocalAws

MEMBER = "222222222222"
CALLS = {
    "iam.amazonaws.com": [
        "DisableOrganizationsRootCredentialsManagement",
        "DisableOrganizationsRootSessions",
        "EnableOrganizationsRootCredentialsManagement",
        "EnableOrganizationsRootSessions",
    ],
    "organizations.amazonaws.com": [
        "DeregisterDelegatedAdministrator",
        "DisableAWSServiceAccess",
        "EnableAWSServiceAccess",
        "RegisterDelegatedAdministrator",
    ],
}


def checked(stack: Stack, **arguments: Any) -> None:
    """Builds the construct with a drift check that repairs, and has a topic."""
    root_access = CentralizedRootAccess(stack, "RootAccess", **arguments)
    root_access.add_drift_check(repair=True, notification_topic=sns.Topic(stack, "Topic"))


@pytest.fixture(scope="module")
def deployer(bootstrapped_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    """The stack, deployed once for all tests here."""
    bootstrapped_aws.organization.reset()
    deployer = Deployer(bootstrapped_aws, tmp_path_factory.mktemp("drift"))
    succeeded(deployer.deploy(lambda stack: checked(stack, delegated_administrators=[MEMBER])))
    yield deployer
    succeeded(deployer.destroy())


@pytest.fixture
def aws(bootstrapped_aws: LocalAws, deployer: Deployer) -> LocalAws:
    """A local AWS with that stack, and the organization as the stack lists it."""
    bootstrapped_aws.organization.reset()
    switch_on(bootstrapped_aws.organization, CREDENTIALS, SESSIONS, delegated_administrators=[MEMBER])
    return bootstrapped_aws


def resources(aws: LocalAws) -> dict[str, str]:
    """The physical ids of the stack's resources."""
    listed = aws.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    return {it["LogicalResourceId"]: it["PhysicalResourceId"] for it in listed}


def physical_id(aws: LocalAws, start: str) -> str:
    (found,) = [
        id_
        for logical_id, id_ in resources(aws).items()
        if logical_id.removeprefix(start)[:1].isalnum()
        and logical_id.startswith(start)
        and len(logical_id) == len(start) + 8
    ]
    return found


def rule(aws: LocalAws, start: str) -> tuple[dict[str, Any], str]:
    """A rule as it is deployed, and the function that is its target."""
    events = aws.client("events")
    name = physical_id(aws, start).rpartition("|")[2]
    (target,) = events.list_targets_by_rule(Rule=name)["Targets"]
    return events.describe_rule(Name=name), target["Arn"]


def invoked(aws: LocalAws, function: str, event: dict[str, Any]) -> None:
    """Invokes a function as EventBridge does, and waits for its end."""
    answer = aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    assert "FunctionError" not in answer, answer["Payload"].read()


def checks(aws: LocalAws) -> list[dict[str, Any]]:
    """The lines that the check has logged in its own log group."""
    group = physical_id(aws, "RootAccessDriftCheckLogs")
    logs = aws.client("logs").filter_log_events(logGroupName=group)["events"]
    lines = [json.loads(it["message"]) for it in logs if it["message"].startswith("{")]
    return [line for line in lines if line["event"] == "checked"]


def test_what_a_delegated_administrator_switches_off_is_noticed_and_repaired_and_nothing_else_touched(
    aws: LocalAws,
) -> None:
    organization = aws.organization
    before = organization.root_access()
    others = organization.other_services()
    switch_feature(organization, SESSIONS, on=False, account_id=MEMBER)
    organization.clear_calls()

    schedule, function = rule(aws, "RootAccessDriftCheckInterval")
    assert schedule["ScheduleExpression"] == "rate(1 hour)"
    invoked(aws, function, {"detail-type": "Scheduled Event", "source": "aws.events"})

    assert organization.root_access() == before
    assert organization.other_services() == others
    assert [call.operation for call in organization.writes] == ["EnableOrganizationsRootSessions"]
    noticed, repaired = checks(aws)[-2:]
    assert (noticed["InDesiredState"], repaired["InDesiredState"]) == (0, 1)
    assert noticed["deviations"] == ["RootSessions is off"]
    assert noticed["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "CentralizedRootAccess"


def test_each_of_the_eight_calls_reaches_the_check_which_tells_and_does_not_repair(
    aws: LocalAws,
) -> None:
    organization = aws.organization
    calls, function = rule(aws, "RootAccessDriftCheckCalls")

    def event(source: str, name: str) -> dict[str, Any]:
        return {
            "version": "0",
            "id": "6f5c0f9e-7d1c-11f0-9a3d-0242ac120002",
            "detail-type": "AWS API Call via CloudTrail",
            "source": f"aws.{source.partition('.')[0]}",
            "account": "111111111111",
            "time": "2026-11-24T12:00:00Z",
            "region": "us-east-1",
            "resources": [],
            "detail": {"eventVersion": "1.11", "eventSource": source, "eventName": name},
        }

    def matches(event: dict[str, Any]) -> bool:
        tested = aws.client("events").test_event_pattern(
            EventPattern=calls["EventPattern"], Event=json.dumps(event)
        )
        return bool(tested["Result"])

    for source, names in CALLS.items():
        for name in names:
            assert matches(event(source, name)), name
    assert not matches(event("iam.amazonaws.com", "ListOrganizationsFeatures"))
    assert not matches(event("sts.amazonaws.com", "AssumeRoot"))

    switch_feature(organization, SESSIONS, on=False)
    organization.clear_calls()
    invoked(aws, function, event("iam.amazonaws.com", "DisableOrganizationsRootSessions"))
    assert organization.writes == ()
    assert checks(aws)[-1]["deviations"] == ["RootSessions is off"]
    assert checks(aws)[-1]["trigger"] == "DisableOrganizationsRootSessions"


def test_the_alarm_tells_its_topic(aws: LocalAws) -> None:
    topic = physical_id(aws, "Topic")
    queue = aws.client("sqs").create_queue(QueueName="alarms")["QueueUrl"]
    aws.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:111111111111:alarms"
    )
    aws.client("cloudwatch").put_metric_data(
        Namespace="CentralizedRootAccess",
        MetricData=[
            {
                "MetricName": "InDesiredState",
                "Dimensions": [{"Name": "OrganizationId", "Value": aws.organization.id}],
                "Value": 0,
            }
        ],
    )
    (alarm,) = aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert alarm["StateValue"] == "ALARM"
    received = aws.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=5)
    assert alarm["AlarmName"] in received["Messages"][0]["Body"]


def test_an_update_that_narrows_the_features_is_not_fought_by_the_check(
    aws: LocalAws, deployer: Deployer
) -> None:
    succeeded(
        deployer.deploy(
            lambda stack: checked(stack, features=[CREDENTIALS], delegated_administrators=[MEMBER])
        )
    )
    _, function = rule(aws, "RootAccessDriftCheckInterval")
    invoked(aws, function, {"detail-type": "Scheduled Event", "source": "aws.events"})
    assert aws.organization.root_access().features == {CREDENTIALS}
    assert checks(aws)[-1]["deviations"] == []
