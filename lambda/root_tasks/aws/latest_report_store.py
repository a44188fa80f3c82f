"""The report of the latest full audit in the report bucket."""

from __future__ import annotations

from dataclasses import dataclass

from aws_calls.failures import CallError
from common.errors import RootAccessError

from .report_bucket import IF_NEW, Bucket
from .run_store import REPORT_JSON, File


class WriteContentionError(RootAccessError):
    """Other audits kept writing the latest report."""

    def __str__(self) -> str:
        return "Too many full audits end at once. Redrive this execution, or start a new audit."


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


class LatestReportStore:
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
