"""The cases that change nothing: reads, and calls of AssumeRoot that AWS refuses."""

from __future__ import annotations

from functools import partial
from typing import Any

from acceptance.callers import AUDIT, DELETE, RECOVER, TASK_POLICY, UNLOCK_BUCKET, UNLOCK_QUEUE
from acceptance.cases._build import (
    DENIED,
    EVERYTHING,
    IAM,
    SESSIONS,
    TRUSTED_ACCESS,
    assume_root,
    case,
    refusal,
    succeeds,
)
from acceptance.model import MANAGEMENT, MEMBER, STRANGER, Level, Source

_case = partial(case, level=Level.READ)
_assumed = partial(_case, source=Source.ASSUMED)
_NO_COPY = "it has no copy of AWS's task policies"
_ACCESS_DENIED = refusal("AccessDeniedException", http=400)

# The fields of an account that matter here; its name and e-mail address are never stored.
_ACCOUNT: dict[str, Any] = {"Id": "{any}", "State": "{any}", "{and more}": True}
_NO_DELEGATES = succeeds({"DelegatedAdministrators": []})

_DESCRIBE = "organizations:DescribeOrganization"
_ACCOUNTS = "organizations:ListAccounts"
_TRUSTED = "organizations:ListAWSServiceAccessForOrganization"
_DELEGATES = "organizations:ListDelegatedAdministrators"

_ORGANIZATION = [
    _case(
        _DESCRIBE,
        "the organization names its management account and its feature set",
        succeeds(
            {
                "Organization": {
                    "Id": "{organization id}",
                    "FeatureSet": "ALL",
                    "MasterAccountId": MANAGEMENT,
                    "{and more}": True,
                }
            }
        ),
    ),
    _case(
        _DESCRIBE,
        "a member account may describe the organization",
        succeeds({"Organization": {"MasterAccountId": MANAGEMENT, "{and more}": True}}),
        caller=MEMBER,
    ),
    _case(_ACCOUNTS, "each account has a State", succeeds({"Accounts": ["{each}", _ACCOUNT]})),
    _case(
        _TRUSTED,
        "trusted access lists IAM with the time since when",
        succeeds(
            {
                "EnabledServicePrincipals": [
                    "{each}",
                    {"ServicePrincipal": "{any}", "DateEnabled": "{time}"},
                ]
            }
        ),
        given=(TRUSTED_ACCESS,),
    ),
    _assumed(
        _DELEGATES,
        "no delegated administrators are listed while trusted access is disabled",
        _NO_DELEGATES,
        **IAM,
    ),
    _case(
        _DELEGATES,
        "no delegated administrators are listed before one is registered",
        _NO_DELEGATES,
        given=(TRUSTED_ACCESS,),
        **IAM,
    ),
]

_DESCRIBE_ACCOUNT = "organizations:DescribeAccount"
_POLICIES = "organizations:ListPoliciesForTarget"
_SCPS: dict[str, Any] = {"Filter": "SERVICE_CONTROL_POLICY"}

_ACCOUNT_BY_ACCOUNT = (
    [
        _case(
            _DESCRIBE_ACCOUNT,
            "an account is described with its state and the path to it",
            succeeds(
                {
                    "Account": {
                        "Id": MEMBER,
                        "State": "ACTIVE",
                        "Paths": ["{each}", "{text}"],
                        "{and more}": True,
                    }
                }
            ),
            AccountId=MEMBER,
        ),
        _case(
            _POLICIES,
            "the policies of an account are listed",
            succeeds({"Policies": "{any}"}),
            TargetId=MEMBER,
            **_SCPS,
        ),
    ]
    + [
        _case(operation, name, refusal(code), **parameters)
        for operation, name, code, parameters in (
            (
                _DESCRIBE_ACCOUNT,
                "an account of another organization is not found",
                "AccountNotFoundException",
                {"AccountId": STRANGER},
            ),
            (
                _POLICIES,
                "an account of another organization has no policies",
                "TargetNotFoundException",
                {"TargetId": STRANGER, **_SCPS},
            ),
            (
                "organizations:DescribeOrganizationalUnit",
                "a unit that does not exist is not found",
                "OrganizationalUnitNotFoundException",
                {"OrganizationalUnitId": "ou-ab12-none0000"},
            ),
        )
    ]
    + [
        _case(
            operation,
            f"a plain member account cannot {what}",
            _ACCESS_DENIED,
            caller=MEMBER,
            **parameters,
        )
        for operation, what, parameters in (
            (_ACCOUNTS, "list the accounts", dict[str, Any]()),
            (_TRUSTED, "list trusted access", dict[str, Any]()),
            (_DELEGATES, "list the delegated administrators", IAM),
            (_DESCRIBE_ACCOUNT, "describe an account", {"AccountId": MEMBER}),
        )
    ]
)

_FEATURES = [
    _assumed(
        "iam:ListOrganizationsFeatures",
        "a member account cannot list the features without trusted access",
        refusal("AccountNotManagementOrDelegatedAdministratorException"),
        caller=MEMBER,
    ),
    _case(
        "iam:ListOrganizationsFeatures",
        "one enabled feature is listed alone",
        succeeds({"EnabledFeatures": ["RootSessions"]}),
        given=(TRUSTED_ACCESS, SESSIONS),
    ),
]

_SESSION = assume_root(Level.READ, STRANGER, AUDIT)(
    "an account of another organization is not a valid target",
    DENIED,
    given=EVERYTHING,
    source=Source.ASSUMED,
)

_TASK_POLICIES = [
    _case(
        "iam:GetPolicy",
        f"the task policy {name} has its first version",
        succeeds({"Policy": {"DefaultVersionId": "v1", "{and more}": True}}),
        not_shown_locally=_NO_COPY,
        PolicyArn=TASK_POLICY + name,
    )
    for name in (AUDIT, DELETE, RECOVER, UNLOCK_BUCKET, UNLOCK_QUEUE)
]

CASES = _ORGANIZATION + _ACCOUNT_BY_ACCOUNT + _FEATURES + [_SESSION] + _TASK_POLICIES
