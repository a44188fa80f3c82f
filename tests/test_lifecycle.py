"""A lifecycle that cannot hurt an organization: delegated administrators, failures, waiting, other people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from aws_calls.failures import Failure, FailureKind
from root_access.errors import ConvergenceError, NotTheManagementAccountError, is_quota_reached
from root_access.plan import Operation, Step
from support.accounts import MANAGEMENT, MEMBER, OTHER, STRANGER, THIRD
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS, enable_root_access, set_feature, writes
from support.cloudformation import FakeCloudFormation
from support.faults.clients import change_before, inject, omit_member
from support.faults.vocabulary import (
    ACCESS_DENIED,
    CONCURRENT_MODIFICATION,
    NO_RESPONSE_AFTER,
    THROTTLED,
    THROTTLING_EXCEPTION,
    TRUSTED_ACCESS_NOT_VISIBLE,
    error_response,
)
from support.function import BOTH, Function, waits

if TYPE_CHECKING:
    from local_aws.emulation import LocalOrganization
    from support.faults.vocabulary import Fault

pytestmark = pytest.mark.usefixtures("other_services_unchanged")

ENABLE_SESSIONS = "iam:EnableOrganizationsRootSessions"
ENABLE_CREDENTIALS = "iam:EnableOrganizationsRootCredentialsManagement"
TRUSTED_ACCESS = "organizations:EnableAWSServiceAccess"
REGISTER = "organizations:RegisterDelegatedAdministrator"
DEREGISTER = "organizations:DeregisterDelegatedAdministrator"
LIST_FEATURES = "iam:ListOrganizationsFeatures"
LIST_DELEGATES = "organizations:ListDelegatedAdministrators"
DESCRIBE = "organizations:DescribeOrganization"
LAST_START = 180 - 35


def registered(organization: LocalOrganization) -> tuple[str, ...]:
    return organization.root_access().delegated_administrators


# Exactly the listed delegated administrators


def test_delegated_administrators_are_registered_after_the_features(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    assert stack.create(Features=BOTH, DelegatedAdministrators=[OTHER, MEMBER]).succeeded
    assert writes(organization)[3:] == [
        f"RegisterDelegatedAdministrator {MEMBER}",
        f"RegisterDelegatedAdministrator {OTHER}",
    ]
    assert json.loads(stack.data["StatusJson"])["delegatedAdministrators"] == [MEMBER, OTHER]


def test_an_unlisted_delegated_administrator_is_deregistered_after_the_listed_one_is_registered(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])
    assert stack.create(Features=BOTH, DelegatedAdministrators=[OTHER]).succeeded
    assert registered(organization) == (OTHER,)
    assert writes(organization) == [
        f"RegisterDelegatedAdministrator {OTHER}",
        f"DeregisterDelegatedAdministrator {MEMBER}",
    ]


def test_delegated_administrators_are_left_unchanged_when_the_argument_is_not_given(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    enable_root_access(organization, delegated_administrators=[MEMBER, OTHER])
    assert stack.create(Features=BOTH).succeeded
    assert registered(organization) == (MEMBER, OTHER)


def test_an_empty_list_deregisters_all(organization: LocalOrganization, stack: FakeCloudFormation) -> None:
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER, OTHER])
    assert stack.create(Features=BOTH, DelegatedAdministrators=[]).succeeded
    assert registered(organization) == ()


def test_at_the_quota_the_earliest_registration_is_removed_first(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    organization.set_delegated_administrator_limit(2)
    enable_root_access(organization, *BOTH, delegated_administrators=[OTHER, MEMBER])
    assert stack.create(Features=BOTH, DelegatedAdministrators=[THIRD]).succeeded
    assert registered(organization) == (THIRD,)
    assert writes(organization) == [
        f"RegisterDelegatedAdministrator {THIRD}",
        f"DeregisterDelegatedAdministrator {OTHER}",
        f"RegisterDelegatedAdministrator {THIRD}",
        f"DeregisterDelegatedAdministrator {MEMBER}",
    ]


def test_every_delegate_that_was_deregistered_for_a_new_one_is_registered_again_if_it_is_refused(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER, OTHER])
    organization.set_delegated_administrator_limit(1)

    def refuse_the_new_one() -> None:
        organization.suspend(THIRD)
        organization.set_delegated_administrator_limit(2)

    change_before(function.on_event, DEREGISTER, refuse_the_new_one, body=OTHER)
    error = create_error(stack, DelegatedAdministrators=[THIRD])
    assert error.step == Step(operation=Operation.REGISTER, account_id=THIRD)
    assert error.failure.reason == "CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR"
    assert error.not_reregistered == ()
    assert writes(organization) == [
        f"RegisterDelegatedAdministrator {THIRD}",
        f"DeregisterDelegatedAdministrator {MEMBER}",
        f"RegisterDelegatedAdministrator {THIRD}",
        f"DeregisterDelegatedAdministrator {OTHER}",
        f"RegisterDelegatedAdministrator {THIRD}",
        f"RegisterDelegatedAdministrator {OTHER}",
        f"RegisterDelegatedAdministrator {MEMBER}",
    ]
    assert registered(organization) == (OTHER, MEMBER)


def test_a_deregistered_delegate_is_registered_again_in_time_if_the_new_ones_call_never_succeeds(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    organization.set_delegated_administrator_limit(1)
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])
    change_before(
        function.on_event,
        DEREGISTER,
        lambda: inject(function.on_event, REGISTER, THROTTLED, body=OTHER),
    )
    error = create_error(stack, DelegatedAdministrators=[OTHER])
    assert error.failure.kind is FailureKind.THROTTLED
    assert error.failure.timed_out
    assert registered(organization) == (MEMBER,)
    assert function.time.seconds <= LAST_START


def test_the_first_error_is_reported_first_when_registering_again_fails_too(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    organization.set_delegated_administrator_limit(1)
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])
    change_before(
        function.on_event,
        DEREGISTER,
        lambda: inject(function.on_event, REGISTER, error_response("AccountNotFoundException")),
    )
    error = create_error(stack, DelegatedAdministrators=[OTHER])
    assert error.step == Step(operation=Operation.REGISTER, account_id=OTHER)
    assert error.failure.name == "AccountNotFound"
    ((step, failure),) = error.not_reregistered
    assert step == Step(operation=Operation.REGISTER, account_id=MEMBER)
    assert failure.name == "AccountNotFound"
    assert error.applied == (Step(operation=Operation.DEREGISTER, account_id=MEMBER),)


def create_error(stack: FakeCloudFormation, **properties: object) -> ConvergenceError:
    """Return why a Create failed."""
    error = stack.create(**{"Features": BOTH, **properties}).error
    assert isinstance(error, ConvergenceError)
    return error


def test_a_failed_reregistration_is_not_reported_once_the_new_delegate_is_registered(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    organization.set_delegated_administrator_limit(1)
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])

    def disable_before_the_next_registration() -> None:
        change_before(function.on_event, REGISTER, disable)

    def disable() -> None:
        organization.client("organizations").disable_aws_service_access(ServicePrincipal=PRINCIPAL)

    change_before(function.on_event, DEREGISTER, disable_before_the_next_registration)
    error = create_error(stack, DelegatedAdministrators=[OTHER, STRANGER])
    assert registered(organization) == (OTHER,)
    assert error.step == Step(operation=Operation.REGISTER, account_id=STRANGER)
    assert error.not_reregistered == ()


@pytest.mark.parametrize(
    ("account_id", "sentence"),
    [
        (STRANGER, f"Account {STRANGER} is not a member of this organization"),
        (THIRD, f"Account {THIRD} is suspended"),
        (MANAGEMENT, f"Account {MANAGEMENT} is the management account"),
    ],
)
def test_an_account_that_cannot_be_registered_is_named_with_the_reason(
    organization: LocalOrganization, stack: FakeCloudFormation, account_id: str, sentence: str
) -> None:
    organization.suspend(THIRD)
    outcome = stack.create(Features=BOTH, DelegatedAdministrators=[account_id])
    assert not outcome.succeeded
    assert sentence in outcome.reason
    assert "remove it from delegated_administrators" in outcome.reason


def test_more_delegated_administrators_than_the_quota_are_reported(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    organization.set_delegated_administrator_limit(1)
    outcome = stack.create(Features=BOTH, DelegatedAdministrators=[MEMBER, OTHER])
    assert not outcome.succeeded
    assert isinstance(outcome.error, ConvergenceError)
    assert is_quota_reached(outcome.error.failure)
    assert f"so {OTHER} was not registered: list fewer delegated_administrators" in outcome.reason


# Removing changes nothing


def test_renaming_or_moving_the_construct_changes_nothing(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    assert stack.create(Features=BOTH, DelegatedAdministrators=[MEMBER]).succeeded
    organization.clear_calls()
    renamed = FakeCloudFormation(function=function)
    assert renamed.create(Features=BOTH, DelegatedAdministrators=[MEMBER]).succeeded
    assert stack.delete().succeeded
    assert writes(organization) == []


def test_a_failed_create_followed_by_a_delete_disables_nothing(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    """A stack does not own what was enabled before it (other tools have disabled whole organizations so)."""
    enable_root_access(organization, CREDENTIALS)
    organization.deny(account_id=MANAGEMENT, action=ENABLE_SESSIONS)
    assert not stack.create(Features=BOTH).succeeded
    assert [event["RequestType"] for event in stack.events] == ["Create", "Delete"]
    assert organization.root_access().features == {CREDENTIALS}


def test_an_update_is_not_a_replacement_so_nothing_that_was_just_applied_is_deleted(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    assert stack.create(Features=[CREDENTIALS]).succeeded
    assert stack.physical_id == organization.id
    assert stack.update(Features=BOTH).succeeded
    assert stack.physical_id == organization.id
    assert [event["RequestType"] for event in stack.events] == ["Create", "Update"]


# A failure says what was applied


def test_a_failed_create_says_what_was_applied_and_what_was_not(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    organization.deny(account_id=MANAGEMENT, action=ENABLE_CREDENTIALS)
    error = create_error(stack, DelegatedAdministrators=[MEMBER])
    assert error.applied == (Step(operation=Operation.ENABLE_TRUSTED_ACCESS),)
    assert error.possibly_applied == ()
    assert [str(step) for step in error.not_applied] == [
        ENABLE_CREDENTIALS,
        ENABLE_SESSIONS,
        f"{REGISTER}({MEMBER})",
    ]


def test_a_change_whose_response_was_lost_is_reported_as_one_that_may_have_been_applied(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    inject(function.on_event, ENABLE_SESSIONS, NO_RESPONSE_AFTER)
    error = create_error(stack)
    assert error.possibly_applied == (Step(operation=Operation.ENABLE_ROOT_SESSIONS),)
    assert error.failure.kind is FailureKind.NO_RESPONSE
    assert organization.root_access().features == set(BOTH)


def test_a_failed_update_ends_in_what_the_old_properties_list(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    assert stack.create(Features=BOTH, DelegatedAdministrators=[MEMBER]).succeeded
    organization.suspend(THIRD)
    outcome = stack.update(Features=[SESSIONS], DelegatedAdministrators=[OTHER, THIRD])
    assert not outcome.succeeded
    assert stack.rolled_back is not None
    assert stack.rolled_back.succeeded
    assert organization.root_access().features == set(BOTH)
    assert registered(organization) == (MEMBER,)


def test_every_error_fits_into_a_response(organization: LocalOrganization, stack: FakeCloudFormation) -> None:
    organization.set_delegated_administrator_limit(0)
    organization.deny(account_id=MANAGEMENT, action=REGISTER, message='"\\\n' * 2000)
    accounts = [f"{number:012}" for number in range(50)]
    outcome = stack.create(Features=BOTH, DelegatedAdministrators=accounts)
    assert not outcome.succeeded
    assert len(json.dumps(outcome.reason)) <= 2500
    assert "and 42 more" in outcome.reason


# Bounded waiting in one place


@pytest.mark.parametrize(
    ("action", "code", "status"),
    [
        (TRUSTED_ACCESS, "TooManyRequestsException", 400),
        (TRUSTED_ACCESS, "ConcurrentModificationException", 400),
        (ENABLE_SESSIONS, "Throttling", 400),
        (ENABLE_SESSIONS, "ThrottlingException", 400),
        (ENABLE_SESSIONS, "ServiceFailure", 500),
        (LIST_FEATURES, "Throttling", 400),
        (DESCRIBE, "TooManyRequestsException", 400),
        (DESCRIBE, "ServiceException", 400),
    ],
)
def test_a_transient_failure_is_retried(
    organization: LocalOrganization,
    function: Function,
    stack: FakeCloudFormation,
    action: str,
    code: str,
    status: int,
) -> None:
    inject(function.on_event, action, error_response(code, status=status), times=3)
    assert stack.create(Features=BOTH).succeeded
    assert organization.root_access().features == set(BOTH)
    assert len(stack.events) == 1


@pytest.mark.parametrize("action", [DESCRIBE, LIST_FEATURES, TRUSTED_ACCESS, ENABLE_SESSIONS])
def test_a_failure_that_lasts_is_retried_in_growing_intervals_and_ends_in_time(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation, action: str
) -> None:
    inject(function.on_event, action, THROTTLING_EXCEPTION)
    error = create_error(stack)
    assert error.failure.operation == action
    assert error.failure.kind is FailureKind.THROTTLED
    assert error.failure.timed_out
    assert error.failure.attempts == len(function.time.starts) + 1
    assert error.failure.waited == function.time.seconds <= LAST_START
    growing = waits(function.time.starts)
    assert growing == sorted(growing)
    assert growing[0] == pytest.approx(0.375)
    assert growing[-1] == pytest.approx(6)


def test_a_change_that_another_change_prevents_is_never_reported_as_applied(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    """Elsewhere one ConcurrentModificationException was swallowed, and logged as "enabled"."""
    inject(function.on_event, TRUSTED_ACCESS, CONCURRENT_MODIFICATION)
    error = create_error(stack)
    assert error.failure.kind is FailureKind.CONCURRENT_MODIFICATION
    assert error.applied == error.possibly_applied == ()
    assert "Nothing was changed by this invocation." in str(error)
    assert organization.root_access().features == set()


def test_a_policy_that_is_not_effective_yet_is_waited_for(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    """A role's new policy needs seconds to take effect, and the function is invoked within those."""
    enable_root_access(organization, CREDENTIALS, delegated_administrators=[MEMBER])
    for action in (DESCRIBE, LIST_FEATURES, LIST_DELEGATES, ENABLE_SESSIONS):
        inject(function.on_event, action, ACCESS_DENIED, times=3)
    assert stack.create(Features=BOTH).succeeded
    assert organization.root_access().features == set(BOTH)
    assert json.loads(stack.data["StatusJson"])["delegatedAdministrators"] == [MEMBER]


