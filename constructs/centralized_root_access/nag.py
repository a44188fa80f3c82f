"""The acknowledgments of cdk-nag's AwsSolutions rules that the constructs need, each with its reason.

This library does not need cdk-nag: acknowledgments are recorded by the CDK, and cdk-nag 3 reads them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._cdk import imports_of_cdk

with imports_of_cdk(__name__):
    from aws_cdk import CfnResource, Stack
    from aws_cdk import aws_iam as iam

    from ._permissions import UNLOCK_TASKS, acting_id, looking_id
    from .enums import RootTask
    from .root_access import CentralizedRootAccess
    from .root_tasks import RootTasks
    from .root_use_alarm import RootUseAlarm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs import IConstruct

_PACK = "AwsSolutions"
_LOOKING_ROLES = f"({'|'.join(sorted({looking_id(task) for task in RootTask}))})Role"
_ACTING_ROLES = f"({'|'.join(acting_id(task) for task in RootTask if task is not RootTask.AUDIT)})Role"
_UNLOCKING_ROLES = f"({'|'.join(sorted(map(acting_id, UNLOCK_TASKS)))})Role"
_MACHINE = "(Audit|Execute)StateMachine"
_ANY_MACHINE = "(Audit|Execute|NewAccount)StateMachine"
# The feature flag @aws-cdk/core:enablePartitionLiterals writes the partition where the Region is known.
_ARN = r"arn:(<AWS::Partition>|aws[a-z-]*):"


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """Findings that are accepted.

    Attributes:
        construct: The construct that they are in.
        path: A pattern of the path in it.
        rule: A pattern of the rule, with the value that breaks it.
        reason: Why they are accepted.
    """

    construct: type
    path: str
    rule: str
    reason: str


def _wildcard(resource: str) -> str:
    return rf"AwsSolutions-IAM5\[Resource::{resource}\]"


def _objects(role: str, keys: str, *, whose: str = "run has objects") -> _Entry:
    return _Entry(
        construct=RootTasks,
        path=f"{role}/DefaultPolicy/Resource",
        rule=_wildcard(rf"<\w+Bucket[0-9A-F]{{8}}\.Arn>/{keys}"),
        reason=f"Every {whose} of its own under this prefix of the construct's bucket.",
    )


_ENTRIES = (
    _Entry(
        construct=CentralizedRootAccess,
        path="(DriftCheck/)?Role/DefaultPolicy/Resource",
        rule=_wildcard(r"\*"),
        reason="The calls are organization-wide: AWS has no resource to limit them to.",
    ),
    _Entry(
        construct=CentralizedRootAccess,
        path="Role/DefaultPolicy/Resource",
        rule=_wildcard(_ARN + r"organizations::(<AWS::AccountId>|\d{12}):account/o-\*/\*"),
        reason="An update and its rollback register and deregister accounts of either list.",
    ),
    _Entry(
        construct=RootTasks,
        path="Start(Run|Execution)Role/DefaultPolicy/Resource",
        rule=_wildcard(r"\*"),
        reason="Reading the organization's accounts: AWS has no resource to limit it to.",
    ),
    _Entry(
        construct=RootTasks,
        path="WriteReportRole/DefaultPolicy/Resource",
        rule=_wildcard(r"\*"),
        reason="Reading what the account's own root user has: AWS has no resource to limit it to.",
    ),
    _objects(
        "StartRunRole",
        r"(runs/\*/(run|work)\.json|executions/\*/(run|report)\.json|backups/\*)",
        whose="run and backup has objects",
    ),
    _objects("StartExecutionRole", r"(runs/\*/(plan|executed-by)|executions/\*/(run|work))\.json"),
    _objects("WriteReportRole", r"(runs/\*/(run\.json|plan\.json|report\.\*|results/\*)|latest/\*)"),
    _objects("WriteExecutionReportRole", r"executions/\*/(run\.json|report\.\*|results/\*)"),
    _objects(_LOOKING_ROLES, r"runs/\*/(work\.json|results/\w+/\*)"),
    _objects(_ACTING_ROLES, r"executions/\*/(work\.json|results/\w+/\*(\.claim)?)"),
    _objects(_UNLOCKING_ROLES, r"backups/\*", whose="backup has an object"),
    _Entry(
        construct=RootTasks,
        path=f"({_LOOKING_ROLES}|{_ACTING_ROLES})/DefaultPolicy/Resource",
        rule=_wildcard(_ARN + r"iam::\*:root"),
        reason="The member accounts change; the task policy and the protected accounts limit the session.",
    ),
    _Entry(
        construct=RootTasks,
        path=f"{_MACHINE}/Role/DefaultPolicy/Resource",
        rule=_wildcard(r"<\w+[0-9A-F]{8}\.Arn>:\*"),
        reason="Step Functions invokes the construct's own functions, in any version.",
    ),
    _Entry(
        construct=RootTasks,
        path=rf"({_MACHINE}/DistributedMapPolicy|\w+Own|StartExecutionRole/DefaultPolicy"
        "|StartRunRestores|WriteReportLater|NewAccountStateMachine/Role/DefaultPolicy)/Resource",
        rule=_wildcard(
            _ARN + r"states:(<AWS::Region>|[a-z0-9-]+):(<AWS::AccountId>|\d{12}):execution:.*StateMachine.*\*"
        ),
        reason="The names of the executions of the construct's own state machines are not known at synth.",
    ),
    _Entry(
        construct=RootTasks,
        path="Bucket/Resource",
        rule="AwsSolutions-S1",
        reason="CloudTrail's data events show who read a report; a bucket for logs is the user's choice.",
    ),
    _Entry(
        construct=RootTasks,
        path=f"{_ANY_MACHINE}/Resource",
        rule="AwsSolutions-SF1",
        reason="Step Functions keeps the history and every run writes a report. The steps' input has account "
        "names, which stay out of logs.",
    ),
    _Entry(
        construct=RootTasks,
        path=f"{_ANY_MACHINE}/Resource",
        rule="AwsSolutions-SF2",
        reason="A report has a result for every account; a trace of ten thousand adds nothing to it.",
    ),
)

# With an encrypted topic; CDK grants this with sns:Publish.
_KEY_OF_TOPIC = _Entry(
    construct=object,
    path=r"(DriftCheck/|NewAccountStateMachine/)?\w*Role/DefaultPolicy/Resource",
    rule=r"AwsSolutions-IAM5\[Action::kms:GenerateDataKey\*\]",
    reason="Publishing to an encrypted topic: CDK allows all calls that generate a data key of its one key.",
)


def acknowledge_nag(scope: IConstruct) -> None:
    """Acknowledge what the AwsSolutions rules of cdk-nag 3 find in this library's constructs.

    Each acknowledgment is for one finding, with one value, in one resource, and has a reason. What somebody
    else adds to the constructs' roles is still found. Call it when the constructs are complete: after
    ``add_drift_check``, and right before ``synth``.

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
    for resource, rule, reason in _acknowledgments(scope):
        Validations.of(resource).acknowledge(Acknowledgment(id=f"{_PACK}::{rule}", reason=reason))


