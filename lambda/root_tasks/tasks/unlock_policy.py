"""Unlocking buckets and queues: the policy is kept, then removed; and put back."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aws_calls.calls import member
from aws_calls.failures import CallError, FailureKind

from ..aws.storage import sha256
from ..messages import (
    CHANGED_SINCE_BACKUP,
    CHANGED_SINCE_PLAN,
    NO_SUCH_BUCKET,
    POLICY_LOST,
    POLICY_UNREADABLE,
    REMOVED_WITHOUT_BACKUP,
)
from ..model.report import Item, ItemType, Outcome
from ..model.run import Backup
from .outcomes import failed_item, finding_of, told_with_hint, unseen_item

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

    from aws_calls.failures import Failure

    from ..aws.sessions import RootSession
    from ..model.run import Assignment, Finding, Target


_LIST_BUCKETS = "s3:ListAllMyBuckets"


class _Policy(ABC):
    """The policy of one bucket or queue, in a root session. Every call may raise a CallError."""

    @abstractmethod
    def text(self) -> str | None:
        """Returns the policy; None: there is none."""

    @abstractmethod
    def remove(self) -> None:
        """Removes the policy."""

    @abstractmethod
    def put(self, text: str) -> None:
        """Puts a policy."""


class _BucketPolicy(_Policy):
    def __init__(self, session: RootSession, target: Target) -> None:
        self._session = session
        self._s3: S3Client = session.s3(target.region)
        self._bucket = target.id

    def text(self) -> str | None:
        try:
            return self._session.made(
                lambda: self._s3.get_bucket_policy(
                    Bucket=self._bucket, ExpectedBucketOwner=self._session.account_id
                )["Policy"],
                operation="s3:GetBucketPolicy",
            )
        except CallError as error:
            if error.failure.name != "NoSuchBucketPolicy":
                raise
            return None

    def remove(self) -> None:
        self._session.made(
            lambda: self._s3.delete_bucket_policy(
                Bucket=self._bucket, ExpectedBucketOwner=self._session.account_id
            ),
            operation="s3:DeleteBucketPolicy",
        )

    def put(self, text: str) -> None:
        self._session.made(
            lambda: self._s3.put_bucket_policy(
                Bucket=self._bucket,
                Policy=text,
                # A policy that locks everybody out was asked for, and the root user can remove it again.
                ConfirmRemoveSelfBucketAccess=True,
                ExpectedBucketOwner=self._session.account_id,
            ),
            operation="s3:PutBucketPolicy",
        )


class _QueuePolicy(_Policy):
    def __init__(self, session: RootSession, target: Target) -> None:
        self._session = session
        self._sqs: SQSClient = session.sqs(target.region)
        # As AWS makes it; asking for it is one more call that the queue's policy may deny.
        self._url = f"{self._sqs.meta.endpoint_url}/{session.account_id}/{target.id.rpartition(':')[2]}"

    def text(self) -> str | None:
        answer = self._session.made(
            lambda: self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["Policy"]),
            operation="sqs:GetQueueAttributes",
        )
        return answer.get("Attributes", {}).get("Policy") or None

    def remove(self) -> None:
        self.put("")

    def put(self, text: str) -> None:
        self._session.made(
            lambda: self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": text}),
            operation="sqs:SetQueueAttributes",
        )


@dataclass(frozen=True, kw_only=True)
class Unlocking:
    """Removes policies, and puts them back.

    Attributes:
        run_id: the run that does.
        keep: keeps a backup and returns its reference.
    """

    run_id: str
    keep: Callable[[Backup], str]

    def performed(self, session: RootSession, assignment: Assignment, *, acts: bool) -> Finding:
        """Returns what came of each bucket or queue, or would."""
        items: list[Item] = []
        planned: list[Target] = []
        for target in assignment.targets:
            if acts:
                items.append(self._executed(session, target))
            else:
                item, plan = _planned(session, target)
                items.append(item)
                planned += [plan] if plan else []
        return finding_of(session.account_id, items, planned=planned)

    def _executed(self, session: RootSession, target: Target) -> Item:
        try:
            return self._put_back_or_removed(session, target)
        except CallError as error:
            # A look or the backup failed: the policy is as it was.
            return _item(target, Outcome.FAILED, told_with_hint(error.failure))

    def _put_back_or_removed(self, session: RootSession, target: Target) -> Item:
        policy = _policy(session, target)
        if target.restore:
            return _put_back(policy, target)
        try:
            text = policy.text()
        except CallError as error:
            if not (target.skip_backup and error.failure.kind is FailureKind.ACCESS_DENIED):
                raise
            if target.policy_sha256 is not None:
                # It could be read when it was planned, so that somebody has changed it since.
                return _item(target, Outcome.FAILED, CHANGED_SINCE_PLAN)
            return _changed(target, policy.remove, message=REMOVED_WITHOUT_BACKUP)
        if text is None:
            return _item(target, Outcome.NOTHING_TO_DO)
        if sha256(text.encode()) != target.policy_sha256:
            return _item(target, Outcome.FAILED, CHANGED_SINCE_PLAN)
        reference = self.keep(
            Backup(
                run_id=self.run_id,
                account_id=session.account_id,
                type=target.type,
                id=target.id,
                region=target.region,
                policy=text,
            )
        )
        return _changed(target, policy.remove, message=reference)


def _planned(session: RootSession, target: Target) -> tuple[Item, Target | None]:
    """Returns what would be done, and what a run that executes it will act on."""
    try:
        if target.type is ItemType.BUCKET_POLICY:
            region = _bucket_region(session, target.id)
            if region is None:
                return _item(target, Outcome.FAILED, NO_SUCH_BUCKET), None
            target = replace(target, region=region)
        text = _policy(session, target).text()
    except CallError as error:
        return _planned_unseen(target, error.failure)
    if target.restore:
        return _planned_put_back(target, text)
    if text is None:
        return _item(target, Outcome.NOTHING_TO_DO), None
    return _item(target, Outcome.PLANNED), replace(target, policy_sha256=sha256(text.encode()))


def _planned_unseen(target: Target, failure: Failure) -> tuple[Item, Target | None]:
    item = unseen_item(target, failure)
    removable = target.type is ItemType.QUEUE_POLICY and not target.restore
    if not removable or failure.kind is not FailureKind.ACCESS_DENIED:
        return item, None
    if not target.skip_backup:
        return replace(item, message=f"{POLICY_UNREADABLE} {item.message}"), None
    return _item(target, Outcome.PLANNED, POLICY_LOST), target


def _planned_put_back(target: Target, text: str | None) -> tuple[Item, Target | None]:
    if text is None:
        return _item(target, Outcome.PLANNED, target.restore.reference), target
    if _same(text, target.restore.policy):
        return _item(target, Outcome.NOTHING_TO_DO), None
    return _item(target, Outcome.FAILED, CHANGED_SINCE_BACKUP), None


def _put_back(policy: _Policy, target: Target) -> Item:
    text = policy.text()
    if text is None:
        return _changed(target, lambda: policy.put(target.restore.policy), message=target.restore.reference)
    if _same(text, target.restore.policy):
        return _item(target, Outcome.NOTHING_TO_DO)
    return _item(target, Outcome.FAILED, CHANGED_SINCE_BACKUP)


def _changed(target: Target, change: Callable[[], None], *, message: str) -> Item:
    try:
        change()
    except CallError as error:
        return failed_item(target, error.failure)
    return _item(target, Outcome.DONE, message)


def _policy(session: RootSession, target: Target) -> _Policy:
    if target.type is ItemType.BUCKET_POLICY:
        return _BucketPolicy(session, target)
    return _QueuePolicy(session, target)


def _bucket_region(session: RootSession, name: str) -> str | None:
    """Returns the Region that ListBuckets names; None: the account has no such bucket."""
    s3 = session.s3()
    token = ""
    while True:
        answer = session.made(
            # Without a page size AWS leaves the Region out.
            lambda token=token: s3.list_buckets(  # type: ignore[misc]
                Prefix=name, MaxBuckets=1000, **({"ContinuationToken": token} if token else {})
            ),
            operation=_LIST_BUCKETS,
        )
        for bucket in member(answer, "Buckets", operation=_LIST_BUCKETS):
            if bucket["Name"] == name:
                region: str = member(bucket, "BucketRegion", operation=_LIST_BUCKETS)
                return region
        token = answer.get("ContinuationToken", "")
        if not token:
            return None


def _same(one: str, other: str) -> bool:
    return bool(json.loads(one) == json.loads(other))


def _item(target: Target, outcome: Outcome, message: str = "") -> Item:
    return Item(type=target.type, id=target.id, outcome=outcome, message=message)
