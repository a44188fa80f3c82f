"""The IAM statements of the custom resource and of the drift check: the calls that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aws_cdk import Aws

from ..base.enums import RootAccessFeature
from ..base.permissions import allow

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam

_FOR_IAM = {"StringEquals": {"organizations:ServicePrincipal": "iam.amazonaws.com"}}


def converge_statements(
    *, features: Sequence[RootAccessFeature], delegated_administrators: Sequence[str] | None
) -> list[iam.PolicyStatement]:
    """Return the statements of the custom resource's function.

    Args:
        features: The features that it enables; it disables the others.
        delegated_administrators: The accounts that it registers; it deregisters any other. None: it
            changes none.
    """
    changes: list[str] = []
    for feature in RootAccessFeature:
        verb = "Disable"
        if feature in features:
            verb = "Enable"
        changes.append(f"iam:{verb}Organizations{feature}")
    statements = _common_statements(enable_trusted_access=True)
    statements.append(allow("ChangeFeatures", changes))
    if delegated_administrators is not None:
        actions = ["organizations:DeregisterDelegatedAdministrator"]
        if delegated_administrators:
            actions.insert(0, "organizations:RegisterDelegatedAdministrator")
        # Any member account: the list may have had others before, or a rollback restores them.
        accounts = f"arn:{Aws.PARTITION}:organizations::{Aws.ACCOUNT_ID}:account/o-*/*"
        statements.append(
            allow("ChangeDelegatedAdministrators", actions, [accounts], conditions=_FOR_IAM)
        )
    return statements


def check_statements(
    *, features: Sequence[RootAccessFeature], repaired_stack_id: str | None
) -> list[iam.PolicyStatement]:
    """Return the statements of a drift check, which only reads, or also repairs.

    Args:
        features: The features that a repair enables.
        repaired_stack_id: The ID of the stack, which a repair waits for; None: it repairs nothing.
    """
    statements = _common_statements(enable_trusted_access=repaired_stack_id is not None)
    if repaired_stack_id is None:
        return statements
    if features:
        enable = [f"iam:EnableOrganizations{feature}" for feature in features]
        statements.append(allow("EnableFeatures", enable))
    statements.append(
        allow("ReadStackStatus", ["cloudformation:DescribeStacks"], [repaired_stack_id])
    )
    return statements


def _common_statements(*, enable_trusted_access: bool) -> list[iam.PolicyStatement]:
    """Return the statements that read root access, and may also enable trusted access."""
    statements = [
        allow(
            "ReadRootAccess",
            [
                "iam:ListOrganizationsFeatures",
                "organizations:DescribeOrganization",
                "organizations:ListAWSServiceAccessForOrganization",
            ],
        ),
        allow(
            "ReadDelegatedAdministrators",
            ["organizations:ListDelegatedAdministrators"],
            conditions=_FOR_IAM,
        ),
    ]
    if enable_trusted_access:
        enable = ["organizations:EnableAWSServiceAccess"]
        statements.append(allow("EnableTrustedAccess", enable, conditions=_FOR_IAM))
    return statements
