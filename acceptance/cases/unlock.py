"""The cases of a locked bucket and a locked queue in the member account."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from acceptance.callers import AUDIT, UNLOCK_BUCKET, UNLOCK_QUEUE
from acceptance.cases._build import (
    DENIED,
    NO_ENFORCEMENT,
    SESSIONS,
    case,
    denial,
    in_session,
    refusal,
    succeeds,
)
from acceptance.model import MEMBER, Level, Source
from acceptance.policies import locking_policy

_NAME = "{bucket}"
_QUEUE: Mapping[str, Any] = {"QueueUrl": "{queue url}"}
_POLICY_OF_QUEUE: Mapping[str, Any] = {**_QUEUE, "AttributeNames": ["Policy"]}

_as_owner = partial(case, level=Level.MEMBER, caller=MEMBER, not_shown_locally=NO_ENFORCEMENT)
_open_bucket = partial(in_session(UNLOCK_BUCKET, "bucket open"), Bucket=_NAME)
_locked_queue = in_session(UNLOCK_QUEUE, "queue locked", source=Source.ASSUMED)

_BUCKETS = [
    _as_owner(
        "s3:GetBucketPolicy",
        "a locking policy locks out the owner of the bucket",
        DENIED,
        given=("bucket locked",),
        Bucket=_NAME,
    ),
    in_session(UNLOCK_BUCKET, "bucket locked")(
        "s3:GetBucketPolicy",
        "a root session reads the policy of a locked bucket",
        succeeds({"Policy": "{text}"}),
        Bucket=_NAME,
    ),
    in_session(UNLOCK_BUCKET, "bucket locked", "30 seconds later")(
        "s3:DeleteBucketPolicy",
        "a root session deletes a policy that denies everyone everything, which root has put",
        succeeds(),
        Bucket=_NAME,
    ),
    in_session(UNLOCK_BUCKET, source=Source.ASSUMED)(
        "measurement:ConfirmedPolicy",
        "a root session may be denied to delete such a policy that root has put and confirmed",
        succeeds({"DeleteBucketPolicy": "{any}"}),
        measures="how S3 responds to root that deletes a policy which it had put and confirmed",
        risk="may leave an empty bucket that only AWS Support can delete",
    ),
    _open_bucket(
        "s3:GetBucketPolicy",
        "a bucket without a policy is NoSuchBucketPolicy",
        refusal("NoSuchBucketPolicy", http=404),
    ),
    _open_bucket(
        "s3:DeleteBucketPolicy", "deleting a missing policy of a bucket succeeds", succeeds()
    ),
    _open_bucket(
        "s3:PutBucketPolicy",
        "a root session restores the policy of a bucket",
        succeeds(),
        Policy=locking_policy("s3", f"arn:aws:s3:::{_NAME}"),
    ),
    in_session(UNLOCK_BUCKET, "bucket locked")(
        "s3:ListBuckets",
        "a root session lists the buckets",
        succeeds({"Buckets": ["{each}", {"CreationDate": "{time}", "{and more}": True}]}),
    ),
    _open_bucket(
        "s3:ListObjectsV2", "a root session that unlocks a bucket cannot list its objects", DENIED
    ),
    in_session(UNLOCK_BUCKET)(
        "s3:GetBucketPolicy",
        "a bucket that does not exist is NoSuchBucket",
        refusal("NoSuchBucket", http=404),
        Bucket=f"{_NAME}-missing",
    ),
]

_QUEUES = [
    _as_owner(
        "sqs:GetQueueAttributes",
        "a locking policy locks out the owner of the queue",
        DENIED,
        given=("queue locked",),
        **_POLICY_OF_QUEUE,
    ),
    _locked_queue(
        "sqs:GetQueueAttributes",
        "a root session reads the policy of a locked queue",
        succeeds({"Attributes": {"Policy": "{text}"}}),
        **_POLICY_OF_QUEUE,
    ),
    _locked_queue(
        "sqs:SetQueueAttributes",
        "an empty policy unlocks a queue",
        succeeds(),
        Attributes={"Policy": ""},
        **_QUEUE,
    ),
    in_session(UNLOCK_QUEUE, "queue open")(
        "sqs:SetQueueAttributes",
        "a root session restores the policy of a queue",
        succeeds(),
        Attributes={"Policy": locking_policy("sqs", "{queue arn}")},
        **_QUEUE,
    ),
    in_session(UNLOCK_QUEUE, "queue locked")(
        "sqs:GetQueueUrl",
        "a root session finds a locked queue by its name",
        succeeds({"QueueUrl": "{text}"}),
        QueueName=_NAME,
    ),
    in_session(AUDIT, SESSIONS, "queue open", source=Source.ASSUMED)(
        "sqs:GetQueueAttributes",
        "a root session that audits cannot look at a queue, whose action SQS names in lower case",
        denial("sqs:getqueueattributes", resource="{queue arn}"),
        AttributeNames=["All"],
        **_QUEUE,
    ),
]

CASES = _BUCKETS + _QUEUES
