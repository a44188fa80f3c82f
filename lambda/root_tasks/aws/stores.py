"""The documents in the bucket of a RootTasks construct: runs, reports and backups."""

from __future__ import annotations

import hashlib
import re
import urllib.parse
from dataclasses import dataclass

from aws_calls.failures import CallError
from common.errors import RootAccessError

from ..model.codec import D, DecodingError, decode, encode
from ..model.report_schema import Task
from ..model.run_documents import Backup, BatchResult, ExecutionMark, Plan, Recovery, Run, Work
from .invocation import Aws
from .report_bucket import IF_NEW, Bucket

BACKUP_REFERENCE = re.compile(
    r"backups/[^/\s]{1,80}/[0-9]{12}/[A-Za-z0-9._%-]{1,255}/[0-9a-f]{64}\.json"
)
_RECOVERIES = "recoveries/"
RUN_JSON, REPORT_JSON = "run.json", "report.json"
# Marks a plan as used; names the execution.
EXECUTION_MARK = "executed-by.json"


@dataclass(eq=False)
class ChecksumMismatchError(RootAccessError):
    """An object's bytes are not those that were stored."""

    key: str

    def __str__(self) -> str:
        return f"{self.key} was altered after it was stored."


class WriteContentionError(RootAccessError):
    """Other audits kept writing the latest report."""

    def __str__(self) -> str:
        return "Too many full audits end at once. Redrive this execution, or start a new audit."


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
class LatestReport:
    """The report.json of the latest full audit, as the bucket has it.

    Attributes:
        etag: Its ETag; None if there is no full audit yet.
        body: Its bytes; None if S3 does not return them.
        problem: Why S3 does not, for example because its key is disabled.
    """

    etag: str | None = None
    body: bytes | None = None
    problem: str | None = None


class Storage:
    """The contents of the bucket, by their readers.

    Args:
        bucket: The bucket.

    Attributes:
        runs: The read-only runs: audits and plans.
        executions: The runs that make changes: the executions of plans.
        reports: The latest full audit.
        backups: The policies that runs removed.
        recoveries: The recoveries that are to be closed.
    """

    def __init__(self, bucket: Bucket) -> None:
        # Two folders: no function of audits and plans may write the work of an execution.
        self.runs = RunStore(bucket, folder="runs")
        self.executions = RunStore(bucket, folder="executions")
        self.reports = ReportStore(bucket)
        self.backups = BackupStore(bucket)
        self.recoveries = RecoveryStore(bucket)

    @classmethod
    def of(cls, aws: Aws, bucket: str) -> Storage:
        """Return the contents of a bucket in the function's account."""
        return cls(Bucket(aws=aws, name=bucket, account_id=aws.account_id))


