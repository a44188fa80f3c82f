"""CloudTrail's events of root users and of AssumeRoot, as documented and as recorded."""

import re
from pathlib import Path
from typing import Any

from .accounts import MANAGEMENT, MEMBER

ADMINISTRATOR_ROLE_ARN = f"arn:aws:iam::{MANAGEMENT}:role/SecurityAdministrator"
TOOL_ROLE_ID = "AROATOOLTOOLTOOLTOOLT"
LONG_TERM_KEY_ID = "AKIAEXAMPLEEXAMPLE99"

_PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "root-use-alarm.md").read_text()


def root_user_event(
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


def assume_root_event(
    *, principal_id: str, issuer: str | None, identity_type: str = "AssumedRole"
) -> dict[str, Any]:
    """Return an event of AssumeRoot in the management account."""
    identity: dict[str, Any] = {
        "type": identity_type,
        "principalId": principal_id,
        "accountId": MANAGEMENT,
    }
    if issuer is not None:
        identity["sessionContext"] = {
            "sessionIssuer": {
                "type": "Role",
                "arn": issuer,
                "principalId": principal_id.partition(":")[0],
            },
            "assumedRoot": "true",
        }
    return {
        "eventType": "AwsApiCall",
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRoot",
        "userIdentity": identity,
        "requestParameters": {
            "targetPrincipal": MEMBER,
            "taskPolicyArn": {
                "arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"
            },
        },
    }


def identity_of_root_user(account_id: str) -> dict[str, Any]:
    """Return the members of an event that say whose root user acted, to replace those of MEMBER."""
    return {"userIdentity": {"type": "Root", "accountId": account_id}}


IAM_CALL: dict[str, Any] = {"eventSource": "iam.amazonaws.com"}
S3_CALL: dict[str, Any] = {"eventSource": "s3.amazonaws.com"}
SQS_CALL: dict[str, Any] = {"eventSource": "sqs.amazonaws.com"}
STS_CALL: dict[str, Any] = {"eventSource": "sts.amazonaws.com"}
SIGN_IN_CALL: dict[str, Any] = {"eventSource": "signin.amazonaws.com"}
CONSOLE_SIGN_IN: dict[str, Any] = {**SIGN_IN_CALL, "eventType": "AwsConsoleSignIn"}
TOOL_ROLE_ARN = f"arn:aws:iam::{MANAGEMENT}:role/OrganizationBootstrap-RootTasksAuditRole-1"
HARMLESS_EVENTS: dict[str, dict[str, Any]] = {
    "the audit's call in IAM": root_user_event(
        assumed_root=True, eventName="GetAccountSummary", **IAM_CALL
    ),
    "a denied call of the audit": root_user_event(
        assumed_root=True, eventName="GetUser", errorCode="AccessDenied", **IAM_CALL
    ),
    "a bucket policy removed, recorded with assumedRoot": root_user_event(
        assumed_root=True, eventName="DeleteBucketPolicy", **S3_CALL
    ),
    "a bucket policy removed, in AWS's own sample without it": root_user_event(
        eventName="DeleteBucketPolicy", **S3_CALL
    ),
    "a queue policy removed, recorded without it": root_user_event(
        eventName="SetQueueAttributes", **SQS_CALL
    ),
    "a service's event": root_user_event(key=None, eventName="CloseAccountResult", **IAM_CALL)
    | {"eventType": "AwsServiceEvent"},
    "AssumeRoot by the tool": assume_root_event(
        principal_id=f"{TOOL_ROLE_ID}:RootTasksAudit", issuer=TOOL_ROLE_ARN
    ),
    "AssumeRoot by an administrator": assume_root_event(
        principal_id="AROAADMINADMINADMINA:jane", issuer=ADMINISTRATOR_ROLE_ARN
    ),
    "AssumeRole by anybody": assume_root_event(
        principal_id="AROAOTHEROTHEROTHERO:x", issuer=TOOL_ROLE_ARN
    )
    | {"eventName": "AssumeRole"},
}
ROOT_USE_EVENTS: dict[str, dict[str, Any]] = {
    "a console sign-in": root_user_event(key=None, eventName="ConsoleLogin", **CONSOLE_SIGN_IN),
    "a password recovery": root_user_event(
        key=None, eventName="PasswordRecoveryRequested", **CONSOLE_SIGN_IN
    ),
    "a call from the console": root_user_event(eventName="GetUser", **IAM_CALL),
    "a call that the guardrail denied": root_user_event(
        eventName="GetUser", errorCode="AccessDenied", **IAM_CALL
    ),
    "a call with an access key": root_user_event(
        key=LONG_TERM_KEY_ID, eventName="GetUser", **IAM_CALL
    ),
    "a bucket policy removed with an access key": root_user_event(
        key=LONG_TERM_KEY_ID, eventName="DeleteBucketPolicy", **S3_CALL
    ),
    "temporary credentials by aws login": root_user_event(
        key=None, eventName="CreateOAuth2Token", **SIGN_IN_CALL
    ),
    "a call with credentials of aws login": root_user_event(eventName="ListUsers", **IAM_CALL),
    "temporary credentials by GetSessionToken": root_user_event(
        key=LONG_TERM_KEY_ID, eventName="GetSessionToken", **STS_CALL
    ),
    "a call with credentials of GetSessionToken": root_user_event(
        eventName="ListUsers", **IAM_CALL
    ),
    "temporary credentials by GetFederationToken": root_user_event(
        key=LONG_TERM_KEY_ID, eventName="GetFederationToken", **STS_CALL
    ),
    "another service in the console": root_user_event(
        eventName="RunInstances", eventSource="ec2.amazonaws.com"
    ),
}
# With credentials of GetFederationToken.
FEDERATED_USER_EVENTS: dict[str, dict[str, Any]] = {
    f"a call of {source['eventSource']}": {
        "eventType": "AwsApiCall",
        **source,
        "userIdentity": {
            "type": "FederatedUser",
            "principalId": f"{MEMBER}:mallory",
            "arn": f"arn:aws:sts::{MEMBER}:federated-user/mallory",
            "accountId": MEMBER,
            "accessKeyId": "ASIAEXAMPLEEXAMPLE98",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Root",
                    "principalId": MEMBER,
                    "arn": f"arn:aws:iam::{MEMBER}:root",
                    "accountId": MEMBER,
                },
                "attributes": {"creationDate": "2026-11-25T04:00:00Z", "mfaAuthenticated": "false"},
            },
        },
    }
    for source in (S3_CALL, {"eventSource": "ec2.amazonaws.com"})
}
_WHERE: dict[str, Any] = {
    "eventTime": "2026-11-25T04:00:01Z",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "192.0.2.7",
    "recipientAccountId": MEMBER,
    "eventID": "3fcfb182-98f8-4744-bd45-10a395ab61cb",
    # Neither a notice nor a log has any of these.
    "userAgent": "secret-agent",
    "requestParameters": {"userName": "secret-name", "email": "secret@example.com"},
}
SIGN_IN_EVENT = root_user_event(
    key=None,
    eventName="ConsoleLogin",
    responseElements={"ConsoleLogin": "Success"},
    additionalEventData={"LoginTo": "https://secret.example.com", "MFAUsed": "No"},
    **CONSOLE_SIGN_IN,
    **_WHERE,
)
FAILED_SIGN_IN_EVENT = SIGN_IN_EVENT | {"responseElements": {"ConsoleLogin": "Failure"}}
PASSWORD_RECOVERY_EVENT = root_user_event(
    key=None,
    eventName="PasswordRecoveryRequested",
    responseElements={"PasswordRecoveryRequested": "Success"},
    **CONSOLE_SIGN_IN,
    **_WHERE,
)
DENIED_CALL_EVENT = root_user_event(
    key=LONG_TERM_KEY_ID, eventName="GetUser", errorCode="AccessDenied", **IAM_CALL, **_WHERE
)
ASSUME_ROOT_BY_IAM_USER = assume_root_event(
    principal_id="AIDAUSERUSERUSERUSER", issuer=None, identity_type="IAMUser"
)
UNEXPECTED_ASSUME_ROOT_EVENTS: dict[str, dict[str, Any]] = {
    "another role": assume_root_event(
        principal_id="AROAOTHEROTHEROTHERO:mallory", issuer=f"arn:aws:iam::{MANAGEMENT}:role/Other"
    ),
    "a role of the tool's name that was created again": assume_root_event(
        principal_id="AROAOTHEROTHEROTHERO:RootTasksAudit", issuer=TOOL_ROLE_ARN
    ),
    "an IAM user": ASSUME_ROOT_BY_IAM_USER,
    "an identity without an ID": ASSUME_ROOT_BY_IAM_USER | {"userIdentity": {"type": "Unknown"}},
    "an attempt that was denied": ASSUME_ROOT_BY_IAM_USER | {"errorCode": "AccessDenied"},
}


def condition_for_rule(rule: str) -> str:
    """Return the condition that the page on alarms says to add to a rule."""
    (condition,) = re.findall(rf"^\| {re.escape(rule)} \| `(.*?)` \|$", _PAGE, re.MULTILINE)
    return str(condition)
