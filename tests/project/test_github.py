"""The workflows, hooks and forms of the repository: valid, and with least permissions."""

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.apps import REPOSITORY
from support.processes import run_successfully

GITHUB = REPOSITORY / ".github"
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
FORMS = sorted(set(GITHUB.glob("ISSUE_TEMPLATE/*.yml")) - {GITHUB / "ISSUE_TEMPLATE/config.yml"})
RELEASE = runpy.run_path(str(GITHUB / "release_notes.py"))
release_notes = RELEASE["release_notes"]


def jobs(workflow: Path) -> dict[str, Any]:
    """Return the jobs of a workflow."""
    found: dict[str, Any] = yaml.safe_load(workflow.read_text())["jobs"]
    return found


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS + list(REPOSITORY.glob("examples/*.yml"))),
        ("custom.github-workflows-require-timeout", WORKFLOWS),
        ("vendor.github-issue-forms", FORMS),
        ("vendor.github-issue-config", [GITHUB / "ISSUE_TEMPLATE/config.yml"]),
        ("vendor.dependabot", [GITHUB / "dependabot.yml"]),
    ],
    ids=["workflows", "timeouts", "forms", "form-configuration", "dependabot"],
)
def test_github_accepts_the_files(schema: str, files: list[Path]) -> None:
    run_successfully(
        Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", schema, *files
    )


def test_zizmor_finds_no_weakness_in_a_workflow() -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    run_successfully(
        zizmor, "--offline", "--no-progress", GITHUB, *REPOSITORY.glob("examples/*.yml")
    )


@pytest.mark.parametrize("workflow", ["release.yml", "site.yml"])
def test_only_the_job_that_publishes_has_the_identity_and_it_runs_no_code(workflow: str) -> None:
    published = jobs(GITHUB / "workflows" / workflow)
    assert [name for name, job in published.items() if "id-token" in job["permissions"]] == [
        "publish"
    ]
    assert all("run" not in step for step in published["publish"]["steps"])


def git(folder: Path, *arguments: str) -> None:
    """Run a command of git in a repository."""
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    run_successfully("git", *identity, *arguments, cwd=folder)


def test_a_tag_that_is_not_on_main_is_not_released(tmp_path: Path) -> None:
    origin, checkout = tmp_path / "origin", tmp_path / "checkout"
    run_successfully("git", "init", "-q", "-b", "main", origin)
    git(origin, "commit", "-q", "--allow-empty", "-m", "Reviewed")
    git(tmp_path, "clone", "-q", str(origin), "checkout")
    RELEASE["require_main"](checkout)
    git(checkout, "commit", "-q", "--allow-empty", "-m", "Not reviewed")
    with pytest.raises(ValueError, match="not on main"):
        RELEASE["require_main"](checkout)


def test_nothing_is_released_before_its_owner_and_its_documentation_are_known(
    tmp_path: Path,
) -> None:
    """The files that have the placeholder are those that CONTRIBUTING lists."""
    with pytest.raises(ValueError, match="OWNER is still a placeholder in ") as refused:
        RELEASE["require_addresses"](REPOSITORY)
    named = str(refused.value).partition(" in ")[2].removesuffix(".").split(", ")
    todo = (
        (REPOSITORY / "CONTRIBUTING.md").read_text().partition("## Before the first release\n")[2]
    )
    assert set(named) <= set(re.findall(r"`([^`]+)`", todo.partition("\n## ")[0]))
    runbook = tmp_path / "lambda" / "common" / "runbook.txt"
    runbook.parent.mkdir(parents=True)
    run_successfully("git", "init", "-q", tmp_path)
    runbook.write_text("Runbook: Operating\n")
    with pytest.raises(ValueError, match="has no address of the documentation"):
        RELEASE["require_addresses"](tmp_path)
    runbook.write_text("Runbook: https://docs.example.com\n")
    RELEASE["require_addresses"](tmp_path)


PROJECT = '[project]\nversion = "0.1.0"\n'
CHANGELOG = """\
# Changelog

## [Unreleased]

## [0.1.0] - 2026-11-25

The first release. It is as
[the page](docs/start/getting-started.md) says.

## [0.0.1] - 2026-01-01

Old.
"""
NOTES = "The first release. It is as\n[the page](docs/start/getting-started.md) says."


def test_the_release_notes_are_the_changelogs_section_of_the_tag() -> None:
    assert release_notes(tag="v0.1.0", project=PROJECT, changelog=CHANGELOG) == NOTES


@pytest.mark.parametrize(
    ("tag", "changelog", "reason"),
    [
        ("v0.2.0", CHANGELOG, "pyproject.toml has version 0.1.0"),
        ("v0.1.0", "## [Unreleased]\n\nSomething.\n", "has no section"),
        (
            "v0.1.0",
            "## [0.1.0] - 2026-11-25\n\n## [0.0.1] - 2026-01-01\n\nOld.\n",
            "has no section",
        ),
    ],
    ids=["another-version", "nothing-released", "an-empty-section"],
)
def test_a_tag_that_the_project_does_not_describe_is_not_released(
    tag: str, changelog: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        release_notes(tag=tag, project=PROJECT, changelog=changelog)
