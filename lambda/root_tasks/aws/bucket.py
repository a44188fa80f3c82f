"""The objects of a bucket in S3: read, written on a condition, and listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_calls.failures import CallError
from aws_calls.responses import call, pages, require
from common.errors import RootAccessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

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
            return {"Body": response["Body"].read()}

        body: bytes = self._call(get_object, "s3:GetObject", Key=key).require("Body")
        return body

    def read_if_readable(self, key: str) -> bytes:
        """Return an object's bytes.

        Raises:
            UnreadableObjectError: S3 refuses to return it, for example because its key is disabled.
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

        A conflict with another write in progress (409) says nothing of the condition: it is
        retried.
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
        """Write an object that is written once, and return whether it is this one."""
        # The response to an earlier attempt may have been lost.
        return self.write(key, body, condition=IF_NEW) or self.read(key) == body

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
