"""The rules on who may import whom are kept, cover every package, and bite."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from support.apps import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
IMPORT_ROOTS = ["constructs", "lambda", "."]
# For each contract: an import that breaks it, and the module in which it stands.
FORBIDDEN_IMPORTS = {
    "functions": ("lambda/scp/truth.py", "import root_access.state"),
    "root-tasks": ("lambda/root_tasks/model/run.py", "import root_tasks.tasks.audit"),
    "functions-alone": ("lambda/root_access/steps.py", "import aws_cdk"),
    "synthesis": ("constructs/centralized_root_access/_function.py", "import root_access.state"),
    "command-line-apart": (
        "constructs/centralized_root_access/enums.py",
        "import centralized_root_access.cli.commands.status",
    ),
    "command-line": (
        "constructs/centralized_root_access/cli/commands/status.py",
        "import centralized_root_access.root_access",
    ),
    "pure": ("lambda/root_access/state.py", "import root_access.organization"),
    "emulation": ("local_aws/emulation/paging.py", "from root_access.state import Feature"),
    "acceptance-apart": ("cloudformation/build.py", "import acceptance.model"),
    "acceptance-data": ("acceptance/state.py", "import boto3"),
    "acceptance-on-aws": ("acceptance/runner.py", "import local_aws.emulation"),
}


def lint_imports(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo", *arguments],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(str(directory / root) for root in IMPORT_ROOTS)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for folder in ("constructs", "lambda", "local_aws", "acceptance", "cloudformation"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_nothing_imports_what_it_must_not() -> None:
    linted = lint_imports(ROOT)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("contract", FORBIDDEN_IMPORTS)
def test_a_forbidden_import_breaks_its_contract(copy: Path, contract: str) -> None:
    module, forbidden = FORBIDDEN_IMPORTS[contract]
    with (copy / module).open("a") as file:
        file.write(f"\n{forbidden}\n")
    linted = lint_imports(copy, "--contract", contract)
    assert linted.returncode == 1, linted.stdout + linted.stderr
    assert "1 broken" in linted.stdout, linted.stdout + linted.stderr


def test_a_module_without_a_layer_breaks_the_layers_of_root_tasks(copy: Path) -> None:
    (copy / "lambda" / "root_tasks" / "helpers.py").touch()
    linted = lint_imports(copy, "--contract", "root-tasks")
    assert linted.returncode == 1, linted.stdout + linted.stderr
    assert "helpers" in linted.stdout


def test_every_contract_has_an_import_that_breaks_it() -> None:
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    assert {contract["id"] for contract in contracts} == set(FORBIDDEN_IMPORTS)


def test_the_contracts_cover_every_package() -> None:
    packages = {path.parent.name for root in IMPORT_ROOTS for path in (ROOT / root).glob("*/__init__.py")}
    settings = PROJECT["tool"]["importlinter"]
    assert packages - set(settings["root_packages"]) == {"benchmarks"}
    (layers,) = (contract["layers"] for contract in settings["contracts"] if contract["id"] == "functions")
    functions = {path.parent.name for path in (ROOT / "lambda").glob("*/__init__.py")}
    assert {name for layer in layers for name in layer.split(" | ")} == functions
