"""The IAM statements of the functions: the calls that they make for the arguments, and no others."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import ArnFormat, Aws, ScopedAws, Stack
from aws_cdk import aws_iam as iam

from .enums import TASK_IDS, TASK_POLICIES, RootAccessFeature, RootTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_s3 as s3
    from aws_cdk import aws_stepfunctions as sfn
    from constructs import Construct

_FOR_IAM = {"StringEquals": {"organizations:ServicePrincipal": "iam.amazonaws.com"}}

# Some actions, the resources that they are allowed on, and conditions if there are any.
Permission = (
    tuple[list[str], list[str]] | tuple[list[str], list[str], dict[str, dict[str, list[str]]]]
)

# These remove policies: they make backups, and plan in sessions of their own: AWS's audit policy
# sees none.
UNLOCK_TASKS = frozenset({RootTask.UNLOCK_BUCKET, RootTask.UNLOCK_QUEUE})

# Lambda allows 4,096 characters of variables, measured as JSON, in which the quotation marks of the
# settings are escaped. Everything but these lists takes less than 538. A role's inline policy has
# room for more.
MAX_SETTINGS_CHARACTERS = 4096 - 538
MAX_PROTECTED_ACCOUNTS = MAX_SETTINGS_CHARACTERS // len(r"\"111111111111\",")


def read_only_session(task: RootTask) -> RootTask:
    """Return the task whose policy limits the root sessions in which a task is planned, or audits."""
    return task if task in UNLOCK_TASKS else RootTask.AUDIT


def read_only_id(session: RootTask) -> str:
    """Return the id of the function that plans in sessions of a task, or audits."""
    return TASK_IDS[session] if session is RootTask.AUDIT else f"Plan{TASK_IDS[session]}"


def converge_statements(
    *, features: Sequence[RootAccessFeature], delegated_administrators: Sequence[str] | None
) -> list[iam.PolicyStatement]:
    """Return the statements of the custom resource's function."""
    statements = [
        *_read_root_access(enable_trusted_access=True),
        _allow(
            "ChangeFeatures",
            [
                f"iam:{'Enable' if feature in features else 'Disable'}Organizations{feature}"
                for feature in RootAccessFeature
            ],
        ),
    ]
    if delegated_administrators is not None:
        register = (
            ["organizations:RegisterDelegatedAdministrator"] if delegated_administrators else []
        )
        # Any member account: the list may have had others before, or a rollback restores them.
        accounts = f"arn:{Aws.PARTITION}:organizations::{Aws.ACCOUNT_ID}:account/o-*/*"
        actions = [*register, "organizations:DeregisterDelegatedAdministrator"]
        statements.append(
            _allow("ChangeDelegatedAdministrators", actions, [accounts], conditions=_FOR_IAM)
        )
    return statements


def check_statements(
    *, features: Sequence[RootAccessFeature], repaired_stack_id: str | None
) -> list[iam.PolicyStatement]:
    """Return the statements of a drift check, which only reads, or also enables what is listed."""
    statements = _read_root_access(enable_trusted_access=repaired_stack_id is not None)
    if repaired_stack_id is None:
        return statements
    if features:
        statements.append(
            _allow("EnableFeatures", [f"iam:EnableOrganizations{feature}" for feature in features])
        )
    return [
        *statements,
        _allow("ReadStackStatus", ["cloudformation:DescribeStacks"], [repaired_stack_id]),
    ]


@dataclass(frozen=True, kw_only=True)
class BucketAccess:
    """A function's access to the bucket, as patterns of keys.

    Attributes:
        read: The objects that it may read.
        write: The objects that it may write, and no other principal.
        prefixes: The prefixes that it may list.
    """

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()

    def statements(self, bucket: s3.IBucket) -> list[iam.PolicyStatement]:
        """Return the statements of the function's role."""
        statements = []
        for sid, action, patterns in (
            ("ReadObjects", "s3:GetObject", self.read),
            ("WriteObjects", "s3:PutObject", self.write),
        ):
            if patterns:
                objects = [bucket.arn_for_objects(pattern) for pattern in patterns]
                statements.append(_allow(sid, [action], objects))
        if self.prefixes:
            conditions = {"StringLike": {"s3:prefix": list(self.prefixes)}}
            statements.append(
                _allow("ListObjects", ["s3:ListBucket"], [bucket.bucket_arn], conditions=conditions)
            )
        return statements


