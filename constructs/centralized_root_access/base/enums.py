"""The features of root access, the root tasks and the types of root credentials."""

from enum import StrEnum


# The functions' `Feature`, in root_access/state.py, lists what a new one needs.
class RootAccessFeature(StrEnum):
    """A feature of centralized root access.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListOrganizationsFeatures.html
    """

    ROOT_CREDENTIALS_MANAGEMENT = "RootCredentialsManagement"
    """Audit, delete and recover the root credentials of member accounts.

    The feature itself deletes none.
    """

    ROOT_SESSIONS = "RootSessions"
    """Unlock an S3 bucket policy or an SQS queue policy of a member account."""


class RootTask(StrEnum):
    """A task that root sessions in member accounts are limited to, by one of AWS's policies.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/security-iam-awsmanpol.html
    """

    AUDIT = "audit"
    """List the credentials of the root user. This task changes nothing."""

    DELETE = "delete"
    """Delete the password, access keys and certificates, and deactivate the MFA devices."""

    RECOVER = "recover"
    """Let the root user reset its password by e-mail again."""

    UNLOCK_BUCKET = "unlock-bucket"
    """Remove a bucket policy that denies everyone access, or set another one."""

    UNLOCK_QUEUE = "unlock-queue"
    """Remove a queue policy that denies everyone access, or set another one."""


# These remove a policy, after a backup. AWS's audit policy sees no policies of buckets and queues,
# so they are planned in sessions of their own. They need the feature ROOT_SESSIONS, and all other
# tasks the management of root credentials.
UNLOCK_TASKS = frozenset({RootTask.UNLOCK_BUCKET, RootTask.UNLOCK_QUEUE})

# The names of AWS's policies.
TASK_POLICIES = {
    RootTask.AUDIT: "IAMAuditRootUserCredentials",
    RootTask.DELETE: "IAMDeleteRootUserCredentials",
    RootTask.RECOVER: "IAMCreateRootUserPassword",
    RootTask.UNLOCK_BUCKET: "S3UnlockBucketPolicy",
    RootTask.UNLOCK_QUEUE: "SQSUnlockQueuePolicy",
}
# The parts of logical IDs and of outputs, which never change.
TASK_IDS = {
    RootTask.AUDIT: "Audit",
    RootTask.DELETE: "DeleteCredentials",
    RootTask.RECOVER: "AllowPasswordRecovery",
    RootTask.UNLOCK_BUCKET: "UnlockBucketPolicy",
    RootTask.UNLOCK_QUEUE: "UnlockQueuePolicy",
}


class CredentialType(StrEnum):
    """A type of root credential, as reports name it.

    ``PASSWORD``, ``ACCESS_KEY``, ``SIGNING_CERTIFICATE`` or ``MFA_DEVICE``.
    """

    PASSWORD = "PASSWORD"
    ACCESS_KEY = "ACCESS_KEY"
    SIGNING_CERTIFICATE = "SIGNING_CERTIFICATE"
    MFA_DEVICE = "MFA_DEVICE"


def read_only_session(task: RootTask) -> RootTask:
    """Return the task whose policy limits the sessions in which a task is planned, or audits.

    For most it is the audit's, which only reads. It sees no policies of buckets and queues, so a
    task that unlocks one is planned in sessions of the same task.
    """
    return task if task in UNLOCK_TASKS else RootTask.AUDIT
