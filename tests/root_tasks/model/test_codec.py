"""Documents as JSON and back, whatever bytes there are."""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from root_tasks.model.codec import DecodingError, Document, decode, encode
from support.properties import JSON_VALUES


class Color(StrEnum):
    """An enum in a document."""

    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Page(Document):
    """A document with a field of every kind."""

    KIND: ClassVar[str] = "page"

    page_number: str
    written_at: datetime = datetime(2026, 11, 20, tzinfo=UTC)
    is_draft: bool = False
    words: int = 0
    color: Color | None = None
    inner: tuple[Line, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Line:
    """A part of the document."""

    text: str = ""


def encoded_page(**values: object) -> bytes:
    """Return the bytes of a page with these values, valid or not."""
    return json.dumps({"schemaVersion": 1, "kind": "page", "pageNumber": "7", **values}).encode()


def test_a_document_is_one_line_of_ascii_with_camel_case_keys() -> None:
    page = Page(page_number="Zürich", color=Color.RED, inner=(Line(text="a"),))
    assert encode(page) == (
        b'{"schemaVersion":1,"kind":"page","pageNumber":"Z\\u00fcrich","writtenAt":"2026-11-20T00:00:00Z",'
        b'"isDraft":false,"words":0,"color":"red","inner":[{"text":"a"}]}\n'
    )


@given(
    st.builds(
        Page,
        page_number=st.text(),
        written_at=st.datetimes(timezones=st.just(UTC)),
        is_draft=st.booleans(),
        words=st.integers(0, 1_000_000_000),
        color=st.none() | st.sampled_from(Color),
        inner=st.lists(st.builds(Line, text=st.text())).map(tuple),
    )
)
def test_a_document_read_back_is_the_document_that_was_written(page: Page) -> None:
    assert decode(Page, encode(page)) == page


@given(st.binary(max_size=200))
def test_whatever_bytes_there_are_only_a_decoding_error_is_raised(data: bytes) -> None:
    with pytest.raises(DecodingError):
        decode(Page, data)


@given(
    st.sampled_from(["pageNumber", "writtenAt", "isDraft", "words", "color", "inner"]), JSON_VALUES
)
def test_whatever_value_a_field_has_only_a_decoding_error_is_raised(key: str, value: Any) -> None:
    data = encoded_page(**{key: value})
    try:
        page = decode(Page, data)
    except DecodingError as error:
        path = error.path
    else:
        assert decode(Page, encode(page)) == page
        return
    assert path is not None
    assert path.startswith(key)


def test_optional_fields_that_an_earlier_release_did_not_have_take_their_default() -> None:
    assert decode(Page, encoded_page()) == Page(page_number="7")


def test_a_required_field_that_is_missing_is_a_decoding_error() -> None:
    with pytest.raises(DecodingError) as refused:
        decode(Page, b'{"schemaVersion":1,"kind":"page"}')
    assert (refused.value.path, refused.value.problem) == ("pageNumber", "is missing")


def test_a_time_is_read_in_utc_wherever_it_was_written() -> None:
    page = decode(Page, encoded_page(writtenAt="2026-11-20T02:00:00+02:00"))
    assert (page.written_at, page.written_at.utcoffset()) == (
        datetime(2026, 11, 20, tzinfo=UTC),
        timedelta(0),
    )


def test_a_time_is_written_in_utc_and_needs_a_time_zone() -> None:
    elsewhere = datetime(2026, 11, 19, 17, tzinfo=timezone(timedelta(hours=-7)))
    assert b'"writtenAt":"2026-11-20T00:00:00Z"' in encode(
        Page(page_number="7", written_at=elsewhere)
    )
    with pytest.raises(ValueError, match="has no time zone"):
        encode(Page(page_number="7", written_at=datetime(2026, 11, 20)))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"kind":"\xff"}', id="a byte that is not UTF-8"),
        pytest.param(b"{", id="the beginning"),
        pytest.param(encoded_page() + encoded_page(), id="two documents"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="lists in lists"),
        pytest.param(
            b'{"kind":"page","schemaVersion":' + b"9" * 5_000 + b"}", id="a number of 5,000 digits"
        ),
    ],
)
def test_damaged_bytes_are_a_decoding_error(data: bytes) -> None:
    with pytest.raises(DecodingError) as refused:
        decode(Page, data)
    assert refused.value.problem == "is not JSON"


