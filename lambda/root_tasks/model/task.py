"""The root tasks. `tasks/__init__.py` lists what else knows which ones there are."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

# The call that opens the session of a task.
ASSUME_ROOT = "sts:AssumeRoot"


class Task(StrEnum):
    """The root tasks, under the names of the command line.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/security-iam-awsmanpol.html

    Attributes:
        policy: The name of AWS's policy to which its sessions are limited.
    """

    policy: str

    AUDIT = "audit", "IAMAuditRootUserCredentials"
    DELETE = "delete", "IAMDeleteRootUserCredentials"
    RECOVER = "recover", "IAMCreateRootUserPassword"
    UNLOCK_BUCKET = "unlock-bucket", "S3UnlockBucketPolicy"
    UNLOCK_QUEUE = "unlock-queue", "SQSUnlockQueuePolicy"

    def __new__(cls, name: str, policy: str = "") -> Self:
        """Return a member that equals its name, and has AWS's policy as an attribute."""
        task = str.__new__(cls, name)
        task._value_ = name
        task.policy = policy
        return task
