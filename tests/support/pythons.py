"""The Pythons of this machine, and virtual environments that have this project's wheel."""

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .processes import run_process, run_successfully

SUPPORTED = ["3.11", "3.12", "3.13", "3.14"]


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A virtual environment that has this project from its wheel.

    Attributes:
        python: Its interpreter.
        site_packages: The folder that the wheel is installed in.
    """

    python: Path
    site_packages: Path


def find_python(version: str) -> Path | None:
    """Return a supported Python of this machine; None if it has none of this version."""
    return next(_interpreters(version), None)


def _interpreters(version: str) -> Iterator[Path]:
    """Yield the interpreters of a version: the running one, on the PATH, of pyenv and of uv."""
    name = f"python{version}"
    if name == f"python{sys.version_info.major}.{sys.version_info.minor}":
        yield Path(sys.executable)
    home = Path.home()
    candidates = [
        *(Path(folder) / name for folder in os.get_exec_path()),
        *Path(os.environ.get("PYENV_ROOT", home / ".pyenv")).glob(
            f"versions/{version}.*/bin/{name}"
        ),
        *(home / ".local/share/uv/python").glob(f"cpython-{version}*/bin/{name}"),
    ]
    # A shim exists also for Pythons that are not installed.
    yield from (python for python in candidates if python.is_file() and _starts(python))


def _starts(interpreter: Path) -> bool:
    """Return whether a Python starts."""
    return run_process(interpreter, "-c", "").returncode == 0


def build(project: Path, folder: Path) -> tuple[Path, Path]:
    """Build the project as `make build` does: an sdist, and the wheel from that sdist.

    Returns:
        The sdist and the wheel.
    """
    run_successfully(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, project)
    (sdist,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


def create_environment(
    interpreter: Path, folder: Path, *, wheel: Path, dependencies: Path
) -> Environment:
    """Create a virtual environment that has the wheel.

    Args:
        interpreter: Its Python.
        folder: Its folder.
        wheel: The wheel of this project.
        dependencies: A folder of installed packages, which are not copied. They are pure Python, as
            all dependencies of this project are.
    """
    run_successfully(interpreter, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    # Before the dependencies: their folder may have this project too.
    run_successfully(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "-q",
        "--no-index",
        "--no-deps",
        wheel,
    )
    (site_packages,) = folder.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(f"{dependencies}\n")
    return Environment(python=python, site_packages=site_packages)


def own_dependencies() -> Path:
    """Return the folder of this Python's packages, which has all dependencies of the project."""
    return Path(sysconfig.get_path("purelib"))


def clean_variables() -> dict[str, str]:
    """Return the variables of a user who has a fast Node, and nothing of this project."""
    node = shutil.which("node")
    if not node:
        raise FileNotFoundError(
            "node is not on the PATH. Run `make setup`, and the tests by `make test`."
        )
    kept = {
        name: os.environ[name]
        for name in ("CDK_VALIDATION", "NODE_COMPILE_CACHE")
        if name in os.environ
    }
    return {
        "PATH": f"{Path(node).parent}{os.pathsep}{os.defpath}",
        "HOME": str(Path.home()),
        **kept,
    }
