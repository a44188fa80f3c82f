"""The custom resource's function behind a fake CloudFormation: what it does, answers and says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from local_aws.emulation import LocalOrganization, Seed, mock_organization
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS, switch_feature, switch_on, writes
from support.cloudformation import RESPONSE_URL, FakeCloudFormation
from support.function import BOTH, Function

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMBER, OTHER, THIRD = "222222222222", "333333333333", "444444444444"
THREE_WRITES = [
    "EnableAWSServiceAccess",
    "EnableOrganizationsRootCredentialsManagement",
    "EnableOrganizationsRootSessions",
]


@pytest.fixture
def organization() -> Iterator[LocalOrganization]:
    with mock_organization() as organization:
        yield organization


@pytest.fixture
def function() -> Function:
    return Function()


@pytest.fixture
def stack(function: Function) -> FakeCloudFormation:
    return FakeCloudFormation(function=function)


def test_a_fresh_organization_needs_exactly_three_writes_in_this_order(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    assert stack.create(Features=BOTH).succeeded
    assert organization.root_access().features == set(BOTH)
    assert PRINCIPAL in organization.root_access().trusted_access
    assert writes(organization) == THREE_WRITES


def test_an_organization_where_all_is_on_needs_four_reads_and_no_write(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    switch_on(organization, *BOTH)
    assert stack.create(Features=BOTH).succeeded
    assert writes(organization) == []
    assert len(organization.calls) == 4


@pytest.mark.parametrize("feature", BOTH)
def test_a_half_enabled_organization_needs_only_the_other_half(
    organization: LocalOrganization, stack: FakeCloudFormation, feature: str
) -> None:
    switch_on(organization, feature)
    assert stack.create(Features=BOTH).succeeded
    assert organization.root_access().features == set(BOTH)
    (write,) = writes(organization)
    assert feature not in write


def test_features_hidden_behind_trusted_access_need_no_write_of_their_own(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    switch_on(organization, *BOTH, hidden=True)
    assert stack.create(Features=BOTH).succeeded
    assert organization.root_access().features == set(BOTH)
    assert writes(organization) == ["EnableAWSServiceAccess"]


def test_a_hidden_feature_that_is_not_listed_is_switched_off_once_it_shows(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    switch_on(organization, *BOTH, hidden=True)
    assert stack.create(Features=[CREDENTIALS]).succeeded
    assert organization.root_access().features == {CREDENTIALS}
    assert writes(organization) == ["EnableAWSServiceAccess", "DisableOrganizationsRootSessions"]


def test_the_listed_feature_is_on_before_the_other_one_goes(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    switch_on(organization, CREDENTIALS)
    assert stack.create(Features=[SESSIONS]).succeeded
    assert organization.root_access().features == {SESSIONS}
    assert writes(organization) == [
        "EnableOrganizationsRootSessions",
        "DisableOrganizationsRootCredentialsManagement",
    ]


def test_an_empty_list_switches_both_features_off_and_leaves_trusted_access_on(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    assert stack.create(Features=BOTH).succeeded
    organization.clear_calls()
    assert stack.update(Features=[]).succeeded
    assert organization.root_access().features == set()
    assert PRINCIPAL in organization.root_access().trusted_access
    assert writes(organization) == [
        "DisableOrganizationsRootSessions",
        "DisableOrganizationsRootCredentialsManagement",
    ]
    assert stack.data["Status"] == "DISABLED"


def test_an_update_that_finds_all_as_listed_writes_nothing(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    assert stack.create(Features=[CREDENTIALS]).succeeded
    switch_feature(organization, SESSIONS, on=True)
    organization.clear_calls()
    assert stack.update(Features=BOTH).succeeded
    assert writes(organization) == []


@pytest.mark.parametrize("physical_id", ["o-a1b2c3d4e5", "stack-RootAccess-1A2B3C", "anything"])
def test_a_delete_makes_no_call_at_all_whatever_its_id(
    organization: LocalOrganization, function: Function, physical_id: str
) -> None:
    switch_on(organization, *BOTH, delegated_administrators=[MEMBER])
    answer = function({"RequestType": "Delete", "PhysicalResourceId": physical_id})
    assert answer == {"PhysicalResourceId": physical_id}
    assert organization.calls == ()


def test_the_status_is_one_line_of_json_with_the_same_keys_in_the_same_order(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    switch_on(organization, delegated_administrators=[OTHER, MEMBER])
    assert stack.create(Features=BOTH).succeeded
    since = organization.root_access().trusted_access[PRINCIPAL].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert stack.data == {
        "Status": "ENABLED",
        "StatusJson": (
            f'{{"status":"ENABLED","organizationId":"{organization.id}",'
            f'"managementAccountId":"111111111111","trustedAccessEnabledAt":"{since}",'
            '"features":["RootCredentialsManagement","RootSessions"],'
            '"delegatedAdministrators":["222222222222","333333333333"]}'
        ),
        "OrganizationId": organization.id,
        "EnabledFeatures": "RootCredentialsManagement,RootSessions",
        "TrustedAccessEnabledAt": since,
    }


def test_one_feature_is_reported_as_partial(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    assert stack.create(Features=[SESSIONS]).succeeded
    assert json.loads(stack.data["StatusJson"])["status"] == "PARTIAL"


def test_the_physical_id_is_the_organizations_id(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    assert stack.create(Features=BOTH).succeeded
    assert stack.physical_id == organization.id
    assert stack.update(Features=[CREDENTIALS]).succeeded
    assert stack.physical_id == organization.id


def test_a_success_answer_is_under_two_kilobytes_for_any_organization() -> None:
    members = tuple((f"{number:012}", f"member-{number}") for number in range(1, 81))
    with mock_organization(seed=Seed(members=members)) as organization:
        organization.set_delegated_administrator_limit(100)
        switch_on(organization, delegated_administrators=[account_id for account_id, _ in members])
        stack = FakeCloudFormation(function=Function())
        outcome = stack.create(Features=BOTH)
        assert outcome.succeeded
        assert outcome.answer_bytes < 2048
        assert json.loads(stack.data["StatusJson"])["delegatedAdministrators"][-1] == "and 30 more"


def test_nothing_sensitive_is_logged(
    organization: LocalOrganization, stack: FakeCloudFormation, function: Function
) -> None:
    switch_on(organization, delegated_administrators=[MEMBER])
    organization.deny(account_id="111111111111", action="iam:EnableOrganizationsRootSessions")
    stack.create(Features=BOTH)
    logged = json.dumps(function.log)
    assert logged
    for secret in (RESPONSE_URL, "workload-a", "@example.com"):
        assert secret not in logged


@pytest.mark.parametrize("action", ["iam:EnableOrganizationsRootSessions", "iam:ListOrganizationsFeatures"])
def test_a_missing_permission_is_told_with_the_call_the_account_and_what_to_do(
    organization: LocalOrganization, stack: FakeCloudFormation, action: str
) -> None:
    organization.deny(account_id="111111111111", action=action)
    reason = stack.create(Features=BOTH).reason
    assert f"{action} failed in account 111111111111: AccessDenied: " in reason
    assert f"denies {action}: allow it and deploy again" in reason


def test_the_wrong_account_is_told_where_to_deploy(organization: LocalOrganization) -> None:
    stack = FakeCloudFormation(function=Function(account_id=MEMBER))
    reason = stack.create(Features=BOTH).reason
    assert reason.startswith("Deploy this stack in the management account 111111111111")
    assert writes(organization) == []


def test_china_is_refused_before_any_call(organization: LocalOrganization) -> None:
    stack = FakeCloudFormation(function=Function(partition="aws-cn"))
    assert "China" in stack.create(Features=BOTH).reason
    assert organization.calls == ()


@pytest.mark.parametrize(
    "properties",
    [{"Features": ["RootPasswords"]}, {"Features": BOTH, "DelegatedAdministrators": ["12345"]}],
    ids=str,
)
def test_a_property_that_the_function_does_not_know_is_named_before_any_call(
    organization: LocalOrganization, stack: FakeCloudFormation, properties: dict[str, list[str]]
) -> None:
    reason = stack.create(**properties).reason
    assert "RootPasswords" in reason or "12345" in reason
    assert organization.calls == ()


def test_the_log_has_a_line_for_each_step(
    organization: LocalOrganization, stack: FakeCloudFormation, function: Function
) -> None:
    stack.create(Features=BOTH)
    assert [event["step"] for event in function.log if event["event"] == "made"] == [
        "organizations:EnableAWSServiceAccess",
        "iam:EnableOrganizationsRootCredentialsManagement",
        "iam:EnableOrganizationsRootSessions",
    ]
