"""README and the security model: each sentence with an absolute word is kept by a test."""

import re
import tomllib

import pytest

from support.apps import REPOSITORY
from support.pages import sentences

PROMISES: dict[str, dict[str, list[str]]] = tomllib.loads(
    (REPOSITORY / "tests/docs/promises.toml").read_text()
)
_ABSOLUTE = re.compile(r"\b(never|always|only|each|exactly)\b", re.IGNORECASE)
_TEST = re.compile(r"(?P<file>tests/[\w/]+\.py)::(?P<name>test_\w+)")
# What a sentence is that no test keeps: it says what AWS does, with the page that says so, or what
# a reader does.
_OTHERWISE = re.compile(r"(AWS: https://docs\.aws\.amazon\.com/|the reader: ).+")


@pytest.mark.parametrize("page", PROMISES)
def test_each_absolute_sentence_names_what_keeps_it(page: str) -> None:
    said = [sentence for sentence in sentences(REPOSITORY / page) if _ABSOLUTE.search(sentence)]
    new = [f"missing: {sentence}" for sentence in said if sentence not in PROMISES[page]]
    gone = [f"gone: {sentence}" for sentence in PROMISES[page] if sentence not in said]
    if new or gone:
        advice = "Name in tests/docs/promises.toml the test that fails if it is no longer true."
        pytest.fail("\n".join([advice, *new, *gone]), pytrace=False)


@pytest.mark.parametrize("page", PROMISES)
def test_what_keeps_a_sentence_exists(page: str) -> None:
    for sentence, keepers in PROMISES[page].items():
        for keeper in keepers:
            if test := _TEST.fullmatch(keeper):
                source = (REPOSITORY / test["file"]).read_text()
                assert f"def {test['name']}(" in source, sentence
            else:
                assert _OTHERWISE.fullmatch(keeper), sentence
