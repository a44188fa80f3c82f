"""Whole lifecycles by the real CDK CLI, proven by the organization's state."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from aws_cdk import Stack
from aws_cdk import aws_sns as sns

from centralized_root_access import CentralizedRootAccess
from local_aws.services import LocalAws
from support.accounts import MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.apps import REPOSITORY
from support.arrange import ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS, set_feature
from support.deploying import (
    Deployer,
    assert_succeeded,
    stack_outputs,
)
from support.processes import run_successfully

BOTH_FEATURES = {ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS}


@pytest.fixture
def deployer(local_aws: LocalAws, tmp_path: Path) -> Deployer:
    """Return a deployer of the stack."""
    return Deployer(local_aws, tmp_path)


def status(aws: LocalAws) -> dict[str, Any]:
    """Return the status that the stack's only output has."""
    (value,) = stack_outputs(aws).values()
    return dict(json.loads(value))


def root_access(id: str = "RootAccess", **arguments: Any) -> Callable[[Stack], object]:
    """Return a function that adds the construct to a stack."""
    return lambda stack: CentralizedRootAccess(stack, id, **arguments)


def without_root_access(stack: Stack) -> None:
    """Add another resource; CloudFormation refuses a stack without any."""
    sns.Topic(stack, "Topic")


def test_a_whole_lifecycle_leaves_the_organization_as_listed(
    local_aws: LocalAws, deployer: Deployer
) -> None:
    organization = local_aws.organization
    others = organization.other_services()

    assert_succeeded(deployer.deploy(root_access(delegated_administrators=[MEMBER])))
    assert organization.root_access().features == BOTH_FEATURES
    assert organization.root_access().delegated_administrators == (MEMBER,)

    assert_succeeded(
        deployer.deploy(root_access(features=[ROOT_SESSIONS], delegated_administrators=[MEMBER]))
    )
    assert organization.root_access().features == {ROOT_SESSIONS}

    assert_succeeded(deployer.deploy(root_access(delegated_administrators=[OTHER_MEMBER])))
    assert organization.root_access().features == BOTH_FEATURES
    assert organization.root_access().delegated_administrators == (OTHER_MEMBER,)

    organization.suspend(THIRD_MEMBER)
    failed = deployer.deploy(
        root_access(
            features=[ROOT_CREDENTIALS_MANAGEMENT], delegated_administrators=[MEMBER, THIRD_MEMBER]
        )
    )
    assert failed.returncode != 0
    assert f"Account {THIRD_MEMBER} is suspended" in " ".join(failed.stdout.split())
    assert organization.root_access().features == BOTH_FEATURES, "rolled back"
    assert organization.root_access().delegated_administrators == (OTHER_MEMBER,)

    organization.clear_calls()
    assert_succeeded(
        deployer.deploy(root_access("Renamed", delegated_administrators=[OTHER_MEMBER]))
    )
    assert organization.writes == ()
    assert status(local_aws)["delegatedAdministrators"] == [OTHER_MEMBER]

    assert_succeeded(deployer.deploy(without_root_access))
    assert_succeeded(deployer.deploy(root_access(delegated_administrators=[OTHER_MEMBER])))
    assert_succeeded(deployer.destroy())
    assert organization.writes == ()
    assert organization.root_access().features == BOTH_FEATURES
    assert organization.root_access().delegated_administrators == (OTHER_MEMBER,)
    assert organization.other_services() == others


def test_a_deployment_with_another_revision_corrects_drift_and_one_with_the_same_does_not(
    local_aws: LocalAws, deployer: Deployer
) -> None:
    organization = local_aws.organization
    assert_succeeded(deployer.deploy(root_access(revision="1")))
    first = status(local_aws)

    set_feature(organization, ROOT_SESSIONS, enabled=False)
    assert_succeeded(deployer.deploy(root_access(revision="1")))
    assert organization.root_access().features == {ROOT_CREDENTIALS_MANAGEMENT}
    # The output is not of now, and says so.
    assert status(local_aws) == first

    assert_succeeded(deployer.deploy(root_access(revision="2")))
    assert organization.root_access().features == BOTH_FEATURES
    assert status(local_aws) == {**first, "observedAt": mock.ANY}
    assert status(local_aws)["observedAt"] > first["observedAt"]


def test_the_reference_app_deploys_from_a_clone_with_nothing_but_its_requirements(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    clone, environment = tmp_path / "clone", tmp_path / "venv"
    run_successfully("git", "clone", "-q", REPOSITORY, clone)
    run_successfully(sys.executable, "-m", "venv", environment)
    pip = environment / "bin" / "pip"
    run_successfully(pip, "install", "-q", "-r", clone / "requirements.txt")
    # The PATH of a user who has activated the environment, and has Node.
    folders = (environment / "bin", local_aws.addresses.programs)
    path = os.pathsep.join([*map(str, folders), os.defpath])
    deployed = local_aws.cdk(
        "deploy", "--require-approval", "never", folder=clone, variables={"PATH": path}
    )
    assert_succeeded(deployed)
    assert local_aws.organization.root_access().features == BOTH_FEATURES
