"""The cases that change nothing: reads, and calls of AssumeRoot that AWS refuses."""

from __future__ import annotations

from functools import partial
from typing import Any

from acceptance.callers import AUDIT, DELETE, RECOVER, UNLOCK_BUCKET, UNLOCK_QUEUE
from acceptance.cases._build import EVERYTHING, IAM, SESSIONS, TRUSTED_ACCESS, case, refusal, succeeds, task
from acceptance.model import DELEGATE, MANAGEMENT, MEMBER, STRANGER, Level, Source

_case = partial(case, level=Level.READ)
_NO_COPY = "it has no copy of AWS's task policies"
_DENIED = refusal("AccessDeniedException", http=400)

# The fields of an account that matter here; its name and e-mail address are never stored.
_ACCOUNT: dict[str, Any] = {"Id": "{any}", "State": "{any}", "{and more}": True}

_ORGANIZATION = [
    _case(
        "the organization names its management account and its feature set",
        "organizations:DescribeOrganization",
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
        "a member account may describe the organization",
        "organizations:DescribeOrganization",
        succeeds({"Organization": {"MasterAccountId": MANAGEMENT, "{and more}": True}}),
        caller=MEMBER,
    ),
    _case(
        "each account has a State",
        "organizations:ListAccounts",
        succeeds({"Accounts": ["{each}", _ACCOUNT]}),
    ),
    _case(
        "each account still has a Status",
        "organizations:ListAccounts",
        succeeds({"Accounts": ["{each}", {**_ACCOUNT, "Status": "{any}"}]}),
        source=Source.ASSUMED,
    ),
    _case(
        "a plain member account cannot list the accounts",
        "organizations:ListAccounts",
        _DENIED,
        caller=MEMBER,
    ),
    _case(
        "a page of accounts has at most 20",
        "organizations:ListAccounts",
        refusal("InvalidInputException", reason="MAX_VALUE_EXCEEDED"),
        source=Source.ASSUMED,
        MaxResults=21,
    ),
    _case(
        "a token that came with no page is refused",
        "organizations:ListAccounts",
        refusal("InvalidInputException", reason="INVALID_NEXT_TOKEN"),
        NextToken="no-such-token",
    ),
    _case(
        "a plain member account cannot list trusted access",
        "organizations:ListAWSServiceAccessForOrganization",
        _DENIED,
        caller=MEMBER,
    ),
    _case(
        "trusted access lists IAM with the time since when",
        "organizations:ListAWSServiceAccessForOrganization",
        succeeds(
            {"EnabledServicePrincipals": ["{each}", {"ServicePrincipal": "{any}", "DateEnabled": "{time}"}]}
        ),
        given=(TRUSTED_ACCESS,),
    ),
    _case(
        "a plain member account cannot list the delegated administrators",
        "organizations:ListDelegatedAdministrators",
        _DENIED,
        caller=MEMBER,
        **IAM,
    ),
    _case(
        "no delegated administrators are listed while trusted access is disabled",
        "organizations:ListDelegatedAdministrators",
        succeeds({"DelegatedAdministrators": []}),
        source=Source.ASSUMED,
        **IAM,
    ),
    _case(
        "no delegated administrators are listed before one is registered",
        "organizations:ListDelegatedAdministrators",
        succeeds({"DelegatedAdministrators": []}),
        given=(TRUSTED_ACCESS,),
        **IAM,
    ),
    _case(
        "a service that cannot have delegated administrators is refused",
        "organizations:ListDelegatedAdministrators",
        refusal("InvalidInputException", reason="UNRECOGNIZED_SERVICE_PRINCIPAL"),
        source=Source.ASSUMED,
        ServicePrincipal="nobody.amazonaws.com",
    ),
    _case(
        "an account that is registered for nothing has no list of services",
        "organizations:ListDelegatedServicesForAccount",
        refusal("AccountNotRegisteredException"),
        AccountId=MEMBER,
    ),
    _case(
        "an account of another organization has no list of services",
        "organizations:ListDelegatedServicesForAccount",
        refusal("AccountNotFoundException"),
        AccountId=STRANGER,
    ),
]

_FEATURES = [
    _case(
        "a member account cannot list the features without trusted access",
        "iam:ListOrganizationsFeatures",
        refusal("AccountNotManagementOrDelegatedAdministratorException"),
        caller=MEMBER,
        source=Source.ASSUMED,
    ),
    _case(
        "one enabled feature is listed alone",
        "iam:ListOrganizationsFeatures",
        succeeds({"EnabledFeatures": ["RootSessions"]}),
        given=(TRUSTED_ACCESS, SESSIONS),
    ),
]

_SESSIONS = [
    _case(
        "a task policy that AWS does not have is refused",
        "sts:AssumeRoot",
        refusal("ValidationError", "Request must contain valid AWS managed task policy ARN", http=400),
        source=Source.ASSUMED,
        TargetPrincipal=DELEGATE,
        TaskPolicyArn=task("IAMCreateAccessKeys"),
    ),
    _case(
        "an account of another organization is not a valid target",
        "sts:AssumeRoot",
        refusal("AccessDenied", http=403),
        given=EVERYTHING,
        source=Source.ASSUMED,
        TargetPrincipal=STRANGER,
        TaskPolicyArn=task(AUDIT),
    ),
    _case(
        "a role is not a valid target principal",
        "sts:AssumeRoot",
        refusal("ValidationError", "Request must contain a valid target principal", http=400),
        source=Source.ASSUMED,
        TargetPrincipal=f"arn:aws:iam::{MANAGEMENT}:role/x",
        TaskPolicyArn=task(AUDIT),
    ),
    _case(
        "the root user of the management account is not a valid target",
        "sts:AssumeRoot",
        refusal("AccessDenied", http=403),
        given=EVERYTHING,
        source=Source.ASSUMED,
        TargetPrincipal=f"arn:aws:iam::{MANAGEMENT}:root",
        TaskPolicyArn=task(AUDIT),
    ),
    _case(
        "a task policy is required with every other parameter right",
        "sts:AssumeRoot",
        refusal("ValidationError", http=400),
        source=Source.ASSUMED,
        TargetPrincipal=DELEGATE,
        TaskPolicyArn={},
        DurationSeconds=900,
    ),
]

_TASK_POLICIES = [
    _case(
        f"the task policy {name} has its first version",
        "iam:GetPolicy",
        succeeds({"Policy": {"DefaultVersionId": "v1", "{and more}": True}}),
        local=_NO_COPY,
        PolicyArn=task(name)["arn"],
    )
    for name in (AUDIT, DELETE, RECOVER, UNLOCK_BUCKET, UNLOCK_QUEUE)
]

CASES = (*_ORGANIZATION, *_FEATURES, *_SESSIONS, *_TASK_POLICIES)
