"""A lifecycle that cannot hurt an organization: delegated administrators, failures, waiting, other people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from local_aws.emulation import LocalOrganization, mock_organization
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS, enable_root_access, set_feature, writes
from support.cloudformation import FakeCloudFormation
from support.faults.clients import change_before, inject
from support.faults.vocabulary import (
    CONCURRENT_MODIFICATION,
    NO_RESPONSE_AFTER,
    THROTTLED,
    THROTTLING_EXCEPTION,
    TRUSTED_ACCESS_NOT_VISIBLE,
    error_response,
)
from support.function import BOTH, Function, waits

if TYPE_CHECKING:
    from collections.abc import Iterator

MANAGEMENT, MEMBER, OTHER, THIRD = "111111111111", "222222222222", "333333333333", "444444444444"
STRANGER = "999999999999"
ENABLE_SESSIONS = "iam:EnableOrganizationsRootSessions"
ENABLE_CREDENTIALS = "iam:EnableOrganizationsRootCredentialsManagement"
TRUSTED_ACCESS = "organizations:EnableAWSServiceAccess"
REGISTER = "organizations:RegisterDelegatedAdministrator"
DEREGISTER = "organizations:DeregisterDelegatedAdministrator"
LIST_FEATURES = "iam:ListOrganizationsFeatures"
DESCRIBE = "organizations:DescribeOrganization"
LAST_START = 180 - 35


@pytest.fixture
def organization() -> Iterator[LocalOrganization]:
    with mock_organization() as organization:
        before = organization.other_services()
        yield organization
        assert organization.other_services() == before, "another service was touched"


@pytest.fixture
def function() -> Function:
    return Function()


@pytest.fixture
def stack(function: Function) -> FakeCloudFormation:
    return FakeCloudFormation(function=function)


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


def test_an_unlisted_delegated_administrator_goes_after_the_listed_one_has_come(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])
    assert stack.create(Features=BOTH, DelegatedAdministrators=[OTHER]).succeeded
    assert registered(organization) == (OTHER,)
    assert writes(organization) == [
        f"RegisterDelegatedAdministrator {OTHER}",
        f"DeregisterDelegatedAdministrator {MEMBER}",
    ]


def test_delegated_administrators_are_none_of_our_business_when_the_argument_is_not_given(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    enable_root_access(organization, delegated_administrators=[MEMBER, OTHER])
    assert stack.create(Features=BOTH).succeeded
    assert registered(organization) == (MEMBER, OTHER)


def test_an_empty_list_deregisters_all(organization: LocalOrganization, stack: FakeCloudFormation) -> None:
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER, OTHER])
    assert stack.create(Features=BOTH, DelegatedAdministrators=[]).succeeded
    assert registered(organization) == ()


def test_at_the_limit_the_one_registered_longest_makes_room(
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


def test_who_made_room_is_put_back_if_the_new_one_is_refused(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    organization.set_delegated_administrator_limit(1)
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])
    change_before(function.on_event, DEREGISTER, lambda: organization.suspend(OTHER))
    reason = function_error(stack, DelegatedAdministrators=[OTHER])
    assert f"Account {OTHER} is suspended" in reason
    assert registered(organization) == (MEMBER,)
    assert writes(organization) == [
        f"RegisterDelegatedAdministrator {OTHER}",
        f"DeregisterDelegatedAdministrator {MEMBER}",
        f"RegisterDelegatedAdministrator {OTHER}",
        f"RegisterDelegatedAdministrator {MEMBER}",
    ]


def test_who_made_room_is_put_back_in_time_if_the_new_ones_call_never_gets_through(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    organization.set_delegated_administrator_limit(1)
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])
    change_before(
        function.on_event,
        DEREGISTER,
        lambda: inject(function.on_event, REGISTER, THROTTLED, body=OTHER),
    )
    reason = function_error(stack, DelegatedAdministrators=[OTHER])
    assert "waiting for throttling to end" in reason
    assert registered(organization) == (MEMBER,)
    assert function.time.seconds <= LAST_START


def test_the_first_error_is_told_first_when_putting_back_fails_too(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    organization.set_delegated_administrator_limit(1)
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])
    change_before(
        function.on_event,
        DEREGISTER,
        lambda: inject(function.on_event, REGISTER, error_response("AccountNotFoundException")),
    )
    reason = function_error(stack, DelegatedAdministrators=[OTHER])
    assert reason.startswith(f"{REGISTER}({OTHER}) failed in account {MANAGEMENT}: AccountNotFound")
    assert f"Then {MEMBER} could not be put back: {REGISTER}({MEMBER}) failed" in reason
    assert f"Made by this invocation: {DEREGISTER}({MEMBER})." in reason


def function_error(stack: FakeCloudFormation, **properties: object) -> str:
    """What the first invocation of a Create says; the framework would report the second one's."""
    event = {"RequestType": "Create", "ResourceProperties": {"Features": list(BOTH), **properties}}
    with pytest.raises(Exception) as raised:  # noqa: PT011 - the message is what is looked at
        stack.function(event)
    return str(raised.value)


