"""The rule of EventBridge that starts audits, with a role that only this rule can assume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Names, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from constructs import Construct

from .enums import RootTask

if TYPE_CHECKING:
    from aws_cdk import Duration
    from aws_cdk import aws_stepfunctions as sfn

_MAX_NAME_CHARACTERS = 64


def audit_rule(scope: Construct, state_machine: sfn.IStateMachine, *, interval: Duration) -> events.Rule:
    """Return the rule that audits every account on an interval.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/cross-service-confused-deputy-prevention.html

    Args:
        scope: The construct that the rule belongs to.
        state_machine: The state machine that audits.
        interval: The interval.
    """
    parent = Construct(scope, "Interval")
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
    input_ = events.RuleTargetInput.from_object({"task": RootTask.AUDIT})
    rule = events.Rule(
        parent,
        "Rule",
        rule_name=name,
        description="Audits the root users of every account of the organization.",
        schedule=events.Schedule.rate(interval),
        targets=[targets.SfnStateMachine(state_machine, input=input_, role=role)],
    )
    # With their policies: an execution that starts before them would fail.
    rule.node.add_dependency(role, state_machine)
    return rule
