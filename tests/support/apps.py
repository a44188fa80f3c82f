"""CDK apps run from their files, as `cdk synth` runs them, and their assemblies."""

import json
import os
import re
import runpy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import aws_cdk

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))
APPS = [REPOSITORY / "app.py", *EXAMPLES]

_MANAGEMENT = {"CDK_DEFAULT_ACCOUNT": "111111111111", "CDK_DEFAULT_REGION": "us-east-1"}


def read_page(name: str) -> str:
    """Return a page of the documentation, such as guides/drift.md."""
    return (REPOSITORY / "docs" / name).read_text()


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """A cloud assembly.

    Attributes:
        folder: Its folder.
    """

    folder: Path

    @property
    def template_files(self) -> list[Path]:
        """The templates of all stacks, also of those in stages and of nested stacks."""
        return sorted(self.folder.rglob("*.template.json"))

    def template(self, stack: str) -> dict[str, Any]:
        """Return the template of the stack with this id, in any stage."""
        # In a stage a stack's file begins with the stage's id and ends with a hash.
        named = re.compile(rf"\w*{stack}([0-9A-F]{{8}})?\.template\.json")
        (file,) = [file for file in self.template_files if named.fullmatch(file.name)]
        return dict(json.loads(file.read_text()))

    def warnings(self) -> Iterator[str]:
        """Yield the warnings of CDK's Annotations."""
        for file in self.folder.rglob("*.metadata.json"):
            for entries in json.loads(file.read_text()).values():
                yield from (
                    entry["data"] for entry in entries if entry["type"] == "aws:cdk:warning"
                )


def synthesize(app: Path, folder: Path, *, base: type[aws_cdk.App] = aws_cdk.App) -> Assembly:
    """Run an app's file in this process, with the management account as its environment.

    Args:
        app: The file.
        folder: The folder of its cloud assembly.
        base: The class that the app gets when it imports `App`, with its assembly in the folder.
    """

    class AppIntoFolder(base):  # type: ignore[misc, valid-type]
        def __init__(self, **arguments: Any) -> None:
            super().__init__(outdir=str(folder), analytics_reporting=False, **arguments)

    with mock.patch.object(aws_cdk, "App", AppIntoFolder), mock.patch.dict(os.environ, _MANAGEMENT):
        runpy.run_path(str(app), run_name="__main__")
    return Assembly(folder=folder)
