"""What a permissions boundary on the roles must allow, read from templates: a table for docs/deploying.md.

`PYTHONPATH=tests python -m support.permissions_table` writes it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns

from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks
from support.apps import ROOT
from support.templates import MANAGEMENT, actions, bootstrap_stack, resources, template, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Cell = tuple[str, ...]

PAGE = ROOT / "docs" / "deploying.md"
_HEADER = "| construct | with | role | actions | on |\n|---|---|---|---|---|\n"
_TABLE = re.compile(re.escape(_HEADER) + r"(?:\|.*\n)+")

# What a resource of the template is called in the table.
_WORDS = {
    "AWS::CloudFormation::Stack": "stack",
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
        role: The role, by its path in the construct.
        resource: The resource, with words for the template's own resources.
        action: The action.
    """

    role: str
    resource: str
    action: str


def _root_access(stack: Stack, **arguments: Any) -> None:
    CentralizedRootAccess(stack, "RootAccess", **arguments)


def _drift_check(stack: Stack, **arguments: Any) -> None:
    CentralizedRootAccess(stack, "RootAccess").add_drift_check(**arguments)


def _root_tasks(stack: Stack, **arguments: Any) -> None:
    RootTasks(stack, "RootTasks", **arguments)


def _topic(stack: Stack) -> sns.Topic:
    return sns.Topic(stack, "Topic")


def _topic_with_key(stack: Stack) -> sns.Topic:
    return sns.Topic(stack, "Topic", master_key=kms.Key(stack, "Key"))


def _key(stack: Stack) -> kms.Key:
    return kms.Key(stack, "Key")


# The tasks that make changes, with what the table calls them: those of one name have the same permissions.
TASKS = {
    RootTask.DELETE_CREDENTIALS: "a task that makes changes",
    RootTask.ALLOW_PASSWORD_RECOVERY: "a task that makes changes",
    RootTask.UNLOCK_BUCKET_POLICY: "a task that unlocks",
    RootTask.UNLOCK_QUEUE_POLICY: "a task that unlocks",
}


# The construct, the option in words, the app, and the options whose permissions it adds to.
_OPTIONS: list[tuple[str, str, Callable[[Stack], None], Cell]] = [
    ("CentralizedRootAccess", "default", _root_access, ()),
    ("CentralizedRootAccess", "a feature left out", lambda it: _root_access(it, features=[]), ("default",)),
    (
        "CentralizedRootAccess",
        "`delegated_administrators`",
        lambda it: _root_access(it, delegated_administrators=["222222222222"]),
        ("default",),
    ),
    (
        "CentralizedRootAccess",
        "`encryption_key`",
        lambda it: _root_access(it, encryption_key=_key(it)),
        ("default",),
    ),
    ("add_drift_check", "default", _drift_check, ()),
    ("add_drift_check", "`repair`", lambda it: _drift_check(it, repair=True), ("default",)),
    (
        "add_drift_check",
        "`notification_topic`",
        lambda it: _drift_check(it, notification_topic=_topic(it)),
        ("default",),
    ),
    (
        "add_drift_check",
        "an encrypted topic",
        lambda it: _drift_check(it, notification_topic=_topic_with_key(it)),
        ("`notification_topic`",),
    ),
    ("RootTasks", "default", _root_tasks, ()),
    (
        "RootTasks",
        "a task that makes changes",
        lambda it: _root_tasks(it, tasks=[RootTask.AUDIT, RootTask.DELETE_CREDENTIALS]),
        ("default",),
    ),
    (
        "RootTasks",
        "a task that unlocks",
        lambda it: _root_tasks(it, tasks=[RootTask.AUDIT, RootTask.UNLOCK_QUEUE_POLICY]),
        ("a task that makes changes",),
    ),
    (
        "RootTasks",
        "`audit_interval`",
        lambda it: _root_tasks(it, audit_interval=Duration.days(1)),
        ("default",),
    ),
    (
        "RootTasks",
        "`notification_topic`",
        lambda it: _root_tasks(it, notification_topic=_topic(it)),
        ("default",),
    ),
    (
        "RootTasks",
        "`audit_new_accounts`",
        lambda it: _root_tasks(it, notification_topic=_topic(it), audit_new_accounts=True),
        ("`notification_topic`",),
    ),
    (
        "RootTasks",
        "an encrypted topic",
        lambda it: _root_tasks(it, notification_topic=_topic_with_key(it), audit_new_accounts=True),
        ("`audit_new_accounts`",),
    ),
    ("RootTasks", "`encryption_key`", lambda it: _root_tasks(it, encryption_key=_key(it)), ("default",)),
    (
        "RootTasks",
        "`encryption_key`, a task that makes changes",
        lambda it: _root_tasks(
            it, tasks=[RootTask.AUDIT, RootTask.DELETE_CREDENTIALS], encryption_key=_key(it)
        ),
        ("`encryption_key`", "a task that makes changes"),
    ),
    (
        "RootTasks",
        "`encryption_key`, a task that unlocks",
        lambda it: _root_tasks(
            it, tasks=[RootTask.AUDIT, RootTask.UNLOCK_QUEUE_POLICY], encryption_key=_key(it)
        ),
        ("`encryption_key`, a task that makes changes", "a task that unlocks"),
    ),
]


