"""Whole lifecycles by the real CDK CLI on the local AWS: each promise, proven by the organization's state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import aws_sns as sns

from centralized_root_access import CentralizedRootAccess, RootUserGuardrail
from support.accounts import MANAGEMENT, MEMBER, OTHER, THIRD
from support.arrange import CREDENTIALS, SESSIONS, add_unit, enable_root_access
from support.deploying import (
    Deployer,
    assert_succeeded,
    checks,
    denials,
    own_policies,
    run_drift_check,
    stack_outputs,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aws_cdk import Stack

    from local_aws.emulation import Organization
    from local_aws.services import LocalAws

pytestmark = pytest.mark.slow

BOTH = {CREDENTIALS, SESSIONS}


@pytest.fixture
def deployer(local_aws: LocalAws, tmp_path: Path) -> Deployer:
    return Deployer(local_aws, tmp_path)


def status(aws: LocalAws) -> dict[str, Any]:
    (value,) = stack_outputs(aws).values()
    return dict(json.loads(value))


def function_calls(organization: Organization) -> list[str]:
    """Return the calls that reached the organization, without the CLI's lookups of its own account."""
    return [call.operation for call in organization.calls if call.service != "sts"]


def root_access(id: str = "RootAccess", **arguments: Any) -> Callable[[Stack], object]:
    """Return a function that adds the construct to a stack."""
    return lambda stack: CentralizedRootAccess(stack, id, **arguments)


def without_root_access(stack: Stack) -> None:
    """Add another resource; CloudFormation refuses a stack without any."""
    sns.Topic(stack, "Topic")


def test_a_deployment_without_changes_makes_no_calls_and_a_needless_update_no_writes(
    local_aws: LocalAws, deployer: Deployer
) -> None:
    organization = local_aws.organization
    assert_succeeded(deployer.deploy(root_access(features=[CREDENTIALS])))
    assert status(local_aws)["status"] == "PARTIAL"
    organization.client("iam").enable_organizations_root_sessions()
    organization.clear_calls()
    assert_succeeded(deployer.deploy(root_access(features=[CREDENTIALS])))
    assert function_calls(organization) == []
    assert_succeeded(deployer.deploy(root_access()))
    assert sorted(function_calls(organization)) == [
        "DescribeOrganization",
        "ListAWSServiceAccessForOrganization",
        "ListDelegatedAdministrators",
        "ListOrganizationsFeatures",
    ]
    assert organization.writes == ()
    assert status(local_aws)["status"] == "ENABLED"


def test_a_whole_lifecycle_leaves_the_organization_as_listed(local_aws: LocalAws, deployer: Deployer) -> None:
    organization = local_aws.organization
    others = organization.other_services()

    assert_succeeded(deployer.deploy(root_access(delegated_administrators=[MEMBER])))
    assert organization.root_access().features == BOTH
    assert organization.root_access().delegated_administrators == (MEMBER,)

    assert_succeeded(deployer.deploy(root_access(features=[SESSIONS], delegated_administrators=[MEMBER])))
    assert organization.root_access().features == {SESSIONS}

    assert_succeeded(deployer.deploy(root_access(delegated_administrators=[OTHER])))
    assert organization.root_access().features == BOTH
    assert organization.root_access().delegated_administrators == (OTHER,)

    organization.suspend(THIRD)
    failed = deployer.deploy(root_access(features=[CREDENTIALS], delegated_administrators=[MEMBER, THIRD]))
    assert failed.returncode != 0
    assert f"Account {THIRD} is suspended" in " ".join(failed.stdout.split())
    assert organization.root_access().features == BOTH, "rolled back"
    assert organization.root_access().delegated_administrators == (OTHER,)

    organization.clear_calls()
    assert_succeeded(deployer.deploy(root_access("Renamed", delegated_administrators=[OTHER])))
    assert organization.writes == ()
    assert status(local_aws)["delegatedAdministrators"] == [OTHER]

    assert_succeeded(deployer.deploy(without_root_access))
    assert_succeeded(deployer.deploy(root_access(delegated_administrators=[OTHER])))
    assert_succeeded(deployer.destroy())
    assert organization.writes == ()
    assert organization.root_access().features == BOTH
    assert organization.root_access().delegated_administrators == (OTHER,)
    assert organization.other_services() == others


def test_the_drift_check_does_not_revert_an_update_that_removes_a_feature(
    local_aws: LocalAws, deployer: Deployer
) -> None:
    def build(stack: Stack, **arguments: Any) -> None:
        CentralizedRootAccess(stack, "RootAccess", **arguments).add_drift_check(repair=True)

    assert_succeeded(deployer.deploy(build))
    assert_succeeded(deployer.deploy(lambda stack: build(stack, features=[CREDENTIALS])))
    run_drift_check(local_aws)
    assert local_aws.organization.root_access().features == {CREDENTIALS}
    assert checks(local_aws)[-1]["deviations"] == []


def guardrail(**arguments: Any) -> Callable[[Stack], object]:
    """Return a function that adds a guardrail to a stack."""
    return lambda stack: RootUserGuardrail(stack, "RootUserGuardrail", **arguments)


def test_a_guardrail_denies_root_users_not_root_sessions_until_it_is_removed(
    local_aws: LocalAws, deployer: Deployer
) -> None:
    organization = local_aws.organization
    enable_root_access(organization, CREDENTIALS, SESSIONS)
    organizations = organization.client("organizations")
    unit_id = add_unit(organization, "Workloads", MEMBER, OTHER)
    for account_id in (MEMBER, OTHER, THIRD):
        organization.put_root_credentials(account_id=account_id, access_keys=1)

    failed = deployer.deploy(guardrail(targets=[unit_id]))
    assert failed.returncode != 0
    assert "An error occurred (PolicyTypeNotEnabledException)" in failed.stdout
    assert "enable-policy-type" in failed.stdout, "the log says what to do"
    assert own_policies(organization) == {}

    organizations.enable_policy_type(RootId=organization.root_id, PolicyType="SERVICE_CONTROL_POLICY")
    assert_succeeded(deployer.deploy(guardrail(targets=[unit_id], exempt_accounts=[MEMBER])))
    deployed = own_policies(organization)
    assert list(denials(organization)) == [OTHER]

    assert_succeeded(deployer.deploy(guardrail(targets=[unit_id, THIRD])))
    assert list(denials(organization)) == [MEMBER, OTHER, THIRD]
    assert own_policies(organization) == deployed

    assert_succeeded(deployer.destroy())
    assert denials(organization) == {}
    assert own_policies(organization) == {}
    assert organization.root_credentials(MANAGEMENT)
