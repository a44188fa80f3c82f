"""Rules of EventBridge that start a state machine, each with a role that this rule alone can assume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Names, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from constructs import Construct

if TYPE_CHECKING:
    from aws_cdk import aws_stepfunctions as sfn

_MAX_NAME_CHARACTERS = 64


def rule_that_starts(
    state_machine: sfn.IStateMachine,
    scope: Construct,
    id: str,
    *,
    description: str,
    input: events.RuleTargetInput,
    schedule: events.Schedule | None = None,
    event_pattern: events.EventPattern | None = None,
) -> events.Rule:
    """Return a rule that starts executions of a state machine.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/cross-service-confused-deputy-prevention.html

    Args:
        state_machine: The state machine.
        scope: The construct that the rule belongs to.
        id: The id of the construct that has the rule and its role.
        description: The rule's purpose.
        input: The input of the executions.
        schedule: When it starts one. By default it does not.
        event_pattern: The events for each of which it starts one. By default it does not.
    """
    parent = Construct(scope, id)
    # The role names the rule and the rule names the role, so one of the names is known before the deployment.
    name = Names.unique_resource_name(parent, separator="-", max_length=_MAX_NAME_CHARACTERS)
    rule_arn = Stack.of(scope).format_arn(service="events", resource="rule", resource_name=name)
    role = iam.Role(
        parent,
        "Role",
        assumed_by=iam.ServicePrincipal(
            "events.amazonaws.com", conditions={"ArnEquals": {"aws:SourceArn": rule_arn}}
        ),
    )
    rule = events.Rule(
        parent,
        "Rule",
        rule_name=name,
        description=description,
        schedule=schedule,
        event_pattern=event_pattern,
        targets=[targets.SfnStateMachine(state_machine, input=input, role=role)],
    )
    # With their policies: an execution that starts before them would fail.
    rule.node.add_dependency(role, state_machine)
    return rule
