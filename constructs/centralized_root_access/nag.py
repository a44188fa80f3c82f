"""The acknowledgments of cdk-nag's AwsSolutions rules that the constructs need, each with its reason.

This library does not need cdk-nag: acknowledgments are recorded by the CDK, and cdk-nag 3 reads
them.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from .base.cdk import imports_of_cdk

with imports_of_cdk(__name__):
    from aws_cdk import Stack
    from aws_cdk import aws_iam as iam

    from .monitoring.root_use_alarm import RootUseAlarm
    from .root_access.root_access import CentralizedRootAccess
    from .root_tasks.root_tasks import RootTasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs import IConstruct

# The reasons for wildcards in the constructs' own statements, by their Sids.
_STATEMENTS = {
    **dict.fromkeys(
        (
            *(
                "ReadRootAccess",
                "ReadDelegatedAdministrators",
                "EnableTrustedAccess",
                "ChangeFeatures",
            ),
            *("EnableFeatures", "ReadOrganization", "ReadOwnRootUser"),
        ),
        "AWS has no resource to limit the calls to: they are about the organization, or the whole account.",
    ),
    "ChangeDelegatedAdministrators": "An update and its rollback register and deregister what either lists.",
    **dict.fromkeys(
        ("ReadObjects", "WriteObjects"),
        "Each run and each backup has objects of its own, under these prefixes of the construct's bucket.",
    ),
    "OpenRootSessions": "The member accounts change; the task policy limits the session.",
    **dict.fromkeys(
        ("DescribePlanningExecutions", "DescribeOwnExecutions"),
        "The names of the executions of the construct's own state machines are not known at synth.",
    ),
}
_KEY_OF_TOPIC = (
    "Publishing to an encrypted topic: the CDK allows both calls that generate a data key."
)
# The reasons why resources break rules, by their paths. The CDK writes the state machines'
# policies.
_RESOURCES = {
    "AwsSolutions-S1": (
        "Bucket/Resource",
        "CloudTrail's data events show who read a report; a bucket for logs is the user's choice.",
    ),
    "AwsSolutions-SF1": (
        "*StateMachine/Resource",
        "Step Functions keeps the history. The steps' input has account names, which stay out of logs.",
    ),
    "AwsSolutions-SF2": (
        "*StateMachine/Resource",
        "A report has a result for every account; a trace of ten thousand adds nothing to it.",
    ),
    "AwsSolutions-IAM5": (
        "*StateMachine/*Policy/Resource",
        "The functions' versions and the executions' names are not known at synth.",
    ),
}


def acknowledge_nag(scope: IConstruct) -> None:
    """Acknowledge what the AwsSolutions rules of cdk-nag 3 find in this library's constructs.

    Each acknowledgment is for one finding, with one value, in one resource, and has a reason. What
    an app adds to the constructs' roles is still found. Call it when the constructs are complete:
    after ``add_drift_check``, and right before ``synth``.

    Args:
        scope: The app, a stack, or one of the constructs.

    Raises:
        RuntimeError: This aws-cdk-lib does not have acknowledgments.
    """
    try:
        from aws_cdk import Acknowledgment, Validations
    except ImportError as error:
        raise RuntimeError(
            "acknowledge_nag needs an aws-cdk-lib that has Validations. Update it, as cdk-nag 3 needs it too."
        ) from error
    for resource in scope.node.find_all():
        for construct in resource.node.scopes:
            if isinstance(construct, CentralizedRootAccess | RootTasks | RootUseAlarm):
                path = resource.node.path.removeprefix(f"{construct.node.path}/")
                for rule, reason in _rules(resource, path):
                    acknowledgment = Acknowledgment(id=f"AwsSolutions::{rule}", reason=reason)
                    Validations.of(resource).acknowledge(acknowledgment)


def _rules(resource: IConstruct, path: str) -> Iterator[tuple[str, str]]:
    """Yield the rules that a resource of a construct breaks, each with its reason."""
    reasons = {
        rule: reason for rule, (pattern, reason) in _RESOURCES.items() if fnmatchcase(path, pattern)
    }
    if not isinstance(resource, iam.CfnPolicy):
        yield from reasons.items()
        return
    reasons_of: dict[str, list[str]] = {}
    for statement in Stack.of(resource).resolve(resource.policy_document)["Statement"]:
        # A statement that an app adds may have NotResource and NotAction instead.
        resources = statement.get("Resource", [])
        for value in resources if isinstance(resources, list) else [resources]:
            reason = _STATEMENTS.get(statement.get("Sid")) or reasons.get("AwsSolutions-IAM5", "")
            reasons_of.setdefault(_nag_text(value), []).append(reason)
        if "kms:GenerateDataKey*" in statement.get("Action", []):
            yield "AwsSolutions-IAM5[Action::kms:GenerateDataKey*]", _KEY_OF_TOPIC
    for text, given in reasons_of.items():
        # One finding stands for all statements with the value, also for those that an app has
        # added.
        if "*" in text and all(given):
            yield f"AwsSolutions-IAM5[Resource::{text}]", given[0]


def _nag_text(value: Any) -> str:
    """Return a value of the template as cdk-nag shows it."""
    match value:
        case str():
            return value
        case {"Ref": str(name)}:
            return f"<{name}>"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": [str(separator), list(parts)]}:
            return str(separator.join(map(_nag_text, parts)))
    return json.dumps(value, separators=(",", ":"))
