"""The bucket of a RootTasks construct: all that is remembered between invocations."""

from __future__ import annotations

import functools
import hashlib
import urllib.parse
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aws_calls.calls import call, pages
from aws_calls.failures import CallError

from ..model.codec import decode, encode, format_time
from ..model.run import Backup, BatchResult, Plan, Run, Work

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

    from aws_calls.calls import Response
    from aws_calls.retry import RetryBudget

_IF_NEW = {"IfNoneMatch": "*"}
_STARTED_AT = "started-at"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_MAX_WRITES_OF_LATEST = 10


class ChecksumMismatchError(Exception):
    """Raised for an object whose bytes are not those that were stored.

    Attributes:
        key: The object's key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"{self.key} was altered after it was stored."


class WriteContentionError(Exception):
    """Raised where conditional writes keep failing because others write the same object.

    Attributes:
        key: The object's key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"{self.key} has too many concurrent writers."


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of a report.

    Attributes:
        name: Its name, such as report.html.
        content_type: The value of the HTTP header.
        body: Its bytes.
    """

    name: str
    content_type: str
    body: bytes


class Storage:
    """What the bucket keeps, by who reads it.

    Args:
        s3: A client that makes one attempt a call.
        bucket: The bucket's name.
        account_id: The account that owns it.
        budget: How long to retry transient failures.

    Attributes:
        runs: What the functions of a run leave for each other.
        reports: What people and other programs read.
        backups: The policies that runs removed.
    """

    def __init__(self, *, s3: S3Client, bucket: str, account_id: str, budget: RetryBudget) -> None:
        objects = _Bucket(s3=s3, name=bucket, account_id=account_id, budget=budget)
        self.runs = RunStore(objects)
        self.reports = ReportStore(objects)
        self.backups = BackupStore(objects)


class RunStore:
    """What the functions of a run leave for each other."""

    def __init__(self, bucket: _Bucket) -> None:
        self._bucket = bucket

    def create_run(self, run: Run) -> Run:
        """Store a run, and return the one that is stored: a retry of the function finds its own."""
        if self._bucket.write(_run_key(run.run_id), encode(run), condition=_IF_NEW):
            return run
        return self.read_run(run.run_id)

    def read_run(self, run_id: str) -> Run:
        """Return a run.

        Raises:
            DecodingError: It is damaged, or of another version.
        """
        return decode(Run, self._bucket.read(_run_key(run_id)))

    def write_work(self, work: Work) -> str:
        """Store the work of a run, and return its SHA-256."""
        return self._write_and_hash(_work_key(work.run_id), encode(work))

    def read_work(self, run_id: str, *, checksum: str) -> Work:
        """Return the work of a run.

        Raises:
            ChecksumMismatchError: It is not what was stored.
            DecodingError: It is of another version.
        """
        return decode(Work, self._read_and_verify(_work_key(run_id), checksum))

    def write_items(self, run_id: str, items: bytes) -> str:
        """Store the file that the state machine's Map reads, and return its key."""
        key = f"runs/{run_id}/items.json"
        self._bucket.write(key, items)
        return key

    def has_result(self, run_id: str, batch: int) -> bool:
        """Return whether a batch has stored its result."""
        return self._bucket.exists(_result_key(run_id, batch))

    def write_result(self, run_id: str, batch: int, result: BatchResult) -> None:
        """Store the result of a batch. One that exists already stays."""
        self._bucket.write(_result_key(run_id, batch), encode(result), condition=_IF_NEW)

    def read_result(self, run_id: str, batch: int) -> BatchResult:
        """Return the result of a batch.

        Raises:
            DecodingError: It is damaged, or of another version.
        """
        return decode(BatchResult, self._bucket.read(_result_key(run_id, batch)))

    def batches_with_results(self, run_id: str) -> frozenset[int]:
        """Return the batches that have stored a result."""
        prefix = f"runs/{run_id}/results/"
        keys = self._bucket.keys(prefix)
        return frozenset(int(key.removeprefix(prefix).removesuffix(".json")) for key in keys)

    def write_plan(self, plan: Plan) -> str:
        """Store a plan, and return its SHA-256."""
        return self._write_and_hash(_plan_key(plan.run_id), encode(plan))

    def read_plan(self, run_id: str, *, checksum: str) -> Plan:
        """Return a plan.

        Raises:
            ChecksumMismatchError: It is not what was stored.
            DecodingError: It is of another version.
        """
        return decode(Plan, self._read_and_verify(_plan_key(run_id), checksum))

    def _write_and_hash(self, key: str, body: bytes) -> str:
        self._bucket.write(key, body)
        return sha256(body)

    def _read_and_verify(self, key: str, checksum: str) -> bytes:
        body = self._bucket.read(key)
        if sha256(body) != checksum:
            raise ChecksumMismatchError(key)
        return body


