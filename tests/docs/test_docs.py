"""The documentation keeps up with the code."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from constructs import Construct

import centralized_root_access as library
from centralized_root_access.cli.main import main
from root_tasks.report.next_steps import KEY_QUERY
from support.apps import REPOSITORY, read_page
from support.pages import PAGES, code_blocks

README = (REPOSITORY / "README.md").read_text()
API = read_page("reference/api.md")
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def generator() -> dict[str, Any]:
    """Return the functions of docs/generate.py."""
    return runpy.run_path(str(REPOSITORY / "docs" / "generate.py"))


def test_the_api_reference_describes_every_argument() -> None:
    for section in re.split("^##+ ", API, flags=re.MULTILINE):
        table = re.search(r"^\| argument .*?\n\n", section, re.MULTILINE | re.DOTALL)
        described = re.findall(r"^\| `(\w+)` \|", table[0] if table else "", re.MULTILINE)
        assert described == re.findall(r"^    (\w+): ", section, re.MULTILINE), section


@pytest.mark.parametrize(
    ("what", "file"),
    [
        ("reference", "docs/reference/api.md"),
        ("report_schema", "docs/reference/report.schema.json"),
        ("command_line", "docs/reference/command-line.md"),
        ("permissions", "docs/reference/permissions.md"),
    ],
)
def test_what_is_generated_is_up_to_date(generator: dict[str, Any], what: str, file: str) -> None:
    assert generator[what]() == (REPOSITORY / file).read_text(), "Run `make docs`."


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives a page's headings."""
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?://)([^)]+)\)", page.read_text()):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_documented_make_target_exists() -> None:
    documented = {
        target
        for page in PAGES
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)
    }
    assert {"local-deploy", "test"} <= documented <= MAKE_TARGETS


def test_the_readme_is_short_and_says_first_what_has_not_run_on_aws() -> None:
    assert len(README.splitlines()) <= 140
    assert README.index("deployment has run on AWS") < README.index("](docs/overview.svg)")


def test_the_readme_lists_every_construct_and_command() -> None:
    box = README.partition("## What is in the box\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([^`]+)`", box))
    constructs = {name for name in library.__all__ if issubclass(getattr(library, name), Construct)}
    # add_drift_check returns the one that is missing.
    assert constructs - named == {"DriftCheck"}
    assert main.commands.keys() <= {name.partition(" --")[0] for name in named}


def test_the_index_of_the_examples_has_each_of_them() -> None:
    index = re.findall(
        r"^\| \[[\w./-]+\]\((.*?)\) \|",
        (REPOSITORY / "examples" / "README.md").read_text(),
        re.MULTILINE,
    )
    files = {path.name for path in (REPOSITORY / "examples").iterdir()} - {"README.md"}
    assert set(index) == files | {"../app.py"}


def test_the_docs_have_the_query_for_access_keys_that_reports_have() -> None:
    shown = [
        " ".join(block.text.split()) for block in code_blocks("") if "like /^AKIA/" in block.text
    ]
    assert shown == [KEY_QUERY]
