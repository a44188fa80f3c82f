"""Each sentence of the pages that says never, always, only, each or exactly is kept by a test."""

import re
import tomllib
from collections import defaultdict
from pathlib import Path

from support.apps import REPOSITORY
from support.pages import sentences

_ABSOLUTE = re.compile(r"\b(never|always|only|each|exactly)\b", re.IGNORECASE)
_TEST = re.compile(r"(?P<file>tests/[\w/]+\.py)::(?P<name>test_\w+)")
# What a sentence is that no test keeps: it says what AWS does, with the page that says so; what
# a reader does; or what a word means, or a page has.
_OTHERWISE = re.compile(
    r"(AWS: (https://docs\.aws\.amazon\.com/|docs/)|the reader: |the words: ).+"
)


def _listed() -> dict[str, dict[str, list[str]]]:
    """Return what keeps each sentence, by pages."""
    listed: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for file in sorted((REPOSITORY / "tests/docs/promises").glob("*.toml")):
        for page, keepers in tomllib.loads(file.read_text()).items():
            for sentence, keeper in keepers.items():
                listed[page][sentence] = [keeper] if isinstance(keeper, str) else keeper
    return listed


def _said() -> dict[str, set[str]]:
    """Return the sentences of the pages that say one of the words, by pages."""
    said = {}
    for page in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))):
        absolute = {sentence for sentence in sentences(page) if _ABSOLUTE.search(sentence)}
        if absolute:
            said[str(page.relative_to(REPOSITORY))] = absolute
    return said


def test_each_absolute_sentence_of_a_page_names_what_keeps_it() -> None:
    listed = {page: set(keepers) for page, keepers in _listed().items()}
    said = {page: absolute for page, absolute in _said().items() if page in listed}
    assert listed == said, (
        "Name in tests/docs/promises the test that fails if the sentence is no longer true."
    )


def test_what_keeps_a_sentence_exists() -> None:
    for page, keepers in _listed().items():
        for sentence, names in keepers.items():
            for name in names:
                if test := _TEST.fullmatch(name):
                    source = Path(REPOSITORY / test["file"]).read_text()
                    assert f"def {test['name']}(" in source, (page, sentence)
                else:
                    assert _OTHERWISE.fullmatch(name), (page, sentence)
