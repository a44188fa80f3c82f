"""The policies of buckets and queues, as a root session reads and changes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aws_calls.calls import Response, require
from aws_calls.failures import ignoring

from ..aws.sessions import RootSession
from ..model.report_schema import ItemType
from ..model.run_documents import Target

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


_LIST_BUCKETS = "s3:ListAllMyBuckets"
# ListBuckets leaves the Regions out without a page size.
_MAX_BUCKETS_PER_PAGE = 1000


class _BucketPolicy:
    """The policy of one bucket, in a root session. Every call may raise a CallError."""

    def __init__(self, session: RootSession, target: Target) -> None:
        self._session = session.in_region(target.region)
        self._bucket = target.id or ""

    def read(self) -> str | None:
        """Return the policy; None if there is none."""
        with ignoring("NoSuchBucketPolicy"):
            policy: str = self._call("s3:GetBucketPolicy").require("Policy")
            return policy
        return None

    def replace(self, text: str | None) -> None:
        """Attach a policy, or none, in place of the one that is there."""
        if text is None:
            self._call("s3:DeleteBucketPolicy")
            return
        # By one call: between two there would be no policy.
        # Without ConfirmRemoveSelfBucketAccess, by which the caller, root, may give up changing the
        # policy.
        self._call("s3:PutBucketPolicy", Policy=text)

    def _call(self, operation: str, **parameters: object) -> Response:
        """Make a call about the bucket, which has to be of the session's account."""
        bucket = {"Bucket": self._bucket, "ExpectedBucketOwner": self._session.account_id}
        return self._session.call(operation, **bucket, **parameters)


class _QueuePolicy:
    """The policy of one queue, in a root session. Every call may raise a CallError."""

    def __init__(self, session: RootSession, target: Target) -> None:
        self._session = session.in_region(target.region)
        sqs: SQSClient = self._session.clients("sqs")
        # Composed, because GetQueueUrl is one more call that the queue's policy may deny.
        name = (target.id or "").rpartition(":")[2]
        self._url = f"{sqs.meta.endpoint_url}/{session.account_id}/{name}"

    def read(self) -> str | None:
        """Return the policy; None if there is none."""
        response = self._call("sqs:GetQueueAttributes", AttributeNames=["Policy"])
        # A queue without a policy has no such attribute.
        return response.get("Attributes", {}).get("Policy") or None

    def replace(self, text: str | None) -> None:
        """Attach a policy, or none, in place of the one that is there."""
        # SQS has no call that removes a policy: an empty text does.
        self._call("sqs:SetQueueAttributes", Attributes={"Policy": text or ""})

    def _call(self, operation: str, **parameters: object) -> Response:
        """Make a call about the queue."""
        return self._session.call(operation, QueueUrl=self._url, **parameters)


ResourcePolicy = _BucketPolicy | _QueuePolicy
_POLICIES: Mapping[ItemType, type[ResourcePolicy]] = {
    ItemType.BUCKET_POLICY: _BucketPolicy,
    ItemType.QUEUE_POLICY: _QueuePolicy,
}


def policy_of(session: RootSession, target: Target) -> ResourcePolicy:
    """Return what reads and changes the policy of a target, whose Region has to be known."""
    return _POLICIES[target.type](session, target)


def find_bucket_region(session: RootSession, name: str) -> str | None:
    """Return the Region of a bucket; None if the account has no such bucket.

    Raises:
        CallError: The buckets could not be listed, or AWS does not name the Region.
    """
    # By the list, because a bucket's policy may deny every call about the bucket itself. Without a
    # page size it leaves the Regions out.
    buckets = session.pages(
        _LIST_BUCKETS,
        items="Buckets",
        token="ContinuationToken",
        Prefix=name,
        MaxBuckets=_MAX_BUCKETS_PER_PAGE,
    )
    for bucket in buckets:
        if bucket["Name"] == name:
            region: str = require(bucket, "BucketRegion", operation=_LIST_BUCKETS)
            return region
    return None
