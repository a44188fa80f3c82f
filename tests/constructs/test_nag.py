"""The rules of cdk-nag, over every app in this repository."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any, cast

import aws_cdk
import pytest
from aws_cdk import aws_iam as iam
from cdk_nag import AwsSolutionsChecks

from centralized_root_access.nag import acknowledge_nag
from support.apps import APPS, ROOT, synthesize
from support.many_apps import add_all_arguments
from support.templates import MANAGEMENT

# What `cdk init` writes into cdk.json.
FEATURE_FLAGS = ROOT / "node_modules/aws-cdk/lib/init-templates/.recommended-feature-flags.json"

# What the examples need, by the construct's path; `acknowledge_nag` has what the constructs need.
ACCEPTED = {
    # The user's own roles may read all reports, and start and watch executions of any name.
    "OrganizationBootstrap/(Planner|Executor)(/Policy)?/Resource": r"AwsSolutions-IAM5\[Resource::.*"
    r"(/(report\.\*|(run|executed-by)\.json|results/\*)|/latest/\*|:execution:.*:\*|:mapRun:.*/\*"
    r"|:stack/<AWS::StackName>/\*)\]",
    # A boundary is the most that a role may do; the roles' own policies name the resources.
    "Boundary/Boundary/Resource": r"AwsSolutions-IAM5\[(Resource::\*|Action::kms:GenerateDataKey\*)\]",
    # CDK Pipelines writes these policies and creates this bucket, for artifacts that it alone
    # reads.
    "OrganizationPipeline/Pipeline/.*/DefaultPolicy/Resource": r"AwsSolutions-IAM5\[.*\]",
    "OrganizationPipeline/Pipeline/Pipeline/ArtifactsBucket/Resource": "AwsSolutions-S1",
}


class CheckedApp(aws_cdk.App):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        aws_cdk.Validations.of(self).add_plugins(AwsSolutionsChecks(self))


class AcknowledgingApp(CheckedApp):
    def synth(self, **arguments: Any) -> Any:
        acknowledge_nag(self)
        return super().synth(**arguments)


def findings(folder: Path) -> list[tuple[str, str]]:
    """Return what cdk-nag has found in an app: a construct's path, and the rule with the value."""
    report = json.loads((folder / "validation-report.json").read_text())
    return [
        (construct["constructPath"], violation["ruleName"])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    ]


# The CDK raises an error where cdk-nag has found something.
ignore_findings = contextlib.suppress(RuntimeError)


@pytest.mark.parametrize("app", APPS, ids=lambda path: path.name)
def test_cdk_nag_finds_nothing_that_is_not_acknowledged(tmp_path: Path, app: Path) -> None:
    with ignore_findings:
        synthesize(app, tmp_path, base=AcknowledgingApp)
    assert not [
        (path, rule)
        for path, rule in findings(tmp_path)
        if not any(re.fullmatch(p, path) and re.fullmatch(r, rule) for p, r in ACCEPTED.items())
    ]


def test_the_example_of_cdk_nag_acknowledges_by_itself(tmp_path: Path) -> None:
    synthesize(ROOT / "examples" / "checked_with_cdk_nag.py", tmp_path, base=CheckedApp)
    assert findings(tmp_path) == []


def findings_in_constructs(
    app: CheckedApp, env: aws_cdk.Environment | None, *, widen: bool = False
) -> Any:
    """Return the findings in the constructs with every argument, without those in the topic."""
    root_access, root_tasks, root_use = add_all_arguments(
        aws_cdk.Stack(app, "organization-bootstrap", env=env),
        encrypted_topic=env is not None,
    )
    if widen:
        root_tasks.bucket.grant_read(cast("iam.Role", root_tasks.node.find_child("AuditRole")))
        role = cast("iam.Role", root_access.node.find_child("Role"))
        role.add_to_policy(iam.PolicyStatement(actions=["s3:DeleteObject"], resources=["*"]))
        role = cast("iam.Role", root_access.node.find_child("DriftCheck").node.find_child("Role"))
        role.add_to_policy(
            iam.PolicyStatement(not_actions=["iam:*"], not_resources=["arn:aws:s3:::reports"])
        )
    for construct in (root_access, root_tasks, root_use):
        acknowledge_nag(construct)
    with ignore_findings:
        app.synth()
    return [
        (path, rule)
        for path, rule in findings(Path(app.outdir))
        if rule.startswith("AwsSolutions") and "/Topic/" not in path
    ]


@pytest.mark.parametrize(
    "flags", [{}, json.loads(FEATURE_FLAGS.read_text())], ids=["no flag", "cdk init"]
)
@pytest.mark.parametrize("env", [MANAGEMENT, None], ids=["account", "any account"])
def test_every_construct_passes_with_its_acknowledgments(
    tmp_path: Path, env: aws_cdk.Environment | None, flags: dict[str, object]
) -> None:
    app = CheckedApp(outdir=str(tmp_path), analytics_reporting=False, context=flags)
    assert findings_in_constructs(app, env) == []


def test_what_an_app_adds_to_a_role_is_still_found(tmp_path: Path) -> None:
    app = CheckedApp(outdir=str(tmp_path), analytics_reporting=False)
    found = findings_in_constructs(app, MANAGEMENT, widen=True)
    policies = ("RootAccess/DriftCheck/Role", "RootAccess/Role", "RootTasks/AuditRole")
    paths = [f"organization-bootstrap/{policy}/DefaultPolicy/Resource" for policy in policies]
    assert {path for path, _ in found} == {*paths}
    assert (paths[1], "AwsSolutions-IAM5[Resource::*]") in found
    assert any("Action::s3:GetObject*" in rule for _, rule in found)
