"""Installs pinned packages into this Python's environment, from the index that pip knows.

Run as a file, before anything is installed: `python -P local_aws/install.py requirements-dev.txt`
installs packages and this project, `python -P local_aws/install.py --name "the CDK CLI" -- npm ci`
runs a command.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = Path(sys.executable).parent
CHECKOUT = Path(__file__).resolve().parents[1]

# pip's options, and uv's environment variables for the same. uv does not read pip's configuration.
_UV_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
}
_SEPARATORS = {"UV_FIND_LINKS": ","}
# Later ones override earlier ones.
_SECTIONS = ("global", "install", ":env:")
_SETTING = re.compile(r"(?P<section>[^.=]+)\.(?P<option>[^.=]+)=(?P<value>.+)")

_ENTRY = re.compile(r"^([\w.-]+)==(?:.*\\\n)*.*\n", re.MULTILINE)
_REPORT_SECONDS = 2.0
_CDK = "aws-cdk-lib"

# With -I it takes no setting of the caller's environment, and commands that it runs get that
# environment. To Python, the second line is a string; to the shell, it starts a Python whose path
# may have spaces, which a first line cannot.
_SCRIPT = """#!/bin/sh
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
    parser.add_argument("--name", help="what the command installs")
    parser.add_argument(
        "arguments", nargs="+", metavar="FILE|COMMAND", help="requirements, or the command"
    )
    options = parser.parse_args(arguments)
    try:
        if options.name is not None:
            run(options.name, options.arguments, environment=_uv_environment())
        else:
            for file in options.arguments:
                install(Path(file))
    except subprocess.CalledProcessError as error:
        print(f"{shlex.join(error.cmd)} failed with exit code {error.returncode}:", file=sys.stderr)
        print(error.output, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        # make says that it was interrupted.
        return 130
    return 0


def install(requirements: Path) -> None:
    """Install packages, then this project, by uv, which needs seconds where pip needs minutes.

    Args:
        requirements: The file with the pinned packages and their hashes, uv and hatchling among
            them.

    Raises:
        CalledProcessError: A program failed.
    """
    entries = _entries(requirements.read_text(encoding="utf-8"))
    uv = PROGRAMS / "uv"
    if not uv.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        with _file_of(entries["uv"]) as file:
            run(
                "uv, which installs the others",
                [*pip, "--require-hashes", "--only-binary", ":all:", "--requirement", file],
                environment=os.environ,
            )
    command = [str(uv), "pip", "install", "--python", sys.executable]
    # The tools that build a package have no hash.
    pinned = [*command, "--require-hashes", "--no-build", "--requirements"]
    environment = _uv_environment()
    run(f"{len(entries)} Python packages", [*pinned, str(requirements)], environment=environment)
    if _CDK in entries:
        # Another package has the same files, in a version that does not work, and uv installs both
        # at once.
        with _file_of(entries[_CDK]) as file:
            run(_CDK, [*pinned, file, "--reinstall", "--no-deps"], environment=environment)
    # A folder has no hash. What builds it is installed already, and no other version is fetched for
    # it.
    run(
        "this project",
        [*command, "--no-deps", "--no-build-isolation", "--editable", str(CHECKOUT)],
        environment=environment,
    )
    script = PROGRAMS / "local-aws"
    script.write_text(_SCRIPT.format(python=shlex.quote(sys.executable), checkout=str(CHECKOUT)))
    script.chmod(0o755)


def uv_variables(pip_settings: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that make uv use the index that pip uses.

    Args:
        pip_settings: What `pip config list` printed.
        environment: The environment, whose own settings for uv stay.
    """
    settings: dict[str, str] = {}
    found = [match for line in pip_settings.splitlines() if (match := _SETTING.fullmatch(line))]
    for section in _SECTIONS:
        settings |= {
            match["option"]: str(ast.literal_eval(match["value"]))
            for match in found
            if match["section"] == section
        }
    variables = {
        name: _SEPARATORS.get(name, " ").join(settings[option].split())
        for option, name in _UV_VARIABLES.items()
        if settings.get(option)
    }
    if "UV_INDEX" in variables:
        # pip takes the best version of all indexes, uv the first index that has the package.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return {name: value for name, value in variables.items() if name not in environment}


def run(name: str, command: Sequence[str], *, environment: Mapping[str, str]) -> None:
    """Run a command that installs something, and report how long it takes, or why it failed.

    Args:
        name: What it installs.
        command: The program and its arguments.
        environment: Its environment variables.

    Raises:
        CalledProcessError: It failed.
    """
    started_at = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        process = subprocess.Popen(command, env=dict(environment), stdout=output, stderr=output)
        try:
            _print_progress(f"   {name} ...", end="")
            exit_code = None
            while exit_code is None:
                try:
                    exit_code = process.wait(_REPORT_SECONDS)
                except subprocess.TimeoutExpired:
                    _print_progress(f" {time.monotonic() - started_at:.0f} s", end="")
            _print_progress(" done" if exit_code == 0 else " failed")
        finally:
            process.kill()
            process.wait()
        if exit_code:
            output.seek(0)
            raise subprocess.CalledProcessError(exit_code, command, output.read())


def _uv_environment() -> dict[str, str]:
    """Return this process's environment, with the index that pip is set to use."""
    # The Python that creates the virtual environment may have no pip.
    pip = [sys.executable, "-m", "pip", "config", "list"]
    settings = subprocess.run(pip, capture_output=True, text=True, check=False)
    return {**os.environ, **uv_variables(settings.stdout, os.environ)}


@contextmanager
def _file_of(entry: str) -> Iterator[str]:
    """Yield the name of a file with one package: hashes are only read from files."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(entry)
        requirements.flush()
        yield requirements.name


def _entries(requirements: str) -> dict[str, str]:
    """Return the entry of each package, with the lines that continue it, by its name."""
    return {match[1]: match[0] for match in _ENTRY.finditer(requirements)}


def _print_progress(text: str, *, end: str = "\n") -> None:
    """Print a text at once."""
    print(text, end=end, flush=True)


if __name__ == "__main__":
    sys.exit(main())
