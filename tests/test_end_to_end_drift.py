"""The drift check, deployed by the real CDK CLI on the local AWS: detection, notices, alarm and repair.

The local AWS evaluates neither metric math nor missing data, so that only the alarm *Drift* is proven here.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import aws_sns as sns

from centralized_root_access import CentralizedRootAccess
from support.accounts import MANAGEMENT, MEMBER
from support.arrange import CREDENTIALS, SESSIONS, enable_root_access, set_feature
from support.deploying import STACK, Deployer, assert_succeeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aws_cdk import Stack

    from local_aws.services import LocalAws

CALLER = f"arn:aws:sts::{MANAGEMENT}:assumed-role/Administrator/jane"
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


def build(stack: Stack, **arguments: Any) -> None:
    """Add the construct with a drift check that repairs and has a topic."""
    root_access = CentralizedRootAccess(stack, "RootAccess", **arguments)
    root_access.add_drift_check(repair=True, notification_topic=sns.Topic(stack, "Topic"))


@pytest.fixture(scope="module")
def deployer(bootstrapped_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    """The deployer of the stack, which is deployed once for all tests here."""
    bootstrapped_aws.organization.reset()
    deployer = Deployer(bootstrapped_aws, tmp_path_factory.mktemp("drift"))
    assert_succeeded(deployer.deploy(lambda stack: build(stack, delegated_administrators=[MEMBER])))
    yield deployer
    assert_succeeded(deployer.destroy())


@pytest.fixture
def aws(bootstrapped_aws: LocalAws, deployer: Deployer) -> LocalAws:
    """A local AWS with that stack, whose organization matches the stack."""
    bootstrapped_aws.organization.reset()
    enable_root_access(
        bootstrapped_aws.organization, CREDENTIALS, SESSIONS, delegated_administrators=[MEMBER]
    )
    return bootstrapped_aws


def resources(aws: LocalAws) -> dict[str, str]:
    """Return the physical ids of the stack's resources."""
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
    """Return a deployed rule, and the ARN of its target, a function."""
    events = aws.client("events")
    name = physical_id(aws, start).rpartition("|")[2]
    (target,) = events.list_targets_by_rule(Rule=name)["Targets"]
    return events.describe_rule(Name=name), target["Arn"]


def invoke(aws: LocalAws, function: str, event: dict[str, Any]) -> None:
    """Invoke a function with an event, and wait until it has succeeded."""
    response = aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    assert "FunctionError" not in response, response["Payload"].read()


def checks(aws: LocalAws) -> list[dict[str, Any]]:
    """Return the lines of the checks in their log group."""
    group = physical_id(aws, "RootAccessDriftCheckLogs")
    logs = aws.client("logs").filter_log_events(logGroupName=group)["events"]
    lines = [json.loads(it["message"]) for it in logs if it["message"].startswith("{")]
    return [line for line in lines if line["event"] == "checked"]


@pytest.fixture
def inbox(aws: LocalAws) -> Callable[[], list[str]]:
    """Return a function that receives what the topic has sent since the last time, as text."""
    sqs = aws.client("sqs")
    queue = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    aws.client("sns").subscribe(
        TopicArn=physical_id(aws, "Topic"),
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:us-east-1:{MANAGEMENT}:inbox",
    )

    def receive() -> list[str]:
        received = []
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                received.append(json.loads(message["Body"])["Message"])
        return received

    receive()
    return receive


def alarm(aws: LocalAws, start: str) -> dict[str, Any]:
    """Return a deployed alarm."""
    name = physical_id(aws, start)
    (found,) = aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return dict(found)


