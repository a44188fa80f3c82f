"""What the grants of RootTasks allow: finding its stack, and starting and reading its runs."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import ScopedAws, Stack
from aws_cdk import aws_iam as iam

from ..base.arguments import are_known
from .permissions import arn_of_runs, execution_arn

if TYPE_CHECKING:
    from aws_cdk import aws_s3 as s3
    from aws_cdk import aws_stepfunctions as sfn
    from constructs import Construct


@dataclass(frozen=True)
class Permission:
    """What a principal may do.

    Attributes:
        resources: The ARNs that they are allowed on.
        conditions: The conditions under which they are.
    """

    actions: list[str]
    resources: list[str]
    conditions: dict[str, dict[str, list[str]]] | None = None


def grant_command(
    scope: Construct, grantee: iam.IGrantable, permissions: list[Permission]
) -> iam.Grant:
    """Grant a principal to find the construct's stack, as every command does, and permissions.

    Only a principal of the construct's account can use them.

    Args:
        scope: The construct.
        grantee: The principal.
        permissions: What the command does after it has found the stack.

    Raises:
        ValueError: It is known to be of another account, or it has no policies of its own.
        TypeError: It is not a principal of the CDK.
    """
    if not hasattr(grantee, "grant_principal"):
        raise TypeError(
            f"grantee must be a role or another principal of the CDK, got {grantee!r}. For an "
            'existing role write iam.Role.from_role_arn(stack, "Operator", role_arn).'
        )
    # Both accounts are known only if the app names them.
    own = Stack.of(scope).account
    account = grantee.grant_principal.principal_account
    # For a role of another account the CDK reports success, and grants nothing.
    # https://github.com/aws/aws-cdk/issues/25952
    if account not in (None, own) and are_known(account, own):
        raise ValueError(
            f"grantee is of account {account}; only principals of {own} can start and read the "
            f"runs of {scope.node.path}. Create a role that it may assume, and grant that one: "
            'iam.Role(stack, "Operator", assumed_by=iam.ArnPrincipal(role_arn)).'
        )
    # Only by policies of the principal: state machines have none of their own.
    grants = [
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=permission.actions,
            resource_arns=permission.resources,
            conditions=permission.conditions,
        )
        for permission in [_to_find_the_stack(scope)] + permissions
    ]
    granted = functools.reduce(iam.Grant.combine, grants)
    # An ArnPrincipal, for example, has none either.
    if not granted.success:
        raise ValueError(
            f"grantee is of type {type(grantee).__name__}, which has no policies of its own. "
            "Grant a role, a user, a group or a managed policy."
        )
    return granted


def to_start_and_follow_runs(state_machine: sfn.StateMachine) -> list[Permission]:
    """Return the permissions to start, follow and list the runs of a state machine."""
    machine = [state_machine.state_machine_arn]
    map_runs = [arn_of_runs(state_machine, "mapRun", "/*")]
    return [
        Permission(["states:StartExecution", "states:ListExecutions"], machine),
        Permission(
            ["states:DescribeExecution", "states:ListMapRuns"], [execution_arn(state_machine)]
        ),
        # A Map Run has the progress.
        Permission(["states:DescribeMapRun"], map_runs),
    ]


def to_read_results(
    bucket: s3.IBucket, state_machine: sfn.StateMachine, *, folder: str
) -> list[Permission]:
    """Return the permissions to read and verify the results of a run without a report.

    The hashes of the results are in the executions of its batches, which a Map Run lists.

    Args:
        bucket: The bucket of the runs.
        state_machine: The state machine of the runs.
        folder: Their folder in the bucket: ``runs`` or ``executions``.
    """
    objects = [bucket.arn_for_objects(f"{folder}/*/{name}") for name in ("run.json", "results/*")]
    # A batch that left no result may have left backups.
    prefixes = {"StringLike": {"s3:prefix": [f"{folder}/*/results/", "backups/*"]}}
    reading = ["states:DescribeExecution", "states:GetExecutionHistory", "states:ListMapRuns"]
    batches = [arn_of_runs(state_machine, "execution", "/*:*")]
    return [
        Permission(["s3:GetObject"], objects),
        Permission(["s3:ListBucket"], [bucket.bucket_arn], prefixes),
        Permission(reading, [execution_arn(state_machine)]),
        Permission(["states:DescribeExecution"], batches),
        Permission(["states:ListExecutions"], [arn_of_runs(state_machine, "mapRun", "/*")]),
    ]


def _to_find_the_stack(scope: Construct) -> Permission:
    """Return the permission to read only a construct's own stack, by which commands find it.

    They then need the stack's name, as --stack.
    """
    stack = Stack.of(scope)
    # Not Aws.STACK_NAME, which is the name of whichever stack the policy is in.
    name = ScopedAws(stack).stack_name
    arn = stack.format_arn(service="cloudformation", resource="stack", resource_name=f"{name}/*")
    return Permission(["cloudformation:DescribeStacks", "cloudformation:ListStackResources"], [arn])