def permissions_table() -> str:
    """Return the table: a row for each option, role and resource, with the actions that it adds."""
    found = _permissions_of_options()
    lines: list[str] = []
    for construct, option, _, bases in _OPTIONS:
        added = found[construct, option].difference(*(found[construct, base] for base in bases))
        lines += _rows(construct, option, added)
    return _HEADER + "".join(f"{line}\n" for line in lines)


def permissions_of_table() -> set[Permission]:
    """Return every permission that the table lists."""
    return set().union(*_permissions_of_options().values())


def permissions_with_every_argument() -> set[Permission]:
    """Return what the roles are allowed where the constructs have every argument at once."""
    stack = bootstrap_stack(env=MANAGEMENT)
    key = _key(stack)
    topic = sns.Topic(stack, "Topic", master_key=key)
    root_access = CentralizedRootAccess(
        stack, "RootAccess", delegated_administrators=["222222222222"], encryption_key=key
    )
    root_access.add_drift_check(repair=True, notification_topic=topic)
    _root_tasks(
        stack,
        tasks=RootTask,
        audit_interval=Duration.days(1),
        audit_new_accounts=True,
        allow_policy_override=True,
        protected_accounts=["444444444444"],
        notification_topic=topic,
        encryption_key=key,
    )
    return set(permissions(template(stack)))


def table_of_page() -> str:
    """Return the table that the page has."""
    (table,) = _TABLE.findall(PAGE.read_text())
    return str(table)


def write_table() -> None:
    """Replace the table that the page has."""
    PAGE.write_text(_TABLE.sub(lambda _: permissions_table(), PAGE.read_text()))


def _permissions_of_options() -> dict[tuple[str, str], set[Permission]]:
    """Return what the roles are allowed with each option of a construct."""
    found: dict[tuple[str, str], set[Permission]] = {}
    for construct, option, build, _ in _OPTIONS:
        stack = bootstrap_stack(env=MANAGEMENT)
        build(stack)
        allowed = set(permissions(template(stack)))
        if construct == "add_drift_check":
            allowed = {it for it in allowed if it.role.startswith("DriftCheck")}
        found[construct, option] = allowed
    return found


def _rows(construct: str, option: str, added: set[Permission]) -> Iterator[str]:
    """Yield a row for each set of actions on the same resources, with all roles that have it."""
    actions_on: dict[tuple[str, str], set[str]] = defaultdict(set)
    for it in added:
        actions_on[it.role, it.resource].add(it.action)
    resources_of: dict[tuple[str, Cell], set[str]] = defaultdict(set)
    for (role, resource), allowed in actions_on.items():
        resources_of[role, tuple(sorted(allowed))].add(resource)
    roles_with: dict[tuple[Cell, Cell], set[str]] = defaultdict(set)
    for (role, listed), on in resources_of.items():
        roles_with[listed, tuple(sorted(on))].add(role)
    rows = sorted((tuple(sorted(roles)), listed, on) for (listed, on), roles in roles_with.items())
    for row in rows:
        cells = " | ".join(", ".join(f"`{value}`" for value in cell) for cell in row)
        yield f"| `{construct}` | {option} | {cells} |"


def permissions(template: Mapping[str, Any]) -> Iterator[Permission]:
    """Yield what the roles of a template are allowed."""
    for policy in resources(template, "AWS::IAM::Policy").values():
        (role,) = policy["Properties"]["Roles"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                on = statement["Resource"]
                for resource in on if isinstance(on, list) else [on]:
                    for action in actions(statement):
                        yield Permission(_role(role["Ref"]), _resource(template, resource), action)


def _role(logical_id: str) -> str:
    role = re.sub(r"^(RootAccess|RootTasks)(.*?)[0-9A-F]{8}$", r"\2", logical_id)
    makes_changes = {f"{task.name.title().replace('_', '')}Role" for task in TASKS}
    if role in makes_changes:
        return "<Task>Role"
    return "Plan<Task>Role" if role.removeprefix("Plan") in makes_changes else role


def _resource(template: Mapping[str, Any], value: Any) -> str:
    shown = text(value)
    # The name of a state machine, taken from its ARN.
    shown = re.sub(r"\{'Fn::Select'.*?\}\]\}\]\}", "<state machine>", shown)
    for logical_id, it in template["Resources"].items():
        word = _WORDS.get(it["Type"])
        if word:
            shown = re.sub(rf"\$\{{{logical_id}(\.\w+)?\}}", f"<{word}>", shown)
    for task in RootTask:
        shown = shown.replace(f"/results/{task}/", "/results/<task>/")
    shown = shown.replace("${AWS::StackId}", "<stack>").replace("${AWS::Partition}", "<partition>")
    return (
        shown.replace("${AWS::AccountId}", "<account>")
        .replace("111111111111", "<account>")
        .replace("us-east-1", "<region>")
    )


def task_permissions(task: RootTask) -> set[Permission]:
    """Return what the roles are allowed where a task is listed."""
    stack = bootstrap_stack(env=MANAGEMENT)
    _root_tasks(stack, tasks=[RootTask.AUDIT, task])
    return set(permissions(template(stack)))


if __name__ == "__main__":
    write_table()
