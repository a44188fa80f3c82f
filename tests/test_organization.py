"""What the function reads of an organization, against the emulation in process."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore
import botocore.session
import pytest

from aws_calls.failures import CallError, FailureKind
from aws_calls.retry import RetryBudget
from local_aws.emulation import LocalOrganization, Seed, mock_organization
from root_access.clients import Clients
from root_access.errors import (
    NotAllFeaturesError,
    NotInAnOrganizationError,
    NotTheManagementAccountError,
    SdkTooOldError,
)
from root_access.organization import Organization
from root_access.plan import Operation, Step
from root_access.state import Status
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS, switch_on
from support.function import FakeTime, Function

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMBER, OTHER = "222222222222", "333333333333"


@pytest.fixture
def organization() -> Iterator[LocalOrganization]:
    with mock_organization() as organization:
        yield organization


def reads(organization: LocalOrganization) -> list[str]:
    return sorted(call.operation for call in organization.calls)


def test_everything_is_off_in_a_fresh_organization(organization: LocalOrganization) -> None:
    observed = Function().organization().observe()
    assert observed.organization_id == organization.id
    assert observed.management_account_id == "111111111111"
    assert not observed.trusted_access
    assert observed.trusted_access_enabled_at is None
    assert observed.features == frozenset()
    assert observed.delegated_administrators == ()
    assert observed.status is Status.DISABLED


def test_what_is_on_is_read_with_its_date(organization: LocalOrganization) -> None:
    switch_on(organization, CREDENTIALS, delegated_administrators=[OTHER, MEMBER])
    observed = Function().organization().observe()
    since = organization.root_access().trusted_access[PRINCIPAL]
    assert observed.trusted_access_since == since.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert observed.features == {CREDENTIALS}
    assert observed.status is Status.PARTIAL


def test_delegated_administrators_come_registered_longest_first(
    organization: LocalOrganization,
) -> None:
    switch_on(organization, delegated_administrators=[OTHER, MEMBER])
    observed = Function().organization().observe()
    assert observed.delegated_administrators == (OTHER, MEMBER)


def test_features_hidden_behind_trusted_access_are_not_reported_as_on(
    organization: LocalOrganization,
) -> None:
    switch_on(organization, CREDENTIALS, SESSIONS, hidden=True)
    observed = Function().organization().observe()
    assert observed.features == frozenset()
    assert observed.status is Status.DISABLED


def test_a_look_is_four_reads(organization: LocalOrganization) -> None:
    Function().organization().observe()
    assert reads(organization) == [
        "DescribeOrganization",
        "ListAWSServiceAccessForOrganization",
        "ListDelegatedAdministrators",
        "ListOrganizationsFeatures",
    ]


def test_a_second_look_does_not_ask_again_which_organization_it_is(
    organization: LocalOrganization,
) -> None:
    seen = Function().organization()
    observed = seen.observe()
    organization.clear_calls()
    assert seen.observe_again(observed) == observed
    assert "DescribeOrganization" not in reads(organization)
    assert len(organization.calls) == 3


def test_trusted_access_is_found_behind_twenty_other_services() -> None:
    services = (
        "access-analyzer account auditmanager backup cloudtrail compute-optimizer config controltower "
        "detective devops-guru ds fms guardduty health inspector2 ipam license-manager macie mgn ram "
        "securityhub"
    )
    seed = Seed(trusted_services=tuple(f"{name}.amazonaws.com" for name in services.split()))
    with mock_organization(seed=seed) as organization:
        switch_on(organization)
        assert Function().organization().observe().trusted_access
        assert reads(organization).count("ListAWSServiceAccessForOrganization") == 2


def test_a_member_account_is_told_where_to_deploy_even_though_the_other_reads_are_denied(
    organization: LocalOrganization,
) -> None:
    function = Function(account_id=MEMBER)
    with pytest.raises(
        NotTheManagementAccountError,
        match=rf"management account 111111111111 of organization {organization.id}; this is account {MEMBER}",
    ):
        function.organization().observe()
    assert not function.time.starts, "the account is judged at once"


def test_a_delegated_administrator_is_a_member_account_too(organization: LocalOrganization) -> None:
    switch_on(organization, delegated_administrators=[MEMBER])
    with pytest.raises(NotTheManagementAccountError):
        Function(account_id=MEMBER).organization().observe()


def test_an_account_without_an_organization_is_told_so(organization: LocalOrganization) -> None:
    organization.delete()
    with pytest.raises(NotInAnOrganizationError, match="111111111111 is in no organization"):
        Function().organization().observe()


def test_an_organization_without_all_features_is_told_so() -> None:
    with (
        mock_organization(seed=Seed(feature_set="CONSOLIDATED_BILLING")) as organization,
        pytest.raises(NotAllFeaturesError, match=f"{organization.id} .* consolidated billing only"),
    ):
        Function().organization().observe()


def test_an_sdk_that_does_not_know_the_calls_is_told_so(tmp_path: Path) -> None:
    """botocore 1.35.60 had the same IAM model without the five operations."""
    data = Path(botocore.__file__).parent / "data"
    shutil.copytree(data / "iam", tmp_path / "iam")
    for name in ("endpoints.json", "partitions.json", "sdk-default-configuration.json", "_retry.json"):
        shutil.copy(data / name, tmp_path / name)
    (model,) = (tmp_path / "iam").glob("*/service-2.json.gz")
    content = json.loads(gzip.decompress(model.read_bytes()))
    for operation in [name for name in content["operations"] if "Organizations" in name]:
        del content["operations"][operation]
    model.write_bytes(gzip.compress(json.dumps(content).encode()))
    core = botocore.session.get_session()
    core.get_component("data_loader").search_paths[:] = [str(tmp_path)]
    iam: Any = boto3.Session(
        botocore_session=core, aws_access_key_id="111111111111", aws_secret_access_key="secret"
    ).client("iam")
    old = Clients(iam=iam, organizations=Function().clients().organizations)
    budget = RetryBudget(clock=FakeTime().clock(), deadline=180)
    with pytest.raises(SdkTooOldError, match=r"does not know iam:ListOrganizationsFeatures"):
        Organization(clients=old, account_id="111111111111", budget=budget).observe()


@pytest.mark.parametrize(
    "action",
    [
        "organizations:DescribeOrganization",
        "organizations:ListAWSServiceAccessForOrganization",
        "organizations:ListDelegatedAdministrators",
        "iam:ListOrganizationsFeatures",
    ],
)
def test_a_denied_read_is_a_failure_to_look_and_not_a_state(
    organization: LocalOrganization, action: str
) -> None:
    organization.deny(account_id="111111111111", action=action)
    with pytest.raises(CallError) as raised:
        Function().organization().observe()
    assert raised.value.failure.operation == action
    assert raised.value.failure.kind is FailureKind.ACCESS_DENIED


@pytest.mark.parametrize(
    ("operation", "features"),
    [
        (Operation.ENABLE_ROOT_CREDENTIALS_MANAGEMENT, {CREDENTIALS}),
        (Operation.ENABLE_ROOT_SESSIONS, {SESSIONS}),
        (Operation.DISABLE_ROOT_SESSIONS, set[str]()),
        (Operation.DISABLE_ROOT_CREDENTIALS_MANAGEMENT, set[str]()),
    ],
)
def test_a_change_of_a_feature_tells_what_is_on_then(
    organization: LocalOrganization, operation: Operation, features: set[str]
) -> None:
    switch_on(organization)
    assert Function().organization().apply(Step(operation=operation)) == frozenset(features)
    assert organization.root_access().features == features


def test_registering_who_is_registered_is_fine(organization: LocalOrganization) -> None:
    switch_on(organization, delegated_administrators=[MEMBER])
    Function().organization().apply(Step(operation=Operation.REGISTER, account_id=MEMBER))
    assert organization.root_access().delegated_administrators == (MEMBER,)


@pytest.mark.parametrize("account_id", [MEMBER, "999999999999"])
def test_deregistering_who_is_not_registered_is_fine(
    organization: LocalOrganization, account_id: str
) -> None:
    switch_on(organization)
    Function().organization().apply(Step(operation=Operation.DEREGISTER, account_id=account_id))
    assert organization.root_access().delegated_administrators == ()


def test_a_change_before_trusted_access_says_that_trusted_access_is_off(
    organization: LocalOrganization,
) -> None:
    for step in (
        Step(operation=Operation.ENABLE_ROOT_SESSIONS),
        Step(operation=Operation.REGISTER, account_id=MEMBER),
    ):
        with pytest.raises(CallError) as raised:
            Function().organization().apply(step)
        assert raised.value.failure.kind is FailureKind.TRUSTED_ACCESS_DISABLED
