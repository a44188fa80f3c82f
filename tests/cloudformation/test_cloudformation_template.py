"""The template that needs no CDK: the same resources, and code that `aws cloudformation package` uploads."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import (
    App,
    CliCredentialsStackSynthesizer,
    DefaultStackSynthesizer,
    Environment,
    LegacyStackSynthesizer,
    Stack,
    Stage,
)
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from aws_cdk import aws_ssm as ssm

from cloudformation.build import Package, UnsupportedAssemblyError, build_package
from cloudformation.context import InvalidContextError, app_context
from support.apps import ROOT, Assembly, synthesize
from support.processes import run, run_successfully

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping

    from constructs import Construct

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
        files = {
            str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }
        with zipfile.ZipFile(package.template.parent / archive) as zipped:
            assert {name: zipped.read(name) for name in zipped.namelist()} == files
            modes = {entry.external_attr >> 16 for entry in zipped.infolist()}
        # Lambda's user must be able to read them.
        assert modes == {0o644}


def test_the_same_app_gives_the_same_bytes(assembly: Assembly, package: Package, tmp_path: Path) -> None:
    again = build_package(assembly=assembly.folder, stack=STACK, output=tmp_path / "new" / "folder")
    assert again.template.read_bytes() == package.template.read_bytes()
    assert [archive.read_bytes() for archive in again.archives] == [
        archive.read_bytes() for archive in package.archives
    ]


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(outdir=str(tmp_path / "assembly"), analytics_reporting=False)


def build(app: App, *, stack: str | None = None) -> Package:
    app.synth()
    assembly = Path(app.outdir)
    return build_package(assembly=assembly, stack=stack, output=assembly.with_name("package"))


def add_function(scope: Construct, id: str, code: lambda_.Code) -> lambda_.CfnFunction:
    function = lambda_.Function(
        scope, id, runtime=lambda_.Runtime.PYTHON_3_13, handler="index.handler", code=code
    )
    resource = function.node.default_child
    assert isinstance(resource, lambda_.CfnFunction)
    resource.override_logical_id(id)
    return resource


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "index.py").write_text("def handler(event, context): ...")
    return folder


def test_the_metadata_of_the_users_own_resources_stays(app: App, code: Path) -> None:
    app.node.set_context("aws:cdk:enable-path-metadata", True)
    app.node.set_context("aws:cdk:enable-asset-metadata", True)
    stack = Stack(app, STACK)
    guard = {"SuppressedRules": ["LAMBDA_INSIDE_VPC"]}
    add_function(stack, "Own", lambda_.Code.from_asset(str(code))).add_metadata("guard", guard)
    page = ssm.CfnParameter(stack, "Page", type="String", value="text")
    page.add_metadata("AWS::CloudFormation::Init", {"config": {}})
    ssm.CfnParameter(stack, "Without", type="String", value="text")
    package = build(app)
    # So that the test is about something: the CDK added its own.
    synthesized = (Path(app.outdir) / f"{STACK}.template.json").read_text()
    assert "aws:asset:path" in synthesized
    assert "aws:cdk:path" in synthesized
    resources = template(package)["Resources"]
    assert resources["Own"]["Metadata"] == {"guard": guard}
    assert resources["Page"]["Metadata"] == {"AWS::CloudFormation::Init": {"config": {}}}
    assert "Metadata" not in resources["Without"]


def test_code_that_is_not_an_asset_stays_as_it_is(app: App, code: Path) -> None:
    stack = Stack(app, STACK)
    add_function(stack, "Inline", lambda_.Code.from_inline("def handler(event, context): ..."))
    bucket = s3.Bucket.from_bucket_name(stack, "Bucket", "own-bucket")
    add_function(stack, "Uploaded", lambda_.Code.from_bucket_v2(bucket, "releases/1.zip"))
    add_function(stack, "Asset", lambda_.Code.from_asset(str(code)))
    package = build(app)
    resources = template(package)["Resources"]
    assert resources["Inline"]["Properties"]["Code"] == {"ZipFile": "def handler(event, context): ..."}
    assert resources["Uploaded"]["Properties"]["Code"] == {
        "S3Bucket": "own-bucket",
        "S3Key": "releases/1.zip",
    }
    assert [resources["Asset"]["Properties"]["Code"]] == [archive.name for archive in package.archives]


def test_code_that_is_a_zip_file_is_copied(app: App, code: Path) -> None:
    zipped = code.with_suffix(".zip")
    with zipfile.ZipFile(zipped, "w") as written:
        written.write(code / "index.py", "index.py")
    add_function(Stack(app, STACK), "Zipped", lambda_.Code.from_asset(str(zipped)))
    (archive,) = build(app).archives
    assert archive.read_bytes() == zipped.read_bytes()


def file_location(stack: Stack, code: Path) -> str:
    return assets.Asset(stack, "Asset", path=str(code / "index.py")).s3_object_url


def image_location(stack: Stack, code: Path) -> str:
    (code / "Dockerfile").write_text("FROM scratch")
    return ecr_assets.DockerImageAsset(stack, "Image", directory=str(code)).image_uri


@pytest.mark.parametrize("location", [file_location, image_location])
def test_what_is_not_the_code_of_a_function_is_refused_instead_of_left_out(
    location: Callable[[Stack, Path], str], app: App, code: Path
) -> None:
    stack = Stack(app, STACK)
    ssm.CfnParameter(stack, "Page", type="String", value=location(stack, code))
    with pytest.raises(
        UnsupportedAssemblyError, match=r"Page \(AWS::SSM::Parameter\) uses a file or an image"
    ):
        build(app)


@pytest.mark.parametrize(
    "new_stack",
    [
        lambda app: Stack(app, STACK, synthesizer=DefaultStackSynthesizer(bucket_prefix="a/b/")),
        lambda app: Stack(app, STACK, synthesizer=CliCredentialsStackSynthesizer(bucket_prefix="x/")),
        lambda app: Stack(Stage(Stage(app, "Europe"), "Production"), STACK),
    ],
    ids=["prefix", "no roles", "stages"],
)
def test_the_code_is_found_whatever_prefix_it_has_and_however_deep_the_stack_is(
    new_stack: Callable[[App], Stack], app: App, code: Path
) -> None:
    add_function(new_stack(app), "Asset", lambda_.Code.from_asset(str(code)))
    package = build(app)
    (archive,) = package.archives
    assert template(package)["Resources"]["Asset"]["Properties"]["Code"] == archive.name
    with zipfile.ZipFile(archive) as zipped:
        assert zipped.namelist() == ["index.py"]


def test_a_synthesizer_that_lists_no_assets_is_refused_with_what_to_do(app: App, code: Path) -> None:
    stack = Stack(app, STACK, synthesizer=LegacyStackSynthesizer())
    add_function(stack, "Asset", lambda_.Code.from_asset(str(code)))
    with pytest.raises(
        UnsupportedAssemblyError, match=rf"The stack {STACK} has no list.* a DefaultStackSynthesizer\.$"
    ):
        build(app)


def test_a_value_that_only_the_cdk_cli_looks_up_is_refused_instead_of_a_dummy(app: App) -> None:
    stack = Stack(app, STACK, env=Environment(account="111111111111", region="us-east-1"))
    value = ssm.StringParameter.value_from_lookup(stack, "/security/account")
    ssm.CfnParameter(stack, "Page", type="String", value=value)
    with pytest.raises(UnsupportedAssemblyError, match=r"parameterName=/security/account.* `cdk synth` once"):
        build(app)


@pytest.mark.parametrize("name", [None, "Unknown"])
def test_one_of_several_stacks_must_be_named(name: str | None, app: App) -> None:
    Stack(app, "One")
    Stack(Stage(app, "Production"), "Other")
    with pytest.raises(UnsupportedAssemblyError, match="--stack: One, Production/Other"):
        build(app, stack=name)


def test_an_app_without_a_stack_is_refused(app: App) -> None:
    with pytest.raises(UnsupportedAssemblyError, match="The app has no stack"):
        build(app)


def test_an_app_that_wrote_no_assembly_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedAssemblyError, match=r"End the app with `app.synth\(\)`"):
        build_package(assembly=tmp_path, stack=None, output=tmp_path / "package")


@pytest.mark.parametrize("by", ["path", "artifact"])
def test_the_stack_of_a_pipelines_stage_can_be_named(by: str, tmp_path: Path) -> None:
    assembly = synthesize(ROOT / "examples" / "pipeline.py", tmp_path / "assembly")
    (file,) = assembly.folder.glob(f"assembly-Management/*{STACK}*.template.json")
    name = f"Management/{STACK}" if by == "path" else file.name.removesuffix(".template.json")
    package = build_package(assembly=assembly.folder, stack=name, output=tmp_path / "package")
    assert package.template.name == file.name
    assert set(template(package)["Resources"]) == set(assembly.template(STACK)["Resources"])
    assert len(package.archives) == 1


CONTEXT_APP = """
from aws_cdk import App, CfnOutput, CfnWaitConditionHandle, Stack
app = App()
stack = Stack(app, "Context")
CfnWaitConditionHandle(stack, "Resource")
for name in ("Settings", "Lookups", "Variable", "Long"):
    CfnOutput(stack, name, value=str(app.node.try_get_context(name)))
