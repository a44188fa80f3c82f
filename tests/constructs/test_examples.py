"""The examples: each synthesizes, and has what it shows."""

from __future__ import annotations

import configparser
import functools
import json
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from support.apps import EXAMPLES, REPOSITORY, Assembly, synthesize
from support.pages import parse_command_line
from support.permissions_table import permissions_with_every_argument
from support.processes import run_process, run_successfully
from support.templates import (
    only_resource,
    properties_of_type,
    resources_of_type,
    statements_of_role,
)

if TYPE_CHECKING:
    # Returns the assembly of an example, by the name of its file.
    Assemblies = Callable[[str], Assembly]

BOOTSTRAP = "OrganizationBootstrap"
WORKFLOW = REPOSITORY / "examples" / "github-actions.yml"
POLICIES_WORKFLOW = REPOSITORY / "examples" / "policies-workflow.yml"


@pytest.fixture(scope="module")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> Assemblies:
    """The function that synthesizes an example, each only once."""
    return functools.cache(
        lambda name: synthesize(
            REPOSITORY / "examples" / name, tmp_path_factory.mktemp("example") / "cdk.out"
        )
    )


@pytest.mark.parametrize("name", [example.name for example in EXAMPLES])
def test_every_example_deploys_the_construct_and_warns_of_what_it_means_to_do(
    name: str, assemblies: Assemblies
) -> None:
    assert resources_of_type(assemblies(name).template(BOOTSTRAP), "Custom::CentralizedRootAccess")
    # The CDK ends a warning with its ID.
    warned = [
        warning.rpartition("[ack: ")[2].rstrip("]") for warning in assemblies(name).warnings()
    ]
    disabling = [
        "centralized-root-access:disablesRootCredentialsManagement",
        "centralized-root-access:disablesRootSessions",
        "centralized-root-access:noDelegatedAdministrators",
    ]
    assert warned == (disabling if name == "disable_everything.py" else []), (
        "`cdk synth --strict` would fail"
    )


def test_the_boundary_is_on_every_role_and_allows_what_the_page_lists_and_no_more(
    assemblies: Assemblies,
) -> None:
    example = assemblies("permissions_boundary.py")
    template = example.template(BOOTSTRAP)
    roles = resources_of_type(template, "AWS::IAM::Role")
    (boundary,) = only_resource(example.template("Boundary"), "AWS::IAM::ManagedPolicy")[
        "Properties"
    ]["PolicyDocument"]["Statement"]
    users_by_action: dict[str, set[str]] = {}
    for permission in permissions_with_every_argument():
        users_by_action.setdefault(permission.action, set()).add(permission.construct)
    assert set(boundary["Action"]) == users_by_action.keys()
    # What is under the name of a construct is left out without it, and no other construct needs it.
    source = (REPOSITORY / "examples" / "permissions_boundary.py").read_text()
    comment_and_actions = r"^ +# ([CR]\w+(?:, \w+)*)\n((?: +\"\S+\",\n)+)"
    for names, listed in re.findall(comment_and_actions, source, re.MULTILINE):
        for action in re.findall('"(.*)"', listed):
            assert users_by_action[action] == set(names.split(", ")), action
    for role in roles.values():
        assert "policy/organization-bootstrap-boundary" in json.dumps(
            role["Properties"]["PermissionsBoundary"]
        )
    for log_group in properties_of_type(template, "AWS::Logs::LogGroup").values():
        # Ten years, as the example sets it for all log groups.
        assert log_group["RetentionInDays"] == 3653
        assert "KmsKeyId" in log_group


def test_the_pipeline_deploys_to_the_management_account_and_asks_it_for_the_status(
    assemblies: Assemblies, tmp_path: Path
) -> None:
    template = assemblies("pipeline.py").template("OrganizationPipeline")
    pipeline = only_resource(template, "AWS::CodePipeline::Pipeline")
    (stage,) = [
        stage for stage in pipeline["Properties"]["Stages"] if stage["Name"] == "Management"
    ]
    prepare, deploy, check = sorted(stage["Actions"], key=lambda action: int(action["RunOrder"]))
    for action in (prepare, deploy):
        assert "role/cdk-hnb659fds-deploy-role-111111111111-us-east-1" in json.dumps(
            action["RoleArn"]
        )
    assert deploy["Configuration"]["StackName"] == "Management-OrganizationBootstrap"
    projects = properties_of_type(template, "AWS::CodeBuild::Project")
    # The check's commands end with the one that writes a profile, and the one that uses it.
    (project,) = [project for name, project in projects.items() if check["Name"] in name]
    commands = json.loads(project["Source"]["BuildSpec"])["phases"]["build"]["commands"]
    *_, write_profile, ask_for_status = commands
    assert ask_for_status.startswith("centralized-root-access status ")
    parse_command_line(shlex.split(ask_for_status)[1:])
    run_successfully("sh", "-e", "-c", write_profile, cwd=tmp_path)
    config = configparser.ConfigParser()
    config.read(tmp_path / "aws-config")
    # The check's role may assume the role of that profile.
    may_assume = [
        statement["Resource"]
        for statement in statements_of_role(template, "PipelineManagementRootAccessIsEnabledRole")
        if statement["Action"] == "sts:AssumeRole"
    ]
    assert may_assume == [config["profile management"]["role_arn"]]
    (synth,) = [project for name, project in projects.items() if "Synth" in name]
    phases = json.loads(synth["Source"]["BuildSpec"])["phases"]
    assert phases["install"]["runtime-versions"]["python"] >= "3.11"
    # By both names of the service: which one AWS checks is not known.
    use_of_connection = [
        statement["Action"]
        for statement in statements_of_role(template, "PipelineSource")
        if "codeconnections" in str(statement["Resource"])
    ]
    assert use_of_connection == [
        "codestar-connections:UseConnection",
        "codeconnections:UseConnection",
    ]


