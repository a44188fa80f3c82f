"""The last recovery of each account, in the report bucket."""

from __future__ import annotations

from ..model.codec import decode, encode
from ..model.run_documents import Recovery
from .report_bucket import Bucket

_RECOVERIES = "recoveries/"


def recovery_key(account_id: str) -> str:
    """Return the key of an account's recovery."""
    return f"{_RECOVERIES}{account_id}.json"


class RecoveryStore:
    """The last recovery of each account. It decides nothing without the report that it names."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def write(self, account_id: str, recovery: Recovery) -> None:
        """Store the recovery of an account, in place of an earlier one."""
        self._bucket.write(recovery_key(account_id), encode(recovery))

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
        return decode(Recovery, self._bucket.read(recovery_key(account_id)))