app.synth()
"""


def run_in(folder: Path, *, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the tool in a folder that has an app, as a user does."""
    (folder / "context_app.py").write_text(CONTEXT_APP)
    environment = {name: value for name, value in os.environ.items() if name != "CDK_CONTEXT_JSON"}
    return run(
        *(sys.executable, "-m", "cloudformation", "context_app.py", "--output", "package"),
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT), **variables},
    )


def write_context(folder: Path, *, settings: Mapping[str, object], lookups: Mapping[str, object]) -> None:
    (folder / "cdk.json").write_text(json.dumps({"app": "python app.py", "context": settings}))
    (folder / "cdk.context.json").write_text(json.dumps(lookups))


def test_an_app_has_the_context_that_the_cdk_cli_gives_it(tmp_path: Path) -> None:
    # Longer than a variable of the environment may be on Linux.
    long = "x" * 200_000
    write_context(tmp_path, settings={"Settings": "222222222222"}, lookups={"Lookups": "one", "Long": long})
    ended = run_in(tmp_path, variables={"CDK_CONTEXT_JSON": '{"Variable": "two"}'})
    assert ended.returncode == 0, ended.stderr
    outputs = json.loads((tmp_path / "package" / "Context.template.json").read_text())["Outputs"]
    assert {name: output["Value"] for name, output in outputs.items()} == {
        "Settings": "222222222222",
        "Lookups": "one",
        "Variable": "two",
        "Long": long,
    }


