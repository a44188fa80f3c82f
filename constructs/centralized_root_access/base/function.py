"""The Lambda functions of all constructs: how they are built, and their logs and roles."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from aws_cdk import Fn, IgnoreMode, RemovalPolicy, Stack, Token
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from .code import exclude_patterns, lambda_root

if TYPE_CHECKING:
    from aws_cdk import Duration
    from aws_cdk import aws_kms as kms
    from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """The users' choices for a log group.

    Attributes:
        encryption_key: The KMS key; None: CloudWatch Logs has its own.
        retention: How long the events are kept.
    """

    encryption_key: kms.IKey | None
    retention: logs.RetentionDays


def log_group(scope: Construct, settings: LogSettings) -> logs.LogGroup:
    """Return a log group that is deleted with its construct, also by the rollback of its creation.

    Each failed deployment would leave a retained one, whose content is in the error message anyway.
    """
    key = settings.encryption_key
    if key is not None:
        _allow_log_encryption(scope, key)
    return logs.LogGroup(
        scope,
        "Logs",
        retention=settings.retention,
        encryption_key=key,
        removal_policy=RemovalPolicy.DESTROY,
    )


def function_role(function: lambda_.Function) -> iam.IRole:
    """Return a function's role, which each has: by the CDK's type it might be None."""
    return cast("iam.IRole", function.role)


def python_function(
    scope: Construct,
    id: str,
    *,
    description: str,
    handler: str,
    log_group: logs.LogGroup,
    statements: Iterable[iam.PolicyStatement],
    timeout: Duration,
    settings: Mapping[str, object] | None = None,
    role_path: str | None = None,
) -> lambda_.Function:
    """Return a function of the code in `lambda/`.

    Args:
        scope: The construct that the function belongs to.
        id: The function's id. Its role has the same id with "Role" at the end, which replaces
            "Function": ``Audit`` has ``AuditRole``, and ``NoticesFunction`` has ``NoticesRole``.
        description: The function's purpose.
        handler: The module and function, from the package on.
        log_group: The log group.
        statements: The permissions.
        timeout: The maximum duration of an invocation.
        settings: The settings that the code reads, which may contain tokens. By default it reads
            none.
        role_path: The IAM path of the role; by default "/".
    """
    environment = None
    if settings is not None:
        environment = {"SETTINGS": _json(scope, settings)}
    role = iam.Role(
        scope,
        f"{id.removesuffix('Function')}Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        path=role_path,
    )
    # AWS's managed policy for functions allows every log group.
    log_group.grant_write(role)
    return lambda_.Function(
        scope,
        id,
        description=description,
        runtime=lambda_.Runtime.PYTHON_3_14,
        architecture=lambda_.Architecture.ARM_64,
        handler=handler,
        code=lambda_.Code.from_asset(
            str(lambda_root()),
            exclude=exclude_patterns(handler),
            # Much faster than globs.
            ignore_mode=IgnoreMode.GIT,
        ),
        # CPU comes with memory, and a cold start is CPU.
        memory_size=1024,
        timeout=timeout,
        role=role,
        # On the function: every resource that uses it then waits for the policy.
        initial_policy=list(statements),
        log_group=log_group,
        environment=environment,
    )


def _allow_log_encryption(scope: Construct, key: kms.IKey) -> None:
    """Allow CloudWatch Logs to use a key; the CDK does not change the policy of an imported one.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    stack = Stack.of(scope)
    key.add_to_resource_policy(
        iam.PolicyStatement(
            sid="CloudWatchLogs",
            principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
            actions=[
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:GenerateDataKey*",
                "kms:ReEncrypt*",
            ],
            resources=["*"],
            conditions={
                # The group's own name is not known: the group needs the key first.
                "ArnLike": {
                    "kms:EncryptionContext:aws:logs:arn": (
                        f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:*"
                    )
                }
            },
        )
    )


def _json(scope: Construct, settings: Mapping[str, object]) -> str:
    """Return the settings as JSON, in which tokens are resolved at deployment."""
    # Why not to_json_string of the whole: jsii drops a key whose value is None.
    # https://github.com/aws/jsii/issues/3999
    members = []
    for key, value in settings.items():
        if value is None:
            text = "null"
        elif isinstance(value, list) and Token.is_unresolved(value):
            # For the list of a parameter to_json_string adds a custom resource.
            text = '["' + Fn.join('","', value) + '"]'
        else:
            text = Stack.of(scope).to_json_string(value)
        members.append(f"{json.dumps(key)}:{text}")
    return "{" + ",".join(members) + "}"
