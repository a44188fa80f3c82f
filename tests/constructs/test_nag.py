"""cdk-nag's AwsSolutions rules find what the documentation says, and nothing else."""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_cdk
import pytest
from cdk_nag import AwsSolutionsChecks

from support.apps import APPS, REPOSITORY, synthesize
from support.many_apps import add_all_arguments
from support.templates import MANAGEMENT_ENVIRONMENT

EXAMPLE = REPOSITORY / "examples" / "checked_with_cdk_nag.py"

# Patterns of the rules that a construct may break, by a pattern of its path.
ACCEPTED = {
    # Of the wildcards in the constructs' roles, test_permissions.py knows each.
    r".*/(RootAccess|RootTasks|RootUse)/.*": r"AwsSolutions-(IAM5\[.*\]|S1|SF1|SF2)",
    # The user's own roles may read all reports, and start and watch executions of any name.
    r"OrganizationBootstrap/(Planner|Executor)(/Policy)?/Resource": r"AwsSolutions-IAM5"
    r"\[Resource::.*(/(report\.\*|(run|executed-by)\.json|results/\*)|/latest/\*|:execution:.*:\*|:mapRun:.*/\*"
    r"|:stack/<AWS::StackName>/\*)\]",
    # A boundary is the most that a role may do; the roles' own policies name the resources.
    r"Boundary/Boundary/Resource": r"AwsSolutions-IAM5"
    r"\[(Resource::\*|Action::kms:GenerateDataKey\*)\]",
    # CDK Pipelines writes these policies and creates this bucket, for artifacts that it alone
    # reads.
    r"OrganizationPipeline/Pipeline/.*/DefaultPolicy/Resource": r"AwsSolutions-IAM5\[.*\]",
    r"OrganizationPipeline/Pipeline/Pipeline/ArtifactsBucket/Resource": "AwsSolutions-S1",
}


class CheckedApp(aws_cdk.App):
    """An app to which cdk-nag's rules are added."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        aws_cdk.Validations.of(self).add_plugins(AwsSolutionsChecks(self))


def findings(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what cdk-nag has found in an app: a construct's path, and the rule with the value."""
    report = json.loads((folder / "validation-report.json").read_text())
    for plugin in report["pluginReports"]:
        for violation in plugin["violations"]:
            for construct in violation["violatingConstructs"]:
                yield construct["constructPath"], violation["ruleName"]


# The CDK raises an error if cdk-nag has found something.
ignore_findings = contextlib.suppress(RuntimeError)


@pytest.mark.parametrize("app", APPS, ids=lambda path: path.name)
def test_cdk_nag_finds_nothing_that_is_not_accepted(tmp_path: Path, app: Path) -> None:
    with ignore_findings:
        synthesize(app, tmp_path, base=CheckedApp)
    for path, rule in findings(tmp_path):
        assert is_accepted(path, rule), f"{path}: {rule}"


def is_accepted(path: str, rule: str) -> bool:
    """Return whether a construct may break a rule."""
    return any(
        re.fullmatch(path_pattern, path) and re.fullmatch(rule_pattern, rule)
        for path_pattern, rule_pattern in ACCEPTED.items()
    )


def test_the_example_has_a_reason_for_each_rule_that_the_constructs_break(tmp_path: Path) -> None:
    app = CheckedApp(outdir=str(tmp_path), analytics_reporting=False)
    add_all_arguments(
        aws_cdk.Stack(app, "Everything", env=MANAGEMENT_ENVIRONMENT), encrypted_topic=True
    )
    with ignore_findings:
        app.synth()
    # The topic is the user's, and no part of a construct.
    broken = {rule.partition("[")[0] for path, rule in findings(tmp_path) if "/Topic/" not in path}
    assert broken == set(re.findall('"(AwsSolutions-[A-Z0-9]+)":', EXAMPLE.read_text()))


def test_the_example_acknowledges_what_cdk_nag_finds_and_not_what_is_added_later(
    tmp_path: Path,
) -> None:
    class AppWithGrant(CheckedApp):
        """An app that also lets a role read all of the bucket, at the last moment."""

        def synth(self, **arguments: Any) -> Any:
            root_tasks = self.node.find_child("OrganizationBootstrap").node.find_child("RootTasks")
            bucket, role = map(root_tasks.node.find_child, ("Bucket", "AuditRole"))
            bucket.grant_read(role)  # type: ignore[attr-defined]
            return super().synth(**arguments)

    synthesize(EXAMPLE, tmp_path / "as it is", base=CheckedApp)
    assert list(findings(tmp_path / "as it is")) == []
    with ignore_findings:
        synthesize(EXAMPLE, tmp_path / "with more", base=AppWithGrant)
    found_in_paths = {path for path, _ in findings(tmp_path / "with more")}
    assert found_in_paths == {"OrganizationBootstrap/RootTasks/AuditRole/DefaultPolicy/Resource"}
