"""Draw the picture of the page for the README: PYTHONPATH=tests python -m support.picture."""

import sys
import tempfile
from pathlib import Path

from support.browser import browser, chromium
from support.reports import audit_with_history, html_page_of

_PICTURE = Path(__file__).parents[2] / "docs" / "report.png"


def main() -> int:
    """Write docs/report.png."""
    path = chromium()
    if path is None:
        print("Chromium is not installed.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, browser(path) as page:
        document = Path(folder) / "report.html"
        document.write_bytes(html_page_of(audit_with_history()).encode())
        page.call("Emulation.setScrollbarsHidden", hidden=True)
        page.open(document, width=1280, height=1560)
        page.screenshot(_PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
