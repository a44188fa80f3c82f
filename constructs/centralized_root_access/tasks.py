"""The root tasks, under the names of AWS's task policies."""

from enum import StrEnum


class RootTask(StrEnum):
    """A task that a root session in a member account can be limited to.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/security-iam-awsmanpol.html
    """

    AUDIT = "IAMAuditRootUserCredentials"
    """See which credentials the root user has. It changes nothing."""

    DELETE_CREDENTIALS = "IAMDeleteRootUserCredentials"
    """Delete the root user's password, access keys and certificates, and deactivate its MFA devices."""

    ALLOW_PASSWORD_RECOVERY = "IAMCreateRootUserPassword"
    """Let the root user reset its password by e-mail again."""

    UNLOCK_BUCKET_POLICY = "S3UnlockBucketPolicy"
    """Remove a bucket policy that locks everybody out, and put it back."""

    UNLOCK_QUEUE_POLICY = "SQSUnlockQueuePolicy"
    """Remove a queue policy that locks everybody out, and put it back."""