def protect_bucket(bucket: s3.Bucket, writers: Sequence[tuple[iam.IRole, BucketAccess]]) -> None:
    """Let only the functions' roles change objects of the bucket, and each only its own.

    The account's administrators can still read the bucket, and change its policy. S3's lifecycle
    rules are not subject to a bucket policy.
    """
    _deny_writing(
        bucket,
        "DenyOtherWriters",
        [
            "s3:DeleteObject*",
            "s3:PutObject*",
            "s3:Replicate*",
            "s3:RestoreObject",
            "s3:UpdateObject*",
        ],
        patterns=["*"],
        but=[role.role_arn for role, _ in writers],
    )
    by_pattern: dict[str, list[str]] = {}
    for role, access in writers:
        for pattern in access.write:
            by_pattern.setdefault(pattern, []).append(role.role_arn)
    by_writers: dict[tuple[str, ...], list[str]] = {}
    for pattern, role_arns in by_pattern.items():
        by_writers.setdefault(tuple(role_arns), []).append(pattern)
    for number, (arns, patterns) in enumerate(by_writers.items(), start=1):
        _deny_writing(
            bucket, f"DenyOtherWriters{number}", ["s3:PutObject*"], patterns=patterns, but=arns
        )


def grant(grantee: iam.IGrantable, *permissions: Permission) -> iam.Grant:
    """Grant a principal permissions.

    Raises:
        TypeError: It is not a principal of the CDK.
    """
    if not hasattr(grantee, "grant_principal"):
        raise TypeError(
            f"grantee must be a role or another principal of the CDK, got {grantee!r}. For an existing role "
            'write iam.Role.from_role_arn(stack, "Operator", role_arn).'
        )
    grants = [
        iam.Grant.add_to_principal(
            grantee=grantee, actions=[*actions], resource_arns=[*arns], conditions=dict(*conditions)
        )
        for actions, arns, *conditions in permissions
    ]
    return functools.reduce(iam.Grant.combine, grants)


def listing_results(bucket: s3.IBucket, *, folders: Iterable[str]) -> Permission:
    """Return the permission to list the results of runs in some folders, and the backups that they made."""
    prefixes = [*(f"{folder}/*/results/" for folder in folders), "backups/*"]
    return ["s3:ListBucket"], [bucket.bucket_arn], {"StringLike": {"s3:prefix": prefixes}}


def reading_results(
    bucket: s3.IBucket, state_machine: sfn.StateMachine, *, folder: str
) -> list[Permission]:
    """Return the permissions by which the results of a run without a report are read and verified."""
    objects = [bucket.arn_for_objects(f"{folder}/*/{name}") for name in ("run.json", "results/*")]
    executions = [execution_arn(state_machine)]
    return [
        (["s3:GetObject"], objects),
        (
            ["states:DescribeExecution", "states:GetExecutionHistory", "states:ListMapRuns"],
            executions,
        ),
        (["states:DescribeExecution"], [_arn_of_runs(state_machine, "execution", "/*:*")]),
        (["states:ListExecutions"], [map_run_arn(state_machine)]),
    ]


def organization_statement() -> iam.PolicyStatement:
    """Return the statement by which the functions that start runs read the organization."""
    return _allow(
        "ReadOrganization",
        [
            "iam:ListOrganizationsFeatures",
            "organizations:DescribeAccount",
            "organizations:DescribeOrganization",
            "organizations:DescribeOrganizationalUnit",
            "organizations:ListAccounts",
            "organizations:ListAccountsForParent",
            "organizations:ListOrganizationalUnitsForParent",
            "organizations:ListParents",
            "organizations:ListRoots",
        ],
    )


def read_executions_statement(
    state_machine: sfn.StateMachine, *, sid: str = "DescribeOwnExecutions", history: bool = False
) -> iam.PolicyStatement:
    """Return the statement by which the executions of a state machine are read."""
    actions = ["states:DescribeExecution", *(["states:GetExecutionHistory"] if history else [])]
    return _allow(sid, actions, [execution_arn(state_machine)])


def execution_arn(state_machine: sfn.StateMachine) -> str:
    """Return the ARN of every execution of a state machine."""
    return _arn_of_runs(state_machine, "execution", ":*")


