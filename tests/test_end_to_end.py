"""The real CDK CLI against the local AWS: one proof for each promise, by the organization's state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import aws_sns as sns

from centralized_root_access import CentralizedRootAccess
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS, switch_on, writes
from support.deploying import STACK, Deployer, succeeded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aws_cdk import Stack

    from local_aws.emulation import Organization
    from local_aws.services import LocalAws

BOTH = {CREDENTIALS, SESSIONS}
MEMBER, OTHER, THIRD = "222222222222", "333333333333", "444444444444"


@pytest.fixture
def deployer(local_aws: LocalAws, tmp_path: Path) -> Deployer:
    return Deployer(local_aws, tmp_path)


def status(aws: LocalAws) -> dict[str, Any]:
    (stack,) = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    (value,) = [it["OutputValue"] for it in stack["Outputs"] if it["OutputKey"].endswith("Status")]
    return dict(json.loads(value))


def function_calls(organization: Organization) -> list[str]:
    """The calls that reached the organization, without those of the CLI to find its own credentials."""
    return [call.operation for call in organization.calls if call.service != "sts"]


def root_access(id: str = "RootAccess", **arguments: Any) -> Callable[[Stack], object]:
    """Builds the construct."""
    return lambda stack: CentralizedRootAccess(stack, id, **arguments)


def without_root_access(stack: Stack) -> None:
    """Builds something else, for CloudFormation wants a stack to have a resource."""
    sns.Topic(stack, "Topic")


def test_cdk_deploy_of_the_reference_app_turns_root_access_on_and_its_output_says_so(
    local_aws: LocalAws,
) -> None:
    organization = local_aws.organization
    others = organization.other_services()
    deployed = local_aws.cdk("deploy", "--require-approval", "never")
    succeeded(deployed)
    assert organization.root_access().features == BOTH
    since = organization.root_access().trusted_access[PRINCIPAL]
    assert organization.other_services() == others
    assert writes(organization) == [
        "EnableAWSServiceAccess",
        "EnableOrganizationsRootCredentialsManagement",
        "EnableOrganizationsRootSessions",
    ]
    line = (
        f'{{"status":"ENABLED","organizationId":"{organization.id}","managementAccountId":"111111111111",'
        f'"trustedAccessEnabledAt":"{since:%Y-%m-%dT%H:%M:%SZ}",'
        '"features":["RootCredentialsManagement","RootSessions"],"delegatedAdministrators":[]}'
    )
    assert f"{STACK}.RootAccessStatus = {line}" in deployed.stdout


def test_a_deployment_without_a_change_makes_no_call_and_an_update_that_finds_all_on_no_write(
    local_aws: LocalAws, deployer: Deployer
) -> None:
    organization = local_aws.organization
    succeeded(deployer.deploy(root_access(features=[CREDENTIALS])))
    assert status(local_aws)["status"] == "PARTIAL"
    organization.client("iam").enable_organizations_root_sessions()
    organization.clear_calls()
    succeeded(deployer.deploy(root_access(features=[CREDENTIALS])))
    assert function_calls(organization) == []
    succeeded(deployer.deploy(root_access()))
    assert sorted(function_calls(organization)) == [
        "DescribeOrganization",
        "ListAWSServiceAccessForOrganization",
        "ListDelegatedAdministrators",
        "ListOrganizationsFeatures",
    ]
    assert organization.writes == ()
    assert status(local_aws)["status"] == "ENABLED"


def test_a_half_enabled_organization_gets_the_other_half(local_aws: LocalAws, deployer: Deployer) -> None:
    switch_on(local_aws.organization, SESSIONS)
    succeeded(deployer.deploy(root_access()))
    assert local_aws.organization.root_access().features == BOTH
    assert writes(local_aws.organization) == ["EnableOrganizationsRootCredentialsManagement"]


def test_features_hidden_behind_trusted_access_come_back_with_it(
    local_aws: LocalAws, deployer: Deployer
) -> None:
    switch_on(local_aws.organization, *BOTH, hidden=True)
    succeeded(deployer.deploy(root_access()))
    assert writes(local_aws.organization) == ["EnableAWSServiceAccess"]
    assert status(local_aws)["status"] == "ENABLED"


def test_a_failing_deployment_shows_our_sentence_in_the_clis_own_output(
    local_aws: LocalAws, deployer: Deployer
) -> None:
    organization = local_aws.organization
    deployed = deployer.deploy(root_access(delegated_administrators=["999999999999"]))
    assert deployed.returncode != 0
    shown = " ".join(deployed.stdout.split())
    assert "Account 999999999999 is not a member of this organization" in shown
    assert "Not made: organizations:RegisterDelegatedAdministrator(999999999999)." in shown
    assert organization.root_access().features == BOTH, "what was made stays"


def test_a_lifecycle_cannot_hurt_the_organization(local_aws: LocalAws, deployer: Deployer) -> None:
    organization = local_aws.organization
    others = organization.other_services()

    succeeded(deployer.deploy(root_access(delegated_administrators=[MEMBER])))
    assert organization.root_access().features == BOTH
    assert organization.root_access().delegated_administrators == (MEMBER,)

    succeeded(deployer.deploy(root_access(features=[SESSIONS], delegated_administrators=[MEMBER])))
    assert organization.root_access().features == {SESSIONS}

    succeeded(deployer.deploy(root_access(delegated_administrators=[OTHER])))
    assert organization.root_access().features == BOTH
    assert organization.root_access().delegated_administrators == (OTHER,)

    organization.suspend(THIRD)
    failed = deployer.deploy(root_access(features=[CREDENTIALS], delegated_administrators=[MEMBER, THIRD]))
    assert failed.returncode != 0
    assert f"Account {THIRD} is suspended" in " ".join(failed.stdout.split())
    assert organization.root_access().features == BOTH, "rolled back"
    assert organization.root_access().delegated_administrators == (OTHER,)

    organization.clear_calls()
    succeeded(deployer.deploy(root_access("Renamed", delegated_administrators=[OTHER])))
    assert organization.writes == ()
    assert status(local_aws)["delegatedAdministrators"] == [OTHER]

    succeeded(deployer.deploy(without_root_access))
    succeeded(deployer.deploy(root_access(delegated_administrators=[OTHER])))
    succeeded(deployer.destroy())
    assert organization.writes == ()
    assert organization.root_access().features == BOTH
    assert organization.root_access().delegated_administrators == (OTHER,)
    assert organization.other_services() == others
