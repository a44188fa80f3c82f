"""The cases that register an account as a delegated administrator, and of what it may do."""

from __future__ import annotations

from functools import partial
from typing import Any

from acceptance.cases._build import IAM, REGISTERED, TRUSTED_ACCESS, case, refusal, succeeds
from acceptance.model import DELEGATE, MANAGEMENT, MEMBER, STRANGER, Level, Source

_case = partial(case, level=Level.FEATURE)
_register, _deregister = (
    partial(_case, f"organizations:{verb}DelegatedAdministrator", **IAM)
    for verb in ("Register", "Deregister")
)
_ACCOUNT = {"Id": "{any}", "{and more}": True}

CASES = (
    [
        _register(
            "an account cannot be registered before trusted access is enabled",
            refusal("ConstraintViolationException", reason="SERVICE_ACCESS_NOT_ENABLED"),
            AccountId=DELEGATE,
        ),
        _register(
            "an account is registered without a response body",
            succeeds(),
            given=(TRUSTED_ACCESS,),
            AccountId=DELEGATE,
        ),
        _register(
            "a registered account cannot be registered again",
            refusal("AccountAlreadyRegisteredException"),
            given=(TRUSTED_ACCESS, REGISTERED),
            AccountId=DELEGATE,
        ),
        _register(
            "a second account can be registered",
            succeeds(),
            given=(TRUSTED_ACCESS, REGISTERED),
            source=Source.ASSUMED,
            AccountId=MEMBER,
        ),
        _register(
            "the management account cannot be registered",
            refusal(
                "ConstraintViolationException",
                reason="CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR",
            ),
            given=(TRUSTED_ACCESS,),
            AccountId=MANAGEMENT,
        ),
        _register(
            "an account of another organization cannot be registered",
            refusal("AccountNotFoundException"),
            given=(TRUSTED_ACCESS,),
            AccountId=STRANGER,
        ),
        _deregister(
            "an account that is not registered cannot be deregistered",
            refusal("AccountNotRegisteredException"),
            given=(TRUSTED_ACCESS,),
            AccountId=DELEGATE,
        ),
        _case(
            "organizations:ListDelegatedAdministrators",
            "a delegated administrator is listed with the time since when",
            succeeds(
                {
                    "DelegatedAdministrators": [
                        {
                            "Id": DELEGATE,
                            "State": "ACTIVE",
                            "DelegationEnabledDate": "{time}",
                            "{and more}": True,
                        }
                    ]
                }
            ),
            given=(TRUSTED_ACCESS, REGISTERED),
            **IAM,
        ),
    ]
    + [
        _case(
            f"organizations:{operation}",
            f"a delegated administrator may {what}",
            succeeds(output),
            given=(TRUSTED_ACCESS, REGISTERED),
            caller=DELEGATE,
            **parameters,
        )
        for operation, what, output, parameters in (
            (
                "ListAccounts",
                "list the accounts",
                {"Accounts": ["{each}", _ACCOUNT]},
                dict[str, Any](),
            ),
            (
                "DescribeAccount",
                "describe an account",
                {"Account": {**_ACCOUNT, "Id": DELEGATE, "Paths": ["{each}", "{text}"]}},
                {"AccountId": DELEGATE},
            ),
            (
                "ListPoliciesForTarget",
                "list the policies of an account",
                {"Policies": "{any}"},
                {"TargetId": DELEGATE, "Filter": "SERVICE_CONTROL_POLICY"},
            ),
            (
                "ListDelegatedAdministrators",
                "list the delegated administrators",
                {"DelegatedAdministrators": [{**_ACCOUNT, "Id": DELEGATE}]},
                IAM,
            ),
        )
    ]
    + [
        _case(
            "organizations:DisableAWSServiceAccess",
            "a delegated administrator cannot disable trusted access",
            refusal("AccessDeniedException"),
            given=(TRUSTED_ACCESS, REGISTERED),
            caller=DELEGATE,
            **IAM,
        ),
        _deregister(
            "a delegated administrator cannot deregister itself",
            refusal("AccessDeniedException"),
            given=(TRUSTED_ACCESS, REGISTERED),
            caller=DELEGATE,
            AccountId=DELEGATE,
        ),
    ]
)
