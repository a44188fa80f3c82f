"""The app in TypeScript: the CDK from npm makes of the template what CloudFormation does."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from support.apps import REPOSITORY, Assembly
from support.processes import run_process, run_successfully
from support.templates import resources_of_type

pytestmark = pytest.mark.slow

# What `cdk init` writes into cdk.json.
FEATURE_FLAGS = (
    REPOSITORY / "node_modules/aws-cdk/lib/init-templates/.recommended-feature-flags.json"
)
PACKAGES = Path(sys.prefix) / "typescript" / "node_modules"
STACK = "OrganizationBootstrap"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, release: Path) -> Path:
    """The app in a folder of its own, with its packages and a release."""
    folder = tmp_path_factory.mktemp("app")
    for file in (REPOSITORY / "examples" / "typescript").iterdir():
        shutil.copy(file, folder)
    (folder / "node_modules").symlink_to(PACKAGES)
    (folder / "release").symlink_to(release)
    return folder


@pytest.fixture(scope="module")
def assembly(app: Path) -> Assembly:
    """What the app synthesizes with Node.js."""
    run_successfully(
        "node", "app.ts", cwd=app, env={**os.environ, "CDK_OUTDIR": str(app / "cdk.out")}
    )
    return Assembly(folder=app / "cdk.out")


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


def test_it_deploys_what_the_template_does_with_the_code_as_assets(
    app: Path, assembly: Assembly
) -> None:
    template = json.loads((app / "release" / "root-access.template.json").read_text())
    synthesized = assembly.template(STACK)
    # The functions' code is in the assets that are files already, beside the template itself.
    functions = resources_of_type(synthesized, "AWS::Lambda::Function")
    keys = {function["Properties"].pop("Code")["S3Key"] for function in functions.values()}
    assets = json.loads((assembly.folder / f"{STACK}.assets.json").read_text())["files"]
    zip_files = {
        name
        for name, asset in assets.items()
        if asset["source"]["packaging"] == "file"
        and not asset["source"]["path"].endswith(".template.json")
    }
    assert {key.removesuffix(".zip") for key in keys} == zip_files
    # Everything else is the template, with a topic of the app for the parameter.
    (topic,) = resources_of_type(synthesized, "AWS::SNS::Topic")
    del synthesized["Resources"][topic]
    expected = json.loads(json.dumps(template).replace("NotificationTopicArn", topic))
    for sections in (synthesized, expected):
        for resource in sections["Resources"].values():
            # It has no order.
            resource.get("DependsOn", []).sort()
            if resource["Type"] == "AWS::Lambda::Function":
                resource["Properties"].pop("Code", None)
    for name in ("Resources", "Outputs", "Conditions"):
        assert synthesized[name] == expected[name], name