def test_a_denial_that_stays_is_final_after_ninety_seconds(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    organization.deny(account_id=MANAGEMENT, action=ENABLE_SESSIONS)
    create_error(stack)
    assert 90 <= function.time.seconds < 100


def test_a_member_account_is_not_waited_for(organization: LocalOrganization, function: Function) -> None:
    function = Function(account_id=MEMBER)
    outcome = FakeCloudFormation(function=function).create(Features=BOTH)
    assert isinstance(outcome.error, NotTheManagementAccountError)
    assert function.time.seconds == 0


def test_a_call_whose_response_was_lost_is_retried(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    for action in (TRUSTED_ACCESS, ENABLE_SESSIONS, REGISTER):
        inject(function.on_event, action, NO_RESPONSE_AFTER, times=1)
    assert stack.create(Features=BOTH, DelegatedAdministrators=[MEMBER]).succeeded
    assert organization.root_access().features == set(BOTH)
    assert registered(organization) == (MEMBER,)


def test_trusted_access_that_is_not_visible_to_iam_yet_is_waited_for(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    change_before(
        function.on_event,
        TRUSTED_ACCESS,
        lambda: inject(function.on_event, LIST_FEATURES, TRUSTED_ACCESS_NOT_VISIBLE, times=3),
    )
    assert stack.create(Features=BOTH).succeeded
    assert organization.root_access().features == set(BOTH)


# Twice, halfway, in parallel with others


def test_every_event_may_come_twice(organization: LocalOrganization, stack: FakeCloudFormation) -> None:
    stack.deliver_each_event_twice()
    assert stack.create(Features=BOTH, DelegatedAdministrators=[MEMBER]).succeeded
    assert stack.update(Features=[SESSIONS], DelegatedAdministrators=[OTHER]).succeeded
    assert organization.root_access().features == {SESSIONS}
    assert registered(organization) == (OTHER,)
    assert len(writes(organization)) == 7


def test_an_update_may_find_half_of_the_work_done(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    assert stack.create(Features=[CREDENTIALS], DelegatedAdministrators=[MEMBER]).succeeded
    set_feature(organization, SESSIONS, enabled=True)
    organization.clear_calls()
    assert stack.update(Features=[SESSIONS], DelegatedAdministrators=[MEMBER, OTHER]).succeeded
    assert writes(organization) == [
        "DisableOrganizationsRootCredentialsManagement",
        f"RegisterDelegatedAdministrator {OTHER}",
    ]


def test_trusted_access_that_is_disabled_between_observation_and_change_is_enabled_again(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    enable_root_access(organization, CREDENTIALS)

    def disable() -> None:
        organization.client("organizations").disable_aws_service_access(ServicePrincipal=PRINCIPAL)

    change_before(function.on_event, ENABLE_SESSIONS, disable)
    assert stack.create(Features=BOTH).succeeded
    assert PRINCIPAL in organization.root_access().trusted_access
    assert organization.root_access().features == set(BOTH)


def test_a_feature_that_a_delegated_administrator_disables_meanwhile_is_enabled_again(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    enable_root_access(organization, CREDENTIALS, delegated_administrators=[MEMBER])
    change_before(
        function.on_event,
        ENABLE_SESSIONS,
        lambda: set_feature(organization, CREDENTIALS, enabled=False, account_id=MEMBER),
    )
    assert stack.create(Features=BOTH).succeeded
    assert organization.root_access().features == set(BOTH)


def test_a_feature_that_is_disabled_again_and_again_ends_as_an_error(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    change_before(
        function.on_event,
        ENABLE_SESSIONS,
        lambda: set_feature(organization, CREDENTIALS, enabled=False),
        times=999,
    )
    change_before(
        function.on_event,
        ENABLE_CREDENTIALS,
        lambda: set_feature(organization, SESSIONS, enabled=False),
        times=999,
    )
    error = create_error(stack)
    assert error.failure.kind is FailureKind.NOT_PERSISTED
    assert function.time.seconds <= LAST_START


# Unknown is never disabled


def test_reads_that_keep_contradicting_each_other_are_unknown_and_nothing_is_changed(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    enable_root_access(organization, *BOTH)
    inject(function.on_event, LIST_FEATURES, TRUSTED_ACCESS_NOT_VISIBLE)
    error = create_error(stack, Features=[])
    assert error.failure.kind is FailureKind.INCONSISTENT_READS
    assert "unknown, which is not the same as disabled" in str(error)
    assert error.applied == error.possibly_applied == ()
    assert writes(organization) == []


@pytest.mark.parametrize(
    "delegates", [{}, {"DelegatedAdministrators": [MEMBER]}], ids=["unmanaged", "managed"]
)
@pytest.mark.parametrize("code", ["InvalidInputException", "ServiceAccessNotEnabledException"])
def test_a_refused_list_of_delegates_is_empty_while_trusted_access_is_disabled(
    organization: LocalOrganization,
    function: Function,
    stack: FakeCloudFormation,
    code: str,
    delegates: dict[str, object],
) -> None:
    """Nobody has recorded what AWS returns for it in an organization that never had trusted access."""
    inject(function.on_event, LIST_DELEGATES, error_response(code), times=1)
    assert stack.create(Features=BOTH, **delegates).succeeded
    assert organization.root_access().features == set(BOTH)
    assert list(registered(organization)) == delegates.get("DelegatedAdministrators", [])


@pytest.mark.parametrize(
    "fault",
    [
        error_response("InvalidInputException"),
        ACCESS_DENIED,
        THROTTLING_EXCEPTION,
    ],
    ids=["refused", "denied", "throttled"],
)
def test_a_list_of_delegates_that_nobody_manages_never_fails_a_deployment_and_is_unknown(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation, fault: Fault
) -> None:
    enable_root_access(organization, CREDENTIALS, delegated_administrators=[MEMBER])
    inject(function.on_event, LIST_DELEGATES, fault)
    assert stack.create(Features=BOTH).succeeded
    assert organization.root_access().features == set(BOTH)
    assert json.loads(stack.data["StatusJson"])["delegatedAdministrators"] is None
    assert function.time.seconds < 60


def test_a_list_of_delegates_that_is_managed_and_refused_fails_the_deployment(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    enable_root_access(organization, *BOTH)
    inject(function.on_event, LIST_DELEGATES, error_response("InvalidInputException"))
    error = create_error(stack, DelegatedAdministrators=[MEMBER])
    assert error.failure.operation == LIST_DELEGATES
    assert writes(organization) == []


def test_a_change_whose_response_does_not_list_the_features_is_followed_by_a_read(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    enable_root_access(organization)
    for action in (ENABLE_CREDENTIALS, ENABLE_SESSIONS):
        omit_member(function.on_event, action, "EnabledFeatures")
    assert stack.create(Features=BOTH).succeeded
    assert json.loads(stack.data["StatusJson"])["features"] == sorted(BOTH)


def test_the_error_says_what_failed_what_was_applied_and_what_was_not() -> None:
    def step(operation: Operation, account_id: str | None = None) -> Step:
        return Step(operation=operation, account_id=account_id)

    def refused(operation: Operation, **values: Any) -> Failure:
        return Failure(operation=operation, kind=FailureKind.REFUSED, code="Refused", message="No.", **values)

    error = ConvergenceError(
        failure=refused(Operation.REGISTER, reason="BECAUSE", attempts=3, waited=41.0),
        step=step(Operation.REGISTER, OTHER),
        account_id=MANAGEMENT,
        applied=[step(Operation.ENABLE_TRUSTED_ACCESS), step(Operation.DEREGISTER, MEMBER)],
        possibly_applied=[step(Operation.ENABLE_ROOT_SESSIONS)],
        not_applied=[step(Operation.REGISTER, OTHER)],
        not_reregistered=[(step(Operation.REGISTER, MEMBER), refused(Operation.REGISTER))],
    )
    assert str(error) == (
        f"{REGISTER}({OTHER}) failed in account {MANAGEMENT}: Refused (BECAUSE): No. "
        "Gave up after 3 attempts over 41 s (refused). "
        f"Check {OTHER} in delegated_administrators. "
        f"{MEMBER} could not be re-registered: {REGISTER}({MEMBER}) failed in account {MANAGEMENT}: "
        f"Refused: No. Check {MEMBER} in delegated_administrators. "
        f"Applied by this invocation: {TRUSTED_ACCESS}, {DEREGISTER}({MEMBER}). "
        f"May have been applied (no response): {ENABLE_SESSIONS}. "
        f"Not applied: {REGISTER}({OTHER})."
    )