def test_an_earlier_putting_back_that_failed_is_not_told_once_the_new_one_has_come(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    organization.set_delegated_administrator_limit(1)
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])

    def switch_off_before_the_next_registration() -> None:
        change_before(function.on_event, REGISTER, switch_off)

    def switch_off() -> None:
        organization.client("organizations").disable_aws_service_access(ServicePrincipal=PRINCIPAL)

    change_before(function.on_event, DEREGISTER, switch_off_before_the_next_registration)
    reason = function_error(stack, DelegatedAdministrators=[OTHER, STRANGER])
    assert registered(organization) == (OTHER,)
    assert reason.startswith(f"{REGISTER}({STRANGER}) failed")
    assert "could not be put back" not in reason


@pytest.mark.parametrize(
    ("account_id", "told"),
    [
        (STRANGER, f"Account {STRANGER} is not a member of this organization"),
        (THIRD, f"Account {THIRD} is suspended"),
        (MANAGEMENT, f"Account {MANAGEMENT} is the management account"),
    ],
)
def test_an_account_that_cannot_be_registered_is_named_with_the_reason(
    organization: LocalOrganization, stack: FakeCloudFormation, account_id: str, told: str
) -> None:
    organization.suspend(THIRD)
    outcome = stack.create(Features=BOTH, DelegatedAdministrators=[account_id])
    assert not outcome.succeeded
    assert told in outcome.reason
    assert "take it off delegated_administrators" in outcome.reason


