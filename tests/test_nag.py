"""The rules of cdk-nag and cfn-lint, over every app in this repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.apps import APPS, Assembly
from support.nag import ACKNOWLEDGMENTS, Finding, check

# CDK writes each dependency by its name, whether or not a reference implies it, and joins ARNs instead of
# substituting them, which cfn-lint reports in a CodePipeline action.
_CDK_STYLE = "W3005,E3703"


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Assembly, list[Finding]]]:
    return {app.name: check(app, tmp_path_factory.mktemp(app.stem)) for app in APPS}


@pytest.mark.parametrize("app", [app.name for app in APPS])
def test_cdk_nag_finds_nothing_that_is_not_acknowledged(
    checked: dict[str, tuple[Assembly, list[Finding]]], app: str
) -> None:
    _, findings = checked[app]
    assert [it for it in findings if not any(entry.covers(it) for entry in ACKNOWLEDGMENTS)] == []


def test_every_acknowledgment_is_for_something_that_is_found(
    checked: dict[str, tuple[Assembly, list[Finding]]],
) -> None:
    found = [finding for _, findings in checked.values() for finding in findings]
    assert [entry for entry in ACKNOWLEDGMENTS if not any(entry.covers(it) for it in found)] == []


def test_the_example_of_cdk_nag_acknowledges_by_itself_what_the_construct_needs(
    checked: dict[str, tuple[Assembly, list[Finding]]],
) -> None:
    _, findings = checked["checked_with_cdk_nag.py"]
    assert findings == []


def test_cfn_lint_finds_nothing_in_any_template(
    checked: dict[str, tuple[Assembly, list[Finding]]],
) -> None:
    templates = [file for assembly, _ in checked.values() for file in assembly.template_files]
    linted = subprocess.run(
        [
            Path(sys.executable).with_name("cfn-lint"),
            f"--ignore-checks={_CDK_STYLE}",
            *templates,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr
