"""The calls of the root tasks: which actions on which resources a task's root session needs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import StrEnum


class TaskPolicy(StrEnum):
    """The root tasks, under the names of AWS's task policies."""

    AUDIT = "IAMAuditRootUserCredentials"
    DELETE_CREDENTIALS = "IAMDeleteRootUserCredentials"
    ALLOW_PASSWORD_RECOVERY = "IAMCreateRootUserPassword"
    UNLOCK_BUCKET_POLICY = "S3UnlockBucketPolicy"
    UNLOCK_QUEUE_POLICY = "SQSUnlockQueuePolicy"


class ResourceType(StrEnum):
    """What a call acts on."""

    ROOT_USER = "root user"
    BUCKET = "bucket"
    QUEUE = "queue"
    NONE = "none"


# Where IAM calls are signed for.
IAM_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}

# Without a user name the IAM calls act on the root user's ARN: AWS's own task policies rely on it. The calls
# that have no resource type in the Service Authorization Reference act on "*". Each task has the calls of
# its plan, too: without a plan nothing is executed.
TASK_CALLS: dict[TaskPolicy, tuple[tuple[str, ResourceType], ...]] = {
    TaskPolicy.AUDIT: (
        ("iam:GetAccountSummary", ResourceType.NONE),
        ("iam:GetUser", ResourceType.ROOT_USER),
        ("iam:ListAccessKeys", ResourceType.ROOT_USER),
        ("iam:GetAccessKeyLastUsed", ResourceType.ROOT_USER),
        ("iam:ListMFADevices", ResourceType.ROOT_USER),
        ("iam:ListSigningCertificates", ResourceType.ROOT_USER),
    ),
    TaskPolicy.DELETE_CREDENTIALS: (
        ("iam:GetAccountSummary", ResourceType.NONE),
        ("iam:GetLoginProfile", ResourceType.ROOT_USER),
        ("iam:GetUser", ResourceType.ROOT_USER),
        ("iam:ListAccessKeys", ResourceType.ROOT_USER),
        ("iam:GetAccessKeyLastUsed", ResourceType.ROOT_USER),
        ("iam:ListMFADevices", ResourceType.ROOT_USER),
        ("iam:ListSigningCertificates", ResourceType.ROOT_USER),
        ("iam:DeleteLoginProfile", ResourceType.ROOT_USER),
        ("iam:DeleteAccessKey", ResourceType.ROOT_USER),
        ("iam:DeleteSigningCertificate", ResourceType.ROOT_USER),
        ("iam:DeactivateMFADevice", ResourceType.ROOT_USER),
    ),
    TaskPolicy.ALLOW_PASSWORD_RECOVERY: (
        ("iam:GetLoginProfile", ResourceType.ROOT_USER),
        ("iam:CreateLoginProfile", ResourceType.ROOT_USER),
    ),
    TaskPolicy.UNLOCK_BUCKET_POLICY: (
        # Finds the bucket's Region.
        ("s3:ListAllMyBuckets", ResourceType.NONE),
        ("s3:GetBucketPolicy", ResourceType.BUCKET),
        ("s3:DeleteBucketPolicy", ResourceType.BUCKET),
        # Restores a policy.
        ("s3:PutBucketPolicy", ResourceType.BUCKET),
    ),
    TaskPolicy.UNLOCK_QUEUE_POLICY: (
        ("sqs:GetQueueAttributes", ResourceType.QUEUE),
        ("sqs:SetQueueAttributes", ResourceType.QUEUE),
    ),
}

# No action acts on different things in different tasks.
_RESOURCE_TYPES = {action: type_ for calls in TASK_CALLS.values() for action, type_ in calls}


