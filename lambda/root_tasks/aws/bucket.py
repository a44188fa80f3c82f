"""The objects of a bucket in S3: read, written on a condition, and listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_calls.failures import CallError
from aws_calls.responses import call, pages, require
from common.errors import RootAccessError

from ..model.codec import MAX_DOCUMENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

    from aws_calls.responses import Response
    from aws_calls.retry import RetryBudget

# The condition of a write that replaces nothing.
IF_NEW = {"IfNoneMatch": "*"}
_LIST = "s3:ListBucket"


@dataclass(eq=False)
class ObjectError(RootAccessError):
    """Something is wrong with an object of the bucket."""

    key: str


@dataclass(eq=False)
class UnreadableObjectError(ObjectError):
    """S3 refuses to return an object, and gives this code."""

    code: str

    def __str__(self) -> str:
        return f"{self.key} cannot be read: {self.code}."


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """The objects of a bucket, and the account that owns it."""

    s3: S3Client
    name: str
    account_id: str
    budget: RetryBudget

    def read(self, key: str) -> bytes:
        """Return an object's bytes."""

        def get_object(**parameters: Any) -> Mapping[str, bytes]:
            response = self.s3.get_object(**parameters)
            # The connection can break while the body is read: that is a part of the attempt.
            return {"Body": _body(response["Body"])}

        body: bytes = self._call(get_object, "s3:GetObject", Key=key).require("Body")
        return body

    def read_foreign(self, key: str) -> bytes:
        """Return the bytes of an object that others may have written.

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
        return self._call(self.s3.head_object, "s3:GetObject", Key=key)

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
        try:
            self._call(
                self.s3.put_object,
                "s3:PutObject",
                Key=key,
                Body=body,
                ContentType=content_type,
                Metadata=metadata or {},
                **(condition or {}),
            )
        except CallError as error:
            # An object that was deleted after its ETag was read has no ETag to match.
            deleted = "NoSuchKey" if "IfMatch" in (condition or {}) else None
            if condition and error.failure.name in ("PreconditionFailed", deleted):
                return False
            raise
        return True

    def claim(self, key: str, body: bytes) -> bool:
        """Write an object that nothing can replace, and return whether it is this one.

        An object can be replaced, or deleted and written again, but its earlier versions stay: a claim counts
        only as the sole version that there has ever been. So no two bodies can claim a key, in any order
        others write to it. To be the oldest version does not suffice: S3 dates an upload in parts by its
        beginning.
        """
        # The response to an earlier attempt may have been lost. What is read here is what is then listed.
        own = self.write(key, body, condition=IF_NEW) or self.read(key) == body
        return own and self._has_one_version(key)

    def read_sole_version(self, key: str) -> bytes | None:
        """Return the bytes of an object that was never replaced; None if it was.

        Raises:
            UnreadableObjectError: S3 refuses to return it.
        """
        body = self.read_foreign(key)
        return body if self._has_one_version(key) else None

    def _has_one_version(self, key: str) -> bool:
        """Return whether an object has, and had, no other version."""
        page = self._call(self.s3.list_object_versions, "s3:ListBucketVersions", Prefix=key)
        # A key sorts before all longer keys with the same prefix.
        entries = (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        # A page may be short, and the next one have more of them.
        if page.get("IsTruncated") and page.get("NextKeyMarker") == key:
            return False
        return [entry["Key"] for entry in entries].count(key) == 1

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with a prefix, in their order."""
        return (entry["Key"] for entry in self._list(prefix))

    def find_etag(self, key: str) -> str | None:
        """Return the ETag of an object, whether or not it can be read; None if there is no object."""
        # A key sorts before all longer keys with the same prefix.
        entry = next(self._list(key), None)
        if entry is None or entry["Key"] != key:
            return None
        return str(require(entry, "ETag", operation=_LIST))

    @property
    def _own(self) -> dict[str, Any]:
        return {"Bucket": self.name, "ExpectedBucketOwner": self.account_id}

    def _call(self, function: Callable[..., Any], operation: str, **parameters: object) -> Response:
        return call(function, operation=operation, budget=self.budget, **self._own, **parameters)

    def _list(self, prefix: str) -> Iterator[Any]:
        return pages(
            # S3 leaves the list out where it is empty.
            lambda **parameters: {"Contents": (), **self.s3.list_objects_v2(**parameters)},
            operation=_LIST,
            budget=self.budget,
            items="Contents",
            token="ContinuationToken",
            response_token="NextContinuationToken",
            Prefix=prefix,
            **self._own,
        )


def _body(stream: StreamingBody) -> bytes:
    """Read a body; of one that is larger than any document only the beginning: it could fill the memory."""
    body: bytes = stream.read(MAX_DOCUMENT_BYTES + 1)
    if len(body) > MAX_DOCUMENT_BYTES:
        return body
    # At its end botocore compares the length: a body can be cut off without an error.
    return body + stream.read()
