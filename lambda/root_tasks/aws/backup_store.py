"""The policies that runs removed or replaced, in the report bucket."""

from __future__ import annotations

import re
import urllib.parse

from ..model.codec import decode, encode
from ..model.run_documents import Backup
from .checksums import ChecksumMismatchError, sha256
from .report_bucket import Bucket

BACKUP_REFERENCE = re.compile(
    r"backups/[^/\s]{1,80}/[0-9]{12}/[A-Za-z0-9._%-]{1,255}/[0-9a-f]{64}\.json"
)


class BackupStore:
    """The policies that runs removed or replaced. A backup never expires."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def write(self, backup: Backup) -> str:
        """Store a policy, and return its reference: the key, with the SHA-256 of the bytes."""
        body = encode(backup)
        # The name of a queue is the end of its ARN; older buckets have names that need quoting.
        name = urllib.parse.quote(backup.id.rpartition(":")[2], safe="")
        reference = f"backups/{backup.run_id}/{backup.account_id}/{name}/{sha256(body)}.json"
        # It replaces what is there: the key has the hash of these bytes, so nothing else is a
        # backup.
        self._bucket.write(reference, body)
        return reference

    def references(self, run_id: str, account_id: str) -> list[str]:
        """Return the references of the backups that a run has stored in an account."""
        keys = self._bucket.keys(f"backups/{run_id}/{account_id}/")
        return list(filter(BACKUP_REFERENCE.fullmatch, keys))

    def read(self, reference: str) -> Backup | None:
        """Return a policy that this release or an earlier one backed up; None if there is none.

        Raises:
            CallError: S3 refuses to return it, for example because of its encryption key.
            ChecksumMismatchError: It is not what was stored.
            DecodingError: It is not a backup, or of another version.
        """
        body = self._bucket.read_if_there(reference)
        if body is None:
            return None
        if reference.rpartition("/")[2] != f"{sha256(body)}.json":
            raise ChecksumMismatchError(reference)
        return decode(Backup, body)
