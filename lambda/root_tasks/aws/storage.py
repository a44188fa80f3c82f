"""The bucket of a RootTasks construct: all that is remembered between invocations."""

from __future__ import annotations

import functools
import hashlib
import urllib.parse
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import IncompleteReadError, ResponseStreamingError

from aws_calls.calls import call, pages, require
from aws_calls.failures import CallError

from ..model.codec import MAX_DOCUMENT_BYTES, decode, encode, format_time
from ..model.run import Backup, BatchResult, Plan, Run, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

    from aws_calls.calls import Response
    from aws_calls.retry import RetryBudget

_IF_NEW = {"IfNoneMatch": "*"}
_STARTED_AT = "started-at"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_MAX_WRITES_OF_LATEST = 10
# Of the clocks of Step Functions and Lambda.
_MAX_CLOCK_DIFFERENCE = timedelta(minutes=5)
_LIST = "s3:ListBucket"
UNKNOWN_START = "The start of its run is not known, or yet to come."


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


class UnreadableObjectError(Exception):
    """Raised for an object that S3 refuses to return.

    Attributes:
        key: The object's key.
        code: S3's error code.
    """

    def __init__(self, key: str, *, code: str) -> None:
        super().__init__(key, code)
        self.key = key
        self.code = code

    def __str__(self) -> str:
        return f"{self.key} cannot be read: {self.code}."


class BackupExistsError(Exception):
    """Raised where something else is stored under the key of a backup.

    Attributes:
        key: The object's key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"{self.key} exists and is another document."


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


@dataclass(frozen=True, kw_only=True)
class StoredResults:
    """What is stored where the batches of a run store their results.

    Attributes:
        batches: The batches that have stored a result.
        other_objects: How many objects are there that no batch of the run has stored.
    """

    batches: frozenset[int]
    other_objects: int


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
            UnreadableObjectError: S3 refuses to return it.
        """
        return decode(BatchResult, self._bucket.read_foreign(_result_key(run_id, batch)))

    def find_results(self, run_id: str, *, batches: int) -> StoredResults:
        """Return which batches of a run have stored a result.

        Args:
            run_id: The run.
            batches: How many batches it has.
        """
        by_key = {_result_key(run_id, batch): batch for batch in range(batches)}
        keys = self._bucket.keys(f"runs/{run_id}/results/")
        found = frozenset(by_key[key] for key in keys if key in by_key)
        return StoredResults(batches=found, other_objects=len(keys) - len(found))

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

    def write_latest(
        self, file: File, *, started_at: datetime, now: datetime, log: Callable[..., None]
    ) -> bool:
        """Store a file as the latest of its name, unless that is of a later run.

        What no run can have written is older than any run: a start that is missing, unreadable or yet to
        come. Otherwise one object could silence every later audit.

        Args:
            file: The file.
            started_at: The start of its run.
            now: The time in UTC.
            log: Writes one event, given as keyword arguments.

        Returns:
            Whether it is the latest now.

        Raises:
            WriteContentionError: Others keep writing it.
        """
        key = f"latest/{file.name}"
        for _ in range(_MAX_WRITES_OF_LATEST):
            etag = self._bucket.find_etag(key)
            latest_start = self._latest_start(key, now=now) if etag else _LONG_AGO
            if latest_start is None:
                log(event="latest_replaced", key=key, reason=UNKNOWN_START)
            elif latest_start > started_at:
                return False
            if self._bucket.write(
                key,
                file.body,
                content_type=file.content_type,
                condition={"IfMatch": etag} if etag else _IF_NEW,
                metadata={_STARTED_AT: format_time(started_at)},
            ):
                return True
        raise WriteContentionError(key)

    def read_latest(self, name: str) -> bytes | None:
        """Return the latest file of a name; None where there is none yet.

        Raises:
            UnreadableObjectError: S3 refuses to return it.
        """
        key = f"latest/{name}"
        return self._bucket.read_foreign(key) if self._bucket.find_etag(key) else None

    def _latest_start(self, key: str, *, now: datetime) -> datetime | None:
        """Return the start of the run of a latest file; None where no run can have written it."""
        try:
            head = self._bucket.head(key)
        except CallError as error:
            if error.failure.timed_out:
                raise
            return None
        started_at = _parse_start(head.get("Metadata", {}).get(_STARTED_AT))
        if started_at is None or started_at > now + _MAX_CLOCK_DIFFERENCE:
            return None
        return started_at


