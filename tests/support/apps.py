"""CDK apps run from their files, as `cdk synth` runs them, and what they synthesize."""

from __future__ import annotations

import json
import os
import re
import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import aws_cdk

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
APPS = [ROOT / "app.py", *EXAMPLES]

_MANAGEMENT = {"CDK_DEFAULT_ACCOUNT": "111111111111", "CDK_DEFAULT_REGION": "us-east-1"}


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """What an app synthesized.

    Attributes:
        folder: the cloud assembly.
    """

    folder: Path

    @property
    def template_files(self) -> list[Path]:
        """The templates of all stacks, those of stages and nested stacks too."""
        return sorted(self.folder.rglob("*.template.json"))

    def template(self, stack: str) -> dict[str, Any]:
        """The template of the stack with this id, in whichever stage."""
        # In a stage a stack's file begins with the stage's id and ends with a hash.
        named = re.compile(rf"\w*{stack}([0-9A-F]{{8}})?\.template\.json")
        (file,) = [it for it in self.template_files if named.fullmatch(it.name)]
        return dict(json.loads(file.read_text()))

    def warnings(self) -> Iterator[str]:
        """What CDK's Annotations warn of."""
        for file in self.folder.rglob("*.metadata.json"):
            for entries in json.loads(file.read_text()).values():
                yield from (it["data"] for it in entries if it["type"] == "aws:cdk:warning")


def synthesize(app: Path, folder: Path, *, base: type[aws_cdk.App] = aws_cdk.App) -> Assembly:
    """Runs an app's file in this process.

    Args:
        app: the file.
        folder: where its cloud assembly goes.
        base: the class that it gets for `App`.
    """

    class AppIntoFolder(base):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__(outdir=str(folder), analytics_reporting=False)

    with mock.patch.object(aws_cdk, "App", AppIntoFolder), mock.patch.dict(os.environ, _MANAGEMENT):
        runpy.run_path(str(app), run_name="__main__")
    return Assembly(folder=folder)
