"""The Lambda functions of this library: the same runtime, a log group each, a role that brings nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from ._code import everything_but, lambda_root

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aws_cdk import Duration
    from constructs import Construct


def log_group(scope: Construct) -> logs.LogGroup:
    """Returns a log group that keeps a year, and goes with its function."""
    return logs.LogGroup(
        scope, "Logs", retention=logs.RetentionDays.ONE_YEAR, removal_policy=RemovalPolicy.DESTROY
    )


def role_for(scope: Construct, id: str, log_group: logs.ILogGroup) -> iam.Role:
    """Returns a role that may write to the log group, instead of AWS's managed policy for all groups."""
    role = iam.Role(scope, id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    log_group.grant_write(role)
    return role


def python_function(
    scope: Construct,
    *,
    description: str,
    handler: str,
    log_group: logs.LogGroup,
    statements: Iterable[iam.PolicyStatement],
    timeout: Duration,
    environment: Mapping[str, str] | None = None,
) -> lambda_.Function:
    """Returns a function of the root_access package, under the id "Function".

    Args:
        scope: the construct that it belongs to.
        description: what it is for.
        handler: module and function, from the package on.
        log_group: where it logs.
        statements: what it may do.
        timeout: how long an invocation may take.
        environment: its environment variables.
    """
    function = lambda_.Function(
        scope,
        "Function",
        description=description,
        runtime=lambda_.Runtime.PYTHON_3_14,
        architecture=lambda_.Architecture.ARM_64,
        handler=handler,
        code=lambda_.Code.from_asset(
            str(lambda_root()),
            exclude=everything_but("aws_calls", "root_access"),
        ),
        # CPU comes with memory, and a cold start is CPU.
        memory_size=1024,
        timeout=timeout,
        role=role_for(scope, "Role", log_group),
        log_group=log_group,
        environment=environment,
    )
    for statement in statements:
        # On the function, so that whatever uses it waits for the policy.
        function.add_to_role_policy(statement)
    return function
