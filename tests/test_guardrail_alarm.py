"""The alarms on root users in use: the events that fire them, and those that fire none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns

from centralized_root_access import RootTask, RootTasks, RootUseAlarm
from support.accounts import MANAGEMENT as MANAGEMENT_ID
from support.accounts import MEMBER
from support.filter_pattern import is_match
from support.templates import MANAGEMENT, bootstrap_stack, resources, template

if TYPE_CHECKING:
    from collections.abc import Mapping

ADMINISTRATOR = f"arn:aws:iam::{MANAGEMENT_ID}:role/SecurityAdministrator"
TOOL = "AROATOOLTOOLTOOLTOOLT"
PATTERNS = ("RootUserUsed", "UnexpectedAssumeRoot")


def alarm_stack(**arguments: Any) -> Stack:
    """Return a stack with the root tasks and the alarms."""
    stack = bootstrap_stack(env=MANAGEMENT)
    trail = logs.LogGroup.from_log_group_name(stack, "Trail", "organization-trail")
    arguments = {name: it(stack) if callable(it) else it for name, it in arguments.items()}
    RootUseAlarm(stack, "RootUse", **{"trail_log_group": trail, **arguments})
    return stack


def patterns(stack: Stack) -> dict[str, Any]:
    """Return the filter patterns of a stack, by the alarm that they are for."""
    return {
        name: filter_["Properties"]["FilterPattern"]
        for id_, filter_ in resources(template(stack), "AWS::Logs::MetricFilter").items()
        for name in PATTERNS
        if id_.startswith(f"RootUse{name}")
    }


def deployed(pattern: Any, role_ids: Mapping[str, str]) -> str:
    """Return a pattern as CloudFormation resolves it, with the ID of each role."""
    if isinstance(pattern, str):
        return pattern
    _, parts = pattern["Fn::Join"]
    return "".join(it if isinstance(it, str) else role_ids[it["Fn::GetAtt"][0]] for it in parts)


@pytest.fixture(scope="module")
def tool_patterns() -> dict[str, str]:
    """The patterns that allow the roles of all root tasks, each with the same ID, and one imported role."""
    stack = bootstrap_stack(env=MANAGEMENT)
    tasks = RootTasks(stack, "RootTasks", tasks=list(RootTask))
    RootUseAlarm(
        stack,
        "RootUse",
        trail_log_group=logs.LogGroup.from_log_group_name(stack, "Trail", "organization-trail"),
        allowed_roles=[*tasks.session_roles, iam.Role.from_role_arn(stack, "Admin", ADMINISTRATOR)],
    )
    roles = resources(template(stack), "AWS::IAM::Role")
    return {name: deployed(it, dict.fromkeys(roles, TOOL)) for name, it in patterns(stack).items()}


def alarms_of(event: dict[str, Any], found: Mapping[str, str]) -> set[str]:
    """Return the alarms that an event fires, whatever `!=` says of a missing field."""
    either = [
        {name for name, pattern in found.items() if is_match(pattern, event, missing_differs=missing)}
        for missing in (False, True)
    ]
    assert either[0] == either[1]
    return either[0]


# Events, as AWS documents and as people recorded them.


def root(
    *, key: str | None = "ASIAEXAMPLEEXAMPLE99", assumed_root: bool = False, **event: Any
) -> dict[str, Any]:
    """Return an event of a root user in a member account."""
    identity: dict[str, Any] = {
        "type": "Root",
        "principalId": MEMBER,
        "arn": f"arn:aws:iam::{MEMBER}:root",
        "accountId": MEMBER,
        "sessionContext": {
            "attributes": {"creationDate": "2026-11-25T04:00:00Z", "mfaAuthenticated": "false"}
        },
    }
    if key is not None:
        identity["accessKeyId"] = key
    if assumed_root:
        identity["sessionContext"]["assumedRoot"] = "true"
    return {"eventType": "AwsApiCall", **event, "userIdentity": identity}


def assume_root(
    *, principal_id: str, issuer: str | None, identity_type: str = "AssumedRole"
) -> dict[str, Any]:
    """Return an event of AssumeRoot in the management account."""
    identity: dict[str, Any] = {
        "type": identity_type,
        "principalId": principal_id,
        "accountId": MANAGEMENT_ID,
    }
    if issuer is not None:
        identity["sessionContext"] = {
            "sessionIssuer": {"type": "Role", "arn": issuer, "principalId": principal_id.partition(":")[0]},
            "assumedRoot": "true",
        }
    return {
        "eventType": "AwsApiCall",
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRoot",
        "userIdentity": identity,
        "requestParameters": {
            "targetPrincipal": MEMBER,
            "taskPolicyArn": {"arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"},
        },
    }


IAM, S3, SQS = ({"eventSource": f"{service}.amazonaws.com"} for service in ("iam", "s3", "sqs"))
SIGN_IN = {"eventSource": "signin.amazonaws.com", "eventType": "AwsConsoleSignIn"}
OWN_ROLE = f"arn:aws:iam::{MANAGEMENT_ID}:role/OrganizationBootstrap-RootTasksAuditRole-1"
EXPECTED: dict[str, dict[str, Any]] = {
    "the audit's call in IAM": root(assumed_root=True, eventName="GetAccountSummary", **IAM),
    "a denied call of the audit": root(
        assumed_root=True, eventName="GetUser", errorCode="AccessDenied", **IAM
    ),
    "a bucket policy removed, recorded with assumedRoot": root(
        assumed_root=True, eventName="DeleteBucketPolicy", **S3
    ),
    "a bucket policy removed, in AWS's own sample without it": root(eventName="DeleteBucketPolicy", **S3),
    "a queue policy removed, recorded without it": root(eventName="SetQueueAttributes", **SQS),
    "a service's event": root(key=None, eventName="CloseAccountResult", **IAM)
    | {"eventType": "AwsServiceEvent"},
    "AssumeRoot by the tool": assume_root(principal_id=f"{TOOL}:RootTasksAudit", issuer=OWN_ROLE),
    "AssumeRoot by an administrator": assume_root(
        principal_id="AROAADMINADMINADMINA:jane", issuer=ADMINISTRATOR
    ),
    "AssumeRole by anybody": assume_root(principal_id="AROAOTHEROTHEROTHERO:x", issuer=OWN_ROLE)
    | {"eventName": "AssumeRole"},
}
USED: dict[str, dict[str, Any]] = {
    "a console sign-in": root(key=None, eventName="ConsoleLogin", **SIGN_IN),
    "a password recovery": root(key=None, eventName="PasswordRecoveryRequested", **SIGN_IN),
    "a call from the console": root(eventName="GetUser", **IAM),
    "a call that the guardrail denied": root(eventName="GetUser", errorCode="AccessDenied", **IAM),
    "a call with an access key": root(key="AKIAEXAMPLEEXAMPLE99", eventName="GetUser", **IAM),
    "a bucket policy removed with an access key": root(
        key="AKIAEXAMPLEEXAMPLE99", eventName="DeleteBucketPolicy", **S3
    ),
    "temporary credentials from an access key": root(
        key="AKIAEXAMPLEEXAMPLE99", eventSource="sts.amazonaws.com", eventName="GetSessionToken"
    ),
    "another service in the console": root(eventName="RunInstances", eventSource="ec2.amazonaws.com"),
}
STOLEN: dict[str, dict[str, Any]] = {
    "another role": assume_root(
        principal_id="AROAOTHEROTHEROTHERO:mallory", issuer=f"arn:aws:iam::{MANAGEMENT_ID}:role/Other"
    ),
    "a role of the tool's name that was created again": assume_root(
        principal_id="AROAOTHEROTHEROTHERO:RootTasksAudit", issuer=OWN_ROLE
    ),
    "an IAM user": assume_root(principal_id="AIDAUSERUSERUSERUSER", issuer=None, identity_type="IAMUser"),
    "an identity without an ID": {
        **assume_root(principal_id="", issuer=None),
        "userIdentity": {"type": "AWSAccount"},
    },
    "an attempt that was denied": {
        **assume_root(principal_id="AIDAUSERUSERUSERUSER", issuer=None, identity_type="IAMUser"),
        "errorCode": "AccessDenied",
    },
}


@pytest.mark.parametrize("event", EXPECTED.values(), ids=EXPECTED)
def test_what_the_tool_does_fires_no_alarm(event: dict[str, Any], tool_patterns: dict[str, str]) -> None:
    assert alarms_of(event, tool_patterns) == set()


@pytest.mark.parametrize("event", USED.values(), ids=USED)
def test_a_root_user_that_is_used_fires_its_alarm(
    event: dict[str, Any], tool_patterns: dict[str, str]
) -> None:
    assert alarms_of(event, tool_patterns) == {"RootUserUsed"}


@pytest.mark.parametrize("event", STOLEN.values(), ids=STOLEN)
def test_assume_root_by_another_principal_fires_its_alarm(
    event: dict[str, Any], tool_patterns: dict[str, str]
) -> None:
    assert alarms_of(event, tool_patterns) == {"UnexpectedAssumeRoot"}


def test_without_allowed_roles_every_assume_root_fires() -> None:
    found = patterns(alarm_stack())
    event = EXPECTED["AssumeRoot by the tool"]
    assert alarms_of(event, found) == {"UnexpectedAssumeRoot"}


def test_the_roles_of_all_tasks_have_room_in_the_pattern(tool_patterns: dict[str, str]) -> None:
    assert all(len(pattern) < 1024 for pattern in tool_patterns.values())
    assert tool_patterns["UnexpectedAssumeRoot"].count(f'"{TOOL}:*"') == 7


def test_the_session_roles_are_those_that_may_open_root_sessions() -> None:
    stack = bootstrap_stack(env=MANAGEMENT)
    tasks = RootTasks(stack, "RootTasks", tasks=list(RootTask))
    own = {stack.resolve(role.role_name)["Ref"] for role in tasks.session_roles}
    may_assume_root = {
        policy["Properties"]["Roles"][0]["Ref"]
        for policy in resources(template(stack), "AWS::IAM::Policy").values()
        if "sts:AssumeRoot" in json.dumps(policy)
    }
    assert own == may_assume_root


def test_the_template_is_pinned() -> None:
    stack = alarm_stack(
        allowed_roles=lambda stack: [iam.Role.from_role_arn(stack, "Admin", ADMINISTRATOR)],
        notification_topic=lambda stack: sns.Topic.from_topic_arn(
            stack, "Topic", f"arn:aws:sns:us-east-1:{MANAGEMENT_ID}:security"
        ),
    )
    found = template(stack)["Resources"]
    unique = "OrganizationBootstrap-RootUse-01C1564B"
    transformation = {"MetricNamespace": "CentralizedRootAccess", "MetricValue": "1"}
    assert {
        id_: it["Properties"]["MetricTransformations"]
        for id_, it in found.items()
        if it["Type"] == "AWS::Logs::MetricFilter"
    } == {
        "RootUseRootUserUsed57046686": [{**transformation, "MetricName": f"RootUserUsed-{unique}"}],
        "RootUseUnexpectedAssumeRootE2A3B600": [
            {**transformation, "MetricName": f"UnexpectedAssumeRoot-{unique}"}
        ],
    }
    alarm = found["RootUseUnexpectedAssumeRootAlarmDDF83DDF"]["Properties"]
    assert alarm == {
        "AlarmActions": [f"arn:aws:sns:us-east-1:{MANAGEMENT_ID}:security"],
        "OKActions": [f"arn:aws:sns:us-east-1:{MANAGEMENT_ID}:security"],
        "AlarmDescription": (
            "Another principal than the allowed roles called AssumeRoot. Search the log group "
            "organization-trail for the event."
        ),
        "ComparisonOperator": "GreaterThanThreshold",
        "DatapointsToAlarm": 1,
        "EvaluationPeriods": 1,
        "MetricName": f"UnexpectedAssumeRoot-{unique}",
        "Namespace": "CentralizedRootAccess",
        "Period": 300,
        "Statistic": "Sum",
        "Threshold": 0,
        "TreatMissingData": "notBreaching",
    }
    assert patterns(stack)["UnexpectedAssumeRoot"] == (
        '{ ($.eventSource = "sts.amazonaws.com") && ($.eventName = "AssumeRoot") && '
        "(($.userIdentity.sessionContext.sessionIssuer.arn NOT EXISTS) || "
        f'($.userIdentity.sessionContext.sessionIssuer.arn != "{ADMINISTRATOR}")) }}'
    )


def test_the_order_of_the_roles_does_not_change_the_template() -> None:
    names = ("One", "Two", "Three")

    def roles(stack: Stack) -> list[iam.IRole]:
        return [iam.Role.from_role_arn(stack, it, f"{ADMINISTRATOR}{it}") for it in names]

    one = alarm_stack(allowed_roles=roles)
    other = alarm_stack(allowed_roles=lambda stack: {*roles(stack), *reversed(roles_of(stack))})
    assert patterns(one) == patterns(other)


def roles_of(stack: Stack) -> list[iam.IRole]:
    """Return the roles that are in a stack already."""
    return [it for it in stack.node.children if isinstance(getattr(it, "role_arn", None), str)]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trail_log_group": "organization-trail"}, "trail_log_group must be a log group of the CDK"),
        ({"trail_log_group": None}, "trail_log_group must be a log group of the CDK"),
        ({"allowed_roles": ADMINISTRATOR}, "allowed_roles must be a list"),
        ({"allowed_roles": [ADMINISTRATOR]}, "allowed_roles must be a list of roles of the CDK"),
        ({"allowed_roles": iter(())}, "allowed_roles must be a list"),
        ({"allowed_roles": None}, "allowed_roles must be a list"),
        ({"notification_topic": "arn:aws:sns:us-east-1:111111111111:x"}, "notification_topic must be an SNS"),
    ],
    ids=["group-name", "no-group", "arn", "arns", "iterator", "none", "topic"],
)
def test_an_argument_of_another_type_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=rf"{message}.*[Ww]rite"):
        alarm_stack(**arguments)


def test_more_roles_than_the_pattern_has_room_for_are_refused() -> None:
    with pytest.raises(ValueError, match=r"allowed_roles lists 30 roles.*CloudWatch Logs allows 1024"):
        alarm_stack(
            allowed_roles=lambda stack: [
                iam.Role.from_role_arn(stack, f"Role{number}", f"{ADMINISTRATOR}{number}")
                for number in range(30)
            ]
        )


def test_a_role_of_the_stacks_own_account_is_known_by_its_arn() -> None:
    stack = alarm_stack(
        allowed_roles=lambda stack: [
            iam.Role.from_role_arn(stack, "Own", f"arn:aws:iam::{Aws.ACCOUNT_ID}:role/Own")
        ]
    )
    pattern = patterns(stack)["UnexpectedAssumeRoot"]
    assert {"Ref": "AWS::AccountId"} in pattern["Fn::Join"][1]
