"""The project speaks as AWS's documentation does, and its functions are named by verbs and nouns.

What a reader sees is searched for turns of phrase that a native reader would stumble over: the strings and
docstrings of the code, the pages of the documentation, and the text of the report's page.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, NamedTuple

import pytest

from support.apps import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CODE = [
    path
    for folder in (
        "acceptance",
        "constructs",
        "lambda",
        "local_aws",
        "benchmarks",
        "tests/support",
        "examples",
        "docs",
    )
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "node_modules" not in path.parts
] + [ROOT / "app.py"]
PROSE = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "docs" / "report.schema.json",
    ROOT / "examples" / "github-actions.yml",
    *(ROOT / name for name in ("Makefile", "pyproject.toml", ".pre-commit-config.yaml")),
]
MARKUP = [ROOT / "lambda" / "root_tasks" / "report" / "page.html"]

PHRASES = {
    '"is no" for "is not a"': r"(?<!there )\b(?:is|are|was|were) no (?!longer|more|other|need|way|such)",
    '"is none"': r"(?<!there )\b(?:is|are) none\b",
    '"told"': r"\btold\b",
    '"tells"': r"\btells?\b",
    '"beside"': r"\bbeside\b",
    '"for ever"': r"\bfor ever\b",
    '"else" for "otherwise"': r"(?:^|[.;] )else\b",
    '"whoever"': r"\bwhoever\b",
    '"that is to be"': r"\bthat (?:is|are) to be\b",
    '"what is there"': r"\bwhat is there\b",
    '"side by side" for "in parallel"': r"\bside by side\b",
    '"such as" after a colon': r": such as\b",
    '"Made by" at the start of a text': r"^(?:#+ )?made (?:by|from|of)\b",
    '"put back" for "restore"': r"\bput(?:s|ting)?(?: \w+){0,2} back\b",
    '"switch on", "turn off" for "enable", "disable"': (
        r"\b(?:switch|turn)(?:s|es|ed|ing)?(?: (?!to\b)\w+){0,3} (?:on|off)\b"
    ),
    '"answer" for "response"': r"\banswer(?:s|ed|ing)?\b",
    '"could not look"': r"\bcould not look\b",
}
COMPILED = {name: re.compile(phrase, re.IGNORECASE | re.MULTILINE) for name, phrase in PHRASES.items()}

LIMIT = re.compile(r"_?(?:LONGEST|LARGEST|MOST)_[A-Z]")

NOUNS_AND_VERBS = re.compile("(?:bl|br|f|n|s|sp)eed|bed|embed|red|shed|exceed|proceed|succeed")
# Without those that are also the verb: cut, hit, let, put, read, run, set, split.
IRREGULAR = re.compile(
    "begun|bought|broken|brought|built|caught|chosen|done|drawn|driven|fallen|felt|"
    "forgotten|found|frozen|given|gone|got|gotten|grown|heard|held|hidden|hung|kept|known|"
    "laid|led|left|lent|lost|made|meant|met|overwritten|paid|proven|rebuilt|rewritten|said|"
    "seen|sent|shaken|shown|sold|sought|spent|stolen|struck|stuck|taken|taught|thought|"
    "thrown|told|torn|understood|undone|withdrawn|withheld|won|worn|written"
)
# What AWS, CloudFormation and Lambda call things.
TERMS = (
    "access_denied",
    "delegated_administrator",
    "delegated_service",
    "desired_state",
    "enabled_features",
    "invoked_function",
    "last_used",
    "nested_stack",
    "trusted_access_enabled_at",
    "trusted_access",
    "trusted_service",
)
PREDICATES = {"is", "are", "was", "has", "have", "can", "may", "should", "must"}
# Verbs whose object may end in a participle: wait_until_created, record_access_disabled.
VERBS = {"assert", "expect", "find", "get", "mark", "record", "refuse", "require", "wait"}


@dataclass(frozen=True)
class Allowed:
    """A finding that stays: where, what the text or the name contains, and why."""

    path: str
    text: str
    reason: str


ALLOWED = [
    Allowed("local_aws/emulation/requests.py", "serialized", "overrides a method of moto"),
    Allowed("benchmarks/stand_in_server.py", "connection_lost", "a method of asyncio's protocols"),
    Allowed("benchmarks/stand_in_server.py", "connection_made", "a method of asyncio's protocols"),
    Allowed("benchmarks/stand_in_server.py", "data_received", "a method of asyncio's protocols"),
    Allowed("lambda/root_tasks/tasks/outcomes.py", "already_done", "an outcome: the item is done already"),
]


class Finding(NamedTuple):
    path: str
    line: int
    what: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}: {self.text}"


def phrases(path: str, line: int, text: str) -> Iterator[Finding]:
    for what, phrase in COMPILED.items():
        for match in phrase.finditer(text):
            start, end = max(0, match.start() - 40), match.end() + 40
            yield Finding(
                path, line + text.count("\n", 0, match.start()), what, " ".join(text[start:end].split())
            )


def string_values(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield each string with its line: an f-string as one, with a place holder for each of its values."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        if not isinstance(node, ast.JoinedStr):
            yield from string_values(node)
        else:
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    yield from string_values(part)


def is_participle(word: str) -> bool:
    regular = word.endswith("ed") and not NOUNS_AND_VERBS.fullmatch(word)
    return regular or bool(IRREGULAR.fullmatch(word))


def is_named_by_a_participle(name: str) -> bool:
    name = name.strip("_").lower()
    for term in TERMS:
        name = name.replace(term, "")
    words = [word for word in name.split("_") if word]
    if not words or words[0] in PREDICATES or words[0] == "test":
        return False
    return is_participle(words[0]) or (is_participle(words[-1]) and words[0] not in VERBS)


def is_fixture(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("fixture" in ast.unparse(decorator) for decorator in function.decorator_list)


def findings_in_code(path: str, source: str) -> Iterator[Finding]:
    tree = ast.parse(source)
    for line, text in string_values(tree):
        yield from phrases(path, line, text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if is_named_by_a_participle(node.name) and not is_fixture(node):
                yield Finding(path, node.lineno, "a function named by a participle", node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and LIMIT.match(node.id):
            yield Finding(path, node.lineno, "a limit is a MAX_ constant", node.id)


class Page(HTMLParser):
    """The text of a page, and the strings of its script."""

    _STRING = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`")

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[tuple[int, str]] = []
        self._raw = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._raw = tag if tag in ("script", "style") else ""
        self.texts += [(self.getpos()[0], value) for _, value in attrs if value]

    def handle_endtag(self, tag: str) -> None:
        self._raw = ""

    def handle_data(self, data: str) -> None:
        line = self.getpos()[0]
        if self._raw == "script":
            for match in self._STRING.finditer(data):
                self.texts.append((line + data.count("\n", 0, match.start()), match.group()[1:-1]))
        elif not self._raw:
            self.texts.append((line, data))


def findings_in_markup(path: str, source: str) -> Iterator[Finding]:
    page = Page()
    page.feed(source)
    for line, text in page.texts:
        yield from phrases(path, line, text)


def findings_in_prose(path: str, source: str) -> Iterator[Finding]:
    yield from phrases(path, 1, source)


def is_allowed(finding: Finding, allowed: Allowed) -> bool:
    return finding.path == allowed.path and allowed.text in finding.text


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def found() -> list[Finding]:
    return [
        finding
        for paths, search in (
            (CODE, findings_in_code),
            (PROSE, findings_in_prose),
            (MARKUP, findings_in_markup),
        )
        for path in paths
        for finding in search(relative(path), path.read_text())
    ]


def test_the_words_and_names_are_those_of_aws(found: list[Finding]) -> None:
    left = [finding for finding in found if not any(is_allowed(finding, allowed) for allowed in ALLOWED)]
    assert not left, f"{len(left)} findings\n" + "\n".join(map(str, sorted(left)))


def test_each_exception_is_still_needed(found: list[Finding]) -> None:
    unused = [allowed for allowed in ALLOWED if not any(is_allowed(finding, allowed) for finding in found)]
    assert not unused, unused


@pytest.mark.parametrize(
    "sentence",
    [
        "It is no account of the organization.",
        "The task X is none of AWS's.",
        "The owner is told about it.",
        "It tells what AWS answered.",
        "A log group beside the function.",
        "Kept for ever.",
        "Retry it.\\nElse the deployment fails.",
        "The reason; else an empty string.",
        "Whoever may write to it.",
        "The feature that is to be enabled.",
        "Compare it with what is there.",
        "Four reads, side by side.",
        "Durations: such as hours.",
        "Made by add_drift_check.",
        "It put the policy back.",
        "It switches trusted access off.",
        "Turn on the feature.",
        "The call answers with an error.",
        "Account X could not look.",
    ],
)
def test_a_planted_sentence_is_found_wherever_it_stands(sentence: str) -> None:
    plain = sentence.replace("\\n", "\n")
    assert list(findings_in_prose("page.md", plain))
    assert list(findings_in_code("module.py", f'"""{plain}"""'))
    assert list(findings_in_code("module.py", f'def f():\n    raise ValueError(f"{sentence} {{1}}")'))
    assert list(findings_in_markup("page.html", f"<p>{plain}</p>"))
    assert list(findings_in_markup("page.html", f"<script>show(`{plain}`)</script>"))


@pytest.mark.parametrize(
    "sentence",
    [
        "There is no plan.",
        "The account is no longer a member.",
        "It is not a list.",
        "Otherwise the deployment fails.",
        "Enable both features.",
        "Restore the policy.",
        "A setting, such as a Duration.",
    ],
)
def test_a_good_sentence_is_not_found(sentence: str) -> None:
    assert not list(findings_in_prose("page.md", sentence))


@pytest.mark.parametrize(
    "name", ["made", "told", "_executed", "planned_for", "_policy_changed", "begun", "_kept", "written"]
)
def test_a_planted_participle_is_found(name: str) -> None:
    (finding,) = findings_in_code("module.py", f"class C:\n    async def {name}(self): pass")
    assert (finding.line, finding.text) == (2, name)


@pytest.mark.parametrize(
    "name",
    [
        "apply_step",
        "seed",
        "is_listed",
        "has_failed",
        "read",
        "put_object",
        "wait_until_created",
        "trusted_access",
    ],
)
def test_a_verb_or_a_predicate_is_not_found(name: str) -> None:
    assert not list(findings_in_code("module.py", f"def {name}(): pass"))


def test_a_fixture_may_be_named_by_a_participle() -> None:
    assert not list(findings_in_code("module.py", "@pytest.fixture(scope='module')\ndef synthesized(): pass"))


def test_a_planted_limit_is_found() -> None:
    (finding,) = findings_in_code("module.py", "_LONGEST_WAIT: int = 5")
    assert finding.text == "_LONGEST_WAIT"
