"""The IAM statements that several constructs use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam

if TYPE_CHECKING:
    from constructs import Construct


def allow(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str] = ("*",),
    *,
    conditions: Mapping[str, object] | None = None,
) -> iam.PolicyStatement:
    """Return a statement that allows actions, by default on every resource."""
    return iam.PolicyStatement(
        sid=sid, actions=list(actions), resources=list(resources), conditions=conditions
    )


def import_findings_statement(scope: Construct) -> iam.PolicyStatement:
    """Return the statement that imports findings into Security Hub, in the account's name.

    https://docs.aws.amazon.com/securityhub/latest/userguide/finding-update-batchimportfindings.html
    """
    product = Stack.of(scope).format_arn(
        service="securityhub",
        account=Aws.ACCOUNT_ID,
        resource="product",
        resource_name=f"{Aws.ACCOUNT_ID}/default",
    )
    return allow("ImportFindings", ["securityhub:BatchImportFindings"], [product])
