"""Deployments by the real CDK CLI on the local AWS: each promise, proven by the organization's state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import aws_sns as sns

from centralized_root_access import CentralizedRootAccess
from support.accounts import MANAGEMENT, MEMBER, OTHER, STRANGER, THIRD
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS, enable_root_access, writes
from support.deploying import STACK, Deployer, assert_succeeded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aws_cdk import Stack

    from local_aws.emulation import Organization
    from local_aws.services import LocalAws

BOTH = {CREDENTIALS, SESSIONS}


@pytest.fixture
def deployer(local_aws: LocalAws, tmp_path: Path) -> Deployer:
    return Deployer(local_aws, tmp_path)


def status(aws: LocalAws) -> dict[str, Any]:
    (stack,) = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    (value,) = [it["OutputValue"] for it in stack["Outputs"] if it["OutputKey"].endswith("Status")]
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


def test_deploying_the_reference_app_enables_root_access_and_its_output_has_the_status(
    local_aws: LocalAws,
) -> None:
    organization = local_aws.organization
    others = organization.other_services()
    deployed = local_aws.cdk("deploy", "--require-approval", "never")
    assert_succeeded(deployed)
    assert organization.root_access().features == BOTH
    since = organization.root_access().trusted_access[PRINCIPAL]
    assert organization.other_services() == others
    assert writes(organization) == [
        "EnableAWSServiceAccess",
        "EnableOrganizationsRootCredentialsManagement",
        "EnableOrganizationsRootSessions",
    ]
    line = (
        f'{{"status":"ENABLED","organizationId":"{organization.id}","managementAccountId":"{MANAGEMENT}",'
        f'"trustedAccessEnabledAt":"{since:%Y-%m-%dT%H:%M:%SZ}",'
        '"features":["RootCredentialsManagement","RootSessions"],"delegatedAdministrators":[]}'
    )
    assert f"{STACK}.RootAccessStatus = {line}" in deployed.stdout


def test_a_deployment_without_changes_makes_no_calls_and_an_update_of_what_is_enabled_no_writes(
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


def test_only_the_missing_feature_is_enabled(local_aws: LocalAws, deployer: Deployer) -> None:
    enable_root_access(local_aws.organization, SESSIONS)
    assert_succeeded(deployer.deploy(root_access()))
    assert local_aws.organization.root_access().features == BOTH
    assert writes(local_aws.organization) == ["EnableOrganizationsRootCredentialsManagement"]


def test_hidden_features_reappear_with_trusted_access(local_aws: LocalAws, deployer: Deployer) -> None:
    enable_root_access(local_aws.organization, *BOTH, hidden=True)
    assert_succeeded(deployer.deploy(root_access()))
    assert writes(local_aws.organization) == [
        "EnableAWSServiceAccess",
        "EnableOrganizationsRootCredentialsManagement",
    ]
    assert status(local_aws)["status"] == "ENABLED"


def test_a_failed_deployment_shows_the_reason_in_the_output_of_the_cli(
    local_aws: LocalAws, deployer: Deployer
) -> None:
    organization = local_aws.organization
    deployed = deployer.deploy(root_access(delegated_administrators=[STRANGER]))
    assert deployed.returncode != 0
    shown = " ".join(deployed.stdout.split())
    assert f"Account {STRANGER} is not a member of this organization" in shown
    assert f"Not applied: organizations:RegisterDelegatedAdministrator({STRANGER})." in shown
    stack_events = local_aws.client("cloudformation").describe_stack_events(StackName=STACK)["StackEvents"]
    (reason,) = {
        event["ResourceStatusReason"]
        for event in stack_events
        if event["ResourceStatus"] == "CREATE_FAILED" and event["ResourceType"].startswith("Custom::")
    }
    assert reason.startswith("organizations:RegisterDelegatedAdministrator("), "the sentence and nothing else"
    assert reason.endswith(f"Not applied: organizations:RegisterDelegatedAdministrator({STRANGER}).")
    assert organization.root_access().features == BOTH, "applied steps stay"


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
