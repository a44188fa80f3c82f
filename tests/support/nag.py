"""The findings of cdk-nag in an app, and the acknowledgments, each with its reason."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aws_cdk
from cdk_nag import AwsSolutionsChecks

from support.apps import Assembly, synthesize

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Finding:
    """A rule that a construct breaks.

    Attributes:
        path: The construct's path.
        rule: The rule, with the value that breaks it.
    """

    path: str
    rule: str


@dataclass(frozen=True, kw_only=True)
class Acknowledgment:
    """Findings that are accepted.

    Attributes:
        path: A pattern of the construct's path.
        rule: A pattern of the rule.
        reason: Why they are accepted.
    """

    path: str
    rule: str
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Return whether this is one of them."""
        return bool(re.fullmatch(self.path, finding.path) and re.fullmatch(self.rule, finding.rule))


class _CheckedApp(aws_cdk.App):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        aws_cdk.Validations.of(self).add_plugins(AwsSolutionsChecks(self))


def check(app: Path, folder: Path) -> tuple[Assembly, list[Finding]]:
    """Synthesize an app, and return the findings of the AwsSolutions rules that it does not acknowledge."""
    try:
        synthesize(app, folder, base=_CheckedApp)
    except RuntimeError as error:
        if "ValidationFailed" not in str(error):
            raise
    return Assembly(folder=folder), sorted(_read_findings(folder), key=lambda it: (it.path, it.rule))


def _read_findings(folder: Path) -> Iterator[Finding]:
    report = json.loads((folder / "validation-report.json").read_text())
    for plugin in report["pluginReports"]:
        for violation in plugin["violations"]:
            for construct in violation["violatingConstructs"]:
                yield Finding(construct["constructPath"], violation["ruleName"])


def _wildcard(resource: str) -> str:
    return rf"AwsSolutions-IAM5\[Resource::{resource}\]"


_ARN = r"arn:<AWS::Partition>:"

ACKNOWLEDGMENTS = [
    Acknowledgment(
        path=".*/RootAccess/(DriftCheck/)?Role/DefaultPolicy/Resource",
        rule=_wildcard(r"\*"),
        reason="The calls are organization-wide: AWS has no resource to limit them to.",
    ),
    Acknowledgment(
        path=".*/RootAccess/Role/DefaultPolicy/Resource",
        rule=_wildcard(_ARN + r"organizations::(<AWS::AccountId>|\d{12}):account/o-\*/\*"),
        reason="An update and its rollback register and deregister accounts of either list.",
    ),
    Acknowledgment(
        path=".*/RootAccess/ProviderRole/DefaultPolicy/Resource",
        rule=_wildcard(r"<RootAccessFunction\w+\.Arn>:\*"),
        reason="CDK's Provider framework invokes its one function, in any version.",
    ),
    Acknowledgment(
        path=".*/RootTasks/StartRunRole/DefaultPolicy/Resource",
        rule=_wildcard(r"\*"),
        reason="Reading the organization's accounts: AWS has no resource to limit it to.",
    ),
    Acknowledgment(
        path=r".*/RootTasks/\w+Role/DefaultPolicy/Resource",
        rule=_wildcard(r"<RootTasksBucket\w+\.Arn>/(runs|latest|backups)/\*(/work\.json|/results/\*)?"),
        reason="Every run has objects of its own under these prefixes of the construct's own bucket.",
    ),
    Acknowledgment(
        path=r".*/RootTasks/(Audit|DeleteCredentials|AllowPasswordRecovery|Unlock\w+)Role/DefaultPolicy/Resource",
        rule=_wildcard(_ARN + r"iam::\*:root"),
        reason="The member accounts change; the task policy and the protected accounts limit the session.",
    ),
    Acknowledgment(
        path=".*/RootTasks/StateMachine/Role/DefaultPolicy/Resource",
        rule=_wildcard(r"<RootTasks\w+\.Arn>:\*"),
        reason="Step Functions invokes the construct's own functions, in any version.",
    ),
    Acknowledgment(
        path=".*/RootTasks/StateMachine/Role/DefaultPolicy/Resource",
        rule=_wildcard(_ARN + r"s3:::<RootTasksBucket\w+>/\*"),
        reason="CDK lets the Distributed Map read its items anywhere in the construct's own bucket.",
    ),
    Acknowledgment(
        path=".*/RootTasks/(StateMachine/DistributedMapPolicy|StartRunPlans)/Resource",
        rule=_wildcard(_ARN + r"states:.*:execution:.*RootTasksStateMachine\w+.*:\*"),
        reason="The names of the executions of the construct's own state machine are not known at synth.",
    ),
    Acknowledgment(
        path=".*/RootTasks/Bucket/Resource",
        rule="AwsSolutions-S1",
        reason="CloudTrail's data events show who read a report; a bucket for logs is the user's choice.",
    ),
    Acknowledgment(
        path=".*/RootTasks/StateMachine/Resource",
        rule="AwsSolutions-SF1",
        reason="Step Functions keeps the history and every run writes a report. The steps' input has account "
        "names, which stay out of logs.",
    ),
    Acknowledgment(
        path=".*/RootTasks/StateMachine/Resource",
        rule="AwsSolutions-SF2",
        reason="A report has a result for every account; a trace of ten thousand adds nothing to it.",
    ),
    Acknowledgment(
        path="OrganizationPipeline/Pipeline/.*/DefaultPolicy/Resource",
        rule=r"AwsSolutions-IAM5\[.*\]",
        reason="CDK Pipelines writes these policies: for its own artifacts, its own logs, and the roles of "
        "cdk bootstrap.",
    ),
    Acknowledgment(
        path="OrganizationPipeline/Pipeline/Pipeline/ArtifactsBucket/Resource",
        rule="AwsSolutions-S1",
        reason="CDK Pipelines creates this bucket, for artifacts that the pipeline alone reads.",
    ),
]
