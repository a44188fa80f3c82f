"""The documents in S3, as version 1 has them: every later release has to read them."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from root_tasks.model.codec import Document, decode, encode

# Which knows every kind of document.
import_module("root_tasks.handlers")
TYPE_BY_KIND = {
    type_.KIND: type_
    for type_ in Document.__subclasses__()
    if type_.__module__.startswith("root_tasks.")
}
FOLDER = Path(__file__).parents[2] / "data" / "documents"
# Never change or remove a file that a release has written. When a field is added, which has to be
# optional, add a file that has it, and only read the one that does not.
PATH_BY_NAME = {path.name: path for path in FOLDER.glob("*.json")}
each_document = pytest.mark.parametrize("name", sorted(PATH_BY_NAME))


def stored_json(name: str) -> dict[str, Any]:
    """Return a document of version 1, as a release has stored it."""
    document: dict[str, Any] = json.loads(PATH_BY_NAME[name].read_bytes())
    return document


def decoded(document: dict[str, Any]) -> Document:
    """Return a document as this release reads it."""
    return decode(TYPE_BY_KIND[document["kind"]], json.dumps(document).encode())


def encoded_again(name: str) -> bytes:
    """Return the bytes that this release stores of a document.

    A report's summary and totals are taken over: they are derived from it elsewhere.
    """
    document = stored_json(name)
    derived: dict[str, object] = {
        key: document[key] for key in ("summary", "totals") if key in document
    }
    return encode(decoded(document), derived=derived)


def with_unknown_keys(value: Any) -> Any:
    """Return a document as a later release may write it: with one more key in every object."""
    if isinstance(value, dict):
        return {
            "addedLater": {"by": ["a later release"]},
            **{key: with_unknown_keys(member) for key, member in value.items()},
        }
    return [with_unknown_keys(entry) for entry in value] if isinstance(value, list) else value


def test_each_kind_of_document_is_stored_as_this_release_writes_it() -> None:
    assert {stored_json(name)["kind"] for name in PATH_BY_NAME} == set(TYPE_BY_KIND)


@each_document
def test_this_release_stores_the_same_bytes(name: str) -> None:
    assert encoded_again(name) == PATH_BY_NAME[name].read_bytes()


@each_document
def test_keys_of_a_later_release_are_ignored(name: str) -> None:
    assert decoded(with_unknown_keys(stored_json(name))) == decoded(stored_json(name))
