"""Installs a group of packages, as `uv.lock` pins them by hash, from the index that pip knows.

It needs only Python, pip and what it installs: `python -P local_aws/install.py dev` installs into
this Python's environment, and `--target FOLDER` into a folder.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shlex
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
_PROGRAMS = Path(sys.executable).parent
_UV = str(_PROGRAMS / "uv")

# pip's options, and uv's environment variables for the same. uv does not read pip's configuration.
_UV_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
}
# Later ones override earlier ones.
_SECTIONS = ("global", "install", ":env:")

# With -I it takes no setting of the caller's environment, and commands that it runs get that
# environment. To Python, the second line is a string; to the shell, it starts a Python whose path
# may have spaces, which a first line cannot.
_LOCAL_AWS = """#!/bin/sh
'''exec' {python} -I "$0" "$@"
' '''
import sys

sys.path.append({checkout!r})
from local_aws.__main__ import main

sys.exit(main())
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        arguments: The arguments; default: this process's.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("group", help="one of pyproject.toml")
    parser.add_argument("--target", metavar="FOLDER", help="default: this Python's environment")
    options = parser.parse_args(arguments)
    started_at = time.monotonic()
    try:
        if not Path(_UV).exists():
            _install_uv()
        requirements = _exported(options.group)
        count = len(re.findall(r"^\S+==", requirements, re.MULTILINE))
        print(f"== Installing {options.group}: {count} packages, in about a minute", flush=True)
        if options.target:
            install_packages(requirements, "--target", options.target)
        else:
            install_packages(requirements)
            # Another package has one of its files, too, in a version that does not work, and uv
            # installs both at once.
            install_packages(requirements, "--reinstall-package", "aws-cdk-lib")
            _install_this_project()
    except subprocess.CalledProcessError as error:
        # The program has said why.
        return error.returncode
    except KeyboardInterrupt:
        # make says that it was interrupted.
        return 130
    print(f"   done in {time.monotonic() - started_at:.0f} s")
    return 0


def uv_variables(pip_settings: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that make uv use the index that pip uses.

    Args:
        pip_settings: What `pip config list` printed.
        environment: The environment, whose own settings for uv stay.
    """
    variables = {}
    for option, name in _UV_VARIABLES.items():
        for section in _SECTIONS:
            setting = rf"^{section}\.{option}=(.+)$"
            if found := re.search(setting, pip_settings, re.MULTILINE):
                variables[name] = " ".join(ast.literal_eval(found[1]).split())
    if "UV_INDEX" in variables:
        # pip takes the best version of all indexes, uv the first index that has the package.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return {**variables, **environment}


def install_packages(requirements: str, *options: str) -> None:
    """Install packages by uv, which needs seconds where pip needs minutes.

    Args:
        requirements: The packages, pinned with their hashes.
        options: Options of `uv pip install`.

    Raises:
        CalledProcessError: A package has no hash, or none of its files, or only files that have to
            be built; uv has said why.
    """
    # The tools that build a package have no hash.
    pinned = ("--require-hashes", "--no-build", "--requirements", "-")
    _run_uv(*options, *pinned, requirements=requirements)


def _install_uv() -> None:
    """Install uv by pip, which reads hashes from files only."""
    packages = tomllib.loads((CHECKOUT / "uv.lock").read_text(encoding="utf-8"))["package"]
    (uv,) = (package for package in packages if package["name"] == "uv")
    hashes = [f"--hash={wheel['hash']}" for wheel in uv["wheels"]]
    print("== Installing uv, which installs the others", flush=True)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--only-binary", ":all:", "--require-hashes", "--requirement", "/dev/stdin"),
        ],
        input=shlex.join([f"uv=={uv['version']}", *hashes]),
        text=True,
        check=True,
    )


def _exported(group: str) -> str:
    """Return the packages of a group with their hashes.

    `uv sync` would download them from the addresses in `uv.lock`, whatever index is configured.
    """
    exported = subprocess.run(
        [
            *(_UV, "export", "--quiet", "--frozen", "--project", str(CHECKOUT)),
            *("--only-group", group, "--no-emit-project", "--no-header", "--no-annotate"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return exported.stdout


def _install_this_project() -> None:
    """Install the checkout, and the command of the local AWS, which is in no package."""
    # A folder has no hash. What builds it is installed already, and no other version is fetched for
    # it.
    _run_uv("--no-deps", "--no-build-isolation", "--editable", str(CHECKOUT))
    script = _PROGRAMS / "local-aws"
    python = shlex.quote(sys.executable)
    script.write_text(_LOCAL_AWS.format(python=python, checkout=str(CHECKOUT)))
    script.chmod(0o755)


def _run_uv(*arguments: str, requirements: str = "") -> None:
    """Run `uv pip install` with the index that pip is configured for."""
    subprocess.run(
        [_UV, "pip", "install", "--quiet", "--python", sys.executable, *arguments],
        input=requirements,
        text=True,
        env=uv_variables(_pip_settings(), os.environ),
        check=True,
    )


@cache
def _pip_settings() -> str:
    """Return how pip is configured."""
    pip = [sys.executable, "-m", "pip", "config", "list"]
    return subprocess.run(pip, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
