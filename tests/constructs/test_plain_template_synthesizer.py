"""A plain template takes the functions' code from a bucket that its parameters name."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from aws_cdk import App, NestedStack, Stack
from aws_cdk import aws_s3_assets as s3_assets
from aws_cdk import aws_sns as sns

from centralized_root_access import CentralizedRootAccess, PlainTemplateSynthesizer
from support.templates import resources_of_type


def test_the_code_is_where_the_parameters_say_and_nothing_is_bootstrapped(tmp_path: Path) -> None:
    # A stack that has the synthesizer, and another one that has the app's.
    app = App(outdir=str(tmp_path), default_stack_synthesizer=PlainTemplateSynthesizer())
    for stack in (Stack(app, "Own", synthesizer=PlainTemplateSynthesizer()), Stack(app, "Apps")):
        CentralizedRootAccess(stack, "RootAccess").add_drift_check()
    app.synth()
    (archive,) = tmp_path.glob("*.zip")
    with zipfile.ZipFile(archive) as zipped:
        entries = zipped.infolist()
    names = [entry.filename for entry in entries]
    assert "root_access/handler.py" in names
    # The same files give the same bytes, and everyone may read them, such as Lambda.
    assert names == sorted(names, key=Path)
    facts = {(entry.date_time, entry.external_attr >> 16) for entry in entries}
    assert facts == {((1980, 1, 1, 0, 0, 0), 0o644)}
    for name in ("Own", "Apps"):
        template = json.loads((tmp_path / f"{name}.template.json").read_text())
        assert template["Parameters"].keys() == {"CodeBucket", "CodePrefix"}
        assert "Rules" not in template
        key = {"Fn::Join": ["", [{"Ref": "CodePrefix"}, archive.name]]}
        for function in resources_of_type(template, "AWS::Lambda::Function").values():
            code = {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": key}
            assert function["Properties"]["Code"] == code


def add_file(stack: Stack) -> None:
    s3_assets.Asset(stack, "Asset", path=__file__)


def add_nested_stack(stack: Stack) -> None:
    sns.Topic(NestedStack(stack, "Nested"), "Topic")


@pytest.mark.parametrize("add", [add_file, add_nested_stack])
def test_what_is_not_the_code_of_a_function_is_refused(
    add: Callable[[Stack], None], tmp_path: Path
) -> None:
    def synthesize() -> None:
        app = App(outdir=str(tmp_path))
        add(Stack(app, "Own", synthesizer=PlainTemplateSynthesizer()))
        app.synth()

    with pytest.raises(RuntimeError, match="is not a folder"):
        synthesize()
