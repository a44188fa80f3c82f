"""The recoveries that are to be closed, in the report bucket."""

from __future__ import annotations

from ..model.codec import decode, encode
from ..model.run_documents import Recovery
from .report_bucket import Bucket

_RECOVERIES = "recoveries/"


class RecoveryStore:
    """The recoveries that are to be closed: the last one of each account."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def write(self, recovery: Recovery) -> None:
        """Store a recovery, in place of an earlier one of the same account."""
        self._bucket.write(f"{_RECOVERIES}{recovery.account_id}.json", encode(recovery))

    def accounts(self) -> list[str]:
        """Return the accounts that have one."""
        keys = self._bucket.keys(_RECOVERIES)
        return [key.removeprefix(_RECOVERIES).removesuffix(".json") for key in keys]

    def read(self, account_id: str) -> Recovery:
        """Return the recovery of an account.

        Raises:
            CallError: It cannot be read.
            DecodingError: It is damaged, or of another version.
        """
        return decode(Recovery, self._bucket.read(f"{_RECOVERIES}{account_id}.json"))
