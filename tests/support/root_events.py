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
    call: str,
    *,
    key: str | None = "ASIAEXAMPLEEXAMPLE99",
    assumed_root: bool = False,
    **event: Any,
) -> dict[str, Any]:
    """Return an event of a root user in a member account, for a call such as "iam:GetUser"."""
    service, _, name = call.partition(":")
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
    return {
        "eventType": "AwsApiCall",
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        **event,
        "userIdentity": identity,
    }


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


TOOL_ROLE_ARN = f"arn:aws:iam::{MANAGEMENT}:role/OrganizationBootstrap-RootTasksAuditRole-1"
HARMLESS_EVENTS: dict[str, dict[str, Any]] = {
    "the audit's call in IAM": root_user_event("iam:GetAccountSummary", assumed_root=True),
    "a denied call of the audit": root_user_event(
        "iam:GetUser", assumed_root=True, errorCode="AccessDenied"
    ),
    "a bucket policy removed, recorded with assumedRoot": root_user_event(
        "s3:DeleteBucketPolicy", assumed_root=True
    ),
    "a bucket policy removed, in AWS's own sample without it": root_user_event(
        "s3:DeleteBucketPolicy"
    ),
    "a queue policy removed, recorded without it": root_user_event("sqs:SetQueueAttributes"),
    "a service's event": root_user_event(
        "iam:CloseAccountResult", key=None, eventType="AwsServiceEvent"
    ),
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
    "a console sign-in": root_user_event(
        "signin:ConsoleLogin", key=None, eventType="AwsConsoleSignIn"
    ),
    "a password recovery": root_user_event(
        "signin:PasswordRecoveryRequested", key=None, eventType="AwsConsoleSignIn"
    ),
    "a call from the console": root_user_event("iam:GetUser"),
    "a call that the guardrail denied": root_user_event("iam:GetUser", errorCode="AccessDenied"),
    "a call with an access key": root_user_event("iam:GetUser", key=LONG_TERM_KEY_ID),
    "a bucket policy removed with an access key": root_user_event(
        "s3:DeleteBucketPolicy", key=LONG_TERM_KEY_ID
    ),
    "temporary credentials by aws login": root_user_event("signin:CreateOAuth2Token", key=None),
    "a call with credentials of aws login or GetSessionToken": root_user_event("iam:ListUsers"),
    "temporary credentials by GetSessionToken": root_user_event(
        "sts:GetSessionToken", key=LONG_TERM_KEY_ID
    ),
    "temporary credentials by GetFederationToken": root_user_event(
        "sts:GetFederationToken", key=LONG_TERM_KEY_ID
    ),
    "another service in the console": root_user_event("ec2:RunInstances"),
}
# With credentials of GetFederationToken.
FEDERATED_USER_EVENTS: dict[str, dict[str, Any]] = {
    f"a call of {service}": {
        "eventType": "AwsApiCall",
        "eventSource": f"{service}.amazonaws.com",
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
    for service in ("s3", "ec2")
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
    "signin:ConsoleLogin",
    key=None,
    responseElements={"ConsoleLogin": "Success"},
    additionalEventData={"LoginTo": "https://secret.example.com", "MFAUsed": "No"},
    eventType="AwsConsoleSignIn",
    **_WHERE,
)
FAILED_SIGN_IN_EVENT = SIGN_IN_EVENT | {"responseElements": {"ConsoleLogin": "Failure"}}
PASSWORD_RECOVERY_EVENT = root_user_event(
    "signin:PasswordRecoveryRequested",
    key=None,
    responseElements={"PasswordRecoveryRequested": "Success"},
    eventType="AwsConsoleSignIn",
    **_WHERE,
)
DENIED_CALL_EVENT = root_user_event(
    "iam:GetUser", key=LONG_TERM_KEY_ID, errorCode="AccessDenied", **_WHERE
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
