"""The cases that enable and disable trusted access and the features, and register an account."""

from __future__ import annotations

from functools import partial

from acceptance.callers import AUDIT, DELETE, RECOVER, UNLOCK_BUCKET, UNLOCK_QUEUE
from acceptance.cases._build import (
    CREDENTIALS,
    EVERYTHING,
    IAM,
    REGISTERED,
    SESSION,
    TRUSTED_ACCESS,
    case,
    refusal,
    succeeds,
    task,
)
from acceptance.model import DELEGATE, MANAGEMENT, MEMBER, STRANGER, Level, Response, Source

_case = partial(case, level=Level.FEATURE)

_BOTH = ["RootSessions", "RootCredentialsManagement"]
_NO_TRUSTED_ACCESS = refusal(
    "ServiceAccessNotEnabledException",
    f"Trusted Access for IAM not enabled by organization of input account {MANAGEMENT}.",
    http=400,
)


def _features(*features: str) -> Response:
    return succeeds({"OrganizationId": "{organization id}", "EnabledFeatures": ["{in any order}", *features]})


_TRUSTED_ACCESS = [
    _case(
        "enabling trusted access again succeeds",
        "organizations:EnableAWSServiceAccess",
        succeeds(),
        given=(TRUSTED_ACCESS,),
        source=Source.ASSUMED,
        **IAM,
    ),
    _case(
        "disabling disabled trusted access succeeds",
        "organizations:DisableAWSServiceAccess",
        succeeds(),
        source=Source.ASSUMED,
        **IAM,
    ),
    _case(
        "trusted access can be disabled while features are enabled",
        "organizations:DisableAWSServiceAccess",
        succeeds(),
        given=EVERYTHING,
        source=Source.ASSUMED,
        **IAM,
    ),
    _case(
        "the features can be listed right after trusted access was enabled",
        "iam:ListOrganizationsFeatures",
        _features(),
        given=("trusted access disabled", TRUSTED_ACCESS),
        source=Source.ASSUMED,
        measures="time until trusted access is effective",
    ),
    _case(
        "an unknown service cannot get trusted access",
        "organizations:EnableAWSServiceAccess",
        refusal("InvalidInputException", reason="UNRECOGNIZED_SERVICE_PRINCIPAL"),
        source=Source.ASSUMED,
        ServicePrincipal="nobody.amazonaws.com",
    ),
]

_FEATURES = [
    *(
        _case(
            f"{verb} {feature} without trusted access is refused",
            f"iam:{operation}Organizations{feature}",
            _NO_TRUSTED_ACCESS,
        )
        for verb, operation in (("enabling", "Enable"), ("disabling", "Disable"))
        for feature in ("RootCredentialsManagement", "RootSessions")
    ),
    _case(
        "enabling RootCredentialsManagement again succeeds",
        "iam:EnableOrganizationsRootCredentialsManagement",
        _features(*_BOTH),
        given=EVERYTHING,
        source=Source.ASSUMED,
    ),
    _case(
        "enabling RootSessions again succeeds",
        "iam:EnableOrganizationsRootSessions",
        _features(*_BOTH),
        given=EVERYTHING,
        source=Source.ASSUMED,
    ),
    _case(
        "RootSessions does not need RootCredentialsManagement",
        "iam:EnableOrganizationsRootSessions",
        _features("RootSessions"),
        given=(TRUSTED_ACCESS,),
        source=Source.ASSUMED,
    ),
    _case(
        "disabling RootCredentialsManagement leaves RootSessions enabled",
        "iam:DisableOrganizationsRootCredentialsManagement",
        _features("RootSessions"),
        given=EVERYTHING,
        source=Source.ASSUMED,
    ),
    _case(
        "disabling RootSessions leaves RootCredentialsManagement enabled",
        "iam:DisableOrganizationsRootSessions",
        _features("RootCredentialsManagement"),
        given=EVERYTHING,
    ),
    _case(
        "disabling a disabled RootSessions succeeds",
        "iam:DisableOrganizationsRootSessions",
        _features(),
        given=(TRUSTED_ACCESS,),
        source=Source.ASSUMED,
    ),
    _case(
        "features keep nothing from a disabled one when trusted access returns",
        "iam:ListOrganizationsFeatures",
        _features("RootCredentialsManagement"),
        given=(*EVERYTHING, "RootSessions disabled", "trusted access disabled", TRUSTED_ACCESS),
        source=Source.ASSUMED,
    ),
]

