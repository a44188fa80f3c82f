"""The app in TypeScript: the CDK from npm finds nothing in the template."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from support.apps import REPOSITORY
from support.processes import run_process, run_successfully

pytestmark = pytest.mark.slow

# What `cdk init` writes into cdk.json.
FEATURE_FLAGS = (
    REPOSITORY / "node_modules/aws-cdk/lib/init-templates/.recommended-feature-flags.json"
)
PACKAGES = Path(sys.prefix) / "typescript" / "node_modules"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, release: Path) -> Path:
    """The app in a folder of its own, with its packages and a release."""
    folder = tmp_path_factory.mktemp("app")
    for file in (REPOSITORY / "examples" / "typescript").iterdir():
        shutil.copy(file, folder)
    (folder / "node_modules").symlink_to(PACKAGES)
    (folder / "release").symlink_to(release)
    return folder


def test_its_types_are_right(app: Path) -> None:
    run_successfully("node", "node_modules/typescript/bin/tsc", cwd=app)


def test_in_an_app_with_the_recommended_feature_flags_its_validation_finds_nothing(
    app: Path, tmp_path: Path
) -> None:
    variables = {
        **os.environ,
        "CDK_OUTDIR": str(tmp_path),
        "CDK_CONTEXT_JSON": FEATURE_FLAGS.read_text(),
    }
    synthesized = run_process("node", "app.ts", cwd=app, env=variables)
    assert (synthesized.returncode, synthesized.stderr) == (0, "")