class RunStore:
    """The documents that the functions of a run leave for each other and for its readers.

    What a later step relies on is read by the SHA-256 that the state machine has passed on: who
    writes to the bucket does not decide what a run does. Such a read raises ChecksumMismatchError
    for what is not what was stored, and DecodingError for what is of another version.

    Args:
        bucket: The bucket.
        folder: The folder of the runs.
    """

    def __init__(self, bucket: Bucket, *, folder: str) -> None:
        self._bucket = bucket
        self._folder = folder

    def write_run(self, run: Run) -> str | None:
        """Store a run, and return its SHA-256; None if another execution has a run of this ID.

        A retry of the same execution replaces its own run.
        """
        key, body = self._key_in_run(run.run_id, RUN_JSON), encode(run)
        if not self._bucket.write(key, body, condition=IF_NEW):
            try:
                existing = decode(Run, self._bucket.read(key))
            except DecodingError:
                return None
            # An ARN has only the name, and Step Functions allows the same name again after 90 days.
            if (existing.execution_arn, existing.started_at) != (run.execution_arn, run.started_at):
                return None
            # Nothing is taken over from the existing one: the hash that counts is of this one.
            self._bucket.write(key, body)
        return sha256(body)

    def write(self, document: Work | Plan) -> str:
        """Store the work of a run or its plan, and return its SHA-256."""
        body = encode(document)
        self._bucket.write(self._key_in_run(document.run_id, f"{document.KIND}.json"), body)
        return sha256(body)

    def read(self, type_: type[D], run_id: str, *, checksum: str) -> D:
        """Return a run, its work or its plan, if it has the SHA-256 that it was stored with."""
        key = self._key_in_run(run_id, f"{type_.KIND}.json")
        return decode(type_, _verified(key, self._bucket.read(key), checksum))

    def claim_batch(self, work: Work, batch: int, *, token: str) -> bool:
        """Claim a batch that makes changes, and return whether this is the one claim on it.

        For example, Lambda delivers a batch's event twice: the second function finds the claim of
        the first one, and changes nothing.

        Such a batch runs once: after a failure nobody knows which changes it has made.

        Args:
            work: The run's work.
            batch: The number of the batch.
            token: Identifies the claim; the same again after its response was lost.
        """
        key = f"{self._results_folder(work.run_id, work.task)}{batch:05}.claim"
        return self._bucket.claim(key, token.encode())

    def write_result(self, work: Work, batch: int, result: BatchResult) -> str:
        """Store the result of a batch, and return its SHA-256, which is a part of the key."""
        body = encode(result)
        self._bucket.write(self._key_of_result(work.run_id, work.task, batch, sha256(body)), body)
        return sha256(body)

    def read_result(self, run: Run, batch: int, *, checksum: str) -> BatchResult:
        """Return the result of a batch."""
        # The hash is in the key, so a second attempt of a batch overwrites no first one.
        key = self._key_of_result(run.run_id, run.task, batch, checksum)
        body = self._bucket.read_if_there(key)
        if body is None:
            # It was there, so someone has removed it.
            raise ChecksumMismatchError(key)
        return decode(BatchResult, _verified(key, body, checksum))

    def batches_with_a_claim(self, run: Run) -> frozenset[int]:
        """Return the batches of an execution that may have made changes.

        Raises:
            CallError: A page of the list could not be read.
        """
        folder = self._results_folder(run.run_id, run.task)
        claims = re.compile(re.escape(folder) + r"([0-9]{5})\.claim")
        keys = self._bucket.keys(f"{self._folder}/{run.run_id}/results/")
        return frozenset(int(match[1]) for match in map(claims.fullmatch, keys) if match)

    def claim_plan(self, run_id: str, mark: ExecutionMark) -> bool:
        """Mark a plan as executed, and return whether it is this execution's: there is only one."""
        return self._bucket.claim(self._key_in_run(run_id, EXECUTION_MARK), encode(mark))

    def read_mark(self, run_id: str) -> ExecutionMark:
        """Return the mark of a plan, which says which execution has claimed it."""
        return decode(ExecutionMark, self._bucket.read(self._key_in_run(run_id, EXECUTION_MARK)))

    def write_file(self, run_id: str, file: File) -> str:
        """Store a file of a run's report, and return its S3 URL."""
        key = self._key_in_run(run_id, file.name)
        self._bucket.write(key, file.body, content_type=file.content_type)
        return f"s3://{self._bucket.name}/{key}"

    def _key_in_run(self, run_id: str, name: str) -> str:
        """Return the key of a file in a run's folder, such as runs/audit-2026-11-20/run.json."""
        return f"{self._folder}/{run_id}/{name}"

    def _results_folder(self, run_id: str, task: Task) -> str:
        """Return the start of the keys of a task's results, such as runs/nightly/results/audit/."""
        # A function may write the results of its own tasks only.
        return f"{self._folder}/{run_id}/results/{task}/"

    def _key_of_result(self, run_id: str, task: Task, batch: int, checksum: str) -> str:
        """Return the key of a batch's result, such as .../results/audit/00007-SHA256.json."""
        return f"{self._results_folder(run_id, task)}{batch:05}-{checksum}.json"


