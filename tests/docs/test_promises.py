"""Each sentence of the pages that says never, always, only, each or exactly is kept by a test."""

import re
import tomllib

from support.apps import REPOSITORY
from support.pages import PAGES, sentences

_ABSOLUTE = re.compile(r"\b(never|always|only|each|exactly)\b", re.IGNORECASE)
_TEST = re.compile(r"(?P<file>tests/[\w/]+\.py)::(?P<name>test_\w+)")
# What a sentence is that no test keeps: it says what AWS does, with the page that says so, or what
# a reader does.
_OTHERWISE = re.compile(r"(AWS: (https://docs\.aws\.amazon\.com/|docs/)|the reader: ).+")


def _listed() -> dict[str, dict[str, list[str]]]:
    """Return what keeps each sentence, by pages."""
    return tomllib.loads((REPOSITORY / "tests/docs/promises.toml").read_text())


def test_each_absolute_sentence_of_a_page_names_what_keeps_it() -> None:
    said = {}
    for page in PAGES:
        absolute = {sentence for sentence in sentences(page) if _ABSOLUTE.search(sentence)}
        # Contributors read how the work is done there.
        if absolute and page.name != "CONTRIBUTING.md":
            said[str(page.relative_to(REPOSITORY))] = absolute
    assert {page: set(keepers) for page, keepers in _listed().items()} == said, (
        "Name in tests/docs/promises.toml the test that fails if the sentence is no longer true."
    )


def test_what_keeps_a_sentence_exists() -> None:
    for keepers_by_sentence in _listed().values():
        for sentence, keepers in keepers_by_sentence.items():
            for keeper in keepers:
                if test := _TEST.fullmatch(keeper):
                    source = (REPOSITORY / test["file"]).read_text()
                    assert f"def {test['name']}(" in source, sentence
                else:
                    assert _OTHERWISE.fullmatch(keeper), sentence
