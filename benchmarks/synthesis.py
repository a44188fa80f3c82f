"""Synthesizes the candidates: how long it takes, and what comes of it."""

from __future__ import annotations

import io
import json
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
class Synthesized:
    """What comes of a synthesis.

    Attributes:
        template: the template, as CloudFormation gets it.
        resources: how many resources are in it.
        package_bytes: what is uploaded for its functions, zipped.
    """

    template: str
    resources: int
    package_bytes: int


def synthesize(candidate: Candidate | Yardstick, folder: Path) -> None:
    """Synthesizes an app of one stack in this process.

    Args:
        candidate: what is in the stack.
        folder: where to.
    """
    from aws_cdk import App, Environment, Stack

    app = App(outdir=str(folder), analytics_reporting=False)
    BUILDERS[candidate](Stack(app, STACK, env=Environment(account="111111111111", region="us-east-1")))
    app.synth()


def synthesized(folder: Path) -> Synthesized:
    """Returns what a synthesis has left in a folder."""
    template = (folder / f"{STACK}.template.json").read_text()
    return Synthesized(
        template=template,
        resources=len(json.loads(template)["Resources"]),
        package_bytes=sum(_zipped_bytes(asset) for asset in folder.glob("asset.*") if asset.is_dir()),
    )


def seconds_in_process(candidate: Candidate | Yardstick) -> float:
    """Returns how long a synthesis takes once everything is imported."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        synthesize(candidate, Path(folder))
        return time.perf_counter() - began


def seconds_of_an_app(candidate: Candidate | Yardstick) -> float:
    """Returns how long a process takes that does nothing else, as `python app.py` does."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "benchmarks.synthesis", candidate, folder],
            cwd=REPOSITORY,
            check=True,
        )
        return time.perf_counter() - began


def _zipped_bytes(asset: Path) -> int:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", compression=zipfile.ZIP_DEFLATED, compresslevel=9) as zipped:
        for file in sorted(asset.rglob("*")):
            zipped.write(file, file.relative_to(asset))
    return len(archive.getvalue())


if __name__ == "__main__":
    name, folder = sys.argv[1:]
    synthesize(next(it for it in BUILDERS if it == name), Path(folder))
