"""What a permissions boundary on the roles must allow, read from templates: a table for docs/deploying.md.

`PYTHONPATH=tests python -m support.permissions_table` writes it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns

from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks, RootUseAlarm
from centralized_root_access._permissions import acting_id
from support.apps import ROOT
from support.many_apps import add_all_arguments
from support.templates import (
    MANAGEMENT,
    actions,
    arguments_for,
    as_list,
    bootstrap_stack,
    new_key,
    new_topic,
    properties_of,
    root_tasks_template,
    template,
    text,
)

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


def _topic_with_key(stack: Stack) -> sns.Topic:
    return sns.Topic(stack, "Topic", master_key=new_key(stack))


# The tasks that make changes, with what the table calls them: those of one name have the same permissions.
TASKS = {
    RootTask.DELETE_CREDENTIALS: "a task that makes changes",
    RootTask.ALLOW_PASSWORD_RECOVERY: "a task that makes changes",
    RootTask.UNLOCK_BUCKET_POLICY: "a task that unlocks",
    RootTask.UNLOCK_QUEUE_POLICY: "a task that unlocks",
}

_DEFAULT, _TOPIC, _KEY = "default", "`notification_topic`", "`encryption_key`"
_NEW_ACCOUNTS = "`audit_new_accounts`"
_NOTICES = "`root_user_notices`"
_CHANGING, _UNLOCKING = "a task that makes changes", "a task that unlocks"
_AUDIT_AND = {
    _CHANGING: [RootTask.AUDIT, RootTask.DELETE_CREDENTIALS],
    _UNLOCKING: [RootTask.AUDIT, RootTask.UNLOCK_QUEUE_POLICY],
}

# The construct, the option in words, the arguments (a function gets the stack), and the options to whose
# permissions it adds.
_OPTIONS: list[tuple[str, str, dict[str, Any], Cell]] = [
    ("CentralizedRootAccess", _DEFAULT, {}, ()),
    ("CentralizedRootAccess", "a feature left out", {"features": []}, (_DEFAULT,)),
    (
        "CentralizedRootAccess",
        "`delegated_administrators`",
        {"delegated_administrators": ["222222222222"]},
        (_DEFAULT,),
    ),
    ("CentralizedRootAccess", _KEY, {"encryption_key": new_key}, (_DEFAULT,)),
    ("add_drift_check", _DEFAULT, {}, ()),
    ("add_drift_check", "`repair`", {"repair": True}, (_DEFAULT,)),
    ("add_drift_check", _TOPIC, {"notification_topic": new_topic}, (_DEFAULT,)),
    ("add_drift_check", "`security_hub_findings`", {"security_hub_findings": True}, (_DEFAULT,)),
    ("add_drift_check", "an encrypted topic", {"notification_topic": _topic_with_key}, (_TOPIC,)),
    ("RootTasks", _DEFAULT, {}, ()),
    ("RootTasks", _CHANGING, {"tasks": _AUDIT_AND[_CHANGING]}, (_DEFAULT,)),
    ("RootTasks", _UNLOCKING, {"tasks": _AUDIT_AND[_UNLOCKING]}, (_CHANGING,)),
    ("RootTasks", "`audit_interval`", {"audit_interval": Duration.days(1)}, (_DEFAULT,)),
    ("RootTasks", "`security_hub_findings`", {"security_hub_findings": True}, (_DEFAULT,)),
    ("RootTasks", _TOPIC, {"notification_topic": new_topic}, (_DEFAULT,)),
    ("RootTasks", _NEW_ACCOUNTS, {"notification_topic": new_topic, "audit_new_accounts": True}, (_TOPIC,)),
    (
        "RootTasks",
        "an encrypted topic",
        {"notification_topic": _topic_with_key, "audit_new_accounts": True},
        (_NEW_ACCOUNTS,),
    ),
    ("RootTasks", _KEY, {"encryption_key": new_key}, (_DEFAULT,)),
    (
        "RootTasks",
        f"{_KEY}, {_CHANGING}",
        {"tasks": _AUDIT_AND[_CHANGING], "encryption_key": new_key},
        (_KEY, _CHANGING),
    ),
    (
        "RootTasks",
        f"{_KEY}, {_UNLOCKING}",
        {"tasks": _AUDIT_AND[_UNLOCKING], "encryption_key": new_key},
        (f"{_KEY}, {_CHANGING}", _UNLOCKING),
    ),
    ("RootUseAlarm", _NOTICES, {"notification_topic": new_topic, "root_user_notices": True}, ()),
    (
        "RootUseAlarm",
        "an encrypted topic",
        {"notification_topic": _topic_with_key, "root_user_notices": True},
        (_NOTICES,),
    ),
]


_BUILDERS: dict[str, Callable[..., object]] = {
    "CentralizedRootAccess": lambda stack, **given: CentralizedRootAccess(stack, "RootAccess", **given),
    "add_drift_check": lambda stack, **given: CentralizedRootAccess(stack, "RootAccess").add_drift_check(
        **given
    ),
    "RootTasks": lambda stack, **given: RootTasks(stack, "RootTasks", **given),
    "RootUseAlarm": lambda stack, **given: RootUseAlarm(
        stack,
        "RootUse",
        trail_log_group=logs.LogGroup.from_log_group_name(stack, "Trail", "organization-trail"),
        **given,
    ),
}


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
    add_all_arguments(stack, encrypted_topic=True, audit_new_accounts=True)
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
    for construct, option, arguments, _ in _OPTIONS:
        stack = bootstrap_stack(env=MANAGEMENT)
        _BUILDERS[construct](stack, **arguments_for(stack, arguments))
        allowed = set(permissions(template(stack)))
        if construct == "add_drift_check":
            allowed = {permission for permission in allowed if permission.role.startswith("DriftCheck")}
        found[construct, option] = allowed
    return found


def _rows(construct: str, option: str, added: set[Permission]) -> Iterator[str]:
    """Yield a row for each set of actions on the same resources, with all roles that have it."""
    actions_on: dict[tuple[str, str], set[str]] = defaultdict(set)
    for permission in added:
        actions_on[permission.role, permission.resource].add(permission.action)
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
    for policy in properties_of(template, "AWS::IAM::Policy").values():
        (role,) = policy["Roles"]
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                for resource in as_list(statement["Resource"]):
                    for action in actions(statement):
                        yield Permission(_role(role["Ref"]), _resource(template, resource), action)


def _role(logical_id: str) -> str:
    role = re.sub(r"^(RootAccess|RootTasks|RootUse)(.*?)[0-9A-F]{8}$", r"\2", logical_id)
    makes_changes = {f"{acting_id(task)}Role" for task in TASKS}
    if role in makes_changes:
        return "<Task>Role"
    return "Plan<Task>Role" if role.removeprefix("Plan") in makes_changes else role


def _resource(template: Mapping[str, Any], value: Any) -> str:
    shown = text(value)
    # The name of a state machine, taken from its ARN.
    shown = re.sub(r"\{'Fn::Select'.*?\}\]\}\]\}", "<state machine>", shown)
    for logical_id, resource in template["Resources"].items():
        word = _WORDS.get(resource["Type"])
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
    return set(permissions(root_tasks_template(tasks=[RootTask.AUDIT, task])))


if __name__ == "__main__":
    write_table()
