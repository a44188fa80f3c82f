"""The five task policies of a root session: the feature each needs and the actions each allows."""

from collections.abc import Mapping
from dataclasses import dataclass

from .features import Feature


@dataclass(frozen=True, kw_only=True)
class TaskPolicy:
    """An AWS managed policy that limits a root session to one task."""

    name: str
    needs: Feature
    allows: frozenset[str]


_READS_CREDENTIALS = frozenset(
    {
        "iam:GetAccessKeyLastUsed",
        "iam:GetLoginProfile",
        "iam:GetUser",
        "iam:ListAccessKeys",
        "iam:ListMFADevices",
        "iam:ListSigningCertificates",
    }
)

_POLICIES = (
    TaskPolicy(
        name="IAMAuditRootUserCredentials",
        needs=Feature.ROOT_CREDENTIALS_MANAGEMENT,
        allows=_READS_CREDENTIALS | {"iam:GetAccountSummary"},
    ),
    TaskPolicy(
        name="IAMCreateRootUserPassword",
        needs=Feature.ROOT_CREDENTIALS_MANAGEMENT,
        allows=frozenset({"iam:CreateLoginProfile", "iam:GetLoginProfile"}),
    ),
    TaskPolicy(
        name="IAMDeleteRootUserCredentials",
        needs=Feature.ROOT_CREDENTIALS_MANAGEMENT,
        allows=_READS_CREDENTIALS
        | {
            "iam:DeactivateMFADevice",
            "iam:DeleteAccessKey",
            "iam:DeleteLoginProfile",
            "iam:DeleteSigningCertificate",
            "iam:DeleteVirtualMFADevice",
        },
    ),
    TaskPolicy(
        name="S3UnlockBucketPolicy",
        needs=Feature.ROOT_SESSIONS,
        allows=frozenset(
            {
                "s3:DeleteBucketPolicy",
                "s3:GetBucketPolicy",
                "s3:ListAllMyBuckets",
                "s3:PutBucketPolicy",
            }
        ),
    ),
    TaskPolicy(
        name="SQSUnlockQueuePolicy",
        needs=Feature.ROOT_SESSIONS,
        allows=frozenset(
            {
                "sqs:GetQueueAttributes",
                "sqs:GetQueueUrl",
                "sqs:ListQueues",
                "sqs:SetQueueAttributes",
            }
        ),
    ),
)

TASK_POLICIES: Mapping[str, TaskPolicy] = {
    f"arn:aws:iam::aws:policy/root-task/{policy.name}": policy for policy in _POLICIES
}