_DELEGATION = [
    _case(
        "an account cannot be registered before trusted access is enabled",
        "organizations:RegisterDelegatedAdministrator",
        refusal("ConstraintViolationException", reason="SERVICE_ACCESS_NOT_ENABLED"),
        AccountId=DELEGATE,
        **IAM,
    ),
    _case(
        "an account is registered without a response body",
        "organizations:RegisterDelegatedAdministrator",
        succeeds(),
        given=(TRUSTED_ACCESS,),
        AccountId=DELEGATE,
        **IAM,
    ),
    _case(
        "a registered account cannot be registered again",
        "organizations:RegisterDelegatedAdministrator",
        refusal("AccountAlreadyRegisteredException"),
        given=(TRUSTED_ACCESS, REGISTERED),
        AccountId=DELEGATE,
        **IAM,
    ),
    _case(
        "a second account can be registered",
        "organizations:RegisterDelegatedAdministrator",
        succeeds(),
        given=(TRUSTED_ACCESS, REGISTERED),
        source=Source.ASSUMED,
        AccountId=MEMBER,
        **IAM,
    ),
    _case(
        "the management account cannot be registered",
        "organizations:RegisterDelegatedAdministrator",
        refusal("ConstraintViolationException", reason="CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR"),
        given=(TRUSTED_ACCESS,),
        AccountId=MANAGEMENT,
        **IAM,
    ),
    _case(
        "an account of another organization cannot be registered",
        "organizations:RegisterDelegatedAdministrator",
        refusal("AccountNotFoundException"),
        given=(TRUSTED_ACCESS,),
        AccountId=STRANGER,
        **IAM,
    ),
    _case(
        "an account that is not registered cannot be deregistered",
        "organizations:DeregisterDelegatedAdministrator",
        refusal("AccountNotRegisteredException"),
        given=(TRUSTED_ACCESS,),
        AccountId=DELEGATE,
        **IAM,
    ),
    _case(
        "a delegated administrator is listed with the time since when",
        "organizations:ListDelegatedAdministrators",
        succeeds(
            {
                "DelegatedAdministrators": [
                    {"Id": DELEGATE, "State": "ACTIVE", "DelegationEnabledDate": "{time}", "{and more}": True}
                ]
            }
        ),
        given=(TRUSTED_ACCESS, REGISTERED),
        **IAM,
    ),
    _case(
        "the services of a delegated administrator are listed",
        "organizations:ListDelegatedServicesForAccount",
        succeeds({"DelegatedServices": [{**IAM, "DelegationEnabledDate": "{time}"}]}),
        given=(TRUSTED_ACCESS, REGISTERED),
        AccountId=DELEGATE,
    ),
    _case(
        "a delegated administrator may list the accounts",
        "organizations:ListAccounts",
        succeeds({"Accounts": ["{each}", {"Id": "{any}", "{and more}": True}]}),
        given=(TRUSTED_ACCESS, REGISTERED),
        caller=DELEGATE,
    ),
    _case(
        "a delegated administrator may list the delegated administrators",
        "organizations:ListDelegatedAdministrators",
        succeeds({"DelegatedAdministrators": [{"Id": DELEGATE, "{and more}": True}]}),
        given=(TRUSTED_ACCESS, REGISTERED),
        caller=DELEGATE,
        **IAM,
    ),
    _case(
        "a delegated administrator cannot disable trusted access",
        "organizations:DisableAWSServiceAccess",
        refusal("AccessDeniedException"),
        given=(TRUSTED_ACCESS, REGISTERED),
        caller=DELEGATE,
        **IAM,
    ),
    _case(
        "a delegated administrator cannot deregister itself",
        "organizations:DeregisterDelegatedAdministrator",
        refusal("AccessDeniedException"),
        given=(TRUSTED_ACCESS, REGISTERED),
        caller=DELEGATE,
        AccountId=DELEGATE,
        **IAM,
    ),
    _case(
        "a delegated administrator can disable RootSessions as well",
        "iam:DisableOrganizationsRootSessions",
        _features("RootCredentialsManagement"),
        given=(*EVERYTHING, REGISTERED),
        caller=DELEGATE,
        source=Source.ASSUMED,
    ),
    _case(
        "a delegated administrator cannot open a root session in the management account",
        "sts:AssumeRoot",
        refusal("AccessDenied", http=403),
        given=(*EVERYTHING, REGISTERED),
        caller=DELEGATE,
        source=Source.ASSUMED,
        TargetPrincipal=MANAGEMENT,
        TaskPolicyArn=task(AUDIT),
    ),
]

