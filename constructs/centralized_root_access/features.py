"""The features of centralized root access, under the names that IAM's API has for them."""

from enum import StrEnum


class RootAccessFeature(StrEnum):
    """A feature of centralized root access.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListOrganizationsFeatures.html
    """

    ROOT_CREDENTIALS_MANAGEMENT = "RootCredentialsManagement"
    """Audit, delete and recover the root credentials of member accounts. By itself it deletes none."""

    ROOT_SESSIONS = "RootSessions"
    """Unlock an S3 bucket policy or an SQS queue policy of a member account."""