class ReportStore:
    """The latest full audit, for people and other programs."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def read(self) -> LatestReport:
        """Return the report.json of the latest full audit."""
        key = _latest_key(REPORT_JSON)
        # The ETag comes first: if another audit then writes its report, this one is not replaced.
        etag = self._bucket.find_etag(key)
        if etag is None:
            return LatestReport()
        try:
            return LatestReport(etag=etag, body=self._bucket.read(key))
        except CallError as error:
            # With more time, a redrive may read it. Any other problem is told in the new report.
            if error.failure.timed_out:
                raise
            problem = f"{key} cannot be read: {error.failure.code}."
            return LatestReport(etag=etag, problem=problem)

    def write(self, file: File, *, replaces: LatestReport | None = None) -> bool:
        """Store a file of the latest full audit.

        Args:
            file: The file.
            replaces: The report that it replaces; None for any.

        Returns:
            Whether it is stored: not if another audit has written its report since.
        """
        condition = None
        if replaces is not None:
            condition = {"IfMatch": replaces.etag} if replaces.etag else IF_NEW
        key = _latest_key(file.name)
        return self._bucket.write(
            key, file.body, content_type=file.content_type, condition=condition
        )


def _latest_key(name: str) -> str:
    """Return the key of a file of the latest full audit."""
    return f"latest/{name}"


class BackupStore:
    """The policies that runs removed or replaced. A backup never expires."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def write(self, backup: Backup) -> str:
        """Store a policy, and return its reference: the key, with the SHA-256 of the bytes."""
        body = encode(backup)
        # The name of a queue is the end of its ARN; older buckets have names that need quoting.
        name = urllib.parse.quote(backup.id.rpartition(":")[2], safe="")
        reference = f"backups/{backup.run_id}/{backup.account_id}/{name}/{sha256(body)}.json"
        # It replaces what is there: the key has the hash of these bytes, so nothing else is a
        # backup.
        self._bucket.write(reference, body)
        return reference

    def references(self, run_id: str, account_id: str) -> list[str]:
        """Return the references of the backups that a run has stored in an account."""
        keys = self._bucket.keys(f"backups/{run_id}/{account_id}/")
        return list(filter(BACKUP_REFERENCE.fullmatch, keys))

    def read(self, reference: str) -> Backup | None:
        """Return a policy that this release or an earlier one backed up; None if there is none.

        Raises:
            CallError: S3 refuses to return it, for example because of its encryption key.
            ChecksumMismatchError: It is not what was stored.
            DecodingError: It is not a backup, or of another version.
        """
        body = self._bucket.read_if_there(reference)
        if body is None:
            return None
        if reference.rpartition("/")[2] != f"{sha256(body)}.json":
            raise ChecksumMismatchError(reference)
        return decode(Backup, body)


class RecoveryStore:
    """The recoveries that are to be closed: the last one of each account."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def write(self, recovery: Recovery) -> None:
        """Store a recovery, in place of an earlier one of the same account."""
        self._bucket.write(f"{_RECOVERIES}{recovery.account_id}.json", encode(recovery))

    def accounts(self) -> list[str]:
        """Return the accounts that have one."""
        keys = self._bucket.keys(_RECOVERIES)
        return [key.removeprefix(_RECOVERIES).removesuffix(".json") for key in keys]

    def read(self, account_id: str) -> Recovery:
        """Return the recovery of an account.

        Raises:
            CallError: It cannot be read.
            DecodingError: It is damaged, or of another version.
        """
        return decode(Recovery, self._bucket.read(f"{_RECOVERIES}{account_id}.json"))


def sha256(body: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def _verified(key: str, body: bytes, checksum: str) -> bytes:
    """Return an object's bytes if they are those that were stored.

    Raises:
        ChecksumMismatchError: They are others.
    """
    if sha256(body) != checksum:
        raise ChecksumMismatchError(key)
    return body
