"""Calls on the emulated organization that the emulation's own tests share."""

from collections.abc import Callable, Mapping
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from local_aws.emulation import Organization

from .accounts import MEMBER, OTHER_MEMBER
from .arrange import IAM_PRINCIPAL as IAM_PRINCIPAL

GUARDDUTY_PRINCIPAL = "guardduty.amazonaws.com"
CLOUDTRAIL_PRINCIPAL = "cloudtrail.amazonaws.com"
# The member account that the tests register as IAM's delegated administrator.
DELEGATE = MEMBER
AUDIT_TASK_POLICY = {"arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"}
DELETE_TASK_POLICY = {"arn": "arn:aws:iam::aws:policy/root-task/IAMDeleteRootUserCredentials"}
RECOVER_TASK_POLICY = {"arn": "arn:aws:iam::aws:policy/root-task/IAMCreateRootUserPassword"}


def register_delegate(
    organization: Organization, account_id: str, principal: str = IAM_PRINCIPAL
) -> None:
    """Register a delegated administrator."""
    organization.client("organizations").register_delegated_administrator(
        AccountId=account_id, ServicePrincipal=principal
    )


def deregister_delegate(organization: Organization, account_id: str) -> None:
    """Deregister a delegated administrator for IAM."""
    organization.client("organizations").deregister_delegated_administrator(
        AccountId=account_id, ServicePrincipal=IAM_PRINCIPAL
    )


def open_root_session(organization: Organization, task: Any, account_id: str = OTHER_MEMBER) -> Any:
    """Return the credentials of a root session."""
    response = organization.client("sts").assume_root(
        TargetPrincipal=account_id, TaskPolicyArn=task
    )
    return response["Credentials"]


def error_raised_by(call: Callable[..., object], **parameters: object) -> dict[str, Any]:
    """Return the error of a call: its code, message, HTTP status and reason."""
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    response: Any = raised.value.response
    return {
        "code": response["Error"]["Code"],
        "message": response["Error"]["Message"],
        "http": response["ResponseMetadata"]["HTTPStatusCode"],
        "reason": response.get("Reason"),
    }


def http_status_of(url: str, headers: Mapping[str, str], *, body: str | None = None) -> int:
    """Return the status of the response to a GET, or to a POST of a body."""
    parts = urlsplit(url)
    with closing(HTTPConnection(parts.netloc, timeout=5)) as connection:
        path = url.removeprefix(f"http://{parts.netloc}")
        connection.request("GET" if body is None else "POST", path, body=body, headers=headers)
        return connection.getresponse().status
