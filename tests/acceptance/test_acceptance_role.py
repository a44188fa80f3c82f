"""The role of a run on AWS: it may make exactly the calls of its level, and none anywhere else."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner

from acceptance import __main__ as command
from acceptance.callers import AUDIT
from acceptance.model import Level
from local_aws.emulation import mock_organization
from support.acceptance import EmulatedAws, enable_policies, names_of
from support.acceptance_role import ROLE, actions_of, policies_of, role_actions, role_template
from support.accounts import MEMBER, OTHER
from support.apps import ROOT
from support.processes import run

if TYPE_CHECKING:
    from collections.abc import Mapping

TASKS = "arn:*:iam::aws:policy/root-task/"


class RecordingAws(EmulatedAws):
    """An emulated organization that knows which calls the management account's own credentials made."""

    def __init__(self, organization: Any) -> None:
        super().__init__(organization)
        self.own: set[str] = set()

    def _create_client(self, service: str, credentials: Mapping[str, Any] | None, host: str | None) -> Any:
        client = super()._create_client(service, credentials, host)
        if credentials is None:
            client.meta.events.register(
                "before-call", lambda model, **_: self.own.add(f"{service}:{model.name}")
            )
        return client


def own_calls(level: Level, folder: Path) -> set[str]:
    """Return the calls that a run of a level makes with its own credentials."""
    with mock_organization() as organization:
        enable_policies(organization)
        aws = RecordingAws(organization)
        names = names_of(organization)
        arguments = ["--organization", organization.id, "--account", names.management, "--level", level.value]
        if level is not Level.READ:
            arguments += ["--member", str(names.member), "--delegate", str(names.delegate)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(command, "connect", lambda profile, region: aws)
            finished = CliRunner().invoke(
                command.main, [*arguments, "--run", "--folder", str(folder)], input=f"{organization.id}\n"
            )
        assert finished.exit_code == 0, finished.output
        return aws.own


@pytest.mark.parametrize("level", [Level.READ, Level.FEATURE, Level.MEMBER])
def test_the_role_is_allowed_the_calls_of_the_level_and_no_others(level: Level, tmp_path: Path) -> None:
    """The level `deploy` is in the end-to-end test."""
    assert actions_of(own_calls(level, tmp_path), level) == role_actions(level)


@pytest.mark.parametrize("level", list(Level))
def test_no_level_acts_as_another_root_user_or_in_another_organization(level: Level) -> None:
    denied = {
        statement["Sid"]: statement for statement in policies_of(level) if statement["Effect"] == "Deny"
    }
    assert denied == {
        "OtherOrganizations": {
            "Sid": "OtherOrganizations",
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": {"Ref": "Organization"}}},
        },
        "ActingOutsideOfTheMember": {
            "Sid": "ActingOutsideOfTheMember",
            "Effect": "Deny",
            "Action": "sts:AssumeRoot",
            "NotResource": {"Fn::Sub": "arn:${AWS::Partition}:iam::${Member}:root"},
            "Condition": {
                "StringLike": {"sts:TaskPolicyArn": f"{TASKS}*"},
                "StringNotLike": {"sts:TaskPolicyArn": f"{TASKS}{AUDIT}"},
            },
        },
    }


def test_nothing_that_is_changed_is_anybody_elses() -> None:
    """What a level changes is named by the run or the parameters, or it is root access itself."""
    anywhere = role_actions(Level.DEPLOY, resource="*")
    changing = {action for action in anywhere if not re.search(r":(Describe|Get|List|Lookup)", action)}
    features = ("RootCredentialsManagement", "RootSessions")
    assert changing == {
        *(f"iam:{verb}Organizations{feature}" for verb in ("Enable", "Disable") for feature in features),
        *(f"organizations:{verb}AWSServiceAccess" for verb in ("Enable", "Disable")),
        *(f"organizations:{verb}DelegatedAdministrator" for verb in ("Register", "Deregister")),
    }


def test_the_role_is_one_of_the_environment_of_the_workflow() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "acceptance.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert job["environment"] == "acceptance"
    pattern = role_template()["Parameters"]["Subject"]["AllowedPattern"]
    assert re.fullmatch(pattern, "repo:example/centralized-root-access:environment:acceptance")
    assert not re.fullmatch(pattern, "repo:example/*:environment:acceptance")
    # YAML 1.1 reads `on` as true.
    inputs = workflow[True]["workflow_dispatch"]["inputs"]
    assert inputs["level"]["options"] == [level.value for level in Level]
    assert set(workflow[True]) == {"workflow_dispatch"}


def test_cfn_lint_finds_nothing_in_the_template_of_the_role() -> None:
    lint = run(Path(sys.executable).with_name("cfn-lint"), "--template", ROLE)
    assert (lint.returncode, lint.stdout) == (0, "")


def test_the_workflow_runs_the_suite_with_its_inputs_and_restores_by_its_journals() -> None:
    program = runpy.run_path(str(ROOT / ".github" / "run_acceptance.py"))
    inputs = {
        "ORGANIZATION": "o-a1b2c3d4e5",
        "ACCOUNT": "111111111111",
        "LEVEL": "read",
        "REGION": "us-east-1",
    }
    for more in ({"MEMBER": "", "DELEGATE": ""}, {"MEMBER": OTHER, "DELEGATE": MEMBER}):
        arguments = program["run_command"]({**inputs, **more})[3:]
        options = command.main.make_context("acceptance", arguments).params
        given = {name.upper(): options[name] or "" for name in ("organization", "account", "level", "region")}
        assert given == inputs
        assert {name: options[name.lower()] or "" for name in more} == more
        assert options["execute"]
    journal = ROOT / "pyproject.toml"
    (restoring,) = program["restore_commands"]([journal])
    assert command.main.make_context("acceptance", restoring[3:]).params["restore"] == journal
