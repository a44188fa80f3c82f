"""Write the API's page, most of the command line's, the grants' policies, and the schema."""

from __future__ import annotations

import json
import re
import textwrap
import types
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import click
import griffe

from centralized_root_access.cli.main import main
from common.next_step import NextStep
from common.typed_json import fields_by_key
from root_tasks.model.report_schema import Outcome, Report

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference" / "api.md"
SCHEMA = ROOT / "docs" / "reference" / "report.schema.json"
COMMAND_LINE = ROOT / "docs" / "reference" / "command-line.md"
PERMISSIONS = ROOT / "docs" / "reference" / "permissions.md"
PACKAGE = "centralized_root_access"

_TITLE = f"""\
# API reference

Generated from the docstrings by `make docs`; do not edit. All names are imported from `{PACKAGE}`.
[Words](outcomes.md#words) explains the project's own, such as *run* and *root session*.
"""

_WARNINGS = """\
## Warnings at synth

The constructs warn you of arguments that are allowed, but often a mistake. `cdk synth --strict`
fails on a warning, which is what you want in a pipeline. If you mean it, acknowledge the warning:

```python
from aws_cdk import Annotations

Annotations.of(root_access).acknowledge_warning(
    "centralized-root-access:disablesRootSessions", "No one here unlocks buckets."
)
```

- `centralized-root-access:disablesRootCredentialsManagement` and
  `centralized-root-access:disablesRootSessions`: `features` leaves out the named feature, so
  deploying disables it for the whole organization.
- `centralized-root-access:noDelegatedAdministrators`: `delegated_administrators` is empty, so
  deploying deregisters every delegated administrator for IAM.
- `centralized-root-access:noAlarmAction`: no alarm of the construct has an action, so no one hears
  of it. Give the construct a `notification_topic`, or add actions to its alarms.
- `centralized-root-access:notOffered`: as far as known,
  [the partition](../guides/deploying.md#govcloud-china-and-other-partitions) does not offer it.
- `centralized-root-access:optInRegion`: `RootTasks` is in a Region that is disabled by default. AWS
  refuses [root sessions](outcomes.md#root-session) in members that have not enabled it.
- `centralized-root-access:guardrailTargetUnknown`: a target of `RootUserGuardrail` is a token, such
  as the ID of a unit of the same app, so the synth cannot tell whether it is the organization's
  root.
"""

_FIRST_LINE = "<!-- Generated from the commands by `make docs`; do not edit. -->\n"
_LAST_LINE = "<!-- The end of what is generated. -->\n"
_DONE, _LAST_DONE = "<!-- - -->\n", "<!-- -- -->\n"
# An option of more commands than this is described once.
_MAX_COMMANDS_OF_AN_OWN_OPTION = 1


def reference() -> str:
    """Return the reference of everything that the package exports."""
    package = griffe.load(PACKAGE, search_paths=[ROOT / "constructs"], docstring_parser="google")
    exported = [package[str(name)] for name in package.exports or []]
    sections = [_TITLE]
    for item in exported:
        documented = item.final_target if isinstance(item, griffe.Alias) else item
        if not isinstance(documented, griffe.Class):
            raise TypeError(
                f"{documented.path} is exported, but is not a class. Add its kind to reference()."
            )
        sections += _class(documented)
    return "\n".join([*sections, _WARNINGS])


def _class(item: griffe.Class) -> Iterator[str]:
    yield f"## {item.name}\n"
    sections = item.docstring.parsed if item.docstring else []
    constructor = item.members.get("__init__")
    # A class whose docstring has no arguments is not instantiated by users.
    if isinstance(constructor, griffe.Function) and any(
        section.kind is griffe.DocstringSectionKind.parameters for section in sections
    ):
        yield _code(_signature(item.name, constructor))
    public = [member for member in item.members.values() if member.is_public and member.docstring]
    rows = [
        (f"`{member.name}`", f"`{member.annotation or member.value}`", _text(member))
        for member in public
        if isinstance(member, griffe.Attribute)
    ]
    yield from _docstring(item, attributes=rows)
    for method in public:
        if isinstance(method, griffe.Function) and not method.name.startswith("__"):
            yield f"### {item.name}.{method.name}\n"
            yield _code(_signature(method.name, method))
            yield from _docstring(method)


