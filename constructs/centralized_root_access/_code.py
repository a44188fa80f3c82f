"""The location of the code that runs in Lambda: in a checkout, and in the wheel."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent
_SUFFIXES = frozenset({".py", ".html"})


def lambda_root() -> Path:
    """Return the folder that holds the functions' packages."""
    packaged = _HERE / "_lambda"
    return packaged if packaged.is_dir() else _HERE.parents[1] / "lambda"


def everything_but(*packages: str) -> list[str]:
    """Return the asset's exclude patterns: everything but the source files of these packages.

    Other files in the folder, for example bytecode, must not change the function.
    """
    root = lambda_root()
    files = [
        path.relative_to(root)
        for package in packages
        for path in (root / package).rglob("*")
        if path.suffix in _SUFFIXES
    ]
    folders = {folder for file in files for folder in file.parents if folder.name}
    return ["*", *(f"!{path.as_posix()}" for path in sorted({*folders, *files}))]
