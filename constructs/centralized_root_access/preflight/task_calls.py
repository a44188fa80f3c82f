"""The calls of each root task, and which of them it needs. Tests compare it with the tasks."""

from __future__ import annotations

from dataclasses import dataclass

from root_tasks.model.task import Task


@dataclass(frozen=True, kw_only=True)
class TaskCalls:
    """The calls in the root sessions of a task, named as in an IAM policy.

    Attributes:
        all: Every call, those of a plan included: without a plan nothing is executed.
        for_everything: Without one of these, an audit or a plan finds nothing in an account.
        for_each_type: For each type of what a plan may list, the calls without which none of that
            type is changed. For example, a password is deleted only after it was read again.
    """

    all: tuple[str, ...]
    for_everything: tuple[str, ...] = ()
    for_each_type: tuple[tuple[str, ...], ...] = ()


_AUDIT = (
    "iam:GetAccountSummary",
    "iam:GetUser",
    "iam:GetAccessKeyLastUsed",
    "iam:ListAccessKeys",
    "iam:ListMFADevices",
    "iam:ListSigningCertificates",
)

TASK_CALLS = {
    Task.AUDIT: TaskCalls(all=_AUDIT, for_everything=("iam:GetAccountSummary",)),
    Task.DELETE: TaskCalls(
        all=(
            *_AUDIT,
            "iam:GetLoginProfile",
            "iam:DeleteLoginProfile",
            "iam:DeleteAccessKey",
            "iam:DeleteSigningCertificate",
            "iam:DeactivateMFADevice",
        ),
        for_everything=("iam:GetAccountSummary",),
        for_each_type=(
            ("iam:GetLoginProfile", "iam:DeleteLoginProfile"),
            ("iam:ListAccessKeys", "iam:DeleteAccessKey"),
            ("iam:ListSigningCertificates", "iam:DeleteSigningCertificate"),
            # MFA goes only after a look that finds nothing else left.
            (
                "iam:GetLoginProfile",
                "iam:ListAccessKeys",
                "iam:ListSigningCertificates",
                "iam:ListMFADevices",
                "iam:DeactivateMFADevice",
            ),
        ),
    ),
    Task.RECOVER: TaskCalls(
        all=("iam:GetLoginProfile", "iam:CreateLoginProfile"),
        for_everything=("iam:GetLoginProfile",),
        for_each_type=(("iam:CreateLoginProfile",),),
    ),
    Task.UNLOCK_BUCKET: TaskCalls(
        all=(
            "s3:ListAllMyBuckets",
            "s3:GetBucketPolicy",
            "s3:DeleteBucketPolicy",
            "s3:PutBucketPolicy",
        ),
        for_everything=("s3:ListAllMyBuckets",),
        # A stack may only remove policies.
        for_each_type=(("s3:GetBucketPolicy", "s3:DeleteBucketPolicy"),),
    ),
    Task.UNLOCK_QUEUE: TaskCalls(
        all=("sqs:GetQueueAttributes", "sqs:SetQueueAttributes"),
        for_each_type=(("sqs:GetQueueAttributes", "sqs:SetQueueAttributes"),),
    ),
}
