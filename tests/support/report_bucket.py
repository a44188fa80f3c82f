"""The bucket of RootTasks in memory: moto's S3 takes most of a run's time."""

import io
import threading
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

import moto.s3.models
from botocore import xform_name
from moto.s3.models import FakeBucket

from root_tasks.aws.checksums import sha256
from support.responding import client_error, respond_to

REPORT_BUCKET = "root-tasks"
# The time of each bucket, which says when its objects were stored.
_CLOCKS: MutableMapping[FakeBucket, Callable[[], datetime]] = WeakKeyDictionary()


def set_clock(now: Callable[[], datetime]) -> None:
    """Give the bucket of that name, which exists, the time of the test."""
    bucket = _find_moto_bucket()
    assert bucket is not None
    _CLOCKS[bucket] = now


class ReportBuckets:
    """The objects of the buckets of that name that moto has had in this process."""

    def __init__(self) -> None:
        self._objects: MutableMapping[FakeBucket, MemoryBucket] = WeakKeyDictionary()

    def serve(self, client: Any) -> None:
        """Respond to the calls of a client that are for such a bucket, in place of moto."""
        if client.meta.service_model.service_name == "s3":
            respond_to(client, self._respond)

    def _respond(self, operation: str, parameters: dict[str, Any]) -> Mapping[str, Any] | None:
        """Respond from memory; None leaves a call to moto, such as one for another bucket."""
        method = xform_name(operation)
        if parameters.get("Bucket") != REPORT_BUCKET or not hasattr(MemoryBucket, method):
            return None
        bucket = _find_moto_bucket()
        # Nobody has created it: moto has the error of AWS.
        if bucket is None:
            return None
        if bucket not in self._objects:
            self._objects[bucket] = MemoryBucket(_CLOCKS[bucket])
        response: Mapping[str, Any] = getattr(self._objects[bucket], method)(**parameters)
        return response


def _find_moto_bucket() -> FakeBucket | None:
    """Return moto's bucket of this name: it says in which organization the objects are."""
    backends = moto.s3.models.s3_backends
    if REPORT_BUCKET not in backends.bucket_accounts:
        return None
    partition, account_id = backends.bucket_accounts[REPORT_BUCKET]
    return backends[account_id][partition].buckets.get(REPORT_BUCKET)


@dataclass(frozen=True, kw_only=True)
class _Version:
    """A version of an object, as S3 stores it."""

    id: str
    body: bytes
    etag: str
    modified_at: datetime


class MemoryBucket:
    """The calls of S3 that the functions make, on objects in memory, of which it keeps versions.

    Args:
        now: Returns the time.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        # The versions of each object, the newest last.
        self._objects: dict[str, list[_Version]] = {}

    def get_object(
        self,
        *,
        Key: str,  # noqa: N803
        VersionId: str | None = None,  # noqa: N803
        **_: object,
    ) -> dict[str, Any]:
        """Return an object or one of its versions, as S3 does."""
        with self._lock:
            versions = self._objects.get(Key, [])
        if VersionId is not None:
            versions = [version for version in versions if version.id == VersionId]
        if not versions:
            raise client_error("NoSuchKey", "NoSuchKey", operation="GetObject")
        return {"Body": io.BytesIO(versions[-1].body)}

    def put_object(
        self,
        *,
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        **_: object,
    ) -> dict[str, Any]:
        """Store an object where the condition holds, as S3 does."""
        with self._lock:
            versions = self._objects.get(Key, [])
            etag = versions[-1].etag if versions else None
            if (IfNoneMatch and etag) or (IfMatch and etag != IfMatch):
                raise client_error(
                    "PreconditionFailed", "PreconditionFailed", operation="PutObject"
                )
            version = _Version(
                id=str(len(versions)),
                body=Body,
                etag=sha256(Body),
                # S3 has whole seconds.
                modified_at=self._now().replace(microsecond=0),
            )
            self._objects[Key] = [*versions, version]
        return {"ETag": version.etag}

    def list_objects_v2(self, *, Prefix: str, **_: object) -> dict[str, Any]:  # noqa: N803
        """Return the keys with a prefix, as S3 does."""
        contents = [
            {"Key": version["Key"], "ETag": version["ETag"]}
            for version in self.list_object_versions(Prefix=Prefix)["Versions"]
            if version["IsLatest"]
        ]
        return {"IsTruncated": False, "Contents": contents}

    def list_object_versions(self, *, Prefix: str, **_: object) -> dict[str, Any]:  # noqa: N803
        """Return the versions of the keys with a prefix, as S3 does: of each the newest first."""
        with self._lock:
            found = sorted(item for item in self._objects.items() if item[0].startswith(Prefix))
        versions = [
            {
                "Key": key,
                "VersionId": version.id,
                "ETag": version.etag,
                "LastModified": version.modified_at,
                "IsLatest": version is versions[-1],
            }
            for key, versions in found
            for version in reversed(versions)
        ]
        return {"IsTruncated": False, "Versions": versions}
