"""The one codec of all documents in S3, report.json included: dataclasses as JSON and back.

A document is one line of ASCII JSON with camelCase keys. Each has its kind and its version. A
reader ignores unknown keys and takes the default of an optional field that is missing, so a field
can be added without a new version. A document's SHA-256 is that of its stored bytes, never of a
second encoding.
"""

from __future__ import annotations

import dataclasses
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from common.errors import RootAccessError
from common.typed_json import FieldError, fields_by_key, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

_KIND = "kind"
_SCHEMA_VERSION = "schemaVersion"


class Document:
    """The base of dataclasses that are stored as a document of their own.

    Attributes:
        KIND: What the document is, in one word.
        SCHEMA_VERSION: Bump when readers of earlier releases could misunderstand the document.
        ENTRY: The dataclass of the entries of its longest list. They are decoded as they are
            parsed: the tree of a long list takes several times the memory of its entries.
        REPEATED: Keys of these entries whose strings are few: each is kept in memory once.
    """

    KIND: ClassVar[str]
    SCHEMA_VERSION: ClassVar[int] = 1
    ENTRY: ClassVar[type | None] = None
    REPEATED: ClassVar[tuple[str, ...]] = ()


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
        return f"This {self.kind} is damaged: {self.path or 'it'} {self.problem}."


@dataclass(eq=False, kw_only=True)
class OtherVersionError(DecodingError):
    """A document has another version.

    Attributes:
        version: The document's version; None if it is not a number.
        supported: The version that this release reads.
    """

    problem: str = "has another version"
    version: int | None
    supported: int

    def __str__(self) -> str:
        version = "an unknown version" if self.version is None else f"version {self.version}"
        return f"This {self.kind} has {version}, and this release reads version {self.supported}."


def encode(document: Document, *, derived: Mapping[str, Any] | None = None) -> bytes:
    """Return a document's bytes. The same document gives the same bytes.

    Args:
        document: The document, a dataclass.
        derived: More keys for other readers; `decode` ignores them.

    Raises:
        ValueError: A time has no time zone.
    """
    data = io.BytesIO()
    data.writelines(_pieces(document, derived or {}))
    return data.getvalue()


def _pieces(document: Document, derived: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the bytes of a document.

    Its lists are encoded entry by entry: the tree of a long list takes several times the memory of
    its bytes.
    """
    type_: Any = type(document)
    values = {
        _SCHEMA_VERSION: document.SCHEMA_VERSION,
        _KIND: document.KIND,
        **derived,
        **{key: getattr(document, name) for key, (name, _) in fields_by_key(type_).items()},
    }
    for position, (key, value) in enumerate(values.items()):
        yield b"," if position else b"{"
        yield _json_bytes(key) + b":"
        if isinstance(value, tuple):
            yield b"["
            for place, entry in enumerate(value):
                yield (b"," if place else b"") + _json_bytes(to_json(entry))
            yield b"]"
        else:
            yield _json_bytes(to_json(value))
    yield b"}\n"


def decode(type_: type[D], data: bytes, *, omit: Collection[str] = ()) -> D:
    """Return the document that `encode` returned the bytes of, in this release or another one.

    Args:
        type_: The document's class.
        data: The bytes.
        omit: Keys of the entries of its longest list that the caller does not need. They are
            optional.

    Raises:
        OtherVersionError: The document has a version that this release does not read.
        DecodingError: The document is damaged, or another one.
    """
    decode_entry = None
    if type_.ENTRY is not None:
        decode_entry = _decoder_of(type_.ENTRY, omit=omit, repeated=type_.REPEATED)
    try:
        document = json.loads(data.decode(), object_hook=decode_entry)
    except (ValueError, RecursionError):
        # `from None`: these errors quote what they failed on.
        raise DecodingError(kind=type_.KIND, problem="is not JSON") from None
    if not isinstance(document, dict) or document.get(_KIND) != type_.KIND:
        raise DecodingError(kind=type_.KIND, problem="is another document")
    version = document.get(_SCHEMA_VERSION)
    if type(version) is not int or version != type_.SCHEMA_VERSION:
        is_number = type(version) is int and 0 <= version < 1_000_000
        raise OtherVersionError(
            kind=type_.KIND, version=version if is_number else None, supported=type_.SCHEMA_VERSION
        )
    try:
        return from_json(type_, document)  # type: ignore[no-any-return]
    except FieldError as error:
        raise DecodingError(
            kind=type_.KIND, problem=error.problem, path=error.path or None
        ) from None


def _decoder_of(
    entry: type, *, omit: Collection[str], repeated: Collection[str]
) -> Callable[[dict[str, Any]], object]:
    """Return a function that decodes what can be an entry of a list, and returns anything else unchanged."""
    required = {
        key
        for key, (_, field) in fields_by_key(entry).items()
        if field.default is dataclasses.MISSING
    }
    seen: dict[str, str] = {}

    def decode_entry(value: dict[str, Any]) -> object:
        if _KIND in value or not value.keys() >= required:
            return value
        for key in omit:
            value.pop(key, None)
        for key in repeated:
            text = value.get(key)
            if isinstance(text, str):
                value[key] = seen.setdefault(text, text)
        try:
            return from_json(entry, value)
        except FieldError:
            # It is found again where its place is known.
            return value

    return decode_entry


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")