def test_what_a_delegated_administrator_disables_is_detected_and_repaired_and_nothing_else_changes(
    aws: LocalAws, inbox: Callable[[], list[str]]
) -> None:
    organization = aws.organization
    before = organization.root_access()
    others = organization.other_services()
    set_feature(organization, SESSIONS, enabled=False, account_id=MEMBER)
    organization.clear_calls()

    schedule, function = rule(aws, "RootAccessDriftCheckInterval")
    assert schedule["ScheduleExpression"] == "rate(1 hour)"
    invoke(aws, function, {"detail-type": "Scheduled Event", "source": "aws.events"})

    assert organization.root_access() == before
    assert organization.other_services() == others
    assert [call.operation for call in organization.writes] == ["EnableOrganizationsRootSessions"]
    detected, repaired = checks(aws)[-2:]
    assert (detected["InDesiredState"], repaired["InDesiredState"]) == (0, 1)
    assert detected["deviations"] == ["RootSessions is disabled"]
    assert detected["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "CentralizedRootAccess"
    (notice,) = inbox()
    assert "- RootSessions is disabled\n" in notice
    assert "- iam:EnableOrganizationsRootSessions\n" in notice


def test_each_of_the_eight_calls_reaches_the_check_which_reports_drift_without_a_repair(
    aws: LocalAws, inbox: Callable[[], list[str]]
) -> None:
    organization = aws.organization
    calls, function = rule(aws, "RootAccessDriftCheckCalls")

    def event(source: str, name: str) -> dict[str, Any]:
        return {
            "version": "0",
            "id": "6f5c0f9e-7d1c-11f0-9a3d-0242ac120002",
            "detail-type": "AWS API Call via CloudTrail",
            "source": f"aws.{source.partition('.')[0]}",
            "account": MANAGEMENT,
            "time": "2026-11-24T12:00:00Z",
            "region": "us-east-1",
            "resources": [],
            "detail": {
                "eventVersion": "1.11",
                "userIdentity": {"type": "AssumedRole", "arn": CALLER, "accountId": MANAGEMENT},
                "eventTime": "2026-11-24T11:59:58Z",
                "eventSource": source,
                "eventName": name,
            },
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

    set_feature(organization, SESSIONS, enabled=False)
    organization.clear_calls()
    invoke(aws, function, event("iam.amazonaws.com", "DisableOrganizationsRootSessions"))
    assert organization.writes == ()
    assert checks(aws)[-1]["deviations"] == ["RootSessions is disabled"]
    assert checks(aws)[-1]["trigger"] == "DisableOrganizationsRootSessions"
    assert checks(aws)[-1]["caller"] == CALLER
    (notice,) = inbox()
    for fact in (
        "RootSessions is disabled",
        "DisableOrganizationsRootSessions",
        CALLER,
        "2026-11-24T11:59:58Z",
    ):
        assert fact in notice


def test_the_drift_alarm_fires_on_the_first_bad_check_and_not_before_and_reaches_the_topic(
    aws: LocalAws, inbox: Callable[[], list[str]]
) -> None:
    assert alarm(aws, "RootAccessDriftCheckDrift")["StateValue"] == "INSUFFICIENT_DATA"
    aws.client("cloudwatch").put_metric_data(
        Namespace="CentralizedRootAccess",
        MetricData=[
            {
                "MetricName": "InDesiredState",
                "Dimensions": [{"Name": "OrganizationId", "Value": aws.organization.id}],
                "Value": value,
                # MiniStack's alarms ignore the organization: in those of another test's stack it must be old.
                "Timestamp": datetime.now(UTC) - timedelta(seconds=45),
            }
            # A check that repairs reports before and after.
            for value in (0, 1)
        ],
    )
    drift = alarm(aws, "RootAccessDriftCheckDrift")
    assert drift["StateValue"] == "ALARM"
    assert physical_id(aws, "RootAccessDriftCheckLogs") in drift["AlarmDescription"]
    (message,) = inbox()
    assert drift["AlarmName"] in message


def test_the_alarm_for_a_stopped_check_is_deployed_with_the_same_topic(aws: LocalAws) -> None:
    stopped = alarm(aws, "RootAccessDriftCheckStopped")
    assert stopped["AlarmActions"] == [physical_id(aws, "Topic")]
    assert stopped["StateValue"] != "ALARM"


def test_the_check_does_not_revert_an_update_that_removes_a_feature(
    aws: LocalAws, deployer: Deployer
) -> None:
    assert_succeeded(
        deployer.deploy(lambda stack: build(stack, features=[CREDENTIALS], delegated_administrators=[MEMBER]))
    )
    _, function = rule(aws, "RootAccessDriftCheckInterval")
    invoke(aws, function, {"detail-type": "Scheduled Event", "source": "aws.events"})
    assert aws.organization.root_access().features == {CREDENTIALS}
    assert checks(aws)[-1]["deviations"] == []