@dataclass(frozen=True, kw_only=True)
class SessionFacts:
    """What is known of a root session before it is opened.

    Attributes:
        account_id: the member account; None if not known.
        partition: For example aws.
        organization_id: For example o-8j81brsjuj; None if not known.
        organization_path: the account's parents, as in o-8j81brsjuj/r-ab12/ou-ab12-11111111/; None if not
            known.
        region: the Region that calls without a resource are sent to; None if not known.
        outside_vpc: whether the calls surely do not pass a VPC endpoint.
    """

    account_id: str | None
    partition: str = "aws"
    organization_id: str | None = None
    organization_path: str | None = None
    region: str | None = None
    outside_vpc: bool = False

    @property
    def principal_arn(self) -> str | None:
        """The ARN of the root user; None if the account is not known."""
        return None if self.account_id is None else f"arn:{self.partition}:iam::{self.account_id}:root"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """What a call acts on, as the parts of its ARN; None is a part that is not known.

    Attributes:
        partition: For example aws.
        service: For example sqs.
        region: its Region; "" where the ARN has none.
        account_id: its account; "" where the ARN has none.
        name: its name.
    """

    partition: str
    service: str
    region: str | None
    account_id: str | None
    name: str | None

    def __post_init__(self) -> None:
        if any(":" in (part or "") for part in self.parts):
            message = f"A part of an ARN cannot contain a colon: {self.parts}."
            raise ValueError(message)

    @property
    def parts(self) -> tuple[str | None, ...]:
        """The six parts of the ARN."""
        return "arn", self.partition, self.service, self.region, self.account_id, self.name

    @property
    def literal_prefix(self) -> str:
        """The ARN up to the first part that is not known; all of it if every part is known."""
        known = list(itertools.takewhile(lambda part: part is not None, self.parts))
        return ":".join(part or "" for part in [*known, ""][: len(self.parts)])


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call in a root session.

    Attributes:
        action: as a policy names it, such as iam:GetUser.
        resource: what it acts on; None where the action has no resource type.
        region: the Region of the endpoint; None if not known.
    """

    action: str
    resource: Resource | None
    region: str | None

    @property
    def service(self) -> str:
        """The service's prefix, such as iam."""
        return self.action.partition(":")[0]


def task_calls(
    task: TaskPolicy, *, session: SessionFacts, target: str | None = None, target_region: str | None = None
) -> tuple[Call, ...]:
    """Return the calls that a task makes in an account, when it is planned and when it is executed.

    Args:
        task: the task.
        session: the account.
        target: the name of the bucket or queue; None if it is not known yet.
        target_region: the Region of the bucket or queue; None if it is not known yet.
    """
    return tuple(
        call_of(action, session=session, target=target, target_region=target_region)
        for action, _ in TASK_CALLS[task]
    )


def call_of(
    action: str, *, session: SessionFacts, target: str | None = None, target_region: str | None = None
) -> Call:
    """Return a call that a task makes in an account.

    Args:
        action: one of TASK_CALLS.
        session: the account.
        target: the name of the bucket or queue; None if it is not known yet.
        target_region: the Region of the bucket or queue; None if it is not known yet.

    Raises:
        KeyError: no task makes such a call.
    """
    resource_type = _RESOURCE_TYPES[action]
    if action.startswith("iam:"):
        region = IAM_REGIONS.get(session.partition)
    else:
        region = session.region if resource_type is ResourceType.NONE else target_region
    resource = _resource(resource_type, session=session, target=target, target_region=target_region)
    return Call(action=action, resource=resource, region=region)


def _resource(
    resource_type: ResourceType, *, session: SessionFacts, target: str | None, target_region: str | None
) -> Resource | None:
    partition, account_id = session.partition, session.account_id
    match resource_type:
        case ResourceType.ROOT_USER:
            return Resource(partition=partition, service="iam", region="", account_id=account_id, name="root")
        case ResourceType.BUCKET:
            return Resource(partition=partition, service="s3", region="", account_id="", name=target)
        case ResourceType.QUEUE:
            return Resource(
                partition=partition, service="sqs", region=target_region, account_id=account_id, name=target
            )
        case ResourceType.NONE:
            return None
