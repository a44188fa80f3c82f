"""What the tests of the plain templates share."""

import sys
from pathlib import Path

import pytest

from support.apps import REPOSITORY
from support.processes import run_successfully


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a release, with what `make template` writes."""
    output = tmp_path_factory.mktemp("template")
    run_successfully(sys.executable, "-m", "cloudformation", "--output", output, cwd=REPOSITORY)
    return output