def test_more_delegated_administrators_than_aws_takes_are_told(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    organization.set_delegated_administrator_limit(1)
    outcome = stack.create(Features=BOTH, DelegatedAdministrators=[MEMBER, OTHER])
    assert not outcome.succeeded
    assert f"so {OTHER} was not added: list fewer delegated_administrators" in outcome.reason


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


def test_a_failed_create_followed_by_a_delete_tears_nothing_down(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    """What was on before is not this stack's to switch off (peers lost whole organizations' settings so)."""
    enable_root_access(organization, CREDENTIALS)
    organization.deny(account_id=MANAGEMENT, action=ENABLE_SESSIONS)
    assert not stack.create(Features=BOTH).succeeded
    function({"RequestType": "Delete", "PhysicalResourceId": "Stack-RootAccess-1A2B"})
    assert organization.root_access().features == {CREDENTIALS}


def test_an_update_is_no_replacement_so_nothing_that_was_just_set_is_deleted(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    assert stack.create(Features=[CREDENTIALS]).succeeded
    assert stack.update(Features=BOTH).succeeded
    assert [event["RequestType"] for event in stack.events] == ["Create", "Update"]


def test_trusted_access_is_never_switched_off_even_with_a_delegated_administrator_registered(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    assert stack.create(Features=BOTH, DelegatedAdministrators=[MEMBER]).succeeded
    assert stack.update(Features=[], DelegatedAdministrators=[]).succeeded
    assert stack.delete().succeeded
    assert "DisableAWSServiceAccess" not in writes(organization)
    assert PRINCIPAL in organization.root_access().trusted_access


# Failures leave no riddle


def test_a_failed_create_says_what_was_made_and_what_was_not(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    organization.deny(account_id=MANAGEMENT, action=ENABLE_CREDENTIALS)
    reason = function_error(stack, DelegatedAdministrators=[MEMBER])
    assert f"Made by this invocation: {TRUSTED_ACCESS}." in reason
    assert f"Not made: {ENABLE_CREDENTIALS}, {ENABLE_SESSIONS}, {REGISTER}({MEMBER})." in reason


def test_a_change_whose_answer_was_lost_is_told_as_one_that_may_have_been_made(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    inject(function.on_event, ENABLE_SESSIONS, NO_RESPONSE_AFTER)
    reason = function_error(stack)
    assert f"May have been made (no answer): {ENABLE_SESSIONS}." in reason
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


def test_every_error_fits_into_the_frameworks_answer(
    organization: LocalOrganization, stack: FakeCloudFormation
) -> None:
    organization.set_delegated_administrator_limit(0)
    organization.deny(account_id=MANAGEMENT, action=REGISTER, message='"\\\n' * 2000)
    accounts = [f"{number:012}" for number in range(50)]
    reason = function_error(stack, DelegatedAdministrators=accounts)
    assert len(json.dumps(reason)) <= 2500
    assert "and 42 more" in reason


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
def test_what_passes_is_waited_for(
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
def test_what_does_not_pass_ends_in_time_with_a_sentence_about_what_was_waited_for(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation, action: str
) -> None:
    inject(function.on_event, action, THROTTLING_EXCEPTION)
    reason = function_error(stack)
    assert f"{action} failed in account {MANAGEMENT}: Throttling" in reason
    assert "s of waiting for throttling to end" in reason
    assert function.time.seconds <= LAST_START


def test_a_change_that_another_one_keeps_out_is_never_reported_as_made(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    """Elsewhere one ConcurrentModificationException was swallowed, and logged as "enabled"."""
    inject(function.on_event, TRUSTED_ACCESS, CONCURRENT_MODIFICATION)
    reason = function_error(stack)
    assert "waiting for another change to the organization to end" in reason
    assert "Nothing was changed by this invocation." in reason
    assert organization.root_access().features == set()


def test_the_waits_grow_and_stay_bounded(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    inject(function.on_event, DESCRIBE, THROTTLED)
    function_error(stack)
    growing = waits(function.time.starts)
    assert growing == sorted(growing)
    assert 0 < growing[0] < 1
    assert growing[-1] <= 8


def test_a_policy_that_is_not_yet_effective_is_waited_for(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    """A role's new policy needs seconds to take effect, and the function is invoked within those."""
    for action, code in ((DESCRIBE, "AccessDeniedException"), (ENABLE_SESSIONS, "AccessDenied")):
        inject(function.on_event, action, error_response(code, status=403), times=3)
    assert stack.create(Features=BOTH).succeeded
    assert organization.root_access().features == set(BOTH)


def test_a_denial_that_stays_is_final_after_thirty_seconds(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    organization.deny(account_id=MANAGEMENT, action=ENABLE_SESSIONS)
    function_error(stack)
    assert 30 <= function.time.seconds < 40


def test_a_member_account_is_not_waited_for(organization: LocalOrganization, function: Function) -> None:
    function = Function(account_id=MEMBER)
    assert "Deploy this stack in" in function_error(FakeCloudFormation(function=function))
    assert function.time.seconds == 0


def test_a_call_whose_answer_was_lost_is_made_again(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    for action in (TRUSTED_ACCESS, ENABLE_SESSIONS, REGISTER):
        inject(function.on_event, action, NO_RESPONSE_AFTER, times=1)
    assert stack.create(Features=BOTH, DelegatedAdministrators=[MEMBER]).succeeded
    assert organization.root_access().features == set(BOTH)
    assert registered(organization) == (MEMBER,)


def test_trusted_access_that_takes_a_moment_to_be_seen_by_iam_is_waited_for(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    change_before(
        function.on_event,
        TRUSTED_ACCESS,
        lambda: inject(function.on_event, LIST_FEATURES, TRUSTED_ACCESS_NOT_VISIBLE, times=3),
    )
    assert stack.create(Features=BOTH).succeeded
    assert organization.root_access().features == set(BOTH)


# Twice, halfway, beside others


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


def test_trusted_access_switched_off_between_looking_and_changing_is_switched_on_again(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    enable_root_access(organization, CREDENTIALS)

    def switch_off() -> None:
        organization.client("organizations").disable_aws_service_access(ServicePrincipal=PRINCIPAL)

    change_before(function.on_event, ENABLE_SESSIONS, switch_off)
    assert stack.create(Features=BOTH).succeeded
    assert PRINCIPAL in organization.root_access().trusted_access
    assert organization.root_access().features == set(BOTH)


def test_a_feature_that_a_delegated_administrator_switches_off_meanwhile_comes_back(
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


def test_somebody_who_keeps_switching_a_feature_off_is_told_in_the_end(
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
    reason = function_error(stack)
    assert "waiting for the organization to stay as it was made" in reason
    assert function.time.seconds <= LAST_START


def test_what_is_reported_is_what_aws_answered_and_not_what_was_asked_for(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation
) -> None:
    assert stack.create(Features=[SESSIONS]).succeeded
    assert json.loads(stack.data["StatusJson"])["features"] == [SESSIONS]
    set_feature(organization, CREDENTIALS, enabled=True)
    assert stack.update(Features=BOTH).succeeded
    assert json.loads(stack.data["StatusJson"])["features"] == sorted(BOTH)


# Unknown is never off


@pytest.mark.parametrize("code", ["ServiceAccessNotEnabledException", "ServiceAccessNotEnabled"])
def test_reads_that_keep_contradicting_each_other_are_unknown_and_nothing_is_changed(
    organization: LocalOrganization, function: Function, stack: FakeCloudFormation, code: str
) -> None:
    enable_root_access(organization, *BOTH)
    inject(function.on_event, LIST_FEATURES, error_response(code))
    reason = function_error(stack)
    assert "unknown, which is not the same as off" in reason
    assert "Nothing was changed by this invocation." in reason
    assert writes(organization) == []


def test_a_denied_look_changes_nothing(organization: LocalOrganization, stack: FakeCloudFormation) -> None:
    enable_root_access(organization, *BOTH)
    organization.deny(account_id=MANAGEMENT, action=LIST_FEATURES)
    assert not stack.create(Features=[SESSIONS]).succeeded
    assert writes(organization) == []
    assert organization.root_access().features == set(BOTH)
