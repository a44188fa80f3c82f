"""The handle on the emulated organization: its initial state, denials, and the record of calls."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws
from moto.core.base_backend import BackendDict

from local_aws.emulation import LocalOrganization, Seed, mock_organization
from support.accounts import MANAGEMENT, OTHER, THIRD
from support.emulation import (
    AUDIT,
    CLOUDTRAIL,
    DELEGATE,
    GUARDDUTY,
    IAM,
    RECOVER,
    deregister,
    error_of,
    open_root_session,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def test_it_starts_with_three_members_and_another_services_trusted_access(
    organization: LocalOrganization,
) -> None:
    assert organization.management_account_id == MANAGEMENT
    assert organization.members == (DELEGATE, OTHER, THIRD)
    assert organization.root_access().features == frozenset()
    assert organization.root_access().delegated_administrators == ()
    assert list(organization.root_access().trusted_access) == [CLOUDTRAIL]
    assert list(organization.other_services().trusted_access) == [CLOUDTRAIL]
    assert organization.calls == ()


def test_a_seed_decides_the_initial_state() -> None:
    seed = Seed(members=((OTHER, "one"),), trusted_services=(GUARDDUTY, CLOUDTRAIL))
    with mock_organization(seed=seed) as organization:
        assert organization.members == (OTHER,)
        assert set(organization.root_access().trusted_access) == {GUARDDUTY, CLOUDTRAIL}


def test_the_emulation_is_undone_at_the_end() -> None:
    with mock_organization() as organization:
        organization_id = organization.id
        organization.client("organizations").enable_aws_service_access(ServicePrincipal=IAM)

    with mock_aws():
        organizations = boto3.client(
            "organizations", region_name="us-east-1", aws_access_key_id=MANAGEMENT, aws_secret_access_key="x"
        )
        error = error_of(organizations.enable_aws_service_access, ServicePrincipal=IAM)
        member = boto3.client(
            "organizations", region_name="us-east-1", aws_access_key_id=DELEGATE, aws_secret_access_key="x"
        )
        created = member.create_organization()
    assert error["code"] == "InvalidInputException"
    assert created["Organization"]["Id"] != organization_id


def test_a_second_organization_in_one_process_is_refused(organization: LocalOrganization) -> None:
    with pytest.raises(RuntimeError, match="already"), mock_organization():
        pass


def test_a_moto_reset_resets_the_emulation(with_root_access: LocalOrganization) -> None:
    with_root_access.deny(account_id=MANAGEMENT, action="iam:*")

    BackendDict.reset()

    assert with_root_access.calls == ()
    assert with_root_access.root_access().features == frozenset()
    assert with_root_access.members == ()
    error = error_of(with_root_access.client("iam").list_organizations_features)
    assert error["code"] == "OrganizationNotFoundException"


def test_a_reset_restores_the_seeded_organization(with_root_access: LocalOrganization) -> None:
    organization_id = with_root_access.id
    with_root_access.delete()

    with_root_access.reset()

    assert with_root_access.id == organization_id
    assert with_root_access.members == (DELEGATE, OTHER, THIRD)
    assert with_root_access.root_access().features == frozenset()


def test_an_account_id_is_unique(organization: LocalOrganization) -> None:
    with pytest.raises(ValueError, match=OTHER):
        organization.add_account(name="again", email="again@example.com", account_id=OTHER)


def test_other_services_are_reported_apart_from_iam(with_root_access: LocalOrganization) -> None:
    with_root_access.client("organizations").enable_aws_service_access(ServicePrincipal=GUARDDUTY)
    register(with_root_access, OTHER, GUARDDUTY)

    others = with_root_access.other_services()

    assert set(others.trusted_access) == {CLOUDTRAIL, GUARDDUTY}
    assert list(others.delegated_administrators) == [GUARDDUTY]
    assert list(others.delegated_administrators[GUARDDUTY]) == [OTHER]
    deregister(with_root_access, DELEGATE)
    assert with_root_access.other_services() == others
    deregister(with_root_access, OTHER, GUARDDUTY)
    assert with_root_access.other_services() != others


def test_delegated_administrators_are_reported_oldest_first(organization: LocalOrganization) -> None:
    organization.client("organizations").enable_aws_service_access(ServicePrincipal=IAM)
    for account_id in (THIRD, DELEGATE, OTHER):
        register(organization, account_id)
        organization.advance_clock(1)
    deregister(organization, THIRD)
    register(organization, THIRD)

    assert organization.root_access().delegated_administrators == (DELEGATE, OTHER, THIRD)


# Denials


def test_a_denied_organizations_call_has_the_error_of_organizations(
    organization: LocalOrganization,
) -> None:
    organization.deny(account_id=MANAGEMENT, action="organizations:EnableAWSServiceAccess")
    organizations = organization.client("organizations")

    error = error_of(organizations.enable_aws_service_access, ServicePrincipal=IAM)

    assert (error["code"], error["http"]) == ("AccessDeniedException", 400)
    assert error["message"] == (
        f"User: arn:aws:iam::{MANAGEMENT}:user/local is not authorized to perform: "
        "organizations:EnableAWSServiceAccess on resource: * because no identity-based policy allows "
        "the organizations:EnableAWSServiceAccess action"
    )
    assert IAM not in organization.root_access().trusted_access


def test_a_denied_registration_names_its_account(
    with_root_access: LocalOrganization,
) -> None:
    with_root_access.deny(account_id=MANAGEMENT, action="organizations:RegisterDelegatedAdministrator")
    organizations = with_root_access.client("organizations")

    error = error_of(organizations.register_delegated_administrator, AccountId=OTHER, ServicePrincipal=IAM)

    account = f"arn:aws:organizations::{MANAGEMENT}:account/{with_root_access.id}/{OTHER}"
    assert f"on resource: {account} because" in error["message"]


def test_a_denial_can_have_a_message_and_be_removed(organization: LocalOrganization) -> None:
    organizations = organization.client("organizations")
    organization.deny(account_id=MANAGEMENT, action="organizations:List*", message="Not today.")

    assert error_of(organizations.list_accounts)["message"] == "Not today."

    organization.allow(account_id=MANAGEMENT, action="organizations:List*")
    assert len(organizations.list_accounts()["Accounts"]) == 4


def test_a_denial_applies_to_one_account(organization: LocalOrganization) -> None:
    organization.deny(account_id=OTHER, action="sts:*")

    assert organization.client("sts").get_caller_identity()["Account"] == MANAGEMENT


def test_a_denial_in_a_member_account_is_an_scp_in_its_root_sessions(
    with_root_access: LocalOrganization,
) -> None:
    with_root_access.deny(account_id=OTHER, action="iam:GetAccountSummary")
    iam = with_root_access.client("iam", credentials=open_root_session(with_root_access, AUDIT))

    error = error_of(iam.get_account_summary)

    assert (error["code"], error["http"]) == ("AccessDenied", 403)
    assert error["message"] == (
        f"User: arn:aws:iam::{OTHER}:root is not authorized to perform: iam:GetAccountSummary "
        "on resource: * with an explicit deny in a service control policy"
    )
    assert iam.list_access_keys()["AccessKeyMetadata"] == []


def test_a_denied_assume_root_names_its_target(with_root_access: LocalOrganization) -> None:
    with_root_access.deny(account_id=DELEGATE, action="sts:AssumeRoot")
    sts = with_root_access.client("sts", account_id=DELEGATE)

    error = error_of(sts.assume_root, TargetPrincipal=OTHER, TaskPolicyArn=AUDIT)
    malformed = error_of(sts.assume_root, TargetPrincipal="not-an-account", TaskPolicyArn=AUDIT)

    assert f"on resource: arn:aws:iam::{OTHER}:root because" in error["message"]
    assert malformed["code"] == "ValidationError"


# The record of calls


def test_every_call_is_recorded_with_its_parameters_and_its_error(
    with_root_access: LocalOrganization,
) -> None:
    with_root_access.client("organizations").list_delegated_administrators(ServicePrincipal=IAM)
    error_of(with_root_access.client("iam", account_id=OTHER).disable_organizations_root_sessions)
    iam = with_root_access.client("iam", credentials=open_root_session(with_root_access, RECOVER))
    iam.create_login_profile()

    recorded = [
        (call.service, call.operation, call.account_id, call.parameters, call.error, call.root_session)
        for call in with_root_access.calls
    ]
    refused = "AccountNotManagementOrDelegatedAdministratorException"
    opened = {"TargetPrincipal": OTHER, "TaskPolicyArn": RECOVER}
    assert recorded == [
        ("organizations", "ListDelegatedAdministrators", MANAGEMENT, {"ServicePrincipal": IAM}, None, False),
        ("iam", "DisableOrganizationsRootSessions", OTHER, {}, refused, False),
        ("sts", "AssumeRoot", MANAGEMENT, opened, None, False),
        ("iam", "CreateLoginProfile", OTHER, {}, None, True),
    ]
    assert [call.operation for call in with_root_access.writes] == [
        "DisableOrganizationsRootSessions",
        "CreateLoginProfile",
    ]
    with_root_access.clear_calls()
    assert with_root_access.calls == ()


def test_calls_from_several_threads_all_succeed_and_are_recorded(
    with_root_access: LocalOrganization,
) -> None:
    iam = with_root_access.client("iam")
    organizations = with_root_access.client("organizations")
    reads: list[Callable[[], object]] = [
        iam.list_organizations_features,
        organizations.describe_organization,
        organizations.list_aws_service_access_for_organization,
        organizations.list_delegated_administrators,
    ]

    with ThreadPoolExecutor(max_workers=4) as threads:
        responses = list(threads.map(lambda read: read(), reads * 10))

    assert len(responses) == len(with_root_access.calls) == 40
    assert {call.error for call in with_root_access.calls} == {None}


def test_parallel_calls_wait_in_parallel(
    organization: LocalOrganization, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    all_arrived = threading.Barrier(3, timeout=30)

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        all_arrived.wait()

    monkeypatch.setattr("local_aws.emulation.requests.sleep", sleep)
    organization.set_latency(0.3)
    calls: list[Callable[[], object]] = [
        organization.client("iam").list_account_aliases,
        organization.client("organizations").describe_organization,
        organization.client("sts").get_caller_identity,
    ]

    with ThreadPoolExecutor(max_workers=3) as threads:
        list(threads.map(lambda call: call(), calls))

    assert waits == [0.3, 0.3, 0.3]
    assert {call.service for call in organization.calls} == {"iam", "organizations", "sts"}


def test_a_reset_removes_the_latency(
    organization: LocalOrganization, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization.set_latency(0.3)
    organization.reset()
    waits: list[float] = []
    monkeypatch.setattr("local_aws.emulation.requests.sleep", waits.append)

    organization.client("sts").get_caller_identity()

    assert waits == []