def _acknowledgments(scope: IConstruct) -> Iterator[tuple[CfnResource, str, str]]:
    for resource in scope.node.find_all():
        if isinstance(resource, CfnResource):
            for construct in resource.node.scopes:
                if isinstance(construct, CentralizedRootAccess | RootTasks | RootUseAlarm):
                    yield from _in_construct(construct, resource)


def _in_construct(construct: IConstruct, resource: CfnResource) -> Iterator[tuple[CfnResource, str, str]]:
    path = resource.node.path.removeprefix(f"{construct.node.path}/")
    for entry in (*_ENTRIES, _KEY_OF_TOPIC):
        if isinstance(construct, entry.construct) and re.fullmatch(entry.path, path):
            for rule in _candidates(resource, entry):
                if re.fullmatch(entry.rule, rule):
                    yield resource, rule, entry.reason


def _candidates(resource: CfnResource, entry: _Entry) -> Iterator[str]:
    """Yield the rules that a resource can break, with the values that cdk-nag would show."""
    if not isinstance(resource, iam.CfnPolicy):
        yield entry.rule
        return
    document = Stack.of(resource).resolve(resource.policy_document)
    for statement in document["Statement"]:
        for key in ("Action", "Resource"):
            values = statement[key]
            for value in values if isinstance(values, list) else [values]:
                shown = _nag_text(value)
                if "*" in shown:
                    yield f"AwsSolutions-IAM5[{key}::{shown}]"


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