@pytest.mark.parametrize(
    ("values", "where", "problem"),
    [
        ({"pageNumber": "\ud83d"}, "pageNumber", "has half of a surrogate pair"),
        ({"writtenAt": "2026-11-20T04:10:00"}, "writtenAt", "has no time zone"),
        ({"writtenAt": "yesterday"}, "writtenAt", "is not a time"),
        ({"writtenAt": "0001-01-01T00:00:00+23:59"}, "writtenAt", "is not a time"),
        ({"isDraft": "true"}, "isDraft", "is neither true nor false"),
        ({"isDraft": 1}, "isDraft", "is neither true nor false"),
        ({"words": -1}, "words", "is not a number from 0 to 1,000,000,000"),
        ({"words": True}, "words", "is not a number from 0 to 1,000,000,000"),
        ({"words": 1e3}, "words", "is not a number from 0 to 1,000,000,000"),
        ({"color": "blue"}, "color", "is not a valid Color"),
        ({"inner": {}}, "inner", "is not a list"),
        ({"inner": "abc"}, "inner", "is not a list"),
        ({"inner": [{}, "a line"]}, "inner[1]", "is not an object"),
        ({"inner": [{"text": 7}]}, "inner[0].text", "is not a string"),
        ({"inner": [{"text": "\udc00 alone"}]}, "inner[0].text", "has half of a surrogate pair"),
    ],
)
def test_a_damaged_field_is_refused_with_its_place(
    values: dict[str, object], where: str, problem: str
) -> None:
    with pytest.raises(DecodingError) as refused:
        decode(Page, encoded_page(**values))
    assert (refused.value.path, refused.value.problem) == (where, problem)
    assert str(refused.value) == f"This page cannot be read: {where} {problem}."


SECRET = "AKIASECRETSECRET"


# Pages that cannot be read, each with the secret in another place.
DAMAGED = [
    SECRET.encode(),
    f'"{SECRET}"'.encode(),
    f'{{"{SECRET}": "{SECRET}"'.encode(),
    f'{{"kind": "{SECRET}"}}'.encode(),
    f'{{"kind": "page", "schemaVersion": "{SECRET}"}}'.encode(),
    SECRET.encode() + b"\xff",
    *(encoded_page(**{key: SECRET}) for key in ("writtenAt", "isDraft", "color", "inner")),
    encoded_page(pageNumber=[SECRET]),
    encoded_page(inner=[SECRET]),
    encoded_page(inner=[{"text": {SECRET: SECRET}}]),
    encoded_page(inner=[{"text": f"{SECRET}\ud83d"}]),
]


@pytest.mark.parametrize("data", DAMAGED, ids=range(len(DAMAGED)))
def test_the_content_of_a_damaged_document_never_gets_into_an_error(data: bytes) -> None:
    with pytest.raises(DecodingError) as refused:
        decode(Page, data)
    # Nor into the traceback, which Lambda logs.
    logged = "".join(traceback.format_exception(refused.value))
    assert SECRET not in f"{refused.value!r} {vars(refused.value)} {logged}"


def test_half_of_a_surrogate_pair_is_written_as_something_that_can_be_read_again() -> None:
    assert decode(Page, encode(Page(page_number="half \ud83d"))).page_number == "half ?"


@pytest.mark.parametrize(
    "text", ["null", "[]", "{}", '"kind"', '{"kind":"plan","schemaVersion":1}']
)
def test_other_json_is_not_taken_for_the_document_that_was_expected(text: str) -> None:
    with pytest.raises(DecodingError) as refused:
        decode(Page, text.encode())
    assert str(refused.value) == "This page cannot be read: it is another document."


@pytest.mark.parametrize("version", [2, 0, "1", None])
def test_another_version_is_refused_with_the_one_that_is_read(version: object) -> None:
    with pytest.raises(DecodingError, match="another version than 1, which this release reads"):
        decode(Page, encoded_page(schemaVersion=version))
