"""The site: every page is in it, and every link leads somewhere."""

import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from support.apps import REPOSITORY
from support.browser import browser, chromium
from support.processes import run_successfully

# In the gate test_docs finds what leads nowhere.
pytestmark = pytest.mark.slow
SEARCHED = (
    "sso",
    "blast radius",
    "cost",
    "uninstall",
    "stages",
    "rollout",
    "naming",
    "jira",
    "servicenow",
    "webhook",
    "pci",
    "auditor",
    "time zone",
    "govcloud",
    "exclude an account",
    "four eyes",
    "break glass",
    "who can delete",
    "key in use",
    "root login",
    "new account",
    "rename",
    "log retention",
    "move",
    "mfa",
    "test the alarm",
    "production",
    "private network",
    "vpc",
    "china",
    "privacy",
    "ci role",
    "ticket",
    "mailbox",
    "retries",
    "object lock",
    "control tower",
    "kms",
)
# What the site's own search shows first.
FOUND_FIRST = {
    "stop a run": "guides/operating.html",
    "retry": "guides/questions.html",
    "pytest": "guides/test-your-app.html",
    "Windows": "guides/questions.html",
    "recover an account": "guides/recover-an-account.html",
    "GDPR": "guides/questions.html",
    "throttling": "guides/questions.html",
}


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


@pytest.mark.parametrize("words", SEARCHED)
def test_the_search_has_a_title_with_the_words_that_an_operator_types(
    site: Path, words: str
) -> None:
    entries = json.loads((site / "search" / "search_index.json").read_text())["docs"]
    # The search ranks a word of a title above all others.
    assert [entry["location"] for entry in entries if words in entry["title"].lower()]


def test_the_search_shows_the_right_page_first(site: Path) -> None:
    path = chromium()
    if path is None:
        pytest.skip("there is no Chromium")
    with served(site) as url, browser(path) as page:
        for words, first in FOUND_FIRST.items():
            page.call("Page.navigate", url=f"{url}/index.html")
            page.wait_for("document.readyState === 'complete'")
            page.evaluate("document.querySelector('[data-md-component=search-query]').focus()")
            page.call("Input.insertText", text=words)
            page.wait_for(
                "document.querySelector('.md-search-result__link')"
                f"?.getAttribute('href').startsWith('{url}/{first}?h=')"
            )


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder, and yield the address: a search needs more than files."""
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    """Logs no requests."""

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def test_a_page_asks_no_other_host_for_anything(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r'(?:src|<link[^>]* href)="(https?://[^"]+)"', page.read_text())
        assert loaded == [], page.name