class BackupStore:
    """The policies that runs removed. A backup is never overwritten and never expires."""

    def __init__(self, bucket: _Bucket) -> None:
        self._bucket = bucket

    def write(self, backup: Backup) -> str:
        """Store a policy, and return its reference: the key, which has the SHA-256 of the stored bytes.

        Raises:
            BackupExistsError: Something else is stored under this key.
        """
        body = encode(backup)
        name = urllib.parse.quote(backup.id.rpartition(":")[2], safe="")
        reference = f"backups/{backup.run_id}/{backup.account_id}/{name}/{sha256(body)}.json"
        stored = self._bucket.write(reference, body, condition=_IF_NEW)
        # An earlier attempt may have stored it. Whatever else is there is not a backup.
        if not stored and self._bucket.read(reference) != body:
            raise BackupExistsError(reference)
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
            return {"Body": _body(response["Body"])}

        body: bytes = call(get_object, operation="s3:GetObject", budget=self._budget).require("Body")
        return body

    def read_foreign(self, key: str) -> bytes:
        """Return the bytes of an object that somebody else may have written.

        Raises:
            UnreadableObjectError: S3 refuses to return it, for example because of its encryption.
        """
        try:
            return self.read(key)
        except CallError as error:
            if error.failure.timed_out:
                raise
            raise UnreadableObjectError(key, code=error.failure.code) from error

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
        return [entry["Key"] for entry in self._list(prefix)]

    def exists(self, key: str) -> bool:
        """Return whether there is an object: without its key a read would be denied, not missing."""
        return self.find_etag(key) is not None

    def find_etag(self, key: str) -> str | None:
        """Return the ETag of an object, whether or not it can be read; None where there is no object."""
        for entry in self._list(key):
            if entry["Key"] == key:
                return str(require(entry, "ETag", operation=_LIST))
        return None

    def _list(self, prefix: str) -> Iterator[Any]:
        list_page = functools.partial(
            self._s3.list_objects_v2, Bucket=self.name, Prefix=prefix, ExpectedBucketOwner=self._account_id
        )
        return pages(
            # S3 leaves the list out where it is empty.
            lambda **token: {"Contents": (), **list_page(**token)},
            operation=_LIST,
            budget=self._budget,
            items="Contents",
            request_token="ContinuationToken",
            response_token="NextContinuationToken",
        )


def _body(stream: StreamingBody) -> bytes:
    """Read a body; of one that is larger than any document only the beginning: it could fill the memory."""
    body: bytes = stream.read(MAX_DOCUMENT_BYTES + 1)
    if len(body) > MAX_DOCUMENT_BYTES:
        return body
    try:
        # At its end botocore compares the length: a body can be cut off without an error.
        return body + stream.read()
    except IncompleteReadError as error:
        raise ResponseStreamingError(error=error) from error


def sha256(body: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def _condition_failures(condition: Mapping[str, str]) -> frozenset[str]:
    # An object that was deleted after its ETag was read has no ETag to match.
    deleted = {"NoSuchKey"} if "IfMatch" in condition else set()
    return frozenset({"PreconditionFailed"} | deleted)


def _parse_start(text: str | None) -> datetime | None:
    """Return the start that a run has written; None where it is not one."""
    try:
        started_at = datetime.fromisoformat(text or "")
        return started_at.astimezone(UTC) if started_at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _run_key(run_id: str) -> str:
    return f"runs/{run_id}/run.json"


def _work_key(run_id: str) -> str:
    return f"runs/{run_id}/work.json"


def _result_key(run_id: str, batch: int) -> str:
    return f"runs/{run_id}/results/{batch:05}.json"


def _plan_key(run_id: str) -> str:
    return f"runs/{run_id}/plan.json"
