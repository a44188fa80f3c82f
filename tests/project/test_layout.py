"""The layout that packaging and imports rest on."""

import re
import sys
import tomllib
import venv
from pathlib import Path

import pytest
from aws_cdk import App

from support.apps import REPOSITORY, Assembly
from support.many_apps import all_arguments
from support.processes import run_successfully
from support.pythons import own_dependencies
from support.template_reading import properties_of_type

FUNCTIONS = REPOSITORY / "lambda"
# Imports all modules of a package of an asset, and prints the packages of the asset that this took.
_IMPORT_PACKAGE = """
import importlib, pkgutil, sys
sys.dont_write_bytecode = True
root, package = sys.argv[1:]
sys.path.insert(0, root)
for module in pkgutil.walk_packages([f"{root}/{package}"], f"{package}."):
    importlib.import_module(module.name)
files = {
    name.partition(".")[0]: getattr(module, "__file__", None)
    for name, module in sys.modules.items()
}
print(*sorted(name for name, file in files.items() if (file or "").startswith(root)), sep="\\n")
"""


@pytest.fixture(scope="module")
def boto3_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has only boto3, as Lambda's runtime does."""
    folder = tmp_path_factory.mktemp("boto3")
    venv.create(folder, with_pip=False)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    for package in ("boto3", "botocore", "jmespath", "s3transfer", "urllib3", "dateutil", "six.py"):
        (site_packages / package).symlink_to(own_dependencies() / package)
    return folder / "bin" / "python"


def run(python: Path, code: str) -> str:
    """Run code that can import the functions' packages, and return what it prints."""
    variables = {"PYTHONPATH": str(FUNCTIONS), "AWS_DEFAULT_REGION": "us-east-1"}
    return run_successfully(python, "-c", code, env=variables).strip()


@pytest.mark.parametrize("import_root", ["constructs", "lambda"])
def test_the_import_roots_are_not_packages(import_root: str) -> None:
    assert not (REPOSITORY / import_root / "__init__.py").exists(), (
        f"{import_root}/ is an import root, like src/. As a package, constructs/ would shadow the "
        "PyPI package that aws-cdk-lib needs, and lambda is a keyword."
    )


def test_a_functions_code_has_what_it_imports_besides_boto3_and_nothing_else(
    boto3_python: Path, tmp_path: Path
) -> None:
    app = App(outdir=str(tmp_path), analytics_reporting=False)
    all_arguments(app)
    app.synth()
    template = Assembly(folder=tmp_path).template("OrganizationBootstrap")
    functions = properties_of_type(template, "AWS::Lambda::Function").values()
    assert {function["Runtime"] for function in functions} == {"python3.14"}
    code = {
        (function["Handler"].partition(".")[0], function["Code"]["S3Key"].partition(".")[0])
        for function in functions
    }
    assert {package for package, _ in code} == {"root_access", "root_tasks", "root_use"}
    for package, key in code:
        asset = tmp_path / f"asset.{key}"
        imported = run_successfully(
            boto3_python, "-P", "-c", _IMPORT_PACKAGE, asset, package, env={}
        )
        assert imported.split() == sorted(path.name for path in asset.iterdir()), package
        assert not list(asset.rglob("*.pyc"))


def test_only_the_sdk_and_the_response_to_cloudformation_open_connections() -> None:
    # Its exceptions open no connection.
    modules = r"http|requests|socket|ssl|urllib3(?!\.exceptions)|urllib\.request"
    opening = rf"^ *(?:from urllib |(?:from|import) .*\b(?:{modules})\b)"
    sources = (
        path for root in ("constructs", "lambda") for path in (REPOSITORY / root).rglob("*.py")
    )
    found = [path for path in sources if re.search(opening, path.read_text(), re.MULTILINE)]
    assert found == [FUNCTIONS / "root_access" / "handler.py"]


def test_the_functions_open_sessions_at_the_regions_own_sts(boto3_python: Path) -> None:
    # With this setting the SDK by itself would choose the global endpoint.
    code = (
        "import os; os.environ['AWS_STS_REGIONAL_ENDPOINTS'] = 'legacy'; "
        "from root_tasks.aws.clients import create_clients; "
        "print(create_clients()('sts').meta.endpoint_url)"
    )
    assert run(boto3_python, code) == "https://sts.us-east-1.amazonaws.com"


def test_the_names_of_features_and_tasks_do_not_start_the_cdk() -> None:
    code = (
        "import sys; from centralized_root_access import RootAccessFeature, RootTask; "
        "print([name for name in sys.modules if name.partition('.')[0] in ('jsii', 'aws_cdk')])"
    )
    assert run_successfully(sys.executable, "-c", code).strip() == "[]"


def test_the_import_contracts_cover_every_package() -> None:
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    packages = {
        path.parent.name
        for root in ("constructs", "lambda", ".")
        for path in (REPOSITORY / root).glob("*/__init__.py")
    }
    assert packages - set(contracts["root_packages"]) == {"acceptance", "benchmarks"}
    (layers,) = (
        contract["layers"] for contract in contracts["contracts"] if contract["id"] == "functions"
    )
    functions = {path.parent.name for path in FUNCTIONS.glob("*/__init__.py")}
    assert {name for layer in layers for name in layer.split(" | ")} == functions
