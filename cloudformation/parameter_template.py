"""Build a template with parameters from the templates that its construct makes for every choice."""

from __future__ import annotations

import itertools
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


def build_parameter_template(template: ParameterTemplate, *, output: Path) -> Package:
    """Write a template with parameters, and a zip file for each function's code.

    Args:
        template: The template.
        output: The folder to write to; created if it does not exist.
    """
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        assemblies = Path(folder)
        sections = name_conditions(
            merge(template.choices, _synthesis(template, assemblies)), template.conditions
        )
        archives = _write_archives(sections["Resources"], assemblies, output)
    written = output / f"{template.name}.template.json"
    document = {
        "Description": template.description,
        "Parameters": template.parameters,
        "Rules": template.rules,
        **sections,
    }
    written.write_text(json.dumps(document, indent=1) + "\n")
    return Package(template=written, archives=archives)


def _synthesis(
    template: ParameterTemplate, assemblies: Path
) -> Callable[[Mapping[str, object]], dict[str, Any]]:
    """Return what synthesizes the construct with a value of each argument, and returns its sections."""
    numbers = itertools.count()

    def sections(chosen: Mapping[str, object]) -> dict[str, Any]:
        arguments = dict(chosen)
        region = str(arguments.pop("region", REGION_OF_EVENTS))
        assembly = assemblies / str(next(numbers))
        # An app for each: logical ids have the path of the stack in the app.
        app = App(outdir=str(assembly), analytics_reporting=False, builtin_cloud_formation_validation=False)
        stack = Stack(app, _STACK, env=Environment(region=region))
        template.add(stack, **arguments)
        app.synth()
        synthesized = json.loads((assembly / stack.template_file).read_text())
        placeholders = Placeholders(
            texts={**template.texts, region: {"Ref": "AWS::Region"}},
            numbers=template.numbers,
            lists=template.lists,
        )
        return {section: placeholders.replace(synthesized[section]) for section in _SECTIONS}

    return sections


def _write_archives(resources: Mapping[str, Any], assemblies: Path, output: Path) -> tuple[Path, ...]:
    """Write the zip files, and let the functions have their code from the bucket of the parameters."""
    sources = {
        asset: manifest.parent / file["source"]["path"]
        for manifest in assemblies.glob("*/*.assets.json")
        for asset, file in json.loads(manifest.read_text())["files"].items()
    }
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
