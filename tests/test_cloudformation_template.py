"""The template that needs no CDK: the same resources, and code that `aws cloudformation package` uploads."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_s3_assets as assets
from aws_cdk import aws_ssm as ssm

from cloudformation.build import Package, UnsupportedAssemblyError, build_package
from support.apps import ROOT, Assembly, synthesize

if TYPE_CHECKING:
    from local_aws.services import LocalAws

STACK = "OrganizationBootstrap"
# The AWS CLI pins its own botocore, so it has a folder of its own.
AWS_CLI = Path(sys.prefix) / "aws-cli"


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return synthesize(ROOT / "examples" / "audit.py", tmp_path_factory.mktemp("assembly"))


@pytest.fixture(scope="module")
def package(assembly: Assembly, tmp_path_factory: pytest.TempPathFactory) -> Package:
    return build_package(assembly=assembly.folder, stack=None, output=tmp_path_factory.mktemp("package"))


def template(package: Package) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(package.template.read_text())
    return found


def test_the_template_is_the_constructs_but_for_the_code_of_the_functions(
    assembly: Assembly, package: Package
) -> None:
    expected = assembly.template(STACK)
    found = template(package)
    assert set(expected["Resources"]) == set(found["Resources"])
    for logical_id, resource in found["Resources"].items():
        original = expected["Resources"][logical_id]
        original.pop("Metadata", None)
        if resource["Type"] == "AWS::Lambda::Function":
            del original["Properties"]["Code"], resource["Properties"]["Code"]
        assert resource == original
    assert found["Outputs"] == expected["Outputs"]


def test_nothing_in_the_template_needs_the_resources_of_cdk_bootstrap(package: Package) -> None:
    assert "cdk-" not in package.template.read_text()
    assert set(template(package)) == {"Resources", "Outputs"}


def test_each_function_has_a_zip_file_with_exactly_its_code(assembly: Assembly, package: Package) -> None:
    functions = {
        logical_id: resource["Properties"]["Code"]
        for logical_id, resource in template(package)["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    assert set(functions.values()) == {file.name for file in package.archives}
    for logical_id, archive in functions.items():
        code = assembly.template(STACK)["Resources"][logical_id]["Properties"]["Code"]
        folder = assembly.folder / f"asset.{code['S3Key'].removesuffix('.zip')}"
        files = {str(it.relative_to(folder)): it.read_bytes() for it in folder.rglob("*") if it.is_file()}
        with zipfile.ZipFile(package.template.parent / archive) as zipped:
            assert {name: zipped.read(name) for name in zipped.namelist()} == files
            modes = {entry.external_attr >> 16 for entry in zipped.infolist()}
        # Lambda's user must be able to read them.
        assert modes == {0o644}


def test_the_same_app_gives_the_same_bytes(assembly: Assembly, package: Package, tmp_path: Path) -> None:
    again = build_package(assembly=assembly.folder, stack=STACK, output=tmp_path / "new" / "folder")
    assert again.template.read_bytes() == package.template.read_bytes()
    assert [it.read_bytes() for it in again.archives] == [it.read_bytes() for it in package.archives]


def test_an_asset_that_is_not_code_is_refused_instead_of_left_out(tmp_path: Path) -> None:
    app = App(outdir=str(tmp_path / "assembly"), analytics_reporting=False)
    stack = Stack(app, STACK)
    asset = assets.Asset(stack, "Asset", path=str(ROOT / "README.md"))
    ssm.CfnParameter(stack, "Page", type="String", value=asset.s3_object_url)
    app.synth()
    with pytest.raises(UnsupportedAssemblyError, match="Page"):
        build_package(assembly=tmp_path / "assembly", stack=None, output=tmp_path / "package")


@pytest.mark.parametrize("name", [None, "Unknown"])
def test_one_of_several_stacks_must_be_named(name: str | None, tmp_path: Path) -> None:
    app = App(outdir=str(tmp_path / "assembly"), analytics_reporting=False)
    Stack(app, "One")
    Stack(app, "Other")
    app.synth()
    with pytest.raises(UnsupportedAssemblyError, match="One, Other"):
        build_package(assembly=tmp_path / "assembly", stack=name, output=tmp_path / "package")


@pytest.mark.slow
def test_the_aws_cli_packages_the_template_and_cloudformation_deploys_it(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    written = subprocess.run(
        [sys.executable, "-m", "cloudformation", ROOT / "app.py", "--output", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{STACK}.template.json" in written.stdout
    local_aws.client("s3").create_bucket(Bucket="templates")
    packaged = subprocess.run(
        [
            sys.executable,
            AWS_CLI / "bin" / "aws",
            *("cloudformation", "package", "--template-file", f"{STACK}.template.json"),
            *("--s3-bucket", "templates", "--output-template-file", "packaged.yaml"),
        ],
        cwd=tmp_path,
        env=local_aws.environment | {"PYTHONPATH": str(AWS_CLI)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert packaged.returncode == 0, packaged.stderr
    client = local_aws.client("cloudformation")
    client.create_stack(
        StackName=STACK,
        TemplateBody=(tmp_path / "packaged.yaml").read_text(),
        Capabilities=["CAPABILITY_IAM"],
    )
    client.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    assert local_aws.organization.root_access().features == {"RootCredentialsManagement", "RootSessions"}
