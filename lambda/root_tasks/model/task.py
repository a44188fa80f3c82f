"""The root tasks, in the one list that all that knows them follows, and the call that opens sessions."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

# The call that opens the session of a task.
ASSUME_ROOT = "sts:AssumeRoot"


class Task(StrEnum):
    """The root tasks, under the names of AWS's task policies.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/security-iam-awsmanpol.html

    Attributes:
        command: The name on the command line.
    """

    command: str

    AUDIT = "IAMAuditRootUserCredentials", "audit"
    DELETE_CREDENTIALS = "IAMDeleteRootUserCredentials", "delete"
    ALLOW_PASSWORD_RECOVERY = "IAMCreateRootUserPassword", "recover"
    UNLOCK_BUCKET_POLICY = "S3UnlockBucketPolicy", "unlock-bucket"
    UNLOCK_QUEUE_POLICY = "SQSUnlockQueuePolicy", "unlock-queue"

    # Without a command the member is looked up by its policy.
    def __new__(cls, policy: str, command: str = "") -> Self:
        """Return the member of a policy."""
        task = str.__new__(cls, policy)
        task._value_ = policy
        task.command = command
        return task
