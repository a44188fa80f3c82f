"""What the functions may do: the calls that they make for what is listed, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Aws
from aws_cdk import aws_iam as iam

from .enums import RootAccessFeature

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FOR_IAM = {"StringEquals": {"organizations:ServicePrincipal": "iam.amazonaws.com"}}

_ENABLE_TRUSTED_ACCESS = "organizations:EnableAWSServiceAccess"
_ENABLE = {
    RootAccessFeature.ROOT_CREDENTIALS_MANAGEMENT: "iam:EnableOrganizationsRootCredentialsManagement",
    RootAccessFeature.ROOT_SESSIONS: "iam:EnableOrganizationsRootSessions",
}
_DISABLE = {
    RootAccessFeature.ROOT_CREDENTIALS_MANAGEMENT: "iam:DisableOrganizationsRootCredentialsManagement",
    RootAccessFeature.ROOT_SESSIONS: "iam:DisableOrganizationsRootSessions",
}


def to_converge(
    *, features: Sequence[RootAccessFeature], delegated_administrators: Sequence[str] | None
) -> list[iam.PolicyStatement]:
    """Returns what the custom resource's function may do."""
    statements = [
        *_to_read(_ENABLE_TRUSTED_ACCESS),
        _to_change_features(
            _ENABLE[feature] if feature in features else _DISABLE[feature] for feature in RootAccessFeature
        ),
    ]
    if delegated_administrators is not None:
        register = ["organizations:RegisterDelegatedAdministrator"] if delegated_administrators else []
        statements.append(
            iam.PolicyStatement(
                sid="DelegatedAdministrators",
                actions=[*register, "organizations:DeregisterDelegatedAdministrator"],
                # Whichever member accounts the list had before, or a rollback brings back.
                resources=[f"arn:{Aws.PARTITION}:organizations::{Aws.ACCOUNT_ID}:account/o-*/*"],
                conditions=_FOR_IAM,
            )
        )
    return statements


def to_check() -> list[iam.PolicyStatement]:
    """Returns what a function may do that only looks."""
    return _to_read()


def to_check_and_repair(*, features: Sequence[RootAccessFeature], stack_id: str) -> list[iam.PolicyStatement]:
    """Returns what a function may do that looks, and turns on what is listed and off."""
    statements = _to_read(_ENABLE_TRUSTED_ACCESS)
    if features:
        statements.append(_to_change_features(_ENABLE[feature] for feature in features))
    statements.append(
        iam.PolicyStatement(
            sid="StackStatus", actions=["cloudformation:DescribeStacks"], resources=[stack_id]
        )
    )
    return statements


def _to_read(*changes: str) -> list[iam.PolicyStatement]:
    return [
        iam.PolicyStatement(
            sid="ReadRootAccess",
            actions=[
                "iam:ListOrganizationsFeatures",
                "organizations:DescribeOrganization",
                "organizations:ListAWSServiceAccessForOrganization",
            ],
            resources=["*"],
        ),
        iam.PolicyStatement(
            sid="TrustedAccess",
            actions=[*changes, "organizations:ListDelegatedAdministrators"],
            resources=["*"],
            conditions=_FOR_IAM,
        ),
    ]


def _to_change_features(actions: Iterable[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(sid="Features", actions=list(actions), resources=["*"])
