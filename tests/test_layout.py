"""The layout that packaging and imports rest on."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("import_root", ["constructs", "lambda"])
def test_the_import_roots_are_no_packages(import_root: str) -> None:
    assert not (ROOT / import_root / "__init__.py").exists(), (
        f"{import_root}/ is an import root, like src/. As a package, constructs/ would shadow the PyPI "
        "package that aws-cdk-lib needs, and lambda is a keyword."
    )


def test_the_function_needs_nothing_but_boto3(tmp_path: Path) -> None:
    """In an environment that has boto3 and what it needs, and no CDK, no moto, no project."""
    venv.create(tmp_path / "venv", with_pip=False)
    (site_packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (development,) = Path(sys.prefix).glob("lib/python*/site-packages")
    for needed in ("boto3", "botocore", "jmespath", "s3transfer", "urllib3", "dateutil", "six.py"):
        (site_packages / needed).symlink_to(development / needed)
    imported = subprocess.run(
        [
            tmp_path / "venv" / "bin" / "python",
            "-c",
            "from root_access import clients, drift, handler; "
            "print(clients.create_clients().iam.meta.service_model.service_name)",
        ],
        env={"PYTHONPATH": str(ROOT / "lambda"), "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert imported.returncode == 0, imported.stderr
    assert imported.stdout.strip() == "iam"


def test_the_features_are_known_without_starting_the_cdk() -> None:
    imported = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from centralized_root_access import RootAccessFeature; "
            "print([name for name in sys.modules if name.partition('.')[0] in ('jsii', 'aws_cdk')])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert imported.stdout.strip() == "[]"
