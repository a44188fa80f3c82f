"""The role of a run on AWS: it may make exactly the calls of its level, and none anywhere else."""

import re
import runpy
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

from acceptance import __main__ as acceptance_main
from acceptance.local import enable_policies
from acceptance.model import Level
from centralized_root_access import RootTask
from centralized_root_access.base.enums import TASK_POLICIES
from local_aws.emulation import LocalOrganization
from support.acceptance import AcceptanceCommand
from support.acceptance_role import (
    ROLE_FILE,
    actions_needed_by,
    role_actions,
    role_template,
    statements_of_role,
)
from support.accounts import MEMBER, OTHER_MEMBER
from support.apps import REPOSITORY
from support.processes import run_process

WORKFLOW = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "acceptance.yml").read_text())


@pytest.mark.parametrize("level", list(Level))
def test_the_role_is_allowed_the_calls_of_the_level_and_no_others(
    organization: LocalOrganization, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, level: Level
) -> None:
    accounts = {} if level is Level.READ else {"member": OTHER_MEMBER, "delegate": MEMBER}
    enable_policies(organization)
    acceptance_command = AcceptanceCommand(organization, tmp_path, monkeypatch)
    finished = acceptance_command.run("--level", level.value, "--run", **accounts)
    assert finished.exit_code == 0, finished.output
    [aws] = acceptance_command.connections
    assert actions_needed_by(aws.own_operations, level) == role_actions(level)


def may_open(level: Level, task: RootTask, account: str) -> bool:
    """Return whether the role may open a root session in an account; the member is `${Member}`."""
    policy = f"arn:aws:iam::aws:policy/root-task/{TASK_POLICIES[task]}"
    target = {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::{account}:root"}
    for statement in statements_of_role(level):
        # A denial is of all tasks but those that it spares, in every account or all but the member.
        if statement["Effect"] == "Deny" and statement["Action"] == "sts:AssumeRoot":
            operators = ("StringLike", "StringNotLike")
            denied, spared = (
                statement["Condition"][name]["sts:TaskPolicyArn"] for name in operators
            )
            is_spared = any(fnmatchcase(policy, pattern) for pattern in spared)
            if (
                statement.get("NotResource") != target
                and fnmatchcase(policy, denied)
                and not is_spared
            ):
                return False
    return "sts:AssumeRoot" in role_actions(level, resource="*")


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("task", list(RootTask))
def test_the_role_opens_sessions_to_audit_and_above_read_all_in_the_member(
    level: Level, task: RootTask
) -> None:
    # In any account but the member, the role may only audit.
    assert may_open(level, task, "999999999999") == (task is RootTask.AUDIT)
    assert may_open(level, task, "${Member}") == (task is RootTask.AUDIT or level is not Level.READ)


@pytest.mark.parametrize("level", list(Level))
def test_the_role_does_nothing_in_another_organization(level: Level) -> None:
    assert {
        "Sid": "OtherOrganizations",
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": {"Ref": "Organization"}}},
    } in statements_of_role(level)


def test_nothing_that_is_changed_belongs_to_others() -> None:
    """What a level changes is named by the run or the parameters, or it is root access itself."""
    anywhere = role_actions(Level.MEMBER, resource="*")
    reading = r":(Assume|Describe|Get|List|Lookup)"
    changing = {action for action in anywhere if not re.search(reading, action)}
    features = ("RootCredentialsManagement", "RootSessions")
    assert changing == {
        *(
            f"iam:{verb}Organizations{feature}"
            for verb in ("Enable", "Disable")
            for feature in features
        ),
        *(f"organizations:{verb}AWSServiceAccess" for verb in ("Enable", "Disable")),
    }
    registered = [
        statement["Resource"]
        for statement in statements_of_role(Level.MEMBER)
        if "organizations:RegisterDelegatedAdministrator" in statement["Action"]
    ]
    own = "arn:${AWS::Partition}:organizations::${AWS::AccountId}:account/${Organization}/"
    assert registered == [
        [{"Fn::Sub": f"{own}${{{account}}}"} for account in ("Member", "Delegate")]
    ]


def test_the_role_is_one_of_the_environment_of_the_workflow() -> None:
    (job,) = WORKFLOW["jobs"].values()
    assert job["environment"] == "acceptance"
    pattern = role_template()["Parameters"]["Subject"]["AllowedPattern"]
    assert re.fullmatch(pattern, "repo:example/centralized-root-access:environment:acceptance")
    # As of a repository that was created, renamed or moved since 2026-07-15.
    assert re.fullmatch(
        pattern, "repo:example@123456/centralized-root-access@789012:environment:acceptance"
    )
    assert not re.fullmatch(pattern, "repo:example/*:environment:acceptance")
    # YAML 1.1 reads `on` as true.
    assert WORKFLOW[True].keys() == {"workflow_dispatch"}
    inputs = WORKFLOW[True]["workflow_dispatch"]["inputs"]
    assert inputs["level"]["options"] == [level.value for level in Level]


def test_the_credentials_of_the_workflow_outlast_a_run_that_has_to_be_restored() -> None:
    (job,) = WORKFLOW["jobs"].values()
    (minutes,) = [step["timeout-minutes"] for step in job["steps"] if "timeout-minutes" in step]
    (duration,) = [
        step["with"]["role-duration-seconds"]
        for step in job["steps"]
        if "role-duration-seconds" in step.get("with", {})
    ]
    # What a run that ended early has left is restored before the job ends or its credentials
    # expire.
    assert 60 * minutes <= 60 * (job["timeout-minutes"] - 30) < duration - 1800
    assert duration == role_template()["Resources"]["Role"]["Properties"]["MaxSessionDuration"]


def test_cfn_lint_finds_nothing_in_the_template_of_the_role() -> None:
    lint = run_process(Path(sys.executable).with_name("cfn-lint"), "--template", ROLE_FILE)
    assert (lint.returncode, lint.stdout) == (0, "")


def test_the_workflow_runs_the_suite_and_restores_only_snapshots_of_its_own_runs() -> None:
    program = runpy.run_path(str(REPOSITORY / ".github" / "run_acceptance.py"))
    inputs = {
        "ORGANIZATION": "o-a1b2c3d4e5",
        "ACCOUNT": "111111111111",
        "LEVEL": "read",
        "REGION": "us-east-1",
        "RUNNER_TEMP": "/runner/temp",
    }
    for accounts in ({"MEMBER": "", "DELEGATE": ""}, {"MEMBER": OTHER_MEMBER, "DELEGATE": MEMBER}):
        # Without `python -m acceptance`.
        arguments = program["run_command"]({**inputs, **accounts})[3:]
        options = acceptance_main.main.make_context("acceptance", arguments).params
        given = {
            name.upper(): options[name] or ""
            for name in ("organization", "account", "level", "region")
        }
        assert given == {name: inputs[name] for name in given}
        assert options["folder"] == program["results_folder"](inputs)
        assert not options["folder"].is_relative_to(REPOSITORY)
        assert {name: options[name.lower()] or "" for name in accounts} == accounts
        assert options["execute"]
    snapshot = REPOSITORY / "pyproject.toml"
    (restoring,) = program["restore_commands"]([snapshot])
    assert (
        acceptance_main.main.make_context("acceptance", restoring[3:]).params["restore"] == snapshot
    )
