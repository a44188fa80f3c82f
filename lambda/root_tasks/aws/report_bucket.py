"""The objects of the bucket of a RootTasks: read, written on a condition, and listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aws_calls.calls import AwsCalls, require
from aws_calls.failures import CallError, call_errors

# The condition of a write that replaces nothing.
IF_NEW = {"IfNoneMatch": "*"}
_GET = "s3:GetObject"
_GET_VERSION = "s3:GetObjectVersion"
_LIST = "s3:ListBucket"
_LIST_VERSIONS = "s3:ListBucketVersions"


@dataclass(frozen=True, kw_only=True)
class ObjectVersion:
    """A version of an object.

    Attributes:
        modified_at: When S3 stored it, in whole seconds.
        is_latest: Whether it is what a read without an ID returns.
    """

    id: str
    etag: str
    modified_at: datetime
    is_latest: bool


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """The objects of a bucket.

    Attributes:
        aws: The calls of the caller.
        name: The bucket's name.
        account_id: The account that has to own the bucket: a name alone could be another account's.
    """

    aws: AwsCalls
    name: str
    account_id: str

    def read(self, key: str, *, version: str | None = None) -> bytes:
        """Return an object's bytes, or those of one of its versions."""
        s3 = self.aws.clients("s3")
        operation, parameters = _GET, {**self._bucket_parameters, "Key": key}
        if version is not None:
            operation, parameters["VersionId"] = _GET_VERSION, version

        def read_once() -> bytes:
            with call_errors(operation):
                body: bytes = s3.get_object(**parameters)["Body"].read()
                return body

        # Not by `call`: the connection can also break while the body is read.
        return self.aws.budget.attempt(read_once, operation=operation)

    def read_if_there(self, key: str) -> bytes | None:
        """Return an object's bytes; None if there is no such object.

        S3 denies an object that does not exist to a role that may not list the whole bucket, so
        what is denied is looked up in the list:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        """
        try:
            return self.read(key)
        except CallError as error:
            name = error.failure.name
            if name == "NoSuchKey" or (name == "AccessDenied" and key not in self.keys(key)):
                return None
            raise

    def write(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "application/json",
        condition: Mapping[str, str] | None = None,
    ) -> bool:
        """Write an object, and return whether it was written: not if the condition did not hold.

        A conflict with another write in progress (409) says nothing of the condition: it is
        retried.

        Args:
            key: The object's key.
            body: Its bytes.
            content_type: The value of the HTTP header.
            condition: The parameter of PutObject that is the condition, such as IF_NEW; None to
                replace whatever is there.
        """
        try:
            self.aws.call(
                "s3:PutObject",
                **self._bucket_parameters,
                Key=key,
                Body=body,
                ContentType=content_type,
                **(condition or {}),
            )
        except CallError as error:
            # An object that was deleted after its ETag was read has no ETag to match: NoSuchKey.
            if condition and error.failure.name in ("PreconditionFailed", "NoSuchKey"):
                return False
            raise
        return True

    def claim(self, key: str, body: bytes) -> bool:
        """Write an object unless there is one, and return whether it has these bytes now."""
        # It also has them if an earlier attempt wrote it and its response was lost.
        return self.write(key, body, condition=IF_NEW) or self.read(key) == body

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with a prefix, in their order."""
        entries = self.aws.pages(
            _LIST,
            items="Contents",
            token="ContinuationToken",
            response_token="NextContinuationToken",
            Prefix=prefix,
            **self._bucket_parameters,
        )
        return (entry["Key"] for entry in entries)

    def versions(self, key: str) -> list[ObjectVersion]:
        """Return the versions of an object, readable or not: the newest first, a thousand at most.

        If the object was deleted, none of them is the latest one.
        """
        response = self.aws.call(_LIST_VERSIONS, Prefix=key, **self._bucket_parameters)
        return [
            ObjectVersion(
                id=require(entry, "VersionId", operation=_LIST_VERSIONS),
                etag=require(entry, "ETag", operation=_LIST_VERSIONS),
                modified_at=require(entry, "LastModified", operation=_LIST_VERSIONS),
                is_latest=require(entry, "IsLatest", operation=_LIST_VERSIONS),
            )
            # The response lacks a list that is empty.
            for entry in response.get("Versions", ())
            if entry["Key"] == key
        ]

    @property
    def _bucket_parameters(self) -> dict[str, Any]:
        """What each call names: the bucket, and the account that has to own it."""
        return {"Bucket": self.name, "ExpectedBucketOwner": self.account_id}
