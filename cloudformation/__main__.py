"""`python -m cloudformation`: write the plain templates and their functions' code."""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path

from .templates import TEMPLATES


def main() -> int:
    """Write the templates, the zip files and their checksums, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cloudformation", description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=Path("build/template"), help="the folder to write to"
    )
    output: Path = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    files: set[Path] = set()
    with tempfile.TemporaryDirectory() as folder:
        for template in TEMPLATES:
            # Two of them have the same function's code.
            files.update(template.write(Path(folder, template.name), output=output))
    # As `sha256sum --check` reads it.
    sums = ""
    for file in sorted(files):
        sums += f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
        print(file)
    (output / "SHA256SUMS").write_text(sums)
    return 0


if __name__ == "__main__":
    sys.exit(main())
