"""The one codec of all documents in S3, report.json included: dataclasses as JSON and back.

A document is one line of ASCII JSON with camelCase keys. Each has its kind and its version. A
reader ignores unknown keys and takes the default of an optional field that is missing, so a field
can be added without a new version. A document's SHA-256 is that of its stored bytes, never of a
second encoding.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from common.errors import RootAccessError
from common.typed_json import FieldError, from_json, to_json

_KIND = "kind"
_SCHEMA_VERSION = "schemaVersion"


class Document:
    """The base of dataclasses that are stored as a document of their own.

    Attributes:
        KIND: What the document is, in one word.
        SCHEMA_VERSION: Bump when readers of earlier releases could misunderstand the document.
    """

    KIND: ClassVar[str]
    SCHEMA_VERSION: ClassVar[int] = 1


D = TypeVar("D", bound=Document)


@dataclass(eq=False, kw_only=True)
class DecodingError(RootAccessError):
    """Bytes are not the expected document. The message repeats nothing of their content.

    Attributes:
        kind: The expected kind of document.
        problem: What is wrong, in a few words.
        path: Where, such as ``results[3].outcome``; None for the whole document.
    """

    kind: str
    problem: str
    path: str | None = None

    def __str__(self) -> str:
        return f"This {self.kind} cannot be read: {self.path or 'it'} {self.problem}."


def encode(document: Document, *, derived: Mapping[str, Any] | None = None) -> bytes:
    """Return a document's bytes. The same document gives the same bytes.

    Args:
        document: The document, a dataclass.
        derived: More keys for other readers; `decode` ignores them.

    Raises:
        ValueError: A time has no time zone.
    """
    values = {
        _SCHEMA_VERSION: document.SCHEMA_VERSION,
        _KIND: document.KIND,
        **to_json(derived or {}),
        **to_json(document),
    }
    return json.dumps(values, separators=(",", ":")).encode("ascii") + b"\n"


def decode(type_: type[D], data: bytes) -> D:
    """Return the document that `encode` returned the bytes of, in this release or another one.

    Args:
        type_: The document's class.
        data: The bytes.

    Raises:
        DecodingError: The document is damaged, another one, or of a version that this release does
            not read.
    """
    try:
        document = json.loads(data.decode())
    except (ValueError, RecursionError):
        # `from None`: these errors quote what they failed on.
        raise DecodingError(kind=type_.KIND, problem="is not JSON") from None
    if not isinstance(document, dict) or document.get(_KIND) != type_.KIND:
        raise DecodingError(kind=type_.KIND, problem="is another document")
    if document.get(_SCHEMA_VERSION) != type_.SCHEMA_VERSION:
        problem = f"has another version than {type_.SCHEMA_VERSION}, which this release reads"
        raise DecodingError(kind=type_.KIND, problem=problem)
    try:
        return from_json(type_, document)  # type: ignore[no-any-return]
    except FieldError as error:
        raise DecodingError(
            kind=type_.KIND, problem=error.problem, path=error.path or None
        ) from None