_SESSIONS = [
    *(
        _case(
            f"a delegated administrator may start {name}",
            "sts:AssumeRoot",
            SESSION,
            given=(*EVERYTHING, REGISTERED),
            caller=DELEGATE,
            source=Source.ASSUMED,
            TargetPrincipal=MEMBER,
            TaskPolicyArn=task(name),
        )
        for name in (UNLOCK_BUCKET, UNLOCK_QUEUE)
    ),
    *(
        _case(
            f"{name} works with both features",
            "sts:AssumeRoot",
            SESSION,
            given=EVERYTHING,
            source=Source.DOCUMENTED,
            TargetPrincipal=MEMBER,
            TaskPolicyArn=task(name),
        )
        for name in (AUDIT, DELETE, RECOVER, UNLOCK_BUCKET, UNLOCK_QUEUE)
    ),
    _case(
        "the ARN of a root user is a valid target principal",
        "sts:AssumeRoot",
        SESSION,
        given=(TRUSTED_ACCESS, CREDENTIALS),
        TargetPrincipal=f"arn:aws:iam::{MEMBER}:root",
        TaskPolicyArn=task(AUDIT),
    ),
    _case(
        "a plain member account cannot open a root session in another one",
        "sts:AssumeRoot",
        refusal("AccessDenied", http=403),
        given=(TRUSTED_ACCESS, CREDENTIALS),
        caller=DELEGATE,
        source=Source.ASSUMED,
        TargetPrincipal=MEMBER,
        TaskPolicyArn=task(AUDIT),
    ),
    *(
        _case(
            f"after {feature} is disabled {name} is denied",
            "sts:AssumeRoot",
            refusal("AccessDenied", f"{words} feature is not enabled for your AWS Organization."),
            given=(*EVERYTHING, f"{feature} disabled"),
            source=Source.ASSUMED,
            measures=f"time until disabling {feature} is effective",
            TargetPrincipal=MEMBER,
            TaskPolicyArn=task(name),
        )
        for feature, words, name in (
            ("RootCredentialsManagement", "Root credentials management", AUDIT),
            ("RootSessions", "Root sessions", UNLOCK_BUCKET),
        )
    ),
    *(
        _case(
            f"after {feature} is enabled {name} works",
            "sts:AssumeRoot",
            SESSION,
            given=(TRUSTED_ACCESS, f"{feature} disabled", f"{feature} enabled"),
            source=Source.ASSUMED,
            measures=f"time until enabling {feature} is effective",
            TargetPrincipal=MEMBER,
            TaskPolicyArn=task(name),
        )
        for feature, name in (("RootCredentialsManagement", AUDIT), ("RootSessions", UNLOCK_BUCKET))
    ),
    _case(
        "AssumeRoot is throttled at no rate that an audit needs",
        "measurement:AssumeRoot",
        succeeds({"throttledAt": "{any}", "notThrottledAt": "{any}"}),
        given=(TRUSTED_ACCESS, CREDENTIALS),
        source=Source.ASSUMED,
        measures="calls of AssumeRoot a second",
        TargetPrincipal=MEMBER,
    ),
]

CASES = (*_TRUSTED_ACCESS, *_FEATURES, *_DELEGATION, *_SESSIONS)
