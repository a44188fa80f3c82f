"""The code that runs in Lambda: where it is, and which of it a function needs."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]

# The packages that a handler's package imports, itself included.
_PACKAGES = {
    "root_access": ("aws_calls", "common", "root_access"),
    "root_tasks": ("aws_calls", "common", "root_access", "root_tasks"),
    "root_use": ("aws_calls", "common", "root_use"),
}


def lambda_root() -> Path:
    """Return the folder that holds the functions' packages, in a checkout or in the wheel."""
    # The wheel carries lambda/ inside of the package.
    packaged = _PACKAGE / "_lambda"
    return packaged if packaged.is_dir() else _PACKAGE.parents[1] / "lambda"


def exclude_patterns(handler: str) -> list[str]:
    """Return the asset's exclude patterns, in Git's form: all but the packages of a handler.

    For example, the handler ``root_use.root_use_notice.on_delivery`` is in the package
    ``root_use``, which imports two others.

    Other files in the folder, for example bytecode, must not change the function.
    """
    patterns = ["*"]
    for package in _PACKAGES[handler.partition(".")[0]]:
        patterns += [f"!{package}", f"!{package}/**"]
    return patterns + ["__pycache__"]


def runbook_line(heading: str) -> str:
    """Return the line that says where to read more, as the functions' notices have it.

    For example ``Runbook: Operating, Drift``.
    """
    page = (lambda_root() / "common" / "runbook.txt").read_text().strip()
    return f"{page}, {heading}"
