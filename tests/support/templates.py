"""Templates of small apps, and what the constructs' tests read in them."""

import json
from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import Any, cast

from aws_cdk import App, Environment, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Annotations, Match, Template

from centralized_root_access import CentralizedRootAccess, RootTasks, RootUseAlarm
from support.policies import PolicyStatement, parse_statements
from support.template_reading import properties_of_type as properties_of_type
from support.template_reading import resources_of_type as resources_of_type
from support.template_reading import state_machine_definition as state_machine_definition
from support.template_reading import text_with_references as text_with_references

MANAGEMENT_ENVIRONMENT = Environment(account="111111111111", region="us-east-1")


def bootstrap_stack(*, env: Environment | None = MANAGEMENT_ENVIRONMENT) -> Stack:
    """Return a stack in an app of its own, by default of the management account."""
    return Stack(App(analytics_reporting=False), "OrganizationBootstrap", env=env)


def root_access_template(**arguments: Any) -> dict[str, Any]:
    """Return the template of a stack that has the construct and nothing else."""
    stack = bootstrap_stack(env=None)
    CentralizedRootAccess(stack, "RootAccess", **arguments)
    return template_of(stack)


def root_tasks_template(
    *, env: Environment = MANAGEMENT_ENVIRONMENT, **arguments: Any
) -> dict[str, Any]:
    """Return the template of a stack with root tasks, for `arguments_in_stack`."""
    stack = bootstrap_stack(env=env)
    RootTasks(stack, "RootTasks", **arguments_in_stack(stack, arguments))
    return template_of(stack)


def add_root_use_alarm(stack: Stack, **arguments: Any) -> None:
    """Add the alarms on root users, by default on an imported log group."""
    trail = logs.LogGroup.from_log_group_name(stack, "Trail", "organization-trail")
    RootUseAlarm(stack, "RootUse", **{"trail_log_group": trail, **arguments})


def arguments_in_stack(stack: Stack, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments, with what a function such as `new_topic` makes in the stack."""
    return {
        name: value(stack) if isinstance(value, FunctionType) else value
        for name, value in arguments.items()
    }


def new_topic(stack: Stack) -> sns.Topic:
    """Return a new topic."""
    return sns.Topic(stack, "Topic")


def new_key(stack: Stack) -> kms.Key:
    """Return a new key."""
    return kms.Key(stack, "Key")


def template_of(stack: Stack) -> dict[str, Any]:
    """Return the stack's template."""
    return cast("dict[str, Any]", Template.from_stack(stack).to_json())


def warning_ids(stack: Stack) -> list[str]:
    """Return the ids of the stack's warnings."""
    found = Annotations.from_stack(stack).find_warning("*", Match.any_value())
    return sorted(str(warning.entry.data).rpartition("[ack: ")[2].rstrip("]") for warning in found)


def only_resource(template: Mapping[str, Any], resource_type: str) -> Any:
    """Return the template's one resource of a type."""
    (resource,) = resources_of_type(template, resource_type).values()
    return resource


def statements_of_role(template: Mapping[str, Any], role: str) -> list[dict[str, Any]]:
    """Return the statements of a role's inline policies.

    The role is named by its logical id's beginning.
    """
    return [
        statement
        for policy in resources_of_type(template, "AWS::IAM::Policy").values()
        if policy["Properties"]["Roles"][0]["Ref"].startswith(role)
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def allowed_to_role(
    template: Mapping[str, Any], role: str, *, references: Mapping[str, str] | None = None
) -> tuple[PolicyStatement, ...]:
    """Return what a role may do besides logging, with these values of references."""
    return parse_statements(
        (
            statement
            for statement in statements_of_role(template, role)
            if statement["Effect"] == "Allow" and "logs:" not in json.dumps(statement["Action"])
        ),
        references=references,
    )


def actions_of_statement(statement: Mapping[str, Any]) -> list[str]:
    """Return a statement's actions."""
    return as_list(statement["Action"])


def as_list(value: Any) -> list[Any]:
    """Return the values of a property, of which CloudFormation accepts one without a list."""
    return value if isinstance(value, list) else [value]


def ids_of_function_roles(template: Mapping[str, Any]) -> set[str]:
    """Return the logical ids of the functions' roles."""
    functions = properties_of_type(template, "AWS::Lambda::Function").values()
    return {function["Role"]["Fn::GetAtt"][0] for function in functions}


def functions_with_handler(template: Mapping[str, Any], handler: str) -> list[dict[str, Any]]:
    """Return the properties of the functions that have this handler."""
    return [
        function
        for function in properties_of_type(template, "AWS::Lambda::Function").values()
        if function["Handler"] == handler
    ]


def settings_of_function(function: Mapping[str, Any]) -> dict[str, Any]:
    """Return a function's settings, with a token in them as `text_with_references` has it."""
    return dict(json.loads(text_with_references(function["Environment"]["Variables"]["SETTINGS"])))


def resources_finished_before(template: Mapping[str, Any], logical_id: str) -> set[str]:
    """Return all resources that CloudFormation finishes before it starts this one."""
    found: set[str] = set()
    waiting = [logical_id]
    while waiting:
        for needed in _ids_needed_by(template["Resources"][waiting.pop()]):
            if needed in template["Resources"] and needed not in found:
                found.add(needed)
                waiting.append(needed)
    return found


def _ids_needed_by(value: object) -> Iterable[str]:
    """Yield the logical IDs that a resource refers to or depends on, anywhere in its value."""
    match value:
        case {"Ref": str(logical_id)}:
            yield logical_id
        case {"Fn::GetAtt": [str(logical_id), _]}:
            yield logical_id
        case dict():
            yield from as_list(value.get("DependsOn", []))
            for inner in value.values():
                yield from _ids_needed_by(inner)
        case list():
            for inner in value:
                yield from _ids_needed_by(inner)
