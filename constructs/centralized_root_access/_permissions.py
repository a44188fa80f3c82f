"""The IAM statements of the functions: the calls that they make for the arguments, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import ArnFormat, Aws, Stack
from aws_cdk import aws_iam as iam

from .enums import RootAccessFeature, RootTask

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_s3 as s3
    from aws_cdk import aws_stepfunctions as sfn

_FOR_IAM = {"StringEquals": {"organizations:ServicePrincipal": "iam.amazonaws.com"}}

_UNLOCK_TASKS = frozenset({RootTask.UNLOCK_BUCKET_POLICY, RootTask.UNLOCK_QUEUE_POLICY})
# The sessions of their plans have the audit's task policy, so that they cannot change anything.
_PLANNED_BY_AUDIT = frozenset({RootTask.DELETE_CREDENTIALS, RootTask.ALLOW_PASSWORD_RECOVERY})

# A role's inline policies have 10,240 characters, of which the statements other than the Deny take less
# than 2,240. The longest partition's name counts: the stack's is not known at synth.
_MAX_DENY_CHARACTERS = 10_240 - 2_240
MAX_PROTECTED_ACCOUNTS = _MAX_DENY_CHARACTERS // len('"arn:aws-us-gov:iam::111111111111:root",')


def converge_statements(
    *, features: Sequence[RootAccessFeature], delegated_administrators: Sequence[str] | None
) -> list[iam.PolicyStatement]:
    """Return the statements of the custom resource's function."""
    statements = [
        *_read_root_access(enable_trusted_access=True),
        _change_features(
            f"iam:{'Enable' if feature in features else 'Disable'}Organizations{feature}"
            for feature in RootAccessFeature
        ),
    ]
    if delegated_administrators is not None:
        register = ["organizations:RegisterDelegatedAdministrator"] if delegated_administrators else []
        statements.append(
            iam.PolicyStatement(
                sid="DelegatedAdministrators",
                actions=[*register, "organizations:DeregisterDelegatedAdministrator"],
                # Any member account: the list may have had others before, or a rollback restores them.
                resources=[f"arn:{Aws.PARTITION}:organizations::{Aws.ACCOUNT_ID}:account/o-*/*"],
                conditions=_FOR_IAM,
            )
        )
    return statements


def check_statements() -> list[iam.PolicyStatement]:
    """Return the statements of a drift check that only reads."""
    return _read_root_access(enable_trusted_access=False)


def repair_statements(*, features: Sequence[RootAccessFeature], stack_id: str) -> list[iam.PolicyStatement]:
    """Return the statements of a drift check that also enables what is listed."""
    statements = _read_root_access(enable_trusted_access=True)
    if features:
        statements.append(_change_features(f"iam:EnableOrganizations{feature}" for feature in features))
    statements.append(
        iam.PolicyStatement(
            sid="StackStatus", actions=["cloudformation:DescribeStacks"], resources=[stack_id]
        )
    )
    return statements


def start_run_statements(*, bucket: s3.IBucket, tasks: Collection[RootTask]) -> list[iam.PolicyStatement]:
    """Return the statements of the function that starts a run."""
    statements = [
        iam.PolicyStatement(
            sid="Organization",
            actions=[
                "iam:ListOrganizationsFeatures",
                "organizations:DescribeOrganization",
                "organizations:ListAccounts",
                "organizations:ListAccountsForParent",
                "organizations:ListOrganizationalUnitsForParent",
            ],
            resources=["*"],
        ),
        iam.PolicyStatement(
            sid="Run",
            actions=["s3:GetObject", "s3:PutObject"],
            resources=[bucket.arn_for_objects("runs/*")],
        ),
    ]
    if _UNLOCK_TASKS.intersection(tasks):
        statements.append(
            iam.PolicyStatement(
                sid="Backups",
                actions=["s3:GetObject"],
                resources=[bucket.arn_for_objects("backups/*")],
            )
        )
    return statements