def test_the_context_has_the_precedence_of_the_cdk_cli(tmp_path: Path) -> None:
    write_context(
        tmp_path,
        settings={"a": "settings", "b": "settings", "map": {"x": 1, "list": [1]}},
        lookups={"a": "lookups", "b": "lookups", "c": "lookups", "map": {"x": 0, "y": 2, "list": [2, 3]}},
    )
    context = app_context(folder=tmp_path, variables={"CDK_CONTEXT_JSON": '{"a": "variable"}'})
    assert context == {
        "a": "variable",
        "b": "settings",
        "c": "lookups",
        "map": {"x": 1, "y": 2, "list": [1]},
    }


@pytest.mark.slow
def test_the_cdk_cli_gives_an_app_the_same_context(tmp_path: Path) -> None:
    printing = "import os; print(os.environ['CDK_CONTEXT_JSON']); import aws_cdk; aws_cdk.App().synth()"
    (tmp_path / "app.py").write_text(printing)
    write_context(
        tmp_path,
        settings={"a": "settings", "b": None, "map": {"x": 1, "list": [1], "deep": {"p": 1}}},
        lookups={"a": "lookups", "b": 1, "c": "lookups", "map": {"y": 2, "list": [2, 3], "deep": {"q": 1}}},
    )
    printed = run(
        *(ROOT / "node_modules" / ".bin" / "cdk", "synth", "--quiet", "--no-notices"),
        *("--app", f"{sys.executable} app.py"),
        cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path), "CI": "true"},
    )
    (line,) = [line for line in printed.stdout.splitlines() if line.startswith("{")]
    given = {name: value for name, value in json.loads(line).items() if name in {"a", "b", "c", "map"}}
    assert app_context(folder=tmp_path, variables={}) == given


def test_an_app_without_the_files_has_no_context(tmp_path: Path) -> None:
    assert app_context(folder=tmp_path, variables={}) == {}
    (tmp_path / "cdk.json").write_text('{"app": "python app.py"}')
    assert app_context(folder=tmp_path, variables={"CDK_CONTEXT_JSON": ""}) == {}


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "cdk.context.json").write_text('{"a": 1}', encoding="utf-8-sig")
    assert app_context(folder=tmp_path, variables={}) == {"a": 1}


@pytest.mark.parametrize(
    ("settings", "lookups", "variable", "named"),
    [
        ('{"context": ', "{}", "", "cdk.json is not valid JSON"),
        ("[]", "{}", "", r"cdk.json is not a JSON object: \[\]"),
        ('{"context": ["a"]}', "{}", "", r"`context` in cdk.json is not a JSON object: \[\"a\"\]"),
        ("{}", "null", "", "cdk.context.json is not a JSON object: null"),
        ("{}", "{}", "a=b", "CDK_CONTEXT_JSON is not valid JSON"),
    ],
)
def test_a_context_that_cannot_be_read_is_named(
    settings: str, lookups: str, variable: str, named: str, tmp_path: Path
) -> None:
    (tmp_path / "cdk.json").write_text(settings)
    (tmp_path / "cdk.context.json").write_text(lookups)
    with pytest.raises(InvalidContextError, match=named):
        app_context(folder=tmp_path, variables={"CDK_CONTEXT_JSON": variable})


def test_an_unusable_context_ends_the_run_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "cdk.json").write_text("{")
    ended = run_in(tmp_path, variables={})
    assert ended.returncode == 1
    assert ended.stderr.startswith("The app's context cannot be read, because cdk.json is not valid JSON")
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_the_aws_cli_packages_the_template_and_cloudformation_deploys_it(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    written = run_successfully(
        *(sys.executable, "-m", "cloudformation", ROOT / "app.py", "--output", tmp_path), cwd=ROOT
    )
    assert f"{STACK}.template.json" in written
    local_aws.client("s3").create_bucket(Bucket="templates")
    run_successfully(
        *(sys.executable, AWS_CLI / "bin" / "aws", "cloudformation", "package"),
        *("--template-file", f"{STACK}.template.json", "--s3-bucket", "templates"),
        *("--output-template-file", "packaged.yaml"),
        cwd=tmp_path,
        env=local_aws.environment | {"PYTHONPATH": str(AWS_CLI)},
    )
    client = local_aws.client("cloudformation")
    client.create_stack(
        StackName=STACK,
        TemplateBody=(tmp_path / "packaged.yaml").read_text(),
        Capabilities=["CAPABILITY_IAM"],
    )
    client.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    assert local_aws.organization.root_access().features == {"RootCredentialsManagement", "RootSessions"}
