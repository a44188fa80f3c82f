"""The features of centralized root access, the root tasks and the types of root credentials."""

from enum import StrEnum


class RootAccessFeature(StrEnum):
    """A feature of centralized root access.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListOrganizationsFeatures.html
    """

    ROOT_CREDENTIALS_MANAGEMENT = "RootCredentialsManagement"
    """Audit, delete and recover the root credentials of member accounts. The feature itself deletes none."""

    ROOT_SESSIONS = "RootSessions"
    """Unlock an S3 bucket policy or an SQS queue policy of a member account."""


class RootTask(StrEnum):
    """A task that a root session in a member account can be limited to.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/security-iam-awsmanpol.html
    """

    AUDIT = "IAMAuditRootUserCredentials"
    """List the credentials of the root user. This task changes nothing."""

    DELETE_CREDENTIALS = "IAMDeleteRootUserCredentials"
    """Delete the root user's password, access keys and certificates, and deactivate its MFA devices."""

    ALLOW_PASSWORD_RECOVERY = "IAMCreateRootUserPassword"
    """Let the root user reset its password by e-mail again."""

    UNLOCK_BUCKET_POLICY = "S3UnlockBucketPolicy"
    """Remove a bucket policy that denies everyone access, or restore it."""

    UNLOCK_QUEUE_POLICY = "SQSUnlockQueuePolicy"
    """Remove a queue policy that denies everyone access, or restore it."""


class CredentialType(StrEnum):
    """A type of root credential, as reports name it."""

    PASSWORD = "PASSWORD"
    ACCESS_KEY = "ACCESS_KEY"
    SIGNING_CERTIFICATE = "SIGNING_CERTIFICATE"
    MFA_DEVICE = "MFA_DEVICE"