def read_plans_statement(state_machine: sfn.StateMachine) -> iam.PolicyStatement:
    """Return the statement by which plans are read from the state machine's executions."""
    executions = Stack.of(state_machine).format_arn(
        service="states",
        resource="execution",
        resource_name=f"{state_machine.state_machine_name}:*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    return iam.PolicyStatement(sid="Plans", actions=["states:DescribeExecution"], resources=[executions])


def run_batch_statements(*, bucket: s3.IBucket, task: RootTask) -> list[iam.PolicyStatement]:
    """Return the statements of the function that runs one task: it can assume root for no other that acts."""
    statements = [
        iam.PolicyStatement(
            sid="RootSession",
            actions=["sts:AssumeRoot"],
            resources=[f"arn:{Aws.PARTITION}:iam::*:root"],
            conditions={
                "StringEquals": {
                    "sts:TaskPolicyArn": [
                        f"arn:{Aws.PARTITION}:iam::aws:policy/root-task/{policy}"
                        for policy in (task, *((RootTask.AUDIT,) if task in _PLANNED_BY_AUDIT else ()))
                    ]
                }
            },
        ),
        iam.PolicyStatement(
            sid="Work",
            actions=["s3:GetObject"],
            resources=[bucket.arn_for_objects("runs/*/work.json")],
        ),
        iam.PolicyStatement(
            sid="Result",
            actions=["s3:PutObject"],
            resources=[bucket.arn_for_objects("runs/*/results/*")],
        ),
        _list_bucket(bucket, "runs/*"),
    ]
    if task in _UNLOCK_TASKS:
        statements.append(
            iam.PolicyStatement(
                sid="Backup",
                # It reads a backup only where its key is taken: whether that is the same document.
                actions=["s3:GetObject", "s3:PutObject"],
                resources=[bucket.arn_for_objects("backups/*")],
            )
        )
    return statements


def deny_root_sessions_statement(account_ids: Iterable[str]) -> iam.PolicyStatement:
    """Return the statement that denies root sessions in the protected accounts."""
    return iam.PolicyStatement(
        sid="ProtectedAccounts",
        effect=iam.Effect.DENY,
        actions=["sts:AssumeRoot"],
        resources=[f"arn:{Aws.PARTITION}:iam::{account_id}:root" for account_id in account_ids],
    )


def write_report_statements(*, bucket: s3.IBucket) -> list[iam.PolicyStatement]:
    """Return the statements of the function that writes reports."""
    return [
        iam.PolicyStatement(
            sid="Report",
            actions=["s3:GetObject", "s3:PutObject"],
            resources=[bucket.arn_for_objects("runs/*"), bucket.arn_for_objects("latest/*")],
        ),
        _list_bucket(bucket, "runs/*", "latest/*"),
    ]


def encryption_key_statement(key: kms.IKey, *, write: bool) -> iam.PolicyStatement:
    """Return the statement by which objects that a key encrypts are read, and written."""
    generate = ["kms:GenerateDataKey"] if write else []
    return iam.PolicyStatement(
        sid="EncryptionKey", actions=["kms:Decrypt", *generate], resources=[key.key_arn]
    )


def _read_root_access(*, enable_trusted_access: bool) -> list[iam.PolicyStatement]:
    enable = ["organizations:EnableAWSServiceAccess"] if enable_trusted_access else []
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
            actions=[*enable, "organizations:ListDelegatedAdministrators"],
            resources=["*"],
            conditions=_FOR_IAM,
        ),
    ]


def _change_features(actions: Iterable[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(sid="Features", actions=list(actions), resources=["*"])


def _list_bucket(bucket: s3.IBucket, *prefixes: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid="List",
        actions=["s3:ListBucket"],
        resources=[bucket.bucket_arn],
        conditions={"StringLike": {"s3:prefix": list(prefixes)}},
    )
