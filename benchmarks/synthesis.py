"""The synthesis of the candidates: how long it takes, and its result."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.candidates import BUILDERS, Candidate, Yardstick

REPOSITORY = Path(__file__).resolve().parents[1]
STACK = "OrganizationBootstrap"


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """The result of a synthesis.

    Attributes:
        template: The template's text.
        resources: The number of its resources.
        package_bytes: The size of its functions' packages, zipped.
    """

    template: str
    resources: int
    package_bytes: int


def synthesize(candidate: Candidate | Yardstick, folder: Path) -> None:
    """Synthesize an app of one stack in this process.

    Args:
        candidate: The contents of the stack.
        folder: The folder for the cloud assembly.
    """
    from aws_cdk import App, Environment, Stack

    app = App(outdir=str(folder), analytics_reporting=False)
    BUILDERS[candidate](Stack(app, STACK, env=Environment(account="111111111111", region="us-east-1")))
    app.synth()


def read_synthesis(folder: Path) -> Synthesis:
    """Return the synthesis whose cloud assembly is in a folder."""
    template = (folder / f"{STACK}.template.json").read_text()
    return Synthesis(
        template=template,
        resources=len(json.loads(template)["Resources"]),
        package_bytes=sum(package_bytes(asset) for asset in folder.glob("asset.*") if asset.is_dir()),
    )


def seconds_in_process(candidate: Candidate | Yardstick) -> float:
    """Return the duration of a synthesis after everything is imported."""
    with tempfile.TemporaryDirectory() as folder:
        started_at = time.perf_counter()
        synthesize(candidate, Path(folder))
        return time.perf_counter() - started_at


def seconds_of_an_app(candidate: Candidate | Yardstick, *, bytecode: Path) -> float:
    """Return the duration of a process that does nothing but synthesize, like `python app.py`.

    Args:
        candidate: The contents of the stack.
        bytecode: Where Python keeps what it has compiled, as it does unless somebody forbids it. The first
            process of a candidate compiles, which takes a second and more.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        started_at = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "benchmarks.synthesis", candidate, folder],
            cwd=REPOSITORY,
            env={**environment, "PYTHONPYCACHEPREFIX": str(bytecode)},
            check=True,
        )
        return time.perf_counter() - started_at


def package_bytes(asset: Path) -> int:
    """Return the size of a function's package, zipped without entries for folders, as the CDK CLI does."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", compression=zipfile.ZIP_DEFLATED, compresslevel=9) as zipped:
        for file in sorted(asset.rglob("*")):
            if file.is_file():
                zipped.write(file, file.relative_to(asset))
    return len(archive.getvalue())


if __name__ == "__main__":
    name, folder = sys.argv[1:]
    synthesize(next(candidate for candidate in BUILDERS if candidate == name), Path(folder))
