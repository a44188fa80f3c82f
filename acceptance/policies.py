"""The policies that the cases attach: to a bucket, to a queue, and to an account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from acceptance.model import DELEGATE, MEMBER

_ROOT = {"aws:PrincipalArn": ["arn:aws:iam::*:root"]}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A policy of the organization, and the account that a case attaches it to."""

    content: str
    type: str = "SERVICE_CONTROL_POLICY"
    account: str = MEMBER


def _deny(action: str, **more: Any) -> str:
    """Return a policy that denies an action on everything."""
    statement = {"Sid": "Acceptance", "Effect": "Deny", "Action": action, "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _deny_root(action: str, **conditions: Mapping[str, str]) -> Policy:
    """Return a service control policy that denies an action to root users."""
    return Policy(content=_deny(action, Condition={"ArnLike": _ROOT, **conditions}))


# On the member account each only denies root users or root sessions: its role can restore the
# account.
POLICIES: Mapping[str, Policy] = {
    "with the exemption": _deny_root("*", Null={"aws:AssumedRoot": "true"}),
    "without the exemption": _deny_root("*"),
    "on bool mfa": _deny_root("iam:GetUser", Bool={"aws:MultiFactorAuthPresent": "false"}),
    "on bool if exists mfa": _deny_root(
        "iam:GetUser", BoolIfExists={"aws:MultiFactorAuthPresent": "false"}
    ),
    "on password": _deny_root("iam:CreateLoginProfile"),
    "of the delegate on AssumeRoot": Policy(content=_deny("sts:AssumeRoot"), account=DELEGATE),
    "of resources on AssumeRoot": Policy(
        content=_deny("sts:AssumeRoot", Principal="*"), type="RESOURCE_CONTROL_POLICY"
    ),
}


def locking_policy(service: str, resource: str) -> str:
    """Return a resource policy that locks everyone out, including the owner."""
    statement = {"Effect": "Deny", "Principal": "*", "Action": f"{service}:*", "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