def map_run_arn(state_machine: sfn.StateMachine) -> str:
    """Return the ARN of every Map Run of a state machine, which has the progress of an execution."""
    return _arn_of_runs(state_machine, "mapRun", "/*")


def finding_the_stack(scope: Construct) -> Permission:
    """Return the permission to read only a construct's own stack, by which commands find it.

    They then need the stack's name, as --stack.
    """
    stack = Stack.of(scope)
    # Not Aws.STACK_NAME, which is the name of whichever stack the policy is in.
    name = ScopedAws(stack).stack_name
    arn = stack.format_arn(service="cloudformation", resource="stack", resource_name=f"{name}/*")
    return ["cloudformation:DescribeStacks", "cloudformation:ListStackResources"], [arn]


def root_session_statement(task: RootTask) -> iam.PolicyStatement:
    """Return the statement by which a function opens root sessions for one task, and for no other."""
    policy = f"arn:{Aws.PARTITION}:iam::aws:policy/root-task/{TASK_POLICIES[task]}"
    return _allow(
        "OpenRootSessions",
        ["sts:AssumeRoot"],
        [f"arn:{Aws.PARTITION}:iam::*:root"],
        conditions={"StringEquals": {"sts:TaskPolicyArn": policy}},
    )


def deny_root_sessions_statement(account_ids: Iterable[str]) -> iam.PolicyStatement:
    """Return the statement that denies root sessions in the protected accounts."""
    return iam.PolicyStatement(
        sid="DenyProtectedAccounts",
        effect=iam.Effect.DENY,
        actions=["sts:AssumeRoot"],
        # In any partition: what a parameter lists can only be joined by plain text.
        resources=[f"arn:*:iam::{account_id}:root" for account_id in account_ids],
    )


def encryption_key_statement(key: kms.IKey) -> iam.PolicyStatement:
    """Return the statement by which objects that a key encrypts are read and written."""
    return _allow("UseEncryptionKey", ["kms:Decrypt", "kms:GenerateDataKey"], [key.key_arn])


def own_root_user_statement() -> iam.PolicyStatement:
    """Return the statement by which an audit in the management account reads what its own root user has."""
    return _allow("ReadOwnRootUser", ["iam:GetAccountSummary"])


def import_findings_statement(scope: Construct) -> iam.PolicyStatement:
    """Return the statement by which findings are imported into Security Hub, in the account's own name."""
    account = Aws.ACCOUNT_ID
    product = Stack.of(scope).format_arn(
        service="securityhub",
        account=account,
        resource="product",
        resource_name=f"{account}/default",
    )
    return _allow("ImportFindings", ["securityhub:BatchImportFindings"], [product])


def _arn_of_runs(state_machine: sfn.StateMachine, resource: str, all_runs: str) -> str:
    return Stack.of(state_machine).format_arn(
        service="states",
        resource=resource,
        resource_name=f"{state_machine.state_machine_name}{all_runs}",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )


def _read_root_access(*, enable_trusted_access: bool) -> list[iam.PolicyStatement]:
    reads = [
        "iam:ListOrganizationsFeatures",
        "organizations:DescribeOrganization",
        "organizations:ListAWSServiceAccessForOrganization",
    ]
    statements = [("ReadDelegatedAdministrators", "organizations:ListDelegatedAdministrators")]
    if enable_trusted_access:
        statements.append(("EnableTrustedAccess", "organizations:EnableAWSServiceAccess"))
    return [
        _allow("ReadRootAccess", reads),
        *(_allow(sid, [action], conditions=_FOR_IAM) for sid, action in statements),
    ]


def _allow(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str] = ("*",),
    *,
    conditions: Mapping[str, object] | None = None,
) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=sid, actions=[*actions], resources=[*resources], conditions=conditions
    )


def _deny_writing(
    bucket: s3.Bucket,
    sid: str,
    actions: Sequence[str],
    *,
    patterns: Sequence[str],
    but: Sequence[str],
) -> None:
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            sid=sid,
            effect=iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            actions=actions,
            resources=[bucket.arn_for_objects(pattern) for pattern in patterns],
            conditions={"ArnNotEquals": {"aws:PrincipalArn": list(but)}},
        )
    )