def test_each_build_of_the_pipeline_is_a_revision_and_leaves_the_pipeline_as_it_is(
    assemblies: Assemblies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEBUILD_BUILD_ID", "Synth:1")
    built = synthesize(REPOSITORY / "examples" / "pipeline.py", tmp_path / "cdk.out")
    resource = only_resource(built.template(BOOTSTRAP), "Custom::CentralizedRootAccess")
    assert resource["Properties"]["Revision"] == "Synth:1"
    # Otherwise it would update itself in each run.
    pipeline = "OrganizationPipeline"
    assert built.template(pipeline) == assemblies("pipeline.py").template(pipeline)


def test_the_workflow_for_policies_fails_if_one_of_the_changed_ones_does(tmp_path: Path) -> None:
    """It installs what the target branch requires, not what the pull request does."""
    install, check = [
        step["run"]
        for step in yaml.safe_load(POLICIES_WORKFLOW.read_text())["jobs"]["preflight"]["steps"]
        if "env" in step
    ]
    # Programs that take the place of the command line and of pip, and note how they were called.
    program = tmp_path / "bin" / "centralized-root-access"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$*" >>../asked\ncase "$*" in *bad*) exit 1;; esac\n')
    program.chmod(0o755)
    pip = program.with_name("pip")
    pip.write_text('#!/bin/sh\ncat "$3" >../installed\n')
    pip.chmod(0o755)
    # The target branch, of which the pull request deletes a policy, and adds two.
    repository = tmp_path / "repository"
    for name in ("ou-a1b2-11111111/old.json", "ou-a1b2-11111111/gone.json"):
        write_empty_policy(repository / "policies" / name)
    (repository / "requirements.txt").write_text("of the target branch")
    git = functools.partial(
        run_successfully, "git", "-c", "user.name=x", "-c", "user.email=x", cwd=repository
    )
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "before")
    base = git("rev-parse", "HEAD").strip()
    (repository / "policies/ou-a1b2-11111111/gone.json").unlink()
    for name in ("ou-a1b2-22222222/bad one.json", "333333333333/new.json"):
        write_empty_policy(repository / "policies" / name)
    (repository / "requirements.txt").write_text("of the pull request")
    git("add", ".")
    git("commit", "-qm", "after")
    # The two steps run as GitHub would run them.
    path = f"{program.parent}:{os.environ['PATH']}"
    values = {"BASE": base, "PATH": path, "RUNNER_TEMP": str(tmp_path), "SESSION_ROLE": "a-role"}
    environment = {**os.environ, **values}
    run_successfully("bash", "-e", "-c", install, cwd=repository, env=environment)
    assert (tmp_path / "installed").read_text() == "of the target branch"
    ended = run_process("bash", "-e", "-c", check, cwd=repository, env=environment)
    assert ended.returncode == 1, ended.stderr
    role = "--session-role a-role"
    assert sorted((tmp_path / "asked").read_text().splitlines()) == [
        f"preflight --policy policies/333333333333/new.json --target 333333333333 {role}",
        "preflight --policy policies/ou-a1b2-22222222/bad one.json --target ou-a1b2-22222222 "
        f"{role}",
    ]


def write_empty_policy(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{}")


def test_what_deploys_to_the_management_account_is_a_pinned_cdk_cli() -> None:
    """The one that this project is tested with."""
    tested = json.loads((REPOSITORY / "package.json").read_text())["devDependencies"]["aws-cdk"]
    workflow = WORKFLOW.read_text()
    assert re.findall(r"aws-cdk@(\S+)", workflow) == [tested]
    assert workflow.endswith("run: centralized-root-access status\n")
    pipeline = (REPOSITORY / "examples" / "pipeline.py").read_text()
    assert f'CDK_CLI = "{tested}"\n' in pipeline
    assert re.findall(r"aws-cdk@(\S+) synth", pipeline) == ["{CDK_CLI}"]
    assert "cli_version=CDK_CLI," in pipeline
