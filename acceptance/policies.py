"""The policies that the cases attach: to a bucket, to a queue, and to the member account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT = {"aws:PrincipalArn": ["arn:aws:iam::*:root"]}


def _deny_root(action: str, conditions: Mapping[str, Mapping[str, Any]]) -> str:
    statement = {
        "Sid": "DenyRoot",
        "Effect": "Deny",
        "Action": action,
        "Resource": "*",
        "Condition": {"ArnLike": _ROOT, **conditions},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


# Each denies something to root users alone, so that the role that restores the account is not affected.
SERVICE_CONTROL_POLICIES: Mapping[str, str] = {
    "with the exemption": _deny_root("*", {"Null": {"aws:AssumedRoot": "true"}}),
    "without the exemption": _deny_root("*", {}),
    "on bool mfa": _deny_root("iam:GetUser", {"Bool": {"aws:MultiFactorAuthPresent": "false"}}),
    "on bool if exists mfa": _deny_root(
        "iam:GetUser", {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}
    ),
    "on password": _deny_root("iam:CreateLoginProfile", {}),
}


def locking_policy(service: str, resource: str) -> str:
    """Return a resource policy that locks everybody out, also the owner."""
    statement = {"Effect": "Deny", "Principal": "*", "Action": f"{service}:*", "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
