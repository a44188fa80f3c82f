"""The documentation keeps up with the code."""

from __future__ import annotations

import re
import runpy
from typing import TYPE_CHECKING

import pytest

import centralized_root_access
from support.apps import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(ROOT / "docs").glob("*.md"),
]


def test_the_api_reference_is_up_to_date() -> None:
    generator = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    assert (ROOT / "docs" / "api.md").read_text() == generator["reference"](), "Run `make docs`."


def test_the_api_reference_has_every_public_name() -> None:
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    assert headings == centralized_root_access.__all__


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)]+)\)", page.read_text())
    anchors = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    }
    for link in links:
        file, _, anchor = link.partition("#")
        assert (page.parent / file).exists(), link
        assert file or anchor in anchors, link


def test_every_make_target_that_is_told_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = {target for page in PAGES for target in re.findall(r"\bmake ([a-z-]+)`", page.read_text())}
    assert told <= targets
