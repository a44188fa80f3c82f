"""The bucket of RootTasks in memory, as the command line has it: moto's S3 takes most of a run's time."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import moto.s3.models
from botocore import xform_name

from support.responding import respond_to

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from moto.s3.models import FakeBucket

    from centralized_root_access.cli.from_here import MemoryBucket

BUCKET = "root-tasks"

_OPERATIONS = {
    "GetObject",
    "HeadObject",
    "PutObject",
    "ListObjectsV2",
    "ListObjectVersions",
    "DeleteObject",
}


class ReportBuckets:
    """The objects of the buckets of that name that moto has had in this process."""

    def __init__(self) -> None:
        self._objects: MutableMapping[FakeBucket, MemoryBucket] = WeakKeyDictionary()

    def serve(self, client: Any) -> None:
        """Respond to the calls of a client that are for such a bucket, in place of moto."""
        # Tests that run on the functions' Python have no command line: they keep moto's.
        if client.meta.service_model.service_name == "s3" and find_spec("centralized_root_access"):
            respond_to(client, self._respond)

    def _respond(self, operation: str, parameters: dict[str, Any]) -> Mapping[str, Any] | None:
        if parameters.get("Bucket") != BUCKET or operation not in _OPERATIONS:
            return None
        bucket = _find_bucket()
        if bucket is None:
            return None
        if bucket not in self._objects:
            self._objects[bucket] = _create_bucket()
        response: Mapping[str, Any] = getattr(self._objects[bucket], xform_name(operation))(**parameters)
        return response


def _find_bucket() -> FakeBucket | None:
    backends = moto.s3.models.s3_backends
    if BUCKET not in backends.bucket_accounts:
        return None
    partition, account_id = backends.bucket_accounts[BUCKET]
    return backends[account_id][partition].buckets.get(BUCKET)


def _create_bucket() -> MemoryBucket:
    from centralized_root_access.cli.from_here import MemoryBucket

    class Bucket(MemoryBucket):
        def __init__(self) -> None:
            super().__init__()
            self._versions: Counter[str] = Counter()

        def put_object(self, *, Key: str, **parameters: Any) -> dict[str, Any]:  # noqa: N803
            response = super().put_object(Key=Key, **parameters)
            self._versions[Key] += 1
            return response

        def delete_object(self, *, Key: str, **_: object) -> dict[str, Any]:  # noqa: N803
            self._objects.pop(Key, None)
            self._versions[Key] += 1
            return {}

        def list_object_versions(self, *, Prefix: str, **_: object) -> dict[str, Any]:  # noqa: N803
            keys = sorted(key for key in self._versions.elements() if key.startswith(Prefix))
            return {"IsTruncated": False, "Versions": [{"Key": key} for key in keys]}

    return Bucket()
