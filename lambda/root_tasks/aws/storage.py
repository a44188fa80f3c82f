"""The bucket: what a run reads and leaves there. Nothing else remembers anything."""

from __future__ import annotations

import hashlib
import urllib.parse
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from aws_calls.calls import made
from aws_calls.failures import CallError

from ..model.codec import decoded, encoded
from ..model.run import Backup, BatchResult, Plan, Run, Work

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

    from aws_calls.retry import RetryBudget

T = TypeVar("T")

# A conditional write that lost against another one, or against a deletion.
_LOST = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
_STARTED_AT = "started-at"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_LATEST_ATTEMPTS = 10


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of a report.

    Attributes:
        name: such as report.html.
        content_type: as HTTP names it.
        body: its bytes.
    """

    name: str
    content_type: str
    body: bytes


class Storage:
    """The bucket of a RootTasks construct.

    Args:
        s3: a client that makes one attempt a call.
        bucket: the bucket's name.
        account_id: the account that owns it.
        budget: how long to wait for a call that fails for now.
    """

    def __init__(self, *, s3: S3Client, bucket: str, account_id: str, budget: RetryBudget) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._account_id = account_id
        self._budget = budget

    # A run

    def begin(self, run: Run) -> Run:
        """Keeps a run, and returns the one that is kept: a Lambda retry finds its own."""
        if self._put_new(f"runs/{run.run_id}/run.json", encoded(run)):
            return run
        return self.run(run.run_id)

    def run(self, run_id: str) -> Run:
        """Returns a run."""
        return decoded(Run, self._get(f"runs/{run_id}/run.json"))

    def put_work(self, work: Work) -> str:
        """Keeps what a run has to do, and returns its SHA-256."""
        body = encoded(work)
        self._put(f"runs/{work.run_id}/work.json", body)
        return sha256(body)

    def work(self, run_id: str, *, sha256_: str) -> Work:
        """Returns what a run has to do.

        Raises:
            ChecksumMismatchError: it is not what was kept.
        """
        body = self._get(f"runs/{run_id}/work.json")
        if sha256(body) != sha256_:
            raise ChecksumMismatchError(f"The work of run {run_id} was altered after it was selected.")
        return decoded(Work, body)

    def put_items(self, run_id: str, items: bytes) -> str:
        """Keeps the file that the Map reads, and returns its key."""
        key = f"runs/{run_id}/items.json"
        self._put(key, items)
        return key

    def has_result(self, run_id: str, batch: int) -> bool:
        """Returns whether a batch has left its result."""
        key = _result_key(run_id, batch)
        return key in self._keys(key)

    def put_result(self, run_id: str, batch: int, result: BatchResult) -> None:
        """Keeps the result of a batch. Where there is one already, that one stays."""
        self._put_new(_result_key(run_id, batch), encoded(result))

    def result(self, run_id: str, batch: int) -> BatchResult:
        """Returns the result of a batch."""
        return decoded(BatchResult, self._get(_result_key(run_id, batch)))

    def batches_with_results(self, run_id: str) -> frozenset[int]:
        """Returns the batches that have left a result."""
        prefix = f"runs/{run_id}/results/"
        return frozenset(int(key.removeprefix(prefix).removesuffix(".json")) for key in self._keys(prefix))

    def put_plan(self, plan: Plan) -> str:
        """Keeps a plan, and returns its SHA-256."""
        body = encoded(plan)
        self._put(_plan_key(plan.run_id), body)
        return sha256(body)

    def plan(self, run_id: str, *, sha256_: str) -> Plan:
        """Returns a plan.

        Raises:
            ChecksumMismatchError: it is not what was kept.
        """
        body = self._get(_plan_key(run_id))
        if sha256(body) != sha256_:
            raise ChecksumMismatchError(f"The plan of run {run_id} was altered after it was made.")
        return decoded(Plan, body)

    # Reports

    def put_report(self, run_id: str, file: File) -> str:
        """Keeps a file of a run's report, and returns where it is."""
        key = f"runs/{run_id}/{file.name}"
        self._put(key, file.body, content_type=file.content_type)
        return f"s3://{self._bucket}/{key}"

    def put_latest(self, file: File, *, started_at: datetime) -> bool:
        """Keeps a file as the latest of its name, unless that is of a later run.

        Returns:
            Whether it is the latest now.
        """
        key = f"latest/{file.name}"
        for _ in range(_LATEST_ATTEMPTS):
            found = self._latest(key)
            if found and found[1] > started_at:
                return False
            condition = {"IfMatch": found[0]} if found else {"IfNoneMatch": "*"}
            if self._put(
                key,
                file.body,
                content_type=file.content_type,
                condition=condition,
                metadata={_STARTED_AT: started_at.isoformat()},
            ):
                return True
        raise WriteContentionError(f"latest/{file.name} is being written by too many runs at once.")

    def latest(self, name: str) -> bytes | None:
        """Returns the latest file of a name; None: there is none yet."""
        key = f"latest/{name}"
        return self._get(key) if key in self._keys(key) else None

    # Backups

    def put_backup(self, backup: Backup) -> str:
        """Keeps a policy, and returns its reference. Nothing that is kept is ever overwritten."""
        reference = _reference(backup)
        self._put_new(reference, encoded(backup))
        return reference

    def backup(self, reference: str) -> Backup:
        """Returns a policy that was kept.

        Raises:
            ChecksumMismatchError: it is not what was kept.
        """
        backup = decoded(Backup, self._get(reference))
        if reference != _reference(backup):
            raise ChecksumMismatchError(f"{reference} was altered after it was made.")
        return backup

    # S3

    def _get(self, key: str) -> bytes:
        return made(
            lambda: self._s3.get_object(Bucket=self._bucket, Key=key, ExpectedBucketOwner=self._account_id)[
                "Body"
            ].read(),
            operation="s3:GetObject",
            budget=self._budget,
        )

    def _put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "application/json",
        condition: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        """Writes an object; returns whether its condition held."""
        request: PutObjectRequestTypeDef = {
            "Bucket": self._bucket,
            "Key": key,
            "Body": body,
            "ContentType": content_type,
            "ExpectedBucketOwner": self._account_id,
            "Metadata": metadata or {},
            **(condition or {}),  # type: ignore[typeddict-item]
        }
        try:
            made(lambda: self._s3.put_object(**request), operation="s3:PutObject", budget=self._budget)
        except CallError as error:
            if condition and error.failure.name in _LOST:
                return False
            raise
        return True

    def _put_new(self, key: str, body: bytes) -> bool:
        return self._put(key, body, condition={"IfNoneMatch": "*"})

    def _keys(self, prefix: str) -> list[str]:
        paginator = self._s3.get_paginator("list_objects_v2")
        return made(
            lambda: [
                entry["Key"]
                for page in paginator.paginate(
                    Bucket=self._bucket, Prefix=prefix, ExpectedBucketOwner=self._account_id
                )
                for entry in page.get("Contents", ())
            ],
            operation="s3:ListBucket",
            budget=self._budget,
        )

    def _latest(self, key: str) -> tuple[str, datetime] | None:
        if key not in self._keys(key):
            return None
        head = made(
            lambda: self._s3.head_object(Bucket=self._bucket, Key=key, ExpectedBucketOwner=self._account_id),
            operation="s3:GetObject",
            budget=self._budget,
        )
        started_at = head["Metadata"].get(_STARTED_AT)
        # What no run has put there is older than any.
        return head["ETag"], datetime.fromisoformat(started_at) if started_at else _LONG_AGO


class ChecksumMismatchError(Exception):
    """Raised for a file that is not what was kept under its name."""


class WriteContentionError(Exception):
    """Raised where a conditional write loses again and again."""


def sha256(body: bytes) -> str:
    """Returns the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def _result_key(run_id: str, batch: int) -> str:
    return f"runs/{run_id}/results/{batch:05}.json"


def _plan_key(run_id: str) -> str:
    return f"runs/{run_id}/plan.json"


def _reference(backup: Backup) -> str:
    """A backup's key has its SHA-256 in it, so that one that was altered is no longer what its name says."""
    name = urllib.parse.quote(backup.id.rpartition(":")[2], safe="")
    digest = sha256(encoded(backup))
    return f"backups/{backup.run_id}/{backup.account_id}/{name}/{digest}.json"
