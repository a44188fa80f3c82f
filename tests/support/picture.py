"""Draws the picture of the page that the README shows: PYTHONPATH=tests python -m support.picture."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from root_tasks.report.render import as_html
from support.browser import browser, chromium
from support.reports import example_audit

_PICTURE = Path(__file__).parents[2] / "docs" / "report.png"


def main() -> int:
    """Writes docs/report.png."""
    path = chromium()
    if path is None:
        print("Chromium is not installed.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, browser(path) as page:
        document = Path(folder) / "report.html"
        document.write_bytes(as_html(example_audit()).encode())
        page.open(document, width=1280, height=770)
        page.call("Emulation.setScrollbarsHidden", hidden=True)
        page.screenshot(_PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