def _signature(name: str, function: griffe.Function) -> str:
    arguments = []
    for parameter in function.parameters:
        if parameter.name == "self":
            continue
        if parameter.kind is griffe.ParameterKind.keyword_only and "*" not in arguments:
            arguments.append("*")
        default = f" = {parameter.default}" if parameter.default is not None else ""
        arguments.append(f"{parameter.name}: {parameter.annotation}{default}")
    returns = "" if function.name == "__init__" else f" -> {function.returns}"
    return "\n".join([f"{name}(", *(f"    {argument}," for argument in arguments), f"){returns}"])


def _docstring(item: griffe.Object, *, attributes: Sequence[tuple[str, ...]] = ()) -> Iterator[str]:
    """Yield a docstring's sections.

    Args:
        item: What has the docstring.
        attributes: Rows of attributes that have docstrings of their own. Their table comes before
            the one of what is raised, beside that of the other attributes.
    """
    own_table = list(_table("attribute", attributes)) if attributes else []
    for section in item.docstring.parsed if item.docstring else []:
        match section:
            case griffe.DocstringSectionText():
                yield _markdown(section.value)
            case griffe.DocstringSectionParameters():
                yield from _table(
                    "argument", [(f"`{one.name}`", one.description) for one in section.value]
                )
            case griffe.DocstringSectionAttributes():
                yield from _table(
                    "attribute", [(f"`{one.name}`", one.description) for one in section.value]
                )
            case griffe.DocstringSectionRaises():
                yield from own_table
                own_table = []
                rows = [
                    (f"`{error.annotation}`", str(error.description)) for error in section.value
                ]
                yield from _table("raises", rows)
            case griffe.DocstringSectionReturns():
                returned = " ".join(str(value.description) for value in section.value)
                yield f"Returns: {_line(returned)}\n"
            case _:
                raise TypeError(
                    f"{item.path} has a section of kind {section.kind}. Add it to _docstring()."
                )
    yield from own_table


