"""Root sessions before they are opened: who opens them, their calls, and what these act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from root_tasks.model.task import Task

# The Region in which IAM calls are signed.
_IAM_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}

# The calls that have no resource type in the Service Authorization Reference act on "*".
_WITHOUT_RESOURCE = frozenset({"iam:GetAccountSummary", "s3:ListAllMyBuckets"})

# The six parts of an ARN. None is a part that is not known, such as the name of a bucket.
PartialArn = tuple[str | None, ...]


@dataclass(frozen=True, kw_only=True)
class SessionOpener:
    """The role or user that opens root sessions.

    Attributes:
        account_id: Its account.
        unit_ids: The units that its account is in, from the root down; None if they are not known.
        is_in_management_account: Whether no service control policy applies to it.
        principal_arns: The ARNs that it may have, with the path of a role; none if not known.
    """

    account_id: str
    unit_ids: tuple[str, ...] | None = None
    is_in_management_account: bool = False
    principal_arns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SessionFacts:
    """The known facts of a root session before it is opened.

    Attributes:
        organization_id: For example o-8j81brsjuj.
        region: The Region that calls without a resource are sent to.
        opener: The role or user that opens the session.
        partition: For example aws.
        account_id: The member account; "" until it is known.
        organization_path: The account's parents, as in o-8j81brsjuj/r-ab12/ou-ab12-11111111/; None
            if not known.
    """

    organization_id: str
    region: str
    opener: SessionOpener
    partition: str = "aws"
    account_id: str = ""
    organization_path: str | None = None

    @property
    def principal_arn(self) -> str:
        """The ARN of the root user."""
        return f"arn:{self.partition}:iam::{self.account_id}:root"

    def in_account(self, account_id: str, unit_ids: Sequence[str] | None) -> SessionFacts:
        """Return the facts of a session in an account.

        Args:
            account_id: The account.
            unit_ids: The units that it is in, from the root down; None if they are not known.
        """
        return replace(self, account_id=account_id, organization_path=self.path_of(unit_ids))

    def path_of(self, unit_ids: Sequence[str] | None) -> str | None:
        """Return units as a path in the organization; None if it is not known.

        For example o-8j81brsjuj/r-ab12/ou-ab12-11111111/.
        """
        if unit_ids is None:
            return None
        return "/".join([self.organization_id, *unit_ids]) + "/"


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call in a root session, or the call that opens it.

    Attributes:
        action: The call as a policy names it, such as iam:GetUser.
        resource: What it acts on; None if the action has no resource type.
        region: The Region of the endpoint; None if not known.
        task: The task whose policy the session gets; only of the call that opens it.
    """

    action: str
    resource: PartialArn | None
    region: str | None
    task: Task | None = None

    @property
    def service(self) -> str:
        """The service's prefix, such as iam."""
        return self.action.partition(":")[0]


def call_of(
    action: str,
    *,
    session: SessionFacts,
    task: Task | None = None,
) -> Call:
    """Return a call that a task makes in an account, or the call that opens its session.

    Args:
        action: The call as a policy names it. Without a user name the IAM calls act on the root
            user's ARN: AWS's own task policies rely on it.
        session: The account.
        task: For the call that opens the session, the task whose policy it gets.
    """
    service = action.partition(":")[0]
    partition, account_id = session.partition, session.account_id
    root_user = ("arn", partition, "iam", "", account_id, "root")
    # Which bucket or queue it is is not known yet: None stands for its name, and for its Region.
    resources: dict[str, PartialArn] = {
        "iam": root_user,
        "sts": root_user,
        "s3": ("arn", partition, "s3", "", "", None),
        "sqs": ("arn", partition, "sqs", None, account_id, None),
    }
    resource = None
    if action not in _WITHOUT_RESOURCE:
        resource = resources[service]

    region: str | None = session.region
    if service == "iam":
        # IAM is in one Region of each partition, whichever one the caller has chosen.
        region = _IAM_REGIONS.get(session.partition)
    elif service in ("s3", "sqs") and resource is not None:
        # The call goes to the Region of the bucket or queue.
        region = None
    return Call(action=action, resource=resource, region=region, task=task)
