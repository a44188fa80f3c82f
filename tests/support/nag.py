"""The findings of cdk-nag in an app."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk
from cdk_nag import AwsSolutionsChecks

from centralized_root_access.nag import acknowledge_nag
from support.apps import Assembly, synthesize

if TYPE_CHECKING:
    from collections.abc import Iterator


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


class _AcknowledgingApp(_CheckedApp):
    def synth(self, **arguments: Any) -> Any:
        acknowledge_nag(self)
        return super().synth(**arguments)


def check(app: Path, folder: Path, *, acknowledge: bool) -> tuple[Assembly, list[Finding]]:
    """Synthesize an app, and return the findings of the AwsSolutions rules that are not acknowledged.

    Args:
        app: The app's file.
        folder: The folder of its cloud assembly.
        acknowledge: Whether what the library ships is acknowledged; otherwise what the app does itself.
    """
    with _failure_of_validation():
        synthesize(app, folder, base=_AcknowledgingApp if acknowledge else _CheckedApp)
    return Assembly(folder=folder), _read_findings(folder)


def findings(app: aws_cdk.App) -> list[Finding]:
    """Synthesize an app that has cdk-nag, and return what it finds."""
    with _failure_of_validation():
        app.synth()
    return _read_findings(Path(app.outdir))


@contextmanager
def _failure_of_validation() -> Iterator[None]:
    """Go on after cdk-nag has found something."""
    try:
        yield
    except RuntimeError as error:
        if "ValidationFailed" not in str(error):
            raise


def _read_findings(folder: Path) -> list[Finding]:
    report = json.loads((folder / "validation-report.json").read_text())
    found = [
        Finding(construct["constructPath"], violation["ruleName"])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    ]
    return sorted(found, key=lambda finding: (finding.path, finding.rule))


# What the examples need; `acknowledge_nag` has what the constructs need.
ACKNOWLEDGMENTS = [
    Acknowledgment(
        path="OrganizationBootstrap/(Planner|Executor)(/Policy)?/Resource",
        rule=r"AwsSolutions-IAM5\[Resource::.*"
        r"(/(report\.\*|(run|executed-by)\.json|results/\*)|/latest/\*|:execution:.*:\*|:mapRun:.*/\*|:stack/<AWS::StackName>/\*)\]",
        reason="The user's own roles may read all reports, and start and watch executions of any name.",
    ),
    Acknowledgment(
        path="Boundary/Boundary/Resource",
        rule=r"AwsSolutions-IAM5\[(Resource::\*|Action::kms:GenerateDataKey\*)\]",
        reason="A boundary is the most that a role may do; the roles' own policies name the resources.",
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
