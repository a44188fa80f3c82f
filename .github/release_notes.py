"""Print the changelog's section of a release, or say why the tag cannot be released."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_RUNBOOK = "lambda/common/runbook.txt"
# These name the placeholder, and do not use it.
_SPEAK_OF_IT = (":!CONTRIBUTING.md", ":!.github/release_notes.py", ":!tests")


def release_notes(*, tag: str, project: str, changelog: str) -> str:
    """Return the section of the changelog for a tag.

    Args:
        tag: The tag, ``v`` and the version.
        project: The text of ``pyproject.toml``.
        changelog: The text of ``CHANGELOG.md``.

    Raises:
        ValueError: The tag, the project and the changelog do not name the same version.
    """
    version = tomllib.loads(project)["project"]["version"]
    if tag != f"v{version}":
        raise ValueError(f"The tag is {tag}, but pyproject.toml has version {version}.")
    section = re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d{{2}}-\d{{2}}\n(.*?)(?=^## |\Z)",
        changelog,
        re.MULTILINE | re.DOTALL,
    )
    if not section or not section[1].strip():
        raise ValueError(f"CHANGELOG.md has no section '## [{version}] - <date>'.")
    return section[1].strip()


def require_main(folder: Path) -> None:
    """Raise a ValueError if the commit that is checked out is not on main of the origin."""
    command = ("git", "merge-base", "--is-ancestor", "HEAD", "origin/main")
    if subprocess.run(command, cwd=folder, check=False).returncode:  # noqa: S603
        raise ValueError("The tag's commit is not on main.")


def require_addresses(folder: Path) -> None:
    """Raise a ValueError if a file still has the placeholder of the owner, or lacks an address."""
    files = (
        "git",
        "grep",
        "--files-with-matches",
        "--word-regexp",
        "OWNER",
        "--",
        ".",
        *_SPEAK_OF_IT,
    )
    found = subprocess.run(files, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if found.stdout:
        raise ValueError(f"OWNER is still a placeholder in {', '.join(found.stdout.split())}.")
    if "https://" not in (folder / _RUNBOOK).read_text():
        raise ValueError(f"{_RUNBOOK} has no address of the documentation.")


def main() -> None:
    """Print the notes of the tag that the command names."""
    try:
        require_main(_ROOT)
        require_addresses(_ROOT)
        notes = release_notes(
            tag=sys.argv[1],
            project=(_ROOT / "pyproject.toml").read_text(),
            changelog=(_ROOT / "CHANGELOG.md").read_text(),
        )
    except ValueError as error:
        sys.exit(str(error))
    print(notes)


if __name__ == "__main__":
    main()
