"""The site: every page is in it, and every link leads somewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.apps import EXAMPLES, ROOT

# In the gate test_docs finds what leads nowhere.
pytestmark = pytest.mark.slow
CONFIGURATION = ROOT / "mkdocs.yml"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = build(CONFIGURATION, folder)
    assert built.returncode == 0, built.stdout
    return folder


def build(configuration: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("mkdocs"), "build", "-f", configuration, "-d", folder],
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_every_page_of_the_documentation_is_in_the_site_and_its_links_lead_somewhere(site: Path) -> None:
    """A strict build fails on links and anchors that do not exist, and on pages that the navigation lacks."""
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")}
    assert pages <= {page.stem for page in site.glob("*.html")}


def test_a_page_shows_the_code_of_every_example(site: Path) -> None:
    page = (site / "examples.html").read_text()
    assert set(re.findall(r'<h2 id="[^"]*">([\w.-]+)', page)) >= {example.name for example in EXAMPLES}


def test_every_item_of_a_list_is_one_in_the_site(site: Path) -> None:
    """After a block of code or a second paragraph the site takes an item for text, where GitHub does not."""
    for page in (ROOT / "docs").glob("*.md"):
        prose = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        items = re.findall(r"^ *(?:\d+\.|-) ", prose, re.MULTILINE)
        assert (site / f"{page.stem}.html").read_text().count("<li>") == len(items), page.name


@pytest.mark.parametrize(
    ("words", "location"),
    [
        ("sso", "command-line.html#operators-who-sign-in-by-iam-identity-center-sso"),
        ("blast radius", "security-model.html#blast-radius-who-can-do-what"),
        ("stop a run", "operating.html#stop-a-run"),
        ("cost", "costs.html"),
        *(
            (words, f"questions.html#{anchor}")
            for words, anchor in {
                "uninstall": "uninstall",
                "stages": "stages-and-rollout",
                "rollout": "stages-and-rollout",
                "naming": "naming-and-renaming",
                "jira": "jira-servicenow-and-other-webhooks",
                "servicenow": "jira-servicenow-and-other-webhooks",
                "webhook": "jira-servicenow-and-other-webhooks",
                "pci": "pci-soc-2-iso-27001-for-an-auditor",
                "auditor": "pci-soc-2-iso-27001-for-an-auditor",
                "time zone": "time-zone",
                "govcloud": "govcloud",
                "exclude an account": "exclude-an-account",
                "four eyes": "four-eyes",
                "break glass": "break-glass",
                "who can delete": "who-can-delete",
                "key in use": "key-in-use",
                "root login": "root-login",
                "new account": "new-account",
            }.items()
        ),
    ],
)
def test_the_search_has_a_title_with_the_words_that_an_operator_types(
    site: Path, words: str, location: str
) -> None:
    entries = json.loads((site / "search" / "search_index.json").read_text())["docs"]
    # The search ranks a word of a title above all others.
    assert location in [entry["location"] for entry in entries if words in entry["title"].lower()]


def test_a_page_asks_no_other_host_for_anything(site: Path) -> None:
    for page in site.glob("*.html"):
        loaded = re.findall(r'(?:src|<link[^>]* href)="(https?://[^"]+)"', page.read_text())
        assert loaded == [], page.name


def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path) -> None:
    documentation = tmp_path / "docs"
    documentation.mkdir()
    (documentation / "index.md").write_text("[Nowhere](../nowhere.md)\n")
    configuration = yaml.safe_load(CONFIGURATION.read_text())
    configuration |= {
        "docs_dir": str(documentation),
        "hooks": [str(ROOT / "docs" / "site_pages.py")],
        "nav": [{"Start": "index.md"}],
    }
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(configuration))
    built = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert built.returncode != 0
    assert "nowhere.md" in built.stdout
