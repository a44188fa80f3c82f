"""`python -m cloudformation app.py`: synthesize an app, and write a template that needs no CDK."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .build import UnsupportedAssemblyError, build_package
from .context import InvalidContextError, app_context


def main() -> int:
    """Write the template and the zip files, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m cloudformation", description=__doc__)
    parser.add_argument("app", type=Path, help="the CDK app's file")
    parser.add_argument("--stack", help="the stack, if the app has several")
    parser.add_argument("--output", type=Path, default=Path("build/template"), help="the folder to write to")
    parser.add_argument("--region", default="us-east-1", help="the Region that the template is for")
    arguments = parser.parse_args()
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
    for file in (package.template, *package.archives):
        print(file)
    return 0


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
