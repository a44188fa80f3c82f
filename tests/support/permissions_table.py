"""The tables of docs/reference/permissions.md, read from templates.

`PYTHONPATH=tests python -m support.permissions_table` writes them.
"""

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from centralized_root_access import CentralizedRootAccess, RootTask
from support.apps import REPOSITORY
from support.many_apps import add_all_arguments
from support.templates import (
    actions_of_statement,
    as_list,
    bootstrap_stack,
    properties_of_type,
    template_of,
    text_with_references,
)

PAGE = REPOSITORY / "docs" / "reference" / "permissions.md"
_HEADER = "| role | actions | on |\n|---|---|---|\n"
# The columns of a row after that of the construct; each has a set of names.
_ROLES, _ACTIONS, _RESOURCES = 1, 2, 3
_Row: TypeAlias = tuple[frozenset[str], ...]
_TABLES = re.compile(rf"(?:### \w+\n\n{re.escape(_HEADER)}(?:\|.*\n)+\n?)+")

_CONSTRUCTS = {
    "RootAccess": "CentralizedRootAccess",
    "RootTasks": "RootTasks",
    "RootUse": "RootUseAlarm",
}
# What a resource of the template is called in the table.
_WORDS = {
    "AWS::KMS::Key": "key",
    "AWS::Lambda::Function": "function",
    "AWS::Logs::LogGroup": "log group",
    "AWS::S3::Bucket": "bucket",
    "AWS::SNS::Topic": "topic",
    "AWS::StepFunctions::StateMachine": "state machine",
}


@dataclass(frozen=True, order=True)
class Permission:
    """One action of one role.

    Attributes:
        construct: The construct.
        role: The role, by its path in the construct.
        resource: The resource, with words for the template's own resources.
        action: The action.
    """

    construct: str
    role: str
    resource: str
    action: str


@functools.cache
def permissions_with_every_argument() -> frozenset[Permission]:
    """Return what the roles are allowed where the constructs have every argument."""
    stack = bootstrap_stack()
    add_all_arguments(stack, encrypted_topic=True)
    # To enable a feature and to disable it are different actions.
    features = bootstrap_stack()
    CentralizedRootAccess(features, "RootAccess").add_drift_check(repair=True)
    none = bootstrap_stack()
    CentralizedRootAccess(none, "RootAccess", features=[])
    return frozenset(
        found for built in (stack, features, none) for found in permissions(template_of(built))
    )


def permissions_tables() -> str:
    """Return a table for each construct: a row has roles, their actions and the resources."""
    rows: set[_Row] = {
        (
            frozenset({found.construct}),
            frozenset({found.role}),
            frozenset({found.action}),
            frozenset({found.resource}),
        )
        for found in permissions_with_every_argument()
    }
    # First the actions that a role has on a resource, then the resources and the roles that have
    # the same.
    for column in (_ACTIONS, _RESOURCES, _ROLES):
        rows = _merge_column(rows, column)
    tables: dict[str, list[str]] = defaultdict(list)
    for (construct,), *cells in rows:
        tables[construct].append(f"| {' | '.join(map(_cell, cells))} |\n")
    return "\n".join(
        f"### {construct}\n\n{_HEADER}{''.join(sorted(lines))}"
        for construct, lines in sorted(tables.items())
    )


def _merge_column(rows: Iterable[_Row], column: int) -> set[_Row]:
    """Merge the values of a column of rows that are the same in all other columns."""
    merged: dict[_Row, frozenset[str]] = defaultdict(frozenset)
    for row in rows:
        merged[row[:column] + row[column + 1 :]] |= row[column]
    return {others[:column] + (values,) + others[column:] for others, values in merged.items()}


def tables_of_page() -> str:
    """Return the tables that the page has."""
    (tables,) = _TABLES.findall(PAGE.read_text())
    return str(tables)


def permissions(template: Mapping[str, Any]) -> Iterator[Permission]:
    """Yield what the roles of a template are allowed."""
    for policy in properties_of_type(template, "AWS::IAM::Policy").values():
        (role,) = policy["Roles"]
        construct, name = re.findall(
            "^(RootAccess|RootTasks|RootUse)(.*?)[0-9A-F]{8}$", role["Ref"]
        )[0]
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                for resource in as_list(statement["Resource"]):
                    for action in actions_of_statement(statement):
                        yield Permission(
                            _CONSTRUCTS[construct],
                            name,
                            _resource_in_words(template, resource),
                            action,
                        )


def _cell(values: Iterable[str]) -> str:
    """Return a cell of the table, such as "`a`, `b`"."""
    return ", ".join(f"`{value}`" for value in sorted(values))


def _resource_in_words(template: Mapping[str, Any], value: Any) -> str:
    """Return a resource of a statement with words for what differs between deployments.

    For example, "arn:aws:s3:::<bucket>/runs/*".
    """
    shown = text_with_references(value)
    # The name of a state machine, taken from its ARN.
    shown = re.sub(r"\{'Fn::Select'.*?\}\]\}\]\}", "<state machine>", shown)
    for logical_id, resource in template["Resources"].items():
        word = _WORDS.get(resource["Type"])
        if word:
            shown = re.sub(rf"\$\{{{logical_id}(\.\w+)?\}}", f"<{word}>", shown)
    words = {
        **{f"/results/{task}/": "/results/<task>/" for task in RootTask},
        "${AWS::StackId}": "<stack>",
        "${AWS::Partition}": "<partition>",
        "${AWS::AccountId}": "<account>",
        "111111111111": "<account>",
        "us-east-1": "<region>",
    }
    for found, word in words.items():
        shown = shown.replace(found, word)
    return shown


if __name__ == "__main__":
    PAGE.write_text(_TABLES.sub(lambda _: permissions_tables(), PAGE.read_text()))
