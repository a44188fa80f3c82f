"""Build a template with parameters: a construct with everything, and what each parameter switches in it."""

from __future__ import annotations

import functools
import json
import re
import tempfile
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import FunctionType
from typing import TYPE_CHECKING, Any

from aws_cdk import App, Environment, Stack

from .merge import NO_VALUE, merge_values
from .placeholders import Placeholders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

REGION_OF_EVENTS = "us-east-1"
# As in the examples: a stack of theirs can be updated with the template.
_STACK = "OrganizationBootstrap"
# The oldest time that a zip file can have: the same files give the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_READABLE_BY_ALL = 0o644 << 16

_NOT_IN_CHINA = {
    "Assert": {
        "Fn::Not": [{"Fn::Contains": [["cn-north-1", "cn-northwest-1"], {"Ref": "AWS::Region"}]}]
    },
    "AssertDescription": (
        "Centralized root access is not available in the China Regions. Use a Region of another partition."
    ),
}
# The same in every template: the conditions of properties, the conditions of policies' statements
# by a text in them, and the values of properties by a resource's type.
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


@dataclass(frozen=True, kw_only=True)
class Option:
    """One of the ways in which a construct can be made.

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
        rules: What CloudFormation refuses, besides the China Regions.
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
        found = (row for row in self.table if re.match(row.ids, logical_id))
        return next(found, Row(ids=logical_id))


def build_parameter_template(template: ParameterTemplate, *, output: Path) -> tuple[Path, ...]:
    """Write a template with parameters and the zip files of its functions' code, and return the files.

    Args:
        template: The template.
        output: The folder to write to; created if it does not exist.
    """
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        builder = _Builder(template, Path(temporary))
        sections = {"Resources": builder.resources(), "Outputs": builder.outputs()}
        archives = _write_archives(sections["Resources"], Path(temporary), output)
    document = {
        "Description": template.description,
        "Parameters": template.parameters,
        "Rules": {"OfferedInRegion": {"Assertions": [_NOT_IN_CHINA]}, **template.rules},
        "Conditions": template.conditions,
        **sections,
    }
    written = output / f"{template.name}.template.json"
    written.write_text(
        json.dumps({key: part for key, part in document.items() if part}, indent=1) + "\n"
    )
    return written, *archives


class _Builder:
    """Builds the sections of one template."""

    def __init__(self, template: ParameterTemplate, folder: Path) -> None:
        self._template = template
        self._folder = folder
        everything = (options[0].arguments for options in template.choices.values())
        self._everything = {
            name: value for arguments in everything for name, value in arguments.items()
        }
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

        def properties_with(chosen: Mapping[str, object]) -> Any:
            return self._sections(chosen)["Resources"].get(id_, {}).get("Properties")

        choices = [self._template.choices[name] for name in row.choices]
        properties: dict[str, Any] = _merge(choices, properties_with, {}) or {}
        for name, condition in _PROPERTIES.items():
            if name in properties:
                properties[name] = _switch(condition, properties[name], row)
        properties |= _VALUES.get(resource["Type"], {})
        document = properties.get("PolicyDocument", {})
        if "Statement" in document:
            statements = [_switch(_condition_of(it), it, row) for it in document["Statement"]]
            properties["PolicyDocument"] = {**document, "Statement": statements}
        self._switch_dependencies(resource, row)
        return self._with_condition(id_, {**resource, "Properties": properties})

    def _with_condition(self, id_: str, entry: dict[str, Any]) -> dict[str, Any]:
        condition = self._template.row_of(id_).condition
        return entry if condition is None else {**entry, "Condition": condition}

    def _switch_dependencies(self, resource: dict[str, Any], row: Row) -> None:
        """Let the metadata refer to what may not exist: DependsOn can have no conditions."""
        names = resource.pop("DependsOn", [])
        conditions = {name: self._template.row_of(name).condition for name in names}
        always = [name for name in names if conditions[name] in (None, row.condition)]
        if always:
            resource["DependsOn"] = always
        if others := [name for name in names if name not in always]:
            references = [
                {"Fn::If": [conditions[name], {"Ref": name}, NO_VALUE]} for name in others
            ]
            resource["Metadata"] = {"DependsOn": references}

    def _sections(self, chosen: Mapping[str, object]) -> dict[str, Any]:
        """Return the sections with everything but what was chosen otherwise."""
        return self._synthesized(tuple({**self._everything, **chosen}.items()))

    def _synthesize(self, arguments: tuple[tuple[str, object], ...]) -> dict[str, Any]:
        # An app for each: logical IDs have the path of the stack in the app. All are in one folder:
        # the CDK copies each function's code into it once.
        app = App(
            outdir=str(self._folder),
            analytics_reporting=False,
            builtin_cloud_formation_validation=False,
        )
        stack = Stack(app, _STACK, env=Environment(region=REGION_OF_EVENTS))
        self._template.add(
            stack,
            **{name: it(stack) if isinstance(it, FunctionType) else it for name, it in arguments},
        )
        app.synth()
        synthesized = json.loads((self._folder / stack.template_file).read_text())
        own = self._template.placeholders
        placeholders = replace(own, texts={**own.texts, REGION_OF_EVENTS: {"Ref": "AWS::Region"}})
        return {
            name: placeholders.replace(synthesized.get(name, {}))
            for name in ("Resources", "Outputs")
        }


def _condition_of(statement: object) -> str | None:
    """Return the condition of a policy's statement; None if it has none."""
    text = json.dumps(statement)
    return next((condition for part, condition in _STATEMENTS.items() if part in text), None)


def _switch(condition: str | None, value: Any, row: Row) -> Any:
    """Return a value that is there under a condition, if its resource can be there without it."""
    return value if condition in (None, row.condition) else {"Fn::If": [condition, value, NO_VALUE]}


def _merge(
    choices: Sequence[tuple[Option, ...]],
    value: Callable[[Mapping[str, object]], Any],
    chosen: Mapping[str, object],
) -> Any:
    """Return the value that the conditions of the choices' options decide."""
    if not choices:
        return value(chosen)
    first, *others = choices
    merged: Any = None
    for option in reversed(first):
        one = _merge(others, value, {**chosen, **option.arguments})
        merged = one if option.condition is None else merge_values(option.condition, one, merged)
    return merged


def _write_archives(resources: Mapping[str, Any], folder: Path, output: Path) -> tuple[Path, ...]:
    """Write the zip files, and let the functions have their code from the bucket of the parameters."""
    archives: dict[Path, None] = {}
    for resource in resources.values():
        if resource["Type"] != "AWS::Lambda::Function":
            continue
        code = PurePosixPath(resource["Properties"]["Code"]["S3Key"]).stem
        archive = output / f"function-{code[:12]}.zip"
        if archive not in archives:
            _write_archive(folder / f"asset.{code}", archive)
        archives[archive] = None
        # By the code's hash: CloudFormation updates a function whose key changes, and no other.
        key = {"Fn::Join": ["", [{"Ref": "CodePrefix"}, archive.name]]}
        resource["Properties"]["Code"] = {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": key}
    return tuple(archives)


def _write_archive(source: Path, archive: Path) -> None:
    """Write the zip file of a folder: the same files give the same bytes."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as written:
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(source).as_posix(), _NO_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = _READABLE_BY_ALL
            written.writestr(entry, file.read_bytes())
