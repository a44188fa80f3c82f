"""`python -m cloudformation`: write the templates with parameters, or that of an app, which need no CDK."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .build import UnsupportedAssemblyError, build_package
from .context import InvalidContextError, app_context

if TYPE_CHECKING:
    from .build import Package


def main() -> int:
    """Write the template and the zip files, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cloudformation", description=__doc__)
    parser.add_argument(
        "app", type=Path, nargs="?", help="the CDK app's file; default: the templates with parameters"
    )
    parser.add_argument("--stack", help="the stack, if the app has several")
    parser.add_argument("--output", type=Path, default=Path("build/template"), help="the folder to write to")
    parser.add_argument("--region", default="us-east-1", help="the Region that the template is for")
    arguments = parser.parse_args()
    if arguments.app is None:
        return _write_parameter_templates(arguments.output)
    with tempfile.TemporaryDirectory() as temporary:
        context, assembly = Path(temporary, "context.json"), Path(temporary, "assembly")
        try:
            _write_context(context)
            synthesized = subprocess.run(  # noqa: S603 (the caller names the app)
                [sys.executable, arguments.app],
                env=_environment(context=context, assembly=assembly, region=arguments.region),
                check=False,
            )
            if synthesized.returncode:
                return synthesized.returncode
            package = build_package(assembly=assembly, stack=arguments.stack, output=arguments.output)
        except (InvalidContextError, UnsupportedAssemblyError) as error:
            print(error, file=sys.stderr)
            return 1
    _print_files(package)
    return 0


def _write_parameter_templates(output: Path) -> int:
    # An app of the caller's own needs no CDK in this process.
    from .parameter_template import build_parameter_template
    from .templates import TEMPLATES

    files: dict[Path, None] = {}
    for template in TEMPLATES:
        package = build_parameter_template(template, output=output)
        _print_files(package)
        files |= dict.fromkeys((package.template, *package.archives))
    # As `sha256sum --check` reads it.
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(files)]
    (output / "SHA256SUMS").write_text("".join(sums))
    return 0


def _print_files(package: Package) -> None:
    for file in (package.template, *package.archives):
        print(file)


def _write_context(file: Path) -> None:
    context = app_context(folder=Path(), variables=os.environ)
    file.write_text(json.dumps(context | {"aws:cdk:version-reporting": False}))


def _environment(*, context: Path, assembly: Path, region: str) -> dict[str, str]:
    """Return the variables for an app whose template is for any account."""
    variables = {name: value for name, value in os.environ.items() if name != "CDK_DEFAULT_ACCOUNT"}
    return variables | {
        # Linux limits a variable to 128 KiB. The CDK CLI passes a longer context in a file, which overrides
        # the variable.
        "CONTEXT_OVERFLOW_LOCATION_ENV": str(context),
        "CDK_DEFAULT_REGION": region,
        "CDK_OUTDIR": str(assembly),
    }


if __name__ == "__main__":
    sys.exit(main())
