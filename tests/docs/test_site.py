"""The site: every page is in it, and every link leads somewhere.

In the gate test_docs finds what leads nowhere.
"""

import os
import posixpath
import re
import sys
from pathlib import Path

import pytest

from support.apps import REPOSITORY
from support.processes import run_successfully


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site once, and return its folder."""
    folder = tmp_path_factory.mktemp("site")
    mkdocs = Path(sys.executable).with_name("mkdocs")
    run_successfully(
        mkdocs, "build", "-d", folder, cwd=REPOSITORY, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    )
    return folder


def test_every_page_of_the_documentation_is_in_the_site_and_its_links_lead_somewhere(
    site: Path,
) -> None:
    """A strict build fails on dead links and anchors, and on pages that the navigation lacks."""
    pages = {
        page.relative_to(REPOSITORY / "docs").with_suffix("")
        for page in (REPOSITORY / "docs").rglob("*.md")
    }
    assert pages <= {page.relative_to(site).with_suffix("") for page in site.rglob("*.html")}


def test_every_item_of_a_list_is_one_in_the_site(site: Path) -> None:
    """After code or a second paragraph the site takes an item for text, where GitHub does not."""
    for page in (REPOSITORY / "docs").rglob("*.md"):
        prose = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        items = re.findall(r"^ *(?:\d+\.|-) ", prose, re.MULTILINE)
        built = site / page.relative_to(REPOSITORY / "docs").with_suffix(".html")
        assert built.read_text().count("<li>") == len(items), page.name


def test_the_address_of_a_page_that_went_leads_to_where_its_content_is(site: Path) -> None:
    config = (REPOSITORY / "mkdocs.yml").read_text()
    redirects = re.findall(r"^        (\S+)\.md: (\S+)\.md$", config, re.MULTILINE)
    assert redirects
    for old, new in redirects:
        target = posixpath.relpath(f"{new}.html", posixpath.dirname(old))
        assert f'<link rel="canonical" href="{target}"' in (site / f"{old}.html").read_text()
        assert (site / f"{new}.html").exists()


def test_a_page_asks_no_other_host_for_anything(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r'(?:src|<link[^>]* href)="(https?://[^"]+)"', page.read_text())
        assert loaded == [], page.name
