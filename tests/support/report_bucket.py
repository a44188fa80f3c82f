"""The bucket of RootTasks in memory, as the command line has it: moto's S3 takes most of a run's time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import moto.s3.models
from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from moto.s3.models import FakeBucket

    from centralized_root_access.cli.from_here import MemoryBucket

BUCKET = "root-tasks"

_OPERATIONS = {"GetObject", "HeadObject", "PutObject", "ListObjectsV2", "DeleteObject"}
_CALL = "call_in_memory"


class ReportBuckets:
    """The objects of the buckets of that name that moto has had in this process."""

    def __init__(self) -> None:
        self._objects: MutableMapping[FakeBucket, MemoryBucket] = WeakKeyDictionary()

    def serve(self, client: Any) -> None:
        """Respond to the calls of a client that are for such a bucket, in place of moto."""
        if client.meta.service_model.service_name == "s3":
            client.meta.events.register_last("provide-client-params.s3", self._note)
            client.meta.events.register_last("before-call.s3", self._respond)

    def _note(self, params: dict[str, Any], model: Any, context: dict[str, Any], **_: object) -> None:
        """Remember the call as it was made: later events see the request only."""
        if params.get("Bucket") != BUCKET or model.name not in _OPERATIONS:
            return
        bucket = _find_bucket()
        if bucket is not None:
            if bucket not in self._objects:
                self._objects[bucket] = _create_bucket()
            context[_CALL] = getattr(self._objects[bucket], xform_name(model.name)), dict(params)

    def _respond(self, context: dict[str, Any], **_: object) -> tuple[AWSResponse, Any] | None:
        if _CALL not in context:
            return None
        call, params = context[_CALL]
        try:
            parsed, status = call(**params), 200
        except ClientError as error:
            parsed, status = error.response, 400
        response = AWSResponse("memory", status, HTTPHeaders(), None)
        return response, {"ResponseMetadata": {"HTTPStatusCode": status}, **parsed}


def _find_bucket() -> FakeBucket | None:
    backends = moto.s3.models.s3_backends
    if BUCKET not in backends.bucket_accounts:
        return None
    partition, account_id = backends.bucket_accounts[BUCKET]
    return backends[account_id][partition].buckets.get(BUCKET)


def _create_bucket() -> MemoryBucket:
    # Tests that run on the functions' Python have no command line.
    from centralized_root_access.cli.from_here import MemoryBucket

    class Bucket(MemoryBucket):
        def delete_object(self, *, Key: str, **_: object) -> dict[str, Any]:  # noqa: N803
            self._objects.pop(Key, None)
            return {}

    return Bucket()
