"""The calls of root sessions: what is known of a session before it is opened, and what its calls act on."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Where IAM calls are signed for.
_IAM_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}

# The calls that have no resource type in the Service Authorization Reference act on "*".
_WITHOUT_RESOURCE = frozenset({"iam:GetAccountSummary", "s3:ListAllMyBuckets"})


@dataclass(frozen=True, kw_only=True)
class SessionFacts:
    """What is known of a root session before it is opened.

    Attributes:
        account_id: The member account; None if not known.
        partition: For example aws.
        organization_id: For example o-8j81brsjuj; None if not known.
        organization_path: The account's parents, as in o-8j81brsjuj/r-ab12/ou-ab12-11111111/; None if not
            known.
        region: The Region that calls without a resource are sent to; None if not known.
        outside_vpc: Whether the calls surely do not pass a VPC endpoint.
    """

    account_id: str | None = None
    partition: str = "aws"
    organization_id: str | None = None
    organization_path: str | None = None
    region: str | None = None
    outside_vpc: bool = False

    @property
    def principal_arn(self) -> str | None:
        """The ARN of the root user; None if the account is not known."""
        return None if self.account_id is None else f"arn:{self.partition}:iam::{self.account_id}:root"

    def in_account(self, account_id: str, unit_ids: Sequence[str] | None) -> SessionFacts:
        """Return the facts of a session in an account.

        Args:
            account_id: The account.
            unit_ids: The units that it is in, from the root down; None if they are not known.
        """
        is_known = self.organization_id is not None and unit_ids is not None
        path = "/".join((self.organization_id or "", *(unit_ids or ()), "")) if is_known else None
        return replace(self, account_id=account_id, organization_path=path)


@dataclass(frozen=True, kw_only=True)
class PartialArn:
    """What a call acts on, as the parts of its ARN; None is a part that is not known.

    Attributes:
        partition: For example aws.
        service: For example sqs.
        region: Its Region; "" where the ARN has none.
        account_id: Its account; "" where the ARN has none.
        name: Its name.
    """

    partition: str
    service: str
    region: str | None
    account_id: str | None
    name: str | None

    def __post_init__(self) -> None:
        if any(":" in (part or "") for part in self.parts):
            raise ValueError(f"A part of an ARN cannot contain a colon: {self.parts}.")

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
        action: The call as a policy names it, such as iam:GetUser.
        resource: What it acts on; None where the action has no resource type.
        region: The Region of the endpoint; None if not known.
    """

    action: str
    resource: PartialArn | None
    region: str | None

    @property
    def service(self) -> str:
        """The service's prefix, such as iam."""
        return self.action.partition(":")[0]


def call_of(
    action: str, *, session: SessionFacts, target: str | None = None, target_region: str | None = None
) -> Call:
    """Return a call that a task makes in an account.

    Args:
        action: The call as a policy names it. Without a user name the IAM calls act on the root user's ARN:
            AWS's own task policies rely on it.
        session: The account.
        target: The name of the bucket or queue; None if it is not known yet.
        target_region: The Region of the bucket or queue; None if it is not known yet.

    Raises:
        ValueError: Of this service it is not known what root sessions act on.
    """
    service = action.partition(":")[0]
    region = _IAM_REGIONS.get(session.partition) if service == "iam" else target_region
    if action in _WITHOUT_RESOURCE:
        return Call(action=action, resource=None, region=region if service == "iam" else session.region)
    parts: dict[str, str | None]
    match service:
        case "iam":
            parts = {"region": "", "account_id": session.account_id, "name": "root"}
        case "s3":
            parts = {"region": "", "account_id": "", "name": target}
        case "sqs":
            parts = {"region": region, "account_id": session.account_id, "name": target}
        case _:
            raise ValueError(f"{action}: root sessions call IAM, Amazon S3 and Amazon SQS.")
    resource = PartialArn(partition=session.partition, service=service, **parts)
    return Call(action=action, resource=resource, region=region)
