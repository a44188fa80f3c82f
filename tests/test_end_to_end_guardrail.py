"""The guardrail for root users, deployed by the real CDK CLI on the local AWS, and removed again."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from botocore.exceptions import ClientError

from centralized_root_access import RootUseAlarm, RootUserGuardrail
from support.accounts import MANAGEMENT, MEMBER, OTHER, THIRD
from support.arrange import CREDENTIALS, SESSIONS, enable_root_access
from support.deploying import Deployer, assert_succeeded
from support.emulation import AUDIT, error_of, open_root_session
from support.root_events import EXPECTED, USED, condition_for_rule

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aws_cdk import Stack

    from local_aws.emulation import Organization
    from local_aws.services import LocalAws


TASK_POLICY = "arn:aws:iam::aws:policy/root-task/"
ROOT_DENIAL = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}},
        }
    ],
}


def build(**arguments: Any) -> Callable[[Stack], None]:
    """Return what adds a guardrail and the alarms to a stack."""

    def add_to(stack: Stack) -> None:
        RootUserGuardrail(stack, "RootUserGuardrail", **arguments)
        auditor = iam.Role(stack, "Auditor", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        RootUseAlarm(stack, "RootUse", trail_log_group=logs.LogGroup(stack, "Trail"), allowed_roles=[auditor])

    return add_to


def denials(organization: Organization) -> dict[str, str]:
    """Return the members whose root user is denied a call, each with the message."""
    found = {}
    for account_id in (MEMBER, OTHER, THIRD):
        root_user = organization.client("iam", account_id=account_id, root_user=True)
        try:
            root_user.get_user()
        except ClientError as error:
            found[account_id] = error.response["Error"]["Message"]
    return found


def policies(organization: Organization) -> dict[str, str]:
    """Return the organization's own service control policies, each ARN by its name."""
    listed = organization.client("organizations").list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]
    return {it["Name"]: it["Arn"] for it in listed if not it["AwsManaged"]}


def test_a_guardrail_denies_root_users_not_root_sessions_until_it_is_removed(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    organization, deployer = local_aws.organization, Deployer(local_aws, tmp_path)
    enable_root_access(organization, CREDENTIALS, SESSIONS)
    organizations = organization.client("organizations")
    unit = organizations.create_organizational_unit(ParentId=organization.root_id, Name="Workloads")
    unit_id = unit["OrganizationalUnit"]["Id"]
    for account_id in (MEMBER, OTHER, THIRD):
        organization.put_root_credentials(account_id=account_id, access_keys=1)
    for account_id in (MEMBER, OTHER):
        organizations.move_account(
            AccountId=account_id, SourceParentId=organization.root_id, DestinationParentId=unit_id
        )

    failed = deployer.deploy(build(targets=[unit_id]))
    assert failed.returncode != 0
    assert "An error occurred (PolicyTypeNotEnabledException)" in failed.stdout
    assert "enable-policy-type" in failed.stdout, "the log says what to do"
    assert policies(organization) == {}

    organizations.enable_policy_type(RootId=organization.root_id, PolicyType="SERVICE_CONTROL_POLICY")
    assert_succeeded(deployer.deploy(build(targets=[unit_id], exempt_accounts=[MEMBER])))
    ((name, arn),) = policies(organization).items()
    assert name == "OrganizationBootstrap-RootUserGuardrail-90BB7E5D-us-east-1"
    assert denials(organization) == {
        OTHER: f"User: arn:aws:iam::{OTHER}:root is not authorized to perform: iam:GetUser on resource: "
        f"arn:aws:iam::{OTHER}:root with an explicit deny in a service control policy: {arn}"
    }
    session = organization.client("iam", credentials=open_root_session(organization, AUDIT, OTHER))
    assert session.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 1
    alarms = local_aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert len([alarm for alarm in alarms if "RootUse" in alarm["AlarmName"]]) == 2
    filters = local_aws.client("logs").describe_metric_filters()["metricFilters"]
    assert [it for it in filters if re.search(r'principalId != "AROA[A-Z0-9]+:\*"', it["filterPattern"])]

    assert_succeeded(deployer.deploy(build(targets=[unit_id, THIRD])))
    assert list(denials(organization)) == [MEMBER, OTHER, THIRD]
    assert policies(organization) == {name: arn}

    assert_succeeded(deployer.destroy())
    assert denials(organization) == {}
    assert policies(organization) == {}
    assert organization.root_credentials(MANAGEMENT)


def test_the_documented_condition_for_an_eventbridge_rule_exempts_root_sessions_alone(
    running_aws: LocalAws,
) -> None:
    rule = condition_for_rule("EventBridge, in the member account")
    pattern = json.dumps({"detail": json.loads(f"{{{rule}}}")})
    events = running_aws.client("events")

    def is_match(detail: dict[str, Any]) -> bool:
        event = {
            "id": "1",
            "account": MEMBER,
            "source": "aws.iam",
            "time": "2026-11-25T04:00:00Z",
            "region": "us-east-1",
            "resources": [],
            "detail-type": "AWS API Call via CloudTrail",
            "detail": detail,
        }
        return bool(events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"])

    assert not is_match(EXPECTED["the audit's call in IAM"])
    assert [name for name, event in USED.items() if not is_match(event)] == []


def test_a_policy_denies_root_sessions_in_s3_and_sqs_as_well(local_aws: LocalAws) -> None:
    organization = local_aws.organization
    enable_root_access(organization, CREDENTIALS, SESSIONS)
    local_aws.client("s3", account_id=OTHER).create_bucket(Bucket="locked")
    queue = local_aws.client("sqs", account_id=OTHER).create_queue(QueueName="locked")["QueueUrl"]
    clients: list[Any] = [
        organization.client(
            service,
            credentials=open_root_session(organization, {"arn": TASK_POLICY + name}, OTHER),
            endpoint_url=local_aws.addresses.aws_url,
        )
        for service, name in (("s3", "S3UnlockBucketPolicy"), ("sqs", "SQSUnlockQueuePolicy"))
    ]
    s3, sqs = clients
    calls: list[tuple[Any, dict[str, str]]] = [
        (s3.list_buckets, {}),
        (s3.delete_bucket_policy, {"Bucket": "locked"}),
        (sqs.get_queue_attributes, {"QueueUrl": queue}),
    ]
    for call, parameters in calls:
        call(**parameters)
    beyond = error_of(s3.delete_bucket, Bucket="locked")
    policy_id = organization.attach_service_control_policy(
        name="deny-root", document=ROOT_DENIAL, target_id=OTHER
    )

    errors = [error_of(call, **parameters) for call, parameters in calls]

    assert beyond["message"].endswith("with an explicit deny in a session policy")
    assert [(error["code"], error["http"]) for error in errors] == [("AccessDenied", 403)] * 3
    assert all(error["message"].endswith(policy_id) for error in errors)
    assert (
        f"sqs:GetQueueAttributes on resource: arn:aws:sqs:us-east-1:{OTHER}:locked" in (errors[2]["message"])
    )
