"""Build a template with parameters from the templates that its construct makes for every choice."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_cdk import App, Environment, Stack

from .build import Package, code_asset, write_archive
from .merge import merge, name_conditions
from .placeholders import Placeholders
from .templates import REGION_OF_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .templates import ParameterTemplate

# As in the examples, so that a stack of theirs can be updated with the template.
_STACK = "OrganizationBootstrap"
_SECTIONS = ("Resources", "Outputs")
# What the name of a copied asset's folder begins with, before its hash.
_ASSET = "asset."


def build_parameter_template(template: ParameterTemplate, *, output: Path) -> Package:
    """Write a template with parameters, and a zip file for each function's code.

    Args:
        template: The template.
        output: The folder to write to; created if it does not exist.
    """
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sections = name_conditions(merge(template.choices, _synthesis(template, folder)), template.conditions)
        archives = _write_archives(sections["Resources"], folder, output)
    written = output / f"{template.name}.template.json"
    document = {
        "Description": template.description,
        "Parameters": template.parameters,
        "Rules": template.rules,
        **sections,
    }
    written.write_text(json.dumps(document, indent=1) + "\n")
    return Package(template=written, archives=archives)


def _synthesis(template: ParameterTemplate, folder: Path) -> Callable[[Mapping[str, object]], dict[str, Any]]:
    """Return what synthesizes the construct with a value of each argument, and returns its sections."""

    def sections(chosen: Mapping[str, object]) -> dict[str, Any]:
        arguments = dict(chosen)
        region = str(arguments.pop("region", REGION_OF_EVENTS))
        # An app for each: logical ids have the path of the stack in the app. All in one folder, into which
        # the CDK copies each function's code once.
        app = App(outdir=str(folder), analytics_reporting=False, builtin_cloud_formation_validation=False)
        stack = Stack(app, _STACK, env=Environment(region=region))
        template.add(stack, **arguments)
        app.synth()
        synthesized = json.loads((folder / stack.template_file).read_text())
        placeholders = Placeholders(
            texts={**template.texts, region: {"Ref": "AWS::Region"}},
            numbers=template.numbers,
            lists=template.lists,
        )
        return {section: placeholders.replace(synthesized[section]) for section in _SECTIONS}

    return sections


def _write_archives(resources: Mapping[str, Any], folder: Path, output: Path) -> tuple[Path, ...]:
    """Write the zip files, and let the functions have their code from the bucket of the parameters."""
    sources = {source.name.removeprefix(_ASSET): source for source in folder.glob(f"{_ASSET}*")}
    archives: dict[Path, None] = {}
    for resource in resources.values():
        code = code_asset(resource, sources)
        if code is not None:
            archive = output / f"function-{code[:12]}.zip"
            if archive not in archives:
                write_archive(sources[code], archive)
            archives[archive] = None
            # By the code's hash: CloudFormation updates a function whose key changes, and no other.
            resource["Properties"]["Code"] = {
                "S3Bucket": {"Ref": "CodeBucket"},
                "S3Key": {"Fn::Join": ["", [{"Ref": "CodePrefix"}, archive.name]]},
            }
    return tuple(archives)
