"""The documents of runs and executions in the report bucket."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..model.codec import D, DecodingError, decode, encode
from ..model.report_schema import Task
from ..model.run_documents import BatchResult, ExecutionMark, Plan, Run, Work
from .checksums import ChecksumMismatchError, sha256, verified
from .report_bucket import IF_NEW, Bucket

RUN_JSON, REPORT_JSON = "run.json", "report.json"
# Marks a plan as used; names the execution.
EXECUTION_MARK = "executed-by.json"


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
        return decode(type_, verified(key, self._bucket.read(key), checksum))

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
        return decode(BatchResult, verified(key, body, checksum))

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
