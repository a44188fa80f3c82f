"""The functions on CPython 3.14, which they have in AWS.

They and the command line with older packages.
"""

import json
import os
import resource
import sys
import sysconfig
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest

from support.apps import REPOSITORY
from support.processes import run_successfully
from support.pythons import own_dependencies

# AWS does not publish which boto3 the python3.14 runtime has; it differs by Region and over time.
# The lowest one that this project allows knows the state of an account, which one that the runtime
# had does not. Neither knows the path to it.
LOWEST = Path(sys.prefix) / "lowest"
OLDEST = Path(sys.prefix) / "oldest-sdk"
# moto's responses are of the SDK's model, too: AWS sends states and paths whatever the SDK knows.
RUN_TESTS = """
import sys, botocore, pytest
print(botocore.__version__)
from moto.core.utils import get_service_model
shapes = get_service_model("organizations")._service_description["shapes"]
shapes.setdefault("Paths", {"type": "list", "member": {"shape": "AccountName"}})
shapes["Account"]["members"].setdefault("State", {"shape": "AccountStatus"})
shapes["Account"]["members"].setdefault("Paths", {"shape": "Paths"})
sys.exit(pytest.main(sys.argv[1:]))
"""
# The packages of the tests that have a build for WebAssembly.
WASM = Path(sys.prefix) / "wasm"

# macOS allows no more than 64 MB.
STACK_BYTES = 60 * 1024 * 1024

# Tests of the code in lambda/ that start no server; first those that call AWS's emulation by boto3.
AWS_FILES = (
    "test_aws_calls.py",
    "test_documents.py",
    "test_drift.py",
    "test_organization.py",
    "test_root_tasks.py",
    "test_root_tasks_credentials.py",
    "test_root_tasks_units.py",
    "test_root_tasks_unlock.py",
    "test_storage.py",
    "test_task_registry.py",
)
OTHER_FILES = (
    "test_codec.py",
    "test_errors.py",
    "test_function_settings.py",
    "test_plan.py",
    "test_report.py",
    "test_root_tasks_request.py",
    "test_root_use.py",
)
# Tests that WebAssembly cannot run: they need threads, and an endpoint for CloudFormation's
# responses.
CUSTOM_RESOURCE_FILES = (
    "test_lifecycle.py",
    "test_response.py",
    "test_status_command.py",
)
# What WebAssembly lacks, and not Python 3.14.
EXCEPTIONS = (
    # How deep a document may be nested depends on the stack, which is Node's.
    "test_codec.py::test_damaged_bytes_are_a_decoding_error[lists in lists]",
    # jsonschema needs native packages.
    "test_report.py::test_every_report_keeps_to_the_documented_schema",
    # It has no sockets.
    "test_storage.py::test_an_error_whose_body_breaks_off_is_retried_like_any_other",
)


def selection(files: Sequence[str]) -> list[str]:
    """Return pytest's arguments for the tests of some files, without the EXCEPTIONS."""
    paths = {
        path.name: path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / "tests").rglob("test_*.py")
    }
    names = (test.partition("::") for test in EXCEPTIONS)
    left_out = [f"--deselect={paths[file]}::{test}" for file, _, test in names]
    return ["-q"] + left_out + [paths[file] for file in files]


def enlarge_stack() -> None:
    """Give a new process a stack as large as Python expects; Node's own is too small for it."""
    _, most = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (STACK_BYTES, most))


def run_in_runtime(arguments: Sequence[str]) -> dict[str, Any]:
    """Run tests on CPython 3.14, with pytest's arguments."""
    assert WASM.is_dir(), "CPython 3.14 is not installed. Run `make test-slow`."
    folders = {
        "/project": REPOSITORY,
        "/wasm": WASM,
        "/packages": own_dependencies(),
    }
    request = {
        "root": "/project",
        "path": ["/project/lambda", *list(folders)[1:]],
        "pytest": list(arguments),
    }
    finished = run_successfully(
        Path(sysconfig.get_path("scripts")) / "node",
        # In KiB, with 4 MiB left for what is not JavaScript's.
        f"--stack-size={STACK_BYTES // 1024 - 4096}",
        REPOSITORY / "tests" / "node" / "python.mjs",
        json.dumps(folders, default=str),
        "/project/tests/node/run_tests.py",
        json.dumps(request),
        timeout=1_200,
        preexec_fn=enlarge_stack,
    )
    *output, results = finished.splitlines()
    print("\n".join(output))
    return dict(json.loads(results))


def collect(arguments: Sequence[str]) -> set[str]:
    """Return the tests that pytest finds on this Python."""
    collected = run_successfully(
        sys.executable, "-m", "pytest", "--collect-only", *arguments, cwd=REPOSITORY
    )
    return {line for line in collected.splitlines() if "::" in line}


def test_the_functions_work_on_python_3_14() -> None:
    arguments = selection(AWS_FILES + OTHER_FILES)
    results = run_in_runtime(arguments)
    assert results["python"].startswith("3.14.")
    assert results["boto3"] == version("boto3")
    assert results["modules"] == sorted(
        module.name for module in walk_packages([str(REPOSITORY / "lambda")])
    )
    tests = collect(arguments)
    assert len(tests) > 300
    assert results["outcomes"] == dict.fromkeys(tests, "passed")


@pytest.mark.parametrize(
    ("sdk", "files"),
    [
        # With the lowest click and rich, too: runs, questions and progress of the command line.
        (LOWEST, AWS_FILES + ("test_cli_cycle.py", "test_execute.py", "test_runtime.py")),
        (OLDEST, AWS_FILES + CUSTOM_RESOURCE_FILES + ("test_runtime.py",)),
    ],
    ids=["the lowest supported, and the command line", "the oldest of a runtime"],
)
def test_functions_work_with_an_older_sdk(sdk: Path, files: Sequence[str]) -> None:
    assert sdk.is_dir(), "The SDK is not installed. Run `make test-slow`."
    path = os.pathsep.join(map(str, (sdk, REPOSITORY, REPOSITORY / "tests")))
    printed = run_successfully(
        *(sys.executable, "-c", RUN_TESTS, "-p", "no:cacheprovider"),
        *selection(files),
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": path},
    )
    used = printed.partition("\n")[0]
    assert (sdk / f"botocore-{used}.dist-info").is_dir()
