"""The bucket of RootTasks in memory: moto's S3 takes most of a run's time."""

import io
import threading
from collections.abc import Mapping, MutableMapping
from typing import Any
from weakref import WeakKeyDictionary

import moto.s3.models
from botocore import xform_name
from moto.s3.models import FakeBucket

from root_tasks.aws.checksums import sha256
from support.responding import client_error, respond_to

REPORT_BUCKET = "root-tasks"


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
            self._objects[bucket] = MemoryBucket()
        response: Mapping[str, Any] = getattr(self._objects[bucket], method)(**parameters)
        return response


def _find_moto_bucket() -> FakeBucket | None:
    """Return moto's bucket of this name: it says in which organization the objects are."""
    backends = moto.s3.models.s3_backends
    if REPORT_BUCKET not in backends.bucket_accounts:
        return None
    partition, account_id = backends.bucket_accounts[REPORT_BUCKET]
    return backends[account_id][partition].buckets.get(REPORT_BUCKET)


class MemoryBucket:
    """The calls of S3 that the functions make, on objects in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: dict[str, bytes] = {}

    def get_object(self, *, Key: str, **_: object) -> dict[str, Any]:  # noqa: N803
        """Return an object, as S3 does."""
        with self._lock:
            if Key not in self._objects:
                raise client_error("NoSuchKey", "NoSuchKey", operation="GetObject")
            return {"Body": io.BytesIO(self._objects[Key])}

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
            etag = sha256(self._objects[Key]) if Key in self._objects else None
            if (IfNoneMatch and etag) or (IfMatch and etag != IfMatch):
                raise client_error(
                    "PreconditionFailed", "PreconditionFailed", operation="PutObject"
                )
            self._objects[Key] = Body
        return {"ETag": sha256(Body)}

    def list_objects_v2(self, *, Prefix: str, **_: object) -> dict[str, Any]:  # noqa: N803
        """Return the keys with a prefix, as S3 does."""
        with self._lock:
            found = sorted(item for item in self._objects.items() if item[0].startswith(Prefix))
        return {
            "IsTruncated": False,
            "Contents": [{"Key": key, "ETag": sha256(body)} for key, body in found],
        }