class ReportStore:
    """What people and other programs read: the reports of all runs, and the latest full audit."""

    def __init__(self, bucket: _Bucket) -> None:
        self._bucket = bucket

    def write(self, run_id: str, file: File) -> str:
        """Store a file of a run's report, and return its S3 URL."""
        key = f"runs/{run_id}/{file.name}"
        self._bucket.write(key, file.body, content_type=file.content_type)
        return f"s3://{self._bucket.name}/{key}"

    def write_latest(self, file: File, *, started_at: datetime) -> bool:
        """Store a file as the latest of its name, unless that is of a later run.

        Returns:
            Whether it is the latest now.

        Raises:
            WriteContentionError: Others keep writing it.
        """
        key = f"latest/{file.name}"
        for _ in range(_MAX_WRITES_OF_LATEST):
            latest = self._latest(key)
            if latest and latest[1] > started_at:
                return False
            if self._bucket.write(
                key,
                file.body,
                content_type=file.content_type,
                condition={"IfMatch": latest[0]} if latest else _IF_NEW,
                metadata={_STARTED_AT: format_time(started_at)},
            ):
                return True
        raise WriteContentionError(key)

    def read_latest(self, name: str) -> bytes | None:
        """Return the latest file of a name; None where there is none yet."""
        key = f"latest/{name}"
        return self._bucket.read(key) if self._bucket.exists(key) else None

    def _latest(self, key: str) -> tuple[str, datetime] | None:
        """Return the ETag of the latest file of a name, and the start of its run."""
        if not self._bucket.exists(key):
            return None
        head = self._bucket.head(key)
        return head.require("ETag"), _parse_start(head.get("Metadata", {}).get(_STARTED_AT))


class BackupStore:
    """The policies that runs removed. A backup is never overwritten and never expires."""

    def __init__(self, bucket: _Bucket) -> None:
        self._bucket = bucket

    def write(self, backup: Backup) -> str:
        """Store a policy, and return its reference: the key, which has the SHA-256 of the stored bytes."""
        body = encode(backup)
        name = urllib.parse.quote(backup.id.rpartition(":")[2], safe="")
        reference = f"backups/{backup.run_id}/{backup.account_id}/{name}/{sha256(body)}.json"
        self._bucket.write(reference, body, condition=_IF_NEW)
        return reference

    def read(self, reference: str) -> Backup:
        """Return a policy that was backed up by this release or an earlier one.

        Raises:
            ChecksumMismatchError: It is not what was stored.
            DecodingError: It is not a backup, or of another version.
        """
        body = self._bucket.read(reference)
        if reference.rpartition("/")[2] != f"{sha256(body)}.json":
            raise ChecksumMismatchError(reference)
        return decode(Backup, body)


class _Bucket:
    """Objects of one bucket."""

    def __init__(self, *, s3: S3Client, name: str, account_id: str, budget: RetryBudget) -> None:
        self.name = name
        self._s3 = s3
        self._account_id = account_id
        self._budget = budget

    def read(self, key: str) -> bytes:
        """Return an object's bytes."""

        def get_object() -> Mapping[str, bytes]:
            response = self._s3.get_object(Bucket=self.name, Key=key, ExpectedBucketOwner=self._account_id)
            # The connection can break while the body is read: that is a part of the attempt.
            return {"Body": response["Body"].read()}

        body: bytes = call(get_object, operation="s3:GetObject", budget=self._budget).require("Body")
        return body

    def head(self, key: str) -> Response:
        """Return an object's ETag and metadata."""
        return call(
            lambda: self._s3.head_object(Bucket=self.name, Key=key, ExpectedBucketOwner=self._account_id),
            operation="s3:GetObject",
            budget=self._budget,
        )

    def write(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "application/json",
        condition: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        """Write an object, and return whether the condition held.

        A conflict with another write in progress (409) says nothing of the condition: it is retried.
        """
        request: PutObjectRequestTypeDef = {
            "Bucket": self.name,
            "Key": key,
            "Body": body,
            "ContentType": content_type,
            "ExpectedBucketOwner": self._account_id,
            "Metadata": metadata or {},
            **(condition or {}),  # type: ignore[typeddict-item]
        }

        try:
            call(lambda: self._s3.put_object(**request), operation="s3:PutObject", budget=self._budget)
        except CallError as error:
            if condition and error.failure.name in _condition_failures(condition):
                return False
            raise
        return True

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that start with a prefix."""
        list_page = functools.partial(
            self._s3.list_objects_v2, Bucket=self.name, Prefix=prefix, ExpectedBucketOwner=self._account_id
        )
        return [
            entry["Key"]
            for entry in pages(
                # S3 leaves the list out where it is empty.
                lambda **token: {"Contents": (), **list_page(**token)},
                operation="s3:ListBucket",
                budget=self._budget,
                items="Contents",
                request_token="ContinuationToken",
                response_token="NextContinuationToken",
            )
        ]

    def exists(self, key: str) -> bool:
        """Return whether there is an object: without its key a read would be denied, not missing."""
        return key in self.keys(key)


def sha256(body: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def _condition_failures(condition: Mapping[str, str]) -> frozenset[str]:
    # An object that was deleted after its ETag was read has no ETag to match.
    deleted = {"NoSuchKey"} if "IfMatch" in condition else set()
    return frozenset({"PreconditionFailed"} | deleted)


def _parse_start(text: str | None) -> datetime:
    try:
        started_at = datetime.fromisoformat(text or "")
    except ValueError:
        return _LONG_AGO
    # What no run has written is older than any run.
    return started_at if started_at.tzinfo else _LONG_AGO


def _run_key(run_id: str) -> str:
    return f"runs/{run_id}/run.json"


def _work_key(run_id: str) -> str:
    return f"runs/{run_id}/work.json"


def _result_key(run_id: str, batch: int) -> str:
    return f"runs/{run_id}/results/{batch:05}.json"


def _plan_key(run_id: str) -> str:
    return f"runs/{run_id}/plan.json"
