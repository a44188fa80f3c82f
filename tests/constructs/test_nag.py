"""The rules of cdk-nag, over every app in this repository."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import pytest
from aws_cdk import App, Stack, Validations
from cdk_nag import AwsSolutionsChecks

from centralized_root_access.nag import acknowledge_nag
from support.apps import APPS, ROOT, Assembly
from support.many_apps import add_all_arguments
from support.nag import ACKNOWLEDGMENTS, Finding, check, findings
from support.templates import MANAGEMENT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aws_cdk import Environment
    from aws_cdk import aws_iam as iam

# What `cdk init` writes into cdk.json.
FEATURE_FLAGS = ROOT / "node_modules/aws-cdk/lib/init-templates/.recommended-feature-flags.json"


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Assembly, list[Finding]]]:
    return {app.name: check(app, tmp_path_factory.mktemp(app.stem), acknowledge=True) for app in APPS}


@pytest.mark.parametrize("app", [app.name for app in APPS])
def test_cdk_nag_finds_nothing_that_is_not_acknowledged(
    checked: dict[str, tuple[Assembly, list[Finding]]], app: str
) -> None:
    _, findings = checked[app]
    assert [
        finding for finding in findings if not any(entry.covers(finding) for entry in ACKNOWLEDGMENTS)
    ] == []


def test_every_acknowledgment_is_for_something_that_is_found(
    checked: dict[str, tuple[Assembly, list[Finding]]],
) -> None:
    found = [finding for _, findings in checked.values() for finding in findings]
    assert [entry for entry in ACKNOWLEDGMENTS if not any(entry.covers(finding) for finding in found)] == []


def test_the_example_of_cdk_nag_acknowledges_by_itself_what_the_constructs_need(tmp_path: Path) -> None:
    _, findings = check(ROOT / "examples" / "checked_with_cdk_nag.py", tmp_path, acknowledge=False)
    assert findings == []


def findings_of(
    tmp_path: Path,
    *,
    env: Environment | None,
    encrypted_topic: bool = False,
    widen: bool = False,
    flags: Mapping[str, object] | None = None,
) -> list[Finding]:
    """Return the findings of cdk-nag in the constructs with every argument, without those in the topic."""
    app = App(outdir=str(tmp_path), analytics_reporting=False, context=flags)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    root_access, root_tasks, root_use = add_all_arguments(
        Stack(app, "organization-bootstrap", env=env),
        encrypted_topic=encrypted_topic,
        audit_new_accounts=env is not None,
    )
    if widen:
        root_tasks.bucket.grant_read(cast("iam.Role", root_tasks.node.find_child("AuditRole")))
    for construct in (root_access, root_tasks, root_use):
        acknowledge_nag(construct)
    return [
        finding
        for finding in findings(app)
        if finding.rule.startswith("AwsSolutions") and "/Topic/" not in finding.path
    ]


@pytest.mark.parametrize("encrypted_topic", [True, False])
@pytest.mark.parametrize("env", [MANAGEMENT, None], ids=["account", "any account"])
def test_every_construct_passes_with_its_acknowledgments(
    tmp_path: Path, env: Environment | None, encrypted_topic: bool
) -> None:
    found = findings_of(tmp_path, env=env, encrypted_topic=encrypted_topic)
    assert found == []


@pytest.mark.parametrize("env", [MANAGEMENT, None], ids=["account", "any account"])
def test_every_construct_passes_in_an_app_that_cdk_init_has_created(
    tmp_path: Path, env: Environment | None
) -> None:
    found = findings_of(tmp_path, env=env, encrypted_topic=True, flags=json.loads(FEATURE_FLAGS.read_text()))
    assert found == []


def test_what_somebody_else_adds_to_a_role_is_still_found(tmp_path: Path) -> None:
    found = findings_of(tmp_path, env=MANAGEMENT, widen=True)
    assert {finding.path for finding in found} == {
        "organization-bootstrap/RootTasks/AuditRole/DefaultPolicy/Resource"
    }
    assert any("Action::s3:GetObject*" in finding.rule for finding in found)
