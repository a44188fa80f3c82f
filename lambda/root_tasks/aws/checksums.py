"""Checksums of stored documents, which say whether one was altered."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from common.errors import RootAccessError


@dataclass(eq=False)
class ChecksumMismatchError(RootAccessError):
    """An object's bytes are not those that were stored."""

    key: str

    def __str__(self) -> str:
        return f"{self.key} was altered after it was stored."


def sha256(body: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def verified(key: str, body: bytes, checksum: str) -> bytes:
    """Return an object's bytes if they are those that were stored.

    Raises:
        ChecksumMismatchError: They are others.
    """
    if sha256(body) != checksum:
        raise ChecksumMismatchError(key)
    return body
