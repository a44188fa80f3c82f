"""The committed templates of the examples. `python -m support.snapshots` writes them."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.apps import EXAMPLES, ROOT, synthesize

if TYPE_CHECKING:
    from support.apps import Assembly

SNAPSHOTS = ROOT / "tests" / "snapshots"

# The hash of an asset changes with each line of a function's code.
_ASSET = re.compile(r"[0-9a-f]{64}")
_MAX_CHARACTERS_IN_A_LINE = 100


def snapshot(assembly: Assembly) -> dict[str, str]:
    """Return the templates of an app as they are committed, by the names of their files."""
    return {
        file.name: json.dumps(_readable(json.loads(_ASSET.sub("asset", file.read_text()))), indent=1) + "\n"
        for file in assembly.template_files
    }


def write_snapshots() -> None:
    """Write the templates of each example."""
    shutil.rmtree(SNAPSHOTS, ignore_errors=True)
    for example in EXAMPLES:
        folder = SNAPSHOTS / example.stem
        folder.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as temporary:
            for name, text in snapshot(synthesize(example, Path(temporary))).items():
                (folder / name).write_text(text)


def _readable(value: Any) -> Any:
    """Return a value with long texts as lists: a change shows in one line, not in a whole state machine."""
    match value:
        case dict():
            return {key: _readable(member) for key, member in value.items()}
        case list():
            return [_readable(element) for element in value]
        case str() if len(value) > _MAX_CHARACTERS_IN_A_LINE:
            return re.split(r"(?<=[}\]],)", value)
    return value


if __name__ == "__main__":
    write_snapshots()
