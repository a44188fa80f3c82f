"""What the function reads of an organization, against the emulation in process."""

import pytest

from aws_calls.failures import CallError, FailureKind
from local_aws.emulation import LocalOrganization, Seed, mock_organization
from root_access.organization import (
    DESCRIBE_ORGANIZATION,
    LIST_DELEGATED_ADMINISTRATORS,
    LIST_FEATURES,
    LIST_TRUSTED_ACCESS,
)
from root_access.root_access_errors import (
    NotAllFeaturesError,
    NotInAnOrganizationError,
    NotTheManagementAccountError,
)
from root_access.steps import Operation, Step
from support.accounts import MANAGEMENT, MEMBER, OUTSIDE_ORGANIZATION
from support.arrange import (
    ROOT_CREDENTIALS_MANAGEMENT,
    ROOT_SESSIONS,
    call_counts,
    enable_root_access,
)
from support.faults.clients import inject, omit_member
from support.faults.vocabulary import TRUSTED_ACCESS_NOT_VISIBLE
from support.function import CustomResourceFunction


def test_a_second_observation_does_not_read_the_organization_again(
    organization: LocalOrganization,
) -> None:
    observer = CustomResourceFunction().organization()
    first = observer.observe()
    organization.clear_calls()
    assert observer.observe() == first
    # One call each for trusted access, the features and the delegated administrators.
    assert "DescribeOrganization" not in call_counts(organization)
    assert len(organization.calls) == 3


@pytest.mark.parametrize(
    ("prefix", "services", "pages"),
    [("a", 19, 1), ("a", 20, 2), ("a", 65, 4), ("z", 65, 1)],
    ids=["at the end of a page", "on the next page", "on the last page", "on the first page"],
)
def test_trusted_access_is_found_behind_other_services_and_no_further_page_is_read(
    prefix: str, services: int, pages: int
) -> None:
    # AWS lists 20 services a page, in alphabetical order: IAM comes after those with "a" and before
    # those with "z".
    names = tuple(f"{prefix}{number:03}.amazonaws.com" for number in range(services))
    with mock_organization(seed=Seed(trusted_services=names)) as organization:
        enable_root_access(organization)
        assert CustomResourceFunction().organization().observe().trusted_access
        assert call_counts(organization)["ListAWSServiceAccessForOrganization"] == pages


@pytest.mark.parametrize(
    ("action", "member"),
    [
        (LIST_FEATURES, "EnabledFeatures"),
        (LIST_TRUSTED_ACCESS, "EnabledServicePrincipals"),
        (LIST_DELEGATED_ADMINISTRATORS, "DelegatedAdministrators"),
        (DESCRIBE_ORGANIZATION, "Organization"),
    ],
)
def test_a_member_that_is_missing_in_a_response_is_unknown_and_not_disabled(
    organization: LocalOrganization, action: str, member: str
) -> None:
    enable_root_access(
        organization, ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS, delegated_administrators=[MEMBER]
    )
    function = CustomResourceFunction()
    omit_member(function.on_event, action, member)
    with pytest.raises(CallError) as raised:
        function.organization().observe()
    assert raised.value.failure.kind is FailureKind.INCOMPLETE_RESPONSE
    assert raised.value.failure.operation == action
    assert member in raised.value.failure.message


@pytest.mark.parametrize("operation", [LIST_FEATURES, LIST_DELEGATED_ADMINISTRATORS])
def test_reads_that_contradict_each_other_are_unknown_and_not_disabled(
    organization: LocalOrganization, operation: str
) -> None:
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT, delegated_administrators=[MEMBER])
    function = CustomResourceFunction()
    if operation == LIST_FEATURES:
        function.on_event(
            "after-call.organizations.ListAWSServiceAccessForOrganization",
            lambda parsed, **_: parsed["EnabledServicePrincipals"].clear(),
        )
    else:
        inject(function.on_event, operation, TRUSTED_ACCESS_NOT_VISIBLE)
    with pytest.raises(CallError) as raised:
        function.organization().observe()
    failure = raised.value.failure
    assert (failure.operation, failure.kind) == (operation, FailureKind.INCONSISTENT_READS)
    assert ("does not list" in failure.message) == (operation == LIST_FEATURES)


@pytest.mark.parametrize("delegates", [[], [MEMBER]], ids=["other reads are denied", "delegate"])
def test_in_a_member_account_the_error_says_where_to_deploy(
    organization: LocalOrganization, delegates: list[str]
) -> None:
    enable_root_access(organization, delegated_administrators=delegates)
    function = CustomResourceFunction(account_id=MEMBER)
    with pytest.raises(NotTheManagementAccountError) as raised:
        function.organization().observe()
    assert function.time.seconds == 0, "it does not wait for permissions"
    assert (raised.value.account_id, raised.value.management_account_id) == (MEMBER, MANAGEMENT)
    assert str(raised.value).startswith(
        f"Deploy this stack in the management account {MANAGEMENT} of organization "
        f"{organization.id}; "
        f"this is account {MEMBER}"
    )


def test_an_account_without_an_organization_is_an_error(organization: LocalOrganization) -> None:
    organization.delete()
    with pytest.raises(NotInAnOrganizationError) as raised:
        CustomResourceFunction().organization().observe()
    assert raised.value.account_id == MANAGEMENT
    assert str(raised.value).startswith("Account 111111111111 is not a member of an organization.")


def test_an_organization_without_all_features_is_an_error() -> None:
    with mock_organization(seed=Seed(feature_set="CONSOLIDATED_BILLING")) as organization:
        with pytest.raises(NotAllFeaturesError, match="consolidated billing only") as raised:
            CustomResourceFunction().organization().observe()
        assert raised.value.organization_id == organization.id
        assert raised.value.account_id == MANAGEMENT


@pytest.mark.parametrize(
    # In each case, the state that the step leads to is there already.
    ("operation", "account_id", "registered"),
    [
        (Operation.REGISTER, MEMBER, [MEMBER]),
        (Operation.DEREGISTER, MEMBER, []),
        (Operation.DEREGISTER, OUTSIDE_ORGANIZATION, []),
    ],
    ids=["registered", "not registered", "not a member"],
)
def test_a_registration_with_nothing_left_to_do_succeeds(
    organization: LocalOrganization, operation: Operation, account_id: str, registered: list[str]
) -> None:
    enable_root_access(organization, delegated_administrators=registered)
    step = Step(operation=operation, account_id=account_id)
    changed_something = CustomResourceFunction().organization().apply(step)
    assert not changed_something
    assert list(organization.root_access().delegated_administrators) == registered
