"""CloudTrail's events of root users and of AssumeRoot, as documented and as recorded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .accounts import MANAGEMENT, MEMBER

ADMINISTRATOR = f"arn:aws:iam::{MANAGEMENT}:role/SecurityAdministrator"
TOOL = "AROATOOLTOOLTOOLTOOLT"
ACCESS_KEY = "AKIAEXAMPLEEXAMPLE99"

_PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "detections.md").read_text()


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


def of_account(account_id: str) -> dict[str, Any]:
    """Return what differs in an event of the root user of another account."""
    return {"userIdentity": {"type": "Root", "accountId": account_id}}


IAM: dict[str, Any] = {"eventSource": "iam.amazonaws.com"}
S3: dict[str, Any] = {"eventSource": "s3.amazonaws.com"}
SQS: dict[str, Any] = {"eventSource": "sqs.amazonaws.com"}
STS: dict[str, Any] = {"eventSource": "sts.amazonaws.com"}
SIGN_IN_CALL: dict[str, Any] = {"eventSource": "signin.amazonaws.com"}
SIGN_IN: dict[str, Any] = {**SIGN_IN_CALL, "eventType": "AwsConsoleSignIn"}
OWN_ROLE = f"arn:aws:iam::{MANAGEMENT}:role/OrganizationBootstrap-RootTasksAuditRole-1"
EXPECTED: dict[str, dict[str, Any]] = {
    "the audit's call in IAM": root(assumed_root=True, eventName="GetAccountSummary", **IAM),
    "a denied call of the audit": root(
        assumed_root=True, eventName="GetUser", errorCode="AccessDenied", **IAM
    ),
    "a bucket policy removed, recorded with assumedRoot": root(
        assumed_root=True, eventName="DeleteBucketPolicy", **S3
    ),
    "a bucket policy removed, in AWS's own sample without it": root(
        eventName="DeleteBucketPolicy", **S3
    ),
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
    "a call with an access key": root(key=ACCESS_KEY, eventName="GetUser", **IAM),
    "a bucket policy removed with an access key": root(
        key=ACCESS_KEY, eventName="DeleteBucketPolicy", **S3
    ),
    "temporary credentials by aws login": root(
        key=None, eventName="CreateOAuth2Token", **SIGN_IN_CALL
    ),
    "a call with credentials of aws login": root(eventName="ListUsers", **IAM),
    "temporary credentials by GetSessionToken": root(
        key=ACCESS_KEY, eventName="GetSessionToken", **STS
    ),
    "a call with credentials of GetSessionToken": root(eventName="ListUsers", **IAM),
    "temporary credentials by GetFederationToken": root(
        key=ACCESS_KEY, eventName="GetFederationToken", **STS
    ),
    "another service in the console": root(
        eventName="RunInstances", eventSource="ec2.amazonaws.com"
    ),
}
# With credentials of GetFederationToken.
FEDERATED: dict[str, dict[str, Any]] = {
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
    for source in (S3, {"eventSource": "ec2.amazonaws.com"})
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
SIGNED_IN = root(
    key=None,
    eventName="ConsoleLogin",
    responseElements={"ConsoleLogin": "Success"},
    additionalEventData={"LoginTo": "https://secret.example.com", "MFAUsed": "No"},
    **SIGN_IN,
    **_WHERE,
)
FAILED_SIGN_IN = SIGNED_IN | {"responseElements": {"ConsoleLogin": "Failure"}}
RECOVERY_REQUESTED = root(
    key=None,
    eventName="PasswordRecoveryRequested",
    responseElements={"PasswordRecoveryRequested": "Success"},
    **SIGN_IN,
    **_WHERE,
)
DENIED = root(key=ACCESS_KEY, eventName="GetUser", errorCode="AccessDenied", **IAM, **_WHERE)
BY_IAM_USER = assume_root(principal_id="AIDAUSERUSERUSERUSER", issuer=None, identity_type="IAMUser")
STOLEN: dict[str, dict[str, Any]] = {
    "another role": assume_root(
        principal_id="AROAOTHEROTHEROTHERO:mallory", issuer=f"arn:aws:iam::{MANAGEMENT}:role/Other"
    ),
    "a role of the tool's name that was created again": assume_root(
        principal_id="AROAOTHEROTHEROTHERO:RootTasksAudit", issuer=OWN_ROLE
    ),
    "an IAM user": BY_IAM_USER,
    "an identity without an ID": BY_IAM_USER | {"userIdentity": {"type": "Unknown"}},
    "an attempt that was denied": BY_IAM_USER | {"errorCode": "AccessDenied"},
}


def condition_for_rule(rule: str) -> str:
    """Return the condition that the page says to add to a rule."""
    (condition,) = re.findall(rf"^\| {re.escape(rule)} \| `(.*?)` \|$", _PAGE, re.MULTILINE)
    return str(condition)
