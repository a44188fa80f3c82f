"""`python -m cloudformation`: write the templates with parameters and their functions' code."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from .parameter_template import build_parameter_template
from .templates import TEMPLATES


def main() -> int:
    """Write the templates, the zip files and their checksums, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cloudformation", description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=Path("build/template"), help="the folder to write to"
    )
    output: Path = parser.parse_args().output
    files: set[Path] = set()
    for template in TEMPLATES:
        # Two of them have the same function's code.
        files.update(build_parameter_template(template, output=output))
    # As `sha256sum --check` reads it.
    sums = ""
    for file in sorted(files):
        sums += f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
        print(file)
    (output / "SHA256SUMS").write_text(sums)
    return 0


if __name__ == "__main__":
    sys.exit(main())