def _table(head: str, rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    columns = len(rows[0])
    lines: list[list[str]] = [[head, *[""] * (columns - 1)], ["---"] * columns]
    lines += [[_line(cell).replace("|", "\\|") for cell in row] for row in rows]
    yield "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _text(item: griffe.Object) -> str:
    return item.docstring.value if item.docstring else ""


def _line(text: str) -> str:
    return " ".join(_inline(text).split())


def _markdown(text: str) -> str:
    """Return a docstring's text as Markdown. The indented block after "Example::" is code."""
    prose, *blocks = re.split(r"^Example::\n\n((?:    .*\n|\n)*)", text + "\n", flags=re.MULTILINE)
    parts = [_inline(prose).strip()]
    for code, after in zip(blocks[::2], blocks[1::2], strict=True):
        parts += [_code(textwrap.dedent(code).strip()).strip(), _inline(after).strip()]
    return "\n\n".join(filter(None, parts)) + "\n"


def _inline(text: str) -> str:
    return re.sub(r":\w+:`([^`]+)`", r"`\1`", text).replace("``", "`")


def _code(code: str) -> str:
    return f"```python\n{code}\n```\n"


def command_line() -> str:
    """Return the page of the command line with the commands and their exit codes."""
    return _with_generated(COMMAND_LINE.read_text(), _commands(), _exit_codes())


def permissions() -> str:
    """Return the page of permissions with the policies of the grants."""
    return _with_generated(PERMISSIONS.read_text(), _grants())


def _with_generated(page: str, *parts: Iterator[str]) -> str:
    """Return a page with new lines in its generated parts, one after the other."""
    for lines in parts:
        before, _, rest = page.partition(_FIRST_LINE)
        _, _, after = rest.partition(_LAST_LINE)
        # Marked as done by a blank that the next partition does not find.
        page = "".join([before, _DONE, "\n", "\n".join(lines), "\n", _LAST_DONE, after])
    return page.replace(_DONE, _FIRST_LINE).replace(_LAST_DONE, _LAST_LINE)


def _exit_codes() -> Iterator[str]:
    """Yield a table of what the help of each command says."""
    lines = ["| command | 0: as wanted | 1: not as wanted | 2: no result |", "|---|---|---|---|"]
    for name, command in main.commands.items():
        text = " ".join((command.help or "").split()).partition("Exit code: ")[2].rstrip(".")
        if ends := dict(re.findall(r"(\d) (.*?)(?:; |$)", text)):
            lines.append(f"| `{name}` | {' | '.join(ends.get(code, '') for code in '012')} |")
    yield "".join(f"{line}\n" for line in lines)


def _grants() -> Iterator[str]:
    """Yield the policy of each grant, with names in place of those that CloudFormation makes."""
    # Only this needs the CDK, and so Node.js.
    from aws_cdk import App, Environment, Stack
    from aws_cdk import aws_iam as iam

    from centralized_root_access import RootTask, RootTasks

    app = App(analytics_reporting=False)
    stack = Stack(
        app, "OrganizationBootstrap", env=Environment(account="111111111111", region="us-east-1")
    )
    root_tasks = RootTasks(stack, "RootTasks", tasks=tuple(RootTask))
    grants = [name for name in dir(root_tasks) if name.startswith("grant_")]
    for grant in grants:
        getattr(root_tasks, grant)(iam.ManagedPolicy(stack, grant.replace("_", "-")))
    resources = app.synth().get_stack_by_name("OrganizationBootstrap").template["Resources"]
    for grant in grants:
        id_ = next(id_ for id_ in resources if id_.startswith(grant.replace("_", "")))
        statements = resources[id_]["Properties"]["PolicyDocument"]["Statement"]
        lines = ",\n".join(f"    {json.dumps(_with_names(statement))}" for statement in statements)
        yield f"### {grant}\n"
        yield f'```json\n{{\n  "Version": "2012-10-17",\n  "Statement": [\n{lines}\n  ]\n}}\n```\n'


def _with_names(value: Any) -> Any:
    """Return a part of a template without CloudFormation's functions."""
    match value:
        case {"Fn::Join": [separator, parts]}:
            return separator.join(str(_with_names(part)) for part in parts)
        case {"Fn::GetAtt": [str(id_), "Arn"]} if "Bucket" in id_:
            return "arn:aws:s3:::root-tasks"
        case {"Fn::GetAtt": [str(id_), "Name"]} | {"Ref": str(id_)} if "StateMachine" in id_:
            name = "RootTasksAudit" if "Audit" in id_ else "RootTasksExecute"
            arn = "arn:aws:states:us-east-1:111111111111:stateMachine:"
            return name if "Fn::GetAtt" in value else f"{arn}{name}"
        case {"Ref": "AWS::Partition"}:
            return "aws"
        case {"Ref": "AWS::StackName"}:
            return "OrganizationBootstrap"
        case dict():
            return {key: _with_names(part) for key, part in value.items()}
        case list():
            return [_with_names(part) for part in value]
    return value


def _commands() -> Iterator[str]:
    commands = dict(_leaves(main, ()))
    users: dict[tuple[str, str], list[str]] = {}
    for name, command in commands.items():
        for row in _options(command):
            users.setdefault(row, []).append(name)
    shared = {row for row, names in users.items() if len(names) > _MAX_COMMANDS_OF_AN_OWN_OPTION}
    for name, command in commands.items():
        arguments = [
            parameter.make_metavar(click.Context(command))
            for parameter in command.params
            if isinstance(parameter, click.Argument)
        ]
        yield f"### {' '.join([name, *arguments])}\n"
        yield from _help(command)
        own = [row for row in _options(command) if row not in shared]
        if own:
            yield from _table("option", own)
    yield "### Options that commands share\n"
    rows = [(*row, _names(users[row], of=list(commands))) for row in users if row in shared]
    yield from _table("option", rows)


def _names(users: list[str], *, of: list[str]) -> str:
    """Return the names of commands, a group by its own name where it is complete."""
    if users == of:
        return "every command"
    plans = [name for name in of if name.startswith("plan ")]
    if set(plans) <= set(users):
        users = ["plan" if name == plans[0] else name for name in users if name not in plans[1:]]
    return ", ".join(f"`{name}`" for name in users)


def _leaves(group: click.Group, names: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _leaves(command, (*names, name))
        else:
            yield " ".join((*names, name)), command


def _help(command: click.Command) -> Iterator[str]:
    for paragraph in (command.help or "").replace("\b\n", "").split("\n\n"):
        # The page has one table of the exit codes.
        if not paragraph.lstrip().startswith("Exit code: "):
            yield f"{' '.join(paragraph.split())}\n"
    example = (command.epilog or "").partition("Example:\n")[2].strip()
    yield f"```\n{example}\n```\n"


def _options(command: click.Command) -> Iterator[tuple[str, str]]:
    for option in command.params:
        record = (
            option.get_help_record(click.Context(command))
            if isinstance(option, click.Option)
            else None
        )
        if record is not None:
            names, text = record
            yield f"`{names}`", text


_PLAIN: dict[type, dict[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": 0},
    str: {"type": "string"},
}
_TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{6})?Z$"


def report_schema() -> str:
    """Return the JSON schema of a report."""
    named: dict[str, Any] = {
        "accountId": {"type": "string", "pattern": "^[0-9]{12}$"},
        "time": {"type": "string", "pattern": _TIME},
    }
    count = {"type": "integer", "minimum": 1}
    outcome = _schema_of(Outcome, named)
    properties = {
        "schemaVersion": {"const": Report.SCHEMA_VERSION},
        "kind": {"const": Report.KIND},
        # What is derived from the report, for its readers.
        "summary": _schema_of(str, named),
        "totals": {"type": "object", "propertyNames": outcome, "additionalProperties": count},
        "nextSteps": _schema_of(tuple[NextStep, ...], named),
        **_properties(Report, named),
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"The report of a root task, schema version {Report.SCHEMA_VERSION}",
        **_object(properties),
        "$defs": named,
    }
    return f"{json.dumps(schema, indent=2)}\n"


def _schema_of(type_: Any, named: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a type; dataclasses and enums are added to the named ones."""
    if get_origin(type_) is types.UnionType:
        (schema,) = (
            _schema_of(each, named) for each in get_args(type_) if each is not types.NoneType
        )
        if "type" in schema:
            return schema | {"type": [schema["type"], "null"]}
        return {"anyOf": [schema, {"type": "null"}]}
    if get_origin(type_) is tuple:
        return {"type": "array", "items": _schema_of(get_args(type_)[0], named)}
    if type_ in _PLAIN:
        return _PLAIN[type_]
    if type_ is datetime:
        return _reference("time")
    name = f"{type_.__name__[0].lower()}{type_.__name__[1:]}"
    named[name] = (
        {"enum": [*type_]} if issubclass(type_, StrEnum) else _object(_properties(type_, named))
    )
    return _reference(name)


def _properties(type_: Any, named: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(type_, localns={"datetime": datetime})
    ids = ("accountId", "managementAccountId")
    return {
        key: _reference("accountId") if key in ids else _schema_of(hints[field.name], named)
        for key, field in fields_by_key(type_).items()
    }


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [*properties], "properties": properties}


if __name__ == "__main__":
    REFERENCE.write_text(reference())
    SCHEMA.write_text(report_schema())
    COMMAND_LINE.write_text(command_line())
    PERMISSIONS.write_text(permissions())
