"""The project speaks as AWS's documentation does, and its functions are named by verbs and nouns.

The strings and docstrings of the code, the pages of the documentation and the report's page are searched for
turns of phrase that a native reader would stumble over.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from support.apps import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDERS = "acceptance benchmarks constructs docs examples lambda local_aws tests/support"
CODE = [path for folder in FOLDERS.split() for path in sorted((ROOT / folder).rglob("*.py"))]
PROSE = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "Makefile")),
    *(ROOT / name for name in ("pyproject.toml", ".pre-commit-config.yaml", "examples/github-actions.yml")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "docs" / "report.schema.json",
    ROOT / "lambda" / "root_tasks" / "report" / "page.html",
]
# Each turn of phrase, with an example.
PHRASES = {
    r"(?<!there )\b(?:is|are|was|were) no (?!longer|more|other|need|way|such)": "It is no list.",
    r"(?<!there )\b(?:is|are) none\b": "The task is none of AWS's.",
    r"\btold\b": "The owner is told.",
    r"\btells?\b": "It tells what AWS returned.",
    r"\bbeside\b": "A log group beside the function.",
    r"\bfor ever\b": "Kept for ever.",
    r"(?:^|[.;] )else\b": "The reason; else an empty string.",
    r"\bwhoever\b": "Whoever may write to it.",
    r"\bthat (?:is|are) to be\b": "The feature that is to be enabled.",
    r"\bwhat is there\b": "Compare it with what is there.",
    r"\bside by side\b": "Four reads, side by side.",
    r": such as\b": "Durations: such as hours.",
    r"^(?:#+ )?made (?:by|from|of)\b": "Made by add_drift_check.",
    r"\bput(?:s|ting)?(?: \w+){0,2} back\b": "It put the policy back.",
    r"\b(?:switch|turn)(?:s|es|ed|ing)?(?: (?!to\b)\w+){0,3} (?:on|off)\b": "It switches trusted access off.",
    r"\banswer(?:s|ed|ing)?\b": "The call answers with an error.",
    r"\bcould not look\b": "Account X could not look.",
}
ANY_PHRASE = re.compile("|".join(PHRASES), re.IGNORECASE | re.MULTILINE)
LIMIT = re.compile(r"_?(?:LONGEST|LARGEST|MOST)_[A-Z]")
NO_PARTICIPLES = re.compile("(?:bl|br|f|n|s|sp)eed|bed|embed|red|shed|exceed|proceed|succeed")
# Without those that are also the verb: cut, hit, let, put, read, run, set, split.
IRREGULAR = re.compile(
    "begun|bought|broken|brought|built|caught|chosen|done|drawn|driven|fallen|felt|forgotten|found|frozen|given|"
    "gone|got|gotten|grown|heard|held|hidden|hung|kept|known|laid|led|left|lent|lost|made|meant|met|overwritten|"
    "paid|proven|rebuilt|rewritten|said|seen|sent|shaken|shown|sold|sought|spent|stolen|struck|stuck|taken|taught|"
    "thought|thrown|told|torn|understood|undone|withdrawn|withheld|won|worn|written"
)
# What AWS, CloudFormation and Lambda call things.
TERMS = re.compile(
    "access_denied|delegated_administrator|delegated_service|desired_state|invoked_function|"
    "last_used|nested_stack|trusted_access_enabled_at|trusted_access|trusted_service"
)
# A predicate, or a verb whose object may end in a participle: wait_until_created.
PREDICATES = {"is", "are", "was", "has", "have", "can", "may", "should", "must", "test"}
VERBS = {"assert", "expect", "find", "get", "mark", "record", "refuse", "require", "wait"}
# Names that are not ours: moto's, asyncio's; and an outcome.
ALLOWED = {"serialized", "connection_made", "connection_lost", "data_received", "already_done"}


def phrases(text: str) -> Iterator[str]:
    for match in ANY_PHRASE.finditer(text):
        yield " ".join(text[max(0, match.start() - 40) : match.end() + 40].split())


def is_participle(word: str) -> bool:
    return bool(IRREGULAR.fullmatch(word) or (word.endswith("ed") and not NO_PARTICIPLES.fullmatch(word)))


def is_named_by_a_participle(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    words = TERMS.sub("", function.name.strip("_").lower()).strip("_").split("_")
    if words[0] in PREDICATES or "fixture" in "".join(map(ast.unparse, function.decorator_list)):
        return False
    return is_participle(words[0]) or (is_participle(words[-1]) and words[0] not in VERBS)


def findings(source: str) -> Iterator[str]:
    """Yield the phrases in the strings of Python code, and its functions and constants with such a name."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=str(text)):
                yield from phrases(text)
            case ast.FunctionDef() | ast.AsyncFunctionDef() if is_named_by_a_participle(node):
                yield node.name
            case ast.Name(id=name, ctx=ast.Store()) if LIMIT.match(name):
                yield name


def test_the_words_and_names_are_those_of_aws() -> None:
    code = {path: set(findings(path.read_text())) for path in (*CODE, ROOT / "app.py")}
    prose = {path: set(phrases(path.read_text())) for path in PROSE}
    found = {str(path.relative_to(ROOT)): here - ALLOWED for path, here in (code | prose).items()}
    assert {path: here for path, here in found.items() if here} == {}
    assert set().union(*code.values()) == ALLOWED, "An exception that nothing needs."
