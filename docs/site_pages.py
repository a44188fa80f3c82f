"""Let the site have the repository's other pages and examples, where its pages link to them."""

from __future__ import annotations

import ast
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
# The pages that are elsewhere in the repository, by their name in the site.
_PAGES = {
    "background/license.md": "LICENSE",
    "background/notice.md": "NOTICE",
    "background/security.md": "SECURITY.md",
    "contributing/benchmarks.md": "benchmarks/README.md",
    "contributing/changelog.md": "CHANGELOG.md",
    "contributing/contributing.md": "CONTRIBUTING.md",
    "index.md": "README.md",
    "reference/examples.md": "examples/README.md",
}
_EXAMPLES = "reference/examples.md"
_APP = "app.py"
_LANGUAGES = {".py": "python", ".tf": "hcl", ".ts": "typescript", ".yml": "yaml"}
# A reader in a closed network sees the same site: no picture of another host.
_BADGE = re.compile(r"^!\[[^]]*\]\(https://[^)]*\)\n", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in ``docs/``."""
    for name, source in _PAGES.items():
        content = (ROOT / source).read_text() + (examples() if name == _EXAMPLES else "")
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Turn links of the repository into links of the site."""
    here = page.file.src_uri
    folder = posixpath.dirname(_PAGES.get(here, f"docs/{here}"))

    def replace(link: re.Match[str]) -> str:
        path = target(posixpath.normpath(posixpath.join(folder, link[1])))
        file, hash_, anchor = path.partition("#")
        relative = posixpath.relpath(file, posixpath.dirname(here) or ".")
        return f"]({relative}{hash_}{anchor}{link[2] or ''})"

    # In the code of a cell, where GitHub needs a backslash, the site would show it.
    return _LINK.sub(replace, _BADGE.sub("", markdown)).replace(r"\|", "|")


def target(path: str) -> str:
    """Return the link in the site to a file of the repository.

    Args:
        path: The file's path from the repository's root.
    """
    for name, source in _PAGES.items():
        if path == source:
            return name
    folder, _, name = path.partition("/")
    if folder == "docs":
        # The folders of the site are those of docs/.
        return name
    if path == _APP:
        return f"{_EXAMPLES}#{_anchor(_APP)}"
    if folder == "examples":
        return f"{_EXAMPLES}#{_anchor(name)}"
    # Strict builds fail on it: the site has no such page.
    return path


def examples() -> str:
    """Return the code of each example, with what it shows, for the end of the page."""
    sections = [""]
    for path in (ROOT / _APP, *sorted((ROOT / "examples").iterdir())):
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        code = [_section(file, name=file.name if path.is_dir() else "") for file in files]
        if any(code):
            sections.append(f"## {path.name} {{#{_anchor(path.name)}}}\n\n{''.join(code)}")
    return "\n".join(sections)


def _section(file: Path, *, name: str) -> str:
    """Return the code of a file, with its name or its docstring; "" for what is not code."""
    if file.suffix not in _LANGUAGES or not file.is_file():
        return ""
    text = file.read_text()
    if file.suffix == ".py":
        name = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    title = f"{name}\n\n" if name else ""
    return f"{title}```{_LANGUAGES[file.suffix]}\n{text}```\n"


def _anchor(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())
