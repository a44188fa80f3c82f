"""What the functions of RootTasks need to be imported, and what the name of a task needs."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_functions_need_nothing_but_boto3(tmp_path: Path) -> None:
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
            "from root_tasks.handlers import create_clients; print(create_clients().sts.meta.endpoint_url)",
        ],
        env={
            "PYTHONPATH": str(ROOT / "lambda"),
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert imported.returncode == 0, imported.stderr
    assert imported.stdout.strip() == "https://sts.eu-west-1.amazonaws.com", "the Region's own STS"


def test_the_tasks_are_known_without_starting_the_cdk() -> None:
    imported = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from centralized_root_access import RootTask; "
            "print([name for name in sys.modules if name.partition('.')[0] in ('jsii', 'aws_cdk')])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert imported.stdout.strip() == "[]"
