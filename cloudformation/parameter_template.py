"""Build a template with parameters: everything of a construct, and what each parameter switches."""

from __future__ import annotations

import functools
import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import FunctionType
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

# These are the same in every template: the conditions of properties, the conditions of policies'
# statements by a text in them, and the values of properties by the type of a resource.
_PROPERTIES = {"AlarmActions": "Notifies", "OKActions": "Notifies", "KmsKeyId": "HasKey"}
_STATEMENTS = {"kms:": "HasKey", "sns:Publish": "Notifies", "securityhub:": "ImportsFindings"}
_VALUES: Mapping[str, Mapping[str, Any]] = {
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
        arguments: The construct's arguments; a function gets the stack.
    """

    condition: str | None
    arguments: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Row:
    """The conditions and choices of some resources and outputs.

    For example, the functions that execute plans exist only if tasks that make changes are listed,
    and their settings depend on which.

    Attributes:
        ids: The pattern of their logical IDs.
        condition: The condition under which they exist; None: they always do.
        choices: The choices that decide their properties.
    """

    ids: str
    condition: str | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ParameterTemplate:
    """A template with parameters.

    Attributes:
        name: The beginning of its file's name.
        description: What it deploys.
        parameters: Its section of parameters.
        add: Adds the construct to a stack, with the arguments of an option of each choice.
        conditions: The definitions of the conditions.
        choices: The options of each choice. The first ones together make everything.
        table: What each resource and output depends on; the first row that matches counts.
        rules: What CloudFormation refuses, besides values that no parameter may have.
        placeholders: What stands for the parameters, besides the Region.
    """

    name: str
    description: str
    parameters: Mapping[str, Mapping[str, Any]]
    add: Callable[..., object]
    conditions: Mapping[str, Any]
    choices: Mapping[str, tuple[Option, ...]]
    table: tuple[Row, ...]
    rules: Mapping[str, Any] = field(default_factory=dict)
    placeholders: Placeholders = field(default_factory=Placeholders)

    def row_of(self, logical_id: str) -> Row:
        """Return what the parameters switch in a resource or an output."""
        for row in self.table:
            if re.match(row.ids, logical_id):
                return row
        return Row(ids=logical_id)


def build_parameter_template(template: ParameterTemplate, *, output: Path) -> tuple[Path, ...]:
    """Write a template with parameters, and the zip files of its functions; return the files.

    Args:
        template: The template.
        output: The folder to write to; created if it does not exist.
    """
    output.mkdir(parents=True, exist_ok=True)
    # The CDK's assets are needed until their zip files are written.
    with tempfile.TemporaryDirectory() as temporary:
        builder = _Builder(template, Path(temporary))
        resources, outputs = builder.resources(), builder.outputs()
        archives = _write_archives(resources, Path(temporary), output)
    # CloudFormation refuses an empty section.
    document = {
        "Description": template.description,
        "Parameters": template.parameters,
        "Rules": template.rules,
        "Conditions": template.conditions,
        "Resources": resources,
        "Outputs": outputs,
    }
    sections = {name: section for name, section in document.items() if section}
    written = output / f"{template.name}.template.json"
    written.write_text(json.dumps(sections, indent=1) + "\n")
    return written, *archives


class _Builder:
    """Builds the sections of one template."""

    def __init__(self, template: ParameterTemplate, folder: Path) -> None:
        self._template = template
        self._folder = folder
        self._everything: dict[str, object] = {}
        for options in template.choices.values():
            self._everything |= options[0].arguments
        self._synthesized = functools.cache(self._synthesize)

    def outputs(self) -> dict[str, Any]:
        """Return the outputs, with their conditions."""
        outputs = self._sections({})["Outputs"]
        return {id_: self._with_condition(id_, output) for id_, output in outputs.items()}

    def resources(self) -> dict[str, Any]:
        """Return the resources, with their conditions."""
        return {id_: self._resource(id_) for id_ in self._sections({})["Resources"]}

    def _resource(self, id_: str) -> dict[str, Any]:
        row = self._template.row_of(id_)
        resource = dict(self._sections({})["Resources"][id_])

        # Its properties are decided by the row's choices, ...
        def properties_with(chosen: Mapping[str, object]) -> Any:
            return self._sections(chosen)["Resources"].get(id_, {}).get("Properties")

        choices = [self._template.choices[name] for name in row.choices]
        properties: dict[str, Any] = _merge(choices, properties_with, {}) or {}
        # ... and by what is the same in every template.
        for name, condition in _PROPERTIES.items():
            if name in properties:
                properties[name] = _switch(condition, properties[name], row)
        properties |= _VALUES.get(resource["Type"], {})
        document = properties.get("PolicyDocument", {})
        if "Statement" in document:
            statements = [_switch(_condition_of(it), it, row) for it in document["Statement"]]
            properties["PolicyDocument"] = document | {"Statement": statements}
        resource["Properties"] = properties
        self._switch_dependencies(resource, row)
        return self._with_condition(id_, resource)

    def _with_condition(self, id_: str, entry: dict[str, Any]) -> dict[str, Any]:
        condition = self._template.row_of(id_).condition
        if condition is None:
            return entry
        return entry | {"Condition": condition}

    def _switch_dependencies(self, resource: dict[str, Any], row: Row) -> None:
        """Let the metadata refer to what may not exist: DependsOn can have no conditions.

        https://cloudonaut.io/optional-dependson-with-cloudformation-metadata-to-the-rescue
        """
        always: list[str] = []
        references: list[object] = []
        for name in resource.pop("DependsOn", []):
            condition = self._template.row_of(name).condition
            if condition in (None, row.condition):
                always.append(name)
            else:
                references.append({"Fn::If": [condition, {"Ref": name}, NO_VALUE]})
        if always:
            resource["DependsOn"] = always
        if references:
            resource["Metadata"] = {"DependsOn": references}

    def _sections(self, chosen: Mapping[str, object]) -> dict[str, Any]:
        """Return the sections with everything but what was chosen otherwise."""
        return self._synthesized(tuple((self._everything | dict(chosen)).items()))

    def _synthesize(self, arguments: tuple[tuple[str, object], ...]) -> dict[str, Any]:
        # An app for each: logical IDs have the path of the stack in the app. All are in one folder:
        # the CDK copies each function's code into it once.
        app = App(
            outdir=str(self._folder),
            analytics_reporting=False,
            builtin_cloud_formation_validation=False,
        )
        stack = Stack(app, _STACK, env=Environment(region=REGION_OF_EVENTS))
        # A topic or a key is of the stack that it is for.
        given: dict[str, object] = {}
        for name, value in arguments:
            given[name] = value(stack) if isinstance(value, FunctionType) else value
        self._template.add(stack, **given)
        app.synth()
        synthesized = json.loads((self._folder / stack.template_file).read_text())
        # Every template is for any Region.
        own = self._template.placeholders
        region = {REGION_OF_EVENTS: {"Ref": "AWS::Region"}}
        placeholders = replace(own, texts=dict(own.texts) | region)
        return {
            name: placeholders.replace(synthesized.get(name, {}))
            for name in ("Resources", "Outputs")
        }


def _condition_of(statement: object) -> str | None:
    """Return the condition of a policy's statement; None if it has none."""
    text = json.dumps(statement)
    for part, condition in _STATEMENTS.items():
        if part in text:
            return condition
    return None


def _switch(condition: str | None, value: Any, row: Row) -> Any:
    """Return a value that is there under a condition, if its resource can be there without it."""
    if condition in (None, row.condition):
        return value
    return {"Fn::If": [condition, value, NO_VALUE]}


def _merge(
    choices: Sequence[tuple[Option, ...]],
    value: Callable[[Mapping[str, object]], Any],
    chosen: Mapping[str, object],
) -> Any:
    """Return the value that the conditions of the choices' options decide."""
    if not choices:
        return value(chosen)
    options, others = choices[0], choices[1:]
    # From the last option, which is for every other case, to the first one.
    merged: Any = None
    for option in reversed(options):
        one = _merge(others, value, dict(chosen) | dict(option.arguments))
        merged = one if option.condition is None else merge_values(option.condition, one, merged)
    return merged


def _write_archives(resources: Mapping[str, Any], folder: Path, output: Path) -> tuple[Path, ...]:
    """Write the zip files, and let the functions take their code from the parameters' bucket."""
    archives: set[Path] = set()
    # The functions of a construct share their code.
    for resource in resources.values():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        code = PurePosixPath(resource["Properties"]["Code"]["S3Key"]).stem
        archive = output / f"function-{code[:12]}.zip"
        if archive not in archives:
            _write_archive(folder / f"asset.{code}", archive)
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
