"""Build a template with parameters: everything of a construct, and what each parameter switches."""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from aws_cdk import App, Environment, Stack

from .merge import NO_VALUE, merge_values
from .placeholders import Placeholders

REGION_OF_EVENTS = "us-east-1"
# As in the examples: a stack of theirs can be updated with the template.
_STACK = "OrganizationBootstrap"
# The oldest time that a zip file can have: the same files give the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_READABLE_BY_ALL = 0o644 << 16

# The properties of every role, and of every log group, that are parameters of the templates.
_PARAMETER_PROPERTIES: Mapping[str, Mapping[str, Any]] = {
    "AWS::IAM::Role": {
        "PermissionsBoundary": {
            "Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundaryArn"}, NO_VALUE]
        }
    },
    "AWS::Logs::LogGroup": {"RetentionInDays": {"Ref": "LogRetentionDays"}},
}


@dataclass(frozen=True)
class Option:
    """One of the ways in which a construct can be made, such as with repair, or without.

    Attributes:
        condition: The condition under which it is made so; None for the last option, for every
            other case.
        arguments: What the construct is then made with.
    """

    condition: str | None
    arguments: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class ParameterTemplate:
    """A template with parameters.

    Attributes:
        name: The beginning of its file's name.
        description: What it deploys.
        parameters: Its section of parameters.
        add: Adds the construct to a stack, with the arguments of an option of each choice.
        conditions: The definitions of the conditions.
        choices: The options of each choice. The first option of each makes all resources that the
            others make.
        existence: The conditions under which resources and outputs exist, by patterns of the
            beginnings of their logical IDs. The first that matches counts; what none matches always
            exists.
        rules: What CloudFormation refuses, besides values that no parameter may have.
        placeholder_texts: What stands for a text, and the function that takes its place. The Region
            always does.
        placeholder_lists: The two elements that stand for a list, and the parameter that has it.
    """

    name: str
    description: str
    parameters: Mapping[str, Mapping[str, Any]]
    add: Callable[..., object]
    conditions: Mapping[str, Any]
    choices: Sequence[tuple[Option, ...]] = ()
    existence: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    placeholder_texts: Mapping[str, Any] = field(default_factory=dict)
    placeholder_lists: Mapping[tuple[str, str], str] = field(default_factory=dict)


def build_parameter_template(template: ParameterTemplate, *, output: Path) -> tuple[Path, ...]:
    """Write a template with parameters, and the zip files of its functions; return the files.

    Args:
        template: The template.
        output: The folder to write to; created if it does not exist.
    """
    output.mkdir(parents=True, exist_ok=True)
    # The CDK's assets are needed until their zip files are written.
    with tempfile.TemporaryDirectory() as temporary:
        # Its resources and outputs ...
        sections = _merge_sections(template, template.choices, {}, folder=Path(temporary))
        resources = sections["Resources"]
        archives = _write_archives(resources, Path(temporary), output)
    # ... get what the parameters decide in every template, ...
    for resource in resources.values():
        resource["Properties"] |= _PARAMETER_PROPERTIES.get(resource["Type"], {})
    for section in sections.values():
        _add_conditions(section, template.existence)
    _make_dependencies_conditional(resources)
    # ... and the sections that the template has by its definition.
    document = {
        "Description": template.description,
        "Parameters": template.parameters,
        "Rules": template.rules,
        "Conditions": template.conditions,
    } | sections
    # CloudFormation refuses an empty section.
    document = {name: section for name, section in document.items() if section}
    written = output / f"{template.name}.template.json"
    written.write_text(json.dumps(document, indent=1) + "\n")
    return written, *archives


def _merge_sections(
    template: ParameterTemplate,
    choices: Sequence[tuple[Option, ...]],
    arguments: dict[str, object],
    *,
    folder: Path,
) -> dict[str, Any]:
    """Return the resources and outputs that any options of some choices have.

    The construct is synthesized with each combination of options. Wherever the properties of a
    resource differ between two options of a choice, the option's condition decides.

    Args:
        template: The template.
        choices: The choices.
        arguments: The arguments of the options that were taken of the other choices.
        folder: Where the CDK writes its templates and assets.
    """
    if not choices:
        return _synthesize(template, arguments, folder=folder)
    options, other_choices = choices[0], choices[1:]
    sections: dict[str, Any] = {}
    # From the last option, which is for every other case, to the first one, which makes everything.
    for option in reversed(options):
        otherwise = sections
        taken = arguments | dict(option.arguments)
        sections = _merge_sections(template, other_choices, taken, folder=folder)
        if option.condition is not None:
            _merge_properties(option.condition, sections["Resources"], otherwise["Resources"])
    return sections


def _merge_properties(
    condition: str, resources: Mapping[str, Any], otherwise: Mapping[str, Any]
) -> None:
    """Let a condition decide between what resources have under it, and what they have otherwise.

    A resource that exists only under the condition keeps its properties: whether it exists is
    decided by its own condition.
    """
    for id_, resource in resources.items():
        if id_ in otherwise:
            resource["Properties"] = merge_values(
                condition, resource["Properties"], otherwise[id_]["Properties"]
            )


def _synthesize(
    template: ParameterTemplate, arguments: Mapping[str, object], *, folder: Path
) -> dict[str, Any]:
    """Return the resources and outputs of a construct, with parameters for the placeholders."""
    # An app for each: logical IDs have the path of the stack in the app. All are in one folder:
    # the CDK copies each function's code into it once.
    app = App(
        outdir=str(folder), analytics_reporting=False, builtin_cloud_formation_validation=False
    )
    stack = Stack(app, _STACK, env=Environment(region=REGION_OF_EVENTS))
    template.add(stack, **arguments)
    app.synth()
    synthesized = json.loads((folder / stack.template_file).read_text())
    # Every template is for any Region.
    region = {REGION_OF_EVENTS: {"Ref": "AWS::Region"}}
    placeholders = Placeholders(
        texts=dict(template.placeholder_texts) | region, lists=template.placeholder_lists
    )
    return {
        name: placeholders.replace(synthesized.get(name, {})) for name in ("Resources", "Outputs")
    }


def _add_conditions(section: Mapping[str, dict[str, Any]], existence: Mapping[str, str]) -> None:
    """Add to each resource or output the condition under which it exists, if there is one."""
    for id_, entry in section.items():
        for pattern, condition in existence.items():
            if re.match(pattern, id_):
                entry["Condition"] = condition
                break


def _make_dependencies_conditional(resources: Mapping[str, dict[str, Any]]) -> None:
    """Let the metadata refer to what may not exist, because DependsOn can have no conditions.

    A resource is created after all that its metadata refers to.

    https://cloudonaut.io/optional-dependson-with-cloudformation-metadata-to-the-rescue
    """
    for resource in resources.values():
        always: list[str] = []
        references: list[object] = []
        for name in resource.pop("DependsOn", []):
            condition = resources[name].get("Condition")
            if condition in (None, resource.get("Condition")):
                always.append(name)
            else:
                references.append({"Fn::If": [condition, {"Ref": name}, NO_VALUE]})
        if always:
            resource["DependsOn"] = always
        if references:
            resource["Metadata"] = {"DependsOn": references}


def _write_archives(resources: Mapping[str, Any], folder: Path, output: Path) -> tuple[Path, ...]:
    """Write the zip files, and let the functions take their code from the parameters' bucket.

    Args:
        resources: The resources, of which the functions are changed.
        folder: The folder that has the CDK's assets.
        output: The folder to write to.

    Returns:
        The zip files.
    """
    archives: set[Path] = set()
    # The functions of a construct share their code.
    for resource in resources.values():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        code_hash = PurePosixPath(resource["Properties"]["Code"]["S3Key"]).stem
        # The beginning of a hash tells the few files apart.
        archive = output / f"function-{code_hash[:12]}.zip"
        if archive not in archives:
            _write_archive(folder / f"asset.{code_hash}", archive)
        archives.add(archive)
        # By the code's hash: CloudFormation updates a function whose key changes, and no other.
        key = {"Fn::Join": ["", [{"Ref": "CodePrefix"}, archive.name]]}
        resource["Properties"]["Code"] = {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": key}
    return tuple(sorted(archives))


def _write_archive(source: Path, archive: Path) -> None:
    """Write the zip file of a folder: the same files give the same bytes."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as written:
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(source).as_posix(), _NO_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = _READABLE_BY_ALL
            written.writestr(entry, file.read_bytes())
