"""The cases that enable and disable trusted access and the features."""

from __future__ import annotations

from functools import partial

from acceptance.cases._build import EVERYTHING, IAM, TRUSTED_ACCESS, case, refusal, succeeds
from acceptance.model import MANAGEMENT, Level, Response, Source

_case = partial(case, level=Level.FEATURE)
_assumed = partial(_case, source=Source.ASSUMED)

_BOTH = ["RootSessions", "RootCredentialsManagement"]
_NO_TRUSTED_ACCESS = refusal(
    "ServiceAccessNotEnabledException",
    f"Trusted Access for IAM not enabled by organization of input account {MANAGEMENT}.",
    http=400,
)


def features(*names: str) -> Response:
    """Return the response of the calls that return the enabled features."""
    return succeeds(
        {"OrganizationId": "{organization id}", "EnabledFeatures": ["{in any order}", *names]}
    )


_enable_access, _disable_access = (
    partial(_assumed, f"organizations:{verb}AWSServiceAccess") for verb in ("Enable", "Disable")
)
_TRUSTED_ACCESS = [
    _enable_access(
        "enabling trusted access again succeeds", succeeds(), given=(TRUSTED_ACCESS,), **IAM
    ),
    _disable_access("disabling disabled trusted access succeeds", succeeds(), **IAM),
    _disable_access(
        "trusted access can be disabled while features are enabled",
        succeeds(),
        given=EVERYTHING,
        **IAM,
    ),
    _assumed(
        "iam:ListOrganizationsFeatures",
        "the features can be listed right after trusted access was enabled",
        features(),
        given=("trusted access disabled", TRUSTED_ACCESS),
        measures="time until trusted access is effective",
    ),
]

_FEATURES = (
    [
        _case(
            f"iam:{operation}Organizations{feature}",
            f"{verb} {feature} without trusted access is refused",
            _NO_TRUSTED_ACCESS,
        )
        for verb, operation in (("enabling", "Enable"), ("disabling", "Disable"))
        for feature in ("RootCredentialsManagement", "RootSessions")
    ]
    + [
        _assumed(
            f"iam:EnableOrganizations{feature}",
            f"enabling {feature} again succeeds",
            features(*_BOTH),
            given=EVERYTHING,
        )
        for feature in ("RootCredentialsManagement", "RootSessions")
    ]
    + [
        _assumed(
            "iam:EnableOrganizationsRootSessions",
            "RootSessions does not need RootCredentialsManagement",
            features("RootSessions"),
            given=(TRUSTED_ACCESS,),
        ),
        _case(
            "iam:DisableOrganizationsRootSessions",
            "disabling RootSessions leaves RootCredentialsManagement enabled",
            features("RootCredentialsManagement"),
            given=EVERYTHING,
        ),
        _assumed(
            "iam:ListOrganizationsFeatures",
            "features keep nothing from a disabled one when trusted access returns",
            features("RootCredentialsManagement"),
            given=(*EVERYTHING, "RootSessions disabled", "trusted access disabled", TRUSTED_ACCESS),
        ),
    ]
)

CASES = _TRUSTED_ACCESS + _FEATURES
