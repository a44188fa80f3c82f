"""Commands that tests run as processes of their own."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def run(*command: str | Path, **arguments: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with its output as text."""
    return subprocess.run(command, capture_output=True, text=True, check=False, **arguments)


def run_successfully(*command: str | Path, **arguments: Any) -> str:
    """Run a command that has to succeed, and return its output."""
    finished = run(*command, **arguments)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout
