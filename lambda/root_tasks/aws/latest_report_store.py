"""The report of the latest full audit in the report bucket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aws_calls.failures import CallError
from common.errors import RootAccessError

from .report_bucket import IF_NEW, Bucket
from .run_store import REPORT_JSON

_KEY = f"latest/{REPORT_JSON}"


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
        published_since: What full audits have published since a time, the latest one first; None
            for what S3 does not return.
    """

    etag: str | None = None
    body: bytes | None = None
    problem: str | None = None
    published_since: Sequence[bytes | None] = ()


class LatestReportStore:
    """The latest full audit, for people and other programs."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def read(self, *, since: datetime) -> LatestReport:
        """Return the report.json of the latest full audit, and what was published since a time.

        S3 says when: it also knows that of a report which it does not return.
        """
        latest = LatestReport()
        published_since = []
        for version in self._bucket.versions(_KEY):
            is_later = version.modified_at > since
            if not (version.is_latest or is_later):
                continue
            body, problem = self._read(version.id)
            if version.is_latest:
                latest = LatestReport(etag=version.etag, body=body, problem=problem)
            if is_later:
                published_since.append(body)
        return replace(latest, published_since=tuple(published_since))

    def write(self, body: bytes, *, replaces: LatestReport) -> bool:
        """Store the report.json of a full audit, and return whether it is the latest one now.

        It is not if another audit has written its report since the one that it replaces was read.
        """
        condition = {"IfMatch": replaces.etag} if replaces.etag else IF_NEW
        return self._bucket.write(_KEY, body, condition=condition)

    def _read(self, version: str) -> tuple[bytes | None, str | None]:
        """Return the bytes of a version, or why S3 does not return them."""
        try:
            return self._bucket.read(_KEY, version=version), None
        except CallError as error:
            # With more time, a redrive may read it. Any other problem is told in the new report.
            if error.failure.timed_out:
                raise
            return None, f"{_KEY} cannot be read: {error.failure.code}."
