"""The drift check: what it reports, what it repairs, and what it leaves unchanged."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from aws_calls.failures import CallError, FailureKind
from aws_calls.retry import RetryBudget
from aws_calls.settings import SettingsError
from local_aws.emulation import LocalOrganization, mock_organization
from root_access.drift import PUBLISH, Settings, publish
from root_access.drift_notice import Notice
from root_access.drift_repair import DESCRIBE_STACKS, StackState, describe_stack
from root_access.errors import (
    CheckFailedError,
    ConvergenceError,
    NotInAnOrganizationError,
    NotPublishedError,
    NotTheManagementAccountError,
)
from root_access.state import InvalidValueError, desired_state
from support.accounts import MANAGEMENT, MEMBER, OTHER
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS, enable_root_access, set_feature, writes
from support.drift_check import (
    BY_EVENT,
    BY_INTERVAL,
    CALLER,
    DEPLOYED_SINCE,
    IN_PROGRESS,
    STABLE,
    STACK_ID,
    TOPIC_ARN,
    DriftCheck,
    by_event,
    denial_of,
    stack_states,
)
from support.faults.clients import change_before, inject, omit_member
from support.faults.vocabulary import (
    NO_RESPONSE_AFTER,
    NO_RESPONSE_BEFORE,
    THROTTLED,
    TRUSTED_ACCESS_NOT_VISIBLE,
)
from support.function import BOTH, FakeTime, Function

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.usefixtures("other_services_unchanged")


def test_an_organization_as_listed_is_one_line_with_the_metric_at_1(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])
    (line,) = DriftCheck(delegated_administrators=(MEMBER,))()
    since = organization.root_access().trusted_access[PRINCIPAL].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert line == {
        "_aws": {
            "Timestamp": 1_800_000_000_500,
            "CloudWatchMetrics": [
                {
                    "Namespace": "CentralizedRootAccess",
                    "Dimensions": [["OrganizationId"]],
                    "Metrics": [{"Name": "InDesiredState", "Unit": "Count"}],
                }
            ],
        },
        "OrganizationId": organization.id,
        "InDesiredState": 1,
        "event": "checked",
        "trigger": "interval",
        "status": "ENABLED",
        "organizationId": organization.id,
        "managementAccountId": MANAGEMENT,
        "trustedAccessEnabledAt": since,
        "features": sorted(BOTH),
        "delegatedAdministrators": [MEMBER],
        "deviations": [],
    }
    assert writes(organization) == []


def test_each_deviation_is_reported_in_words(organization: LocalOrganization) -> None:
    enable_root_access(organization, SESSIONS, delegated_administrators=[OTHER])
    (line,) = DriftCheck(features=(CREDENTIALS,), delegated_administrators=(MEMBER,))()
    assert line["InDesiredState"] == 0
    assert line["deviations"] == [
        "RootCredentialsManagement is disabled",
        "RootSessions is enabled but not listed",
        f"{MEMBER} is listed but not registered",
        f"{OTHER} is registered but not listed",
    ]


def test_trusted_access_that_is_disabled_is_a_deviation(organization: LocalOrganization) -> None:
    enable_root_access(organization, *BOTH, hidden=True)
    (line,) = DriftCheck()()
    assert line["deviations"][0] == "trusted access for iam.amazonaws.com is disabled"
    assert line["status"] == "DISABLED"


def test_what_a_delegated_administrator_disabled_is_noticed(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])
    set_feature(organization, SESSIONS, enabled=False, account_id=MEMBER)
    (line,) = DriftCheck()()
    assert line["deviations"] == ["RootSessions is disabled"]


@pytest.mark.parametrize("event", [BY_INTERVAL, BY_EVENT], ids=["interval", "event"])
def test_without_repair_nothing_is_written(organization: LocalOrganization, event: Mapping[str, Any]) -> None:
    DriftCheck()(event)
    assert writes(organization) == []


def test_an_event_checks_and_reports_and_does_not_repair(organization: LocalOrganization) -> None:
    (line,) = DriftCheck(repair=True)(BY_EVENT)
    assert line["trigger"] == "DisableOrganizationsRootSessions"
    assert line["InDesiredState"] == 0
    assert writes(organization) == []


def test_the_interval_repairs_and_reports_before_and_after(organization: LocalOrganization) -> None:
    enable_root_access(organization, *BOTH)
    set_feature(organization, SESSIONS, enabled=False)
    organization.clear_calls()
    before, after = DriftCheck(repair=True)()
    assert (before["InDesiredState"], after["InDesiredState"]) == (0, 1)
    assert before["deviations"] == ["RootSessions is disabled"]
    assert after["deviations"] == []
    assert writes(organization) == ["EnableOrganizationsRootSessions"]


def test_repair_enables_trusted_access_and_leaves_an_unlisted_feature_that_comes_back_with_it(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, *BOTH, hidden=True)
    _, after = DriftCheck(features=(CREDENTIALS,), repair=True)()
    # The first Enable call, whose response lists the features that were hidden, is the read of them.
    assert writes(organization) == ["EnableAWSServiceAccess", "EnableOrganizationsRootCredentialsManagement"]
    assert after["deviations"] == ["RootSessions is enabled but not listed"]
    assert after["InDesiredState"] == 0


def test_repair_changes_no_delegated_administrator(organization: LocalOrganization) -> None:
    """Somebody may have removed one on purpose, in an incident."""
    enable_root_access(organization, CREDENTIALS, delegated_administrators=[OTHER])
    DriftCheck(delegated_administrators=(MEMBER,), repair=True)()
    assert organization.root_access().delegated_administrators == (OTHER,)
    assert writes(organization) == ["EnableOrganizationsRootSessions"]


def test_repair_disables_nothing(organization: LocalOrganization) -> None:
    enable_root_access(organization, *BOTH)
    DriftCheck(features=(), repair=True)()
    assert organization.root_access().features == set(BOTH)
    assert writes(organization) == []


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"])
def test_repair_waits_for_a_deployment_which_is_not_published_because_it_ends_by_itself(
    organization: LocalOrganization, status: str
) -> None:
    drift_check = DriftCheck(repair=True, describe_stack=stack_states(replace(STABLE, status=status)))
    drift_check()
    assert writes(organization) == []
    assert drift_check.log[-1] == {"event": "repair_skipped", "reason": f"the stack is in {status}"}
    assert drift_check.published == []


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED"])
def test_each_scheduled_check_that_cannot_repair_a_failed_stack_publishes_why(
    organization: LocalOrganization, status: str
) -> None:
    """The notice of the call promised a repair, and nothing remembers what was published before."""
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck(repair=True, describe_stack=stack_states(replace(STABLE, status=status)))
    drift_check(BY_EVENT)
    promise = "unless the stack is being deployed or its last update failed."
    assert promise in drift_check.published.pop().message
    drift_check()
    drift_check()
    assert writes(organization) == []
    assert drift_check.log[-1] == {"event": "repair_skipped", "reason": f"the stack is in {status}"}
    first, second = drift_check.published
    assert first == second
    assert first.subject == f"Centralized root access: drift not repaired in {organization.id}"
    assert "Deviations found:\n- RootSessions is disabled\n" in first.message
    assert f"It stopped because the stack is in {status}. Bring the stack to a status" in first.message


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (IN_PROGRESS, "the stack is in UPDATE_IN_PROGRESS"),
        (DEPLOYED_SINCE, "the stack was deployed during the check"),
    ],
    ids=["begins", "begins and ends"],
)
def test_a_deployment_between_the_check_and_the_write_stops_the_repair(
    organization: LocalOrganization, later: StackState, reason: str
) -> None:
    """What the function would enable may be what the deployment disables."""
    drift_check = DriftCheck(repair=True, describe_stack=stack_states(STABLE, later))
    enable_root_access(organization, CREDENTIALS)
    drift_check()
    assert writes(organization) == []
    assert drift_check.log[-1] == {"event": "repair_skipped", "reason": reason}
    assert drift_check.published == []


def test_a_deployment_that_begins_while_a_write_is_retried_stops_the_repair(
    organization: LocalOrganization,
) -> None:
    states = [STABLE]
    drift_check = DriftCheck(repair=True, describe_stack=lambda stack_id, *, budget: states[-1])
    enable_root_access(organization, CREDENTIALS)
    inject(drift_check.function.on_event, "iam:EnableOrganizationsRootSessions", THROTTLED, times=3)
    drift_check.function.time.while_sleeping = lambda: states.append(IN_PROGRESS)
    drift_check()
    assert organization.root_access().features == {CREDENTIALS}
    assert drift_check.log[-1]["event"] == "repair_skipped"


def test_a_write_whose_response_was_lost_before_a_deployment_began_is_published(
    organization: LocalOrganization,
) -> None:
    states = [STABLE]
    drift_check = DriftCheck(repair=True, describe_stack=lambda stack_id, *, budget: states[-1])
    enable_root_access(organization, CREDENTIALS)
    inject(drift_check.function.on_event, "iam:EnableOrganizationsRootSessions", NO_RESPONSE_AFTER, times=1)
    drift_check.function.time.while_sleeping = lambda: states.append(IN_PROGRESS)
    drift_check()
    assert organization.root_access().features == set(BOTH)
    assert drift_check.log[-1]["event"] == "repair_skipped"
    (notice,) = drift_check.published
    assert "May have been applied:\n- iam:EnableOrganizationsRootSessions\n" in notice.message


def test_a_deployment_that_begins_between_two_writes_leaves_the_second_to_it_and_the_first_is_published(
    organization: LocalOrganization,
) -> None:
    drift_check = DriftCheck(repair=True, describe_stack=stack_states(STABLE, STABLE, IN_PROGRESS))
    enable_root_access(organization)
    drift_check()
    assert writes(organization) == ["EnableOrganizationsRootCredentialsManagement"]
    assert drift_check.log[-1]["event"] == "repair_skipped"
    (notice,) = drift_check.published
    assert notice.subject == f"Centralized root access: drift not repaired in {organization.id}"
    assert "- iam:EnableOrganizationsRootCredentialsManagement\n" in notice.message
    assert "The repair did not finish. It stopped because the stack is in UPDATE_IN_PROGRESS." in (
        notice.message
    )


def test_a_repair_in_parallel_with_somebody_elses_change_converges_all_the_same(
    organization: LocalOrganization,
) -> None:
    drift_check = DriftCheck(repair=True)
    enable_root_access(organization, CREDENTIALS)
    change_before(
        drift_check.function.on_event,
        "iam:EnableOrganizationsRootSessions",
        lambda: set_feature(organization, CREDENTIALS, enabled=False),
    )
    drift_check()
    assert organization.root_access().features == set(BOTH)


def test_a_repair_that_is_denied_says_which_call(organization: LocalOrganization) -> None:
    organization.deny(account_id=MANAGEMENT, action="organizations:EnableAWSServiceAccess")
    with pytest.raises(ConvergenceError) as raised:
        DriftCheck(repair=True)()
    assert raised.value.failure.operation == "organizations:EnableAWSServiceAccess"
    assert raised.value.failure.kind is FailureKind.ACCESS_DENIED


@pytest.mark.parametrize(
    "action", ["iam:ListOrganizationsFeatures", "organizations:ListDelegatedAdministrators"]
)
def test_a_denied_read_is_a_failed_check_and_no_metric(organization: LocalOrganization, action: str) -> None:
    organization.deny(account_id=MANAGEMENT, action=action)
    drift_check = DriftCheck(repair=True, delegated_administrators=(MEMBER,))
    with pytest.raises(CheckFailedError, match=r"could not read root access: .* AccessDenied") as raised:
        drift_check()
    assert raised.value.failure.operation == action
    assert raised.value.account_id == MANAGEMENT
    assert drift_check.log == []
    assert writes(organization) == []


def test_the_wrong_account_is_a_failed_check(organization: LocalOrganization) -> None:
    drift_check = DriftCheck(function=Function(account_id=MEMBER))
    with pytest.raises(NotTheManagementAccountError):
        drift_check()
    assert drift_check.log == []


def test_an_organization_that_is_gone_is_a_failed_check() -> None:
    with mock_organization() as organization:
        organization.delete()
        drift_check = DriftCheck()
        with pytest.raises(NotInAnOrganizationError):
            drift_check()
        assert drift_check.log == []


def test_contradictory_reads_are_unknown_and_not_disabled(organization: LocalOrganization) -> None:
    enable_root_access(organization, *BOTH)
    drift_check = DriftCheck(repair=True)
    inject(drift_check.function.on_event, "iam:ListOrganizationsFeatures", TRUSTED_ACCESS_NOT_VISIBLE)
    with pytest.raises(CheckFailedError) as raised:
        drift_check()
    assert raised.value.failure.kind is FailureKind.INCONSISTENT_READS
    assert drift_check.log == []
    assert writes(organization) == []


def test_a_stack_whose_status_cannot_be_read_is_not_repaired_which_is_published(
    organization: LocalOrganization,
) -> None:
    drift_check = DriftCheck(repair=True, describe_stack=deny_describe_stack)
    with pytest.raises(CheckFailedError, match="could not read the state of its stack") as raised:
        drift_check()
    assert raised.value.failure.operation == DESCRIBE_STACKS
    assert writes(organization) == []
    assert [line["InDesiredState"] for line in drift_check.checks()] == [0]
    (notice,) = drift_check.published
    assert notice.subject == f"Centralized root access: drift not repaired in {organization.id}"
    assert str(raised.value) in notice.message


def deny_describe_stack(stack_id: str, *, budget: RetryBudget) -> StackState:
    raise denial_of(DESCRIBE_STACKS)


def test_a_check_that_could_not_repair_is_one_that_failed_before_a_repair_is_needed(
    organization: LocalOrganization,
) -> None:
    """With a data point the alarm for checks that stopped would count it as one that succeeded."""
    enable_root_access(organization, *BOTH)
    drift_check = DriftCheck(repair=True, describe_stack=deny_describe_stack)
    with pytest.raises(CheckFailedError):
        drift_check()
    (line,) = drift_check.checks()
    assert line["deviations"] == []
    assert not {"_aws", "InDesiredState"} & set(line)
    assert drift_check.published == []


def test_drift_that_is_not_repaired_is_reported_also_by_a_check_that_could_not_repair(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, *BOTH)
    drift_check = DriftCheck(
        repair=True, delegated_administrators=(MEMBER,), describe_stack=deny_describe_stack
    )
    with pytest.raises(CheckFailedError):
        drift_check()
    assert [line["InDesiredState"] for line in drift_check.checks()] == [0]
    assert drift_check.published == []


def test_a_slow_cloudformation_does_not_take_the_time_of_the_check(organization: LocalOrganization) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck(repair=True)
    time = drift_check.function.time

    def throttle(stack_id: str, *, budget: RetryBudget) -> StackState:
        def attempt() -> StackState:
            error = denial_of(DESCRIBE_STACKS)
            raise CallError(replace(error.failure, kind=FailureKind.THROTTLED))

        return budget.attempt(attempt, operation=DESCRIBE_STACKS)

    drift_check.describe_stack = throttle
    with pytest.raises(CheckFailedError):
        drift_check()
    assert time.seconds <= 30
    assert [line["InDesiredState"] for line in drift_check.checks()] == [0]


def test_features_that_are_missing_in_the_response_are_unknown_and_not_repaired(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, *BOTH)
    drift_check = DriftCheck(repair=True)
    omit_member(drift_check.function.on_event, "iam:ListOrganizationsFeatures", "EnabledFeatures")
    with pytest.raises(CheckFailedError, match="unknown, which is not the same as disabled") as raised:
        drift_check()
    assert raised.value.failure.kind is FailureKind.INCOMPLETE_RESPONSE
    assert drift_check.log == []
    assert writes(organization) == []


# Notices


def test_an_event_that_left_drift_is_published_at_once_with_who_and_when(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck()
    (line,) = drift_check(BY_EVENT)
    (notice,) = drift_check.published
    assert notice.subject == f"Centralized root access: drift in {organization.id}"
    assert "- RootSessions is disabled\n" in notice.message
    assert "Call: DisableOrganizationsRootSessions\n" in notice.message
    assert f"Caller: {CALLER}\n" in notice.message
    assert "Time: 2026-11-24T12:00:00Z\n" in notice.message
    assert line["trigger"] == "DisableOrganizationsRootSessions"
    assert line["caller"] == CALLER
    assert line["calledAt"] == "2026-11-24T12:00:00Z"
    assert line["cloudTrailEventId"] == "6f5c0f9e-7d1c-11f0-9a3d-0242ac120002"


@pytest.mark.parametrize("repair", [True, False])
def test_the_notice_of_drift_says_whether_it_will_be_repaired_and_how_to_prevent_that(
    organization: LocalOrganization, *, repair: bool
) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck(repair=repair)
    drift_check(BY_EVENT)
    (notice,) = drift_check.published
    assert ("DriftCheckInterval" in notice.message) is repair


def test_an_event_that_left_the_organization_as_listed_is_not_published(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, *BOTH)
    drift_check = DriftCheck()
    drift_check(by_event(eventName="EnableOrganizationsRootSessions"))
    assert drift_check.published == []


@pytest.mark.parametrize(
    "detail",
    [
        {"errorCode": "AccessDenied"},
        {
            "eventName": "DisableAWSServiceAccess",
            "requestParameters": {"servicePrincipal": "sso.amazonaws.com"},
        },
    ],
    ids=["refused", "another service"],
)
def test_a_call_that_changed_nothing_does_not_publish_drift_that_was_there_before(
    organization: LocalOrganization, detail: Mapping[str, object]
) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck()
    (line,) = drift_check(by_event(**detail))
    assert line["InDesiredState"] == 0
    assert drift_check.published == []


def test_the_call_of_a_repair_is_not_published_as_the_cause_of_what_is_still_different(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck(repair=True, delegated_administrators=(MEMBER,))
    drift_check()
    (notice,) = drift_check.published
    assert f"Still different from the stack:\n- {MEMBER} is listed but not registered\n" in notice.message
    drift_check(by_event(eventName="EnableOrganizationsRootSessions"))
    assert drift_check.published == [notice]


def test_somebody_who_corrects_one_deviation_after_the_other_is_not_published_as_a_suspect(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck()
    (line,) = drift_check(by_event(eventName="EnableOrganizationsRootCredentialsManagement"))
    assert drift_check.published == []
    assert line["deviations"] == ["RootSessions is disabled"]
    assert line["caller"] == CALLER


DELEGATED = {"servicePrincipal": PRINCIPAL, "accountId": MEMBER}
NOT_SESSIONS = "RootSessions is disabled"
NOT_CREDENTIALS = "RootCredentialsManagement is disabled"
MORE_SESSIONS = "RootSessions is enabled but not listed"
MORE_CREDENTIALS = "RootCredentialsManagement is enabled but not listed"
UNTRUSTED = "trusted access for iam.amazonaws.com is disabled"
UNREGISTERED = f"{MEMBER} is listed but not registered"
UNLISTED = f"{MEMBER} is registered but not listed"


@pytest.mark.parametrize(
    ("name", "parameters", "caused"),
    [
        ("DisableOrganizationsRootSessions", None, [NOT_SESSIONS]),
        ("DisableOrganizationsRootCredentialsManagement", None, [NOT_CREDENTIALS]),
        ("EnableOrganizationsRootSessions", None, [MORE_SESSIONS]),
        ("EnableOrganizationsRootCredentialsManagement", None, [MORE_CREDENTIALS]),
        (
            "DisableAWSServiceAccess",
            {"servicePrincipal": PRINCIPAL},
            [UNTRUSTED, NOT_SESSIONS, NOT_CREDENTIALS],
        ),
        ("EnableAWSServiceAccess", {"servicePrincipal": PRINCIPAL}, [MORE_SESSIONS, MORE_CREDENTIALS]),
        ("DeregisterDelegatedAdministrator", DELEGATED, [UNREGISTERED]),
        ("DeregisterDelegatedAdministrator", DELEGATED | {"accountId": OTHER}, []),
        ("DeregisterDelegatedAdministrator", {"servicePrincipal": PRINCIPAL}, [UNREGISTERED]),
        ("DeregisterDelegatedAdministrator", DELEGATED | {"accountId": 7}, [UNREGISTERED]),
        ("RegisterDelegatedAdministrator", DELEGATED, [UNLISTED]),
        ("RegisterDelegatedAdministrator", DELEGATED | {"accountId": OTHER}, []),
        ("RegisterDelegatedAdministrator", None, [UNLISTED]),
    ],
    ids=str,
)
def test_a_call_is_published_with_the_deviations_that_it_can_have_caused_alone(
    name: str, parameters: Mapping[str, object] | None, caused: list[str]
) -> None:
    """Trusted access hides the features when it is disabled, and shows them again."""
    published = set()
    for features, desired, delegates in (
        ((), BOTH, (MEMBER,)),
        (BOTH, (), ()),
        (None, BOTH, (MEMBER,)),
    ):
        with mock_organization() as organization:
            if features is not None:
                registered = [] if delegates else [MEMBER]
                enable_root_access(organization, *features, delegated_administrators=registered)
            drift_check = DriftCheck(features=desired, delegated_administrators=delegates)
            drift_check(by_event(eventName=name, requestParameters=parameters))
            for notice in drift_check.published:
                _, _, deviations = notice.message.partition("Deviations:\n- ")
                published |= set(deviations.partition("\n\n")[0].split("\n- "))
    assert published == set(caused)


def test_other_deviations_are_published_apart_from_those_that_the_call_can_have_caused(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization)
    drift_check = DriftCheck()
    drift_check(by_event(eventName="DisableOrganizationsRootSessions"))
    (notice,) = drift_check.published
    assert (
        "Deviations:\n- RootSessions is disabled\n\n"
        "Also different from the stack, for another reason:\n- RootCredentialsManagement is disabled\n"
    ) in notice.message


def test_a_call_that_this_version_does_not_know_is_published(organization: LocalOrganization) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck()
    drift_check(by_event(eventName="DisableOrganizationsEverything"))
    assert len(drift_check.published) == 1


def test_a_call_for_iam_is_published(organization: LocalOrganization) -> None:
    enable_root_access(organization, *BOTH, hidden=True)
    drift_check = DriftCheck()
    drift_check(
        by_event(
            eventName="DisableAWSServiceAccess", requestParameters={"servicePrincipal": "iam.amazonaws.com"}
        )
    )
    assert len(drift_check.published) == 1


def test_a_scheduled_check_leaves_drift_that_it_does_not_repair_to_the_alarm(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck()
    (line,) = drift_check()
    assert line["InDesiredState"] == 0
    assert drift_check.published == []


def test_a_repair_is_published_with_what_was_found_and_applied(organization: LocalOrganization) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck(repair=True)
    drift_check()
    (notice,) = drift_check.published
    assert notice.subject == f"Centralized root access: drift repaired in {organization.id}"
    assert "- RootSessions is disabled\n" in notice.message
    assert "- iam:EnableOrganizationsRootSessions\n" in notice.message
    assert "matches the stack now" in notice.message


def test_a_repair_that_leaves_deviations_says_which(organization: LocalOrganization) -> None:
    enable_root_access(organization, SESSIONS)
    drift_check = DriftCheck(features=(CREDENTIALS,), repair=True)
    drift_check()
    (notice,) = drift_check.published
    assert notice.message.count("- RootSessions is enabled but not listed\n") == 2
    assert "matches the stack now" not in notice.message


def test_a_repair_that_has_nothing_to_enable_publishes_nothing(organization: LocalOrganization) -> None:
    enable_root_access(organization, *BOTH)
    drift_check = DriftCheck(features=(CREDENTIALS,), repair=True)
    drift_check()
    assert drift_check.published == []


def test_a_repair_that_fails_halfway_publishes_what_it_applied(organization: LocalOrganization) -> None:
    enable_root_access(organization)
    organization.deny(account_id=MANAGEMENT, action="iam:EnableOrganizationsRootSessions")
    drift_check = DriftCheck(repair=True)
    with pytest.raises(ConvergenceError):
        drift_check()
    (notice,) = drift_check.published
    assert "- iam:EnableOrganizationsRootCredentialsManagement\n" in notice.message
    assert "- iam:EnableOrganizationsRootSessions\n" not in notice.message
    assert "The repair did not finish. iam:EnableOrganizationsRootSessions failed in" in notice.message


def test_a_repair_whose_response_was_lost_is_published_although_no_time_is_left(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck(repair=True)
    inject(drift_check.function.on_event, "iam:EnableOrganizationsRootSessions", NO_RESPONSE_BEFORE)
    with pytest.raises(ConvergenceError):
        drift_check()
    (notice,) = drift_check.published
    assert "May have been applied:\n- iam:EnableOrganizationsRootSessions\n" in notice.message


def test_a_repair_that_failed_and_applied_nothing_is_published_with_the_reason(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, CREDENTIALS)
    organization.deny(account_id=MANAGEMENT, action="iam:EnableOrganizationsRootSessions")
    drift_check = DriftCheck(repair=True)
    with pytest.raises(ConvergenceError) as raised:
        drift_check()
    (notice,) = drift_check.published
    assert notice.subject == f"Centralized root access: drift not repaired in {organization.id}"
    assert str(raised.value) in notice.message
    assert "Applied by the repair" not in notice.message


@pytest.mark.parametrize("event", [BY_INTERVAL, BY_EVENT], ids=["interval", "event"])
def test_without_a_topic_nothing_is_published(organization: LocalOrganization, event: object) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck(repair=True, topic=False)
    assert drift_check(event)
    assert drift_check.published == []


@pytest.mark.parametrize("event", [BY_INTERVAL, BY_EVENT], ids=["interval", "event"])
def test_a_notice_that_cannot_be_published_fails_the_check_after_its_metric(
    organization: LocalOrganization, event: object
) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck(repair=True, publishes=False)
    with pytest.raises(NotPublishedError) as raised:
        drift_check(event)
    assert raised.value.failure.operation == PUBLISH
    assert raised.value.topic_arn == TOPIC_ARN
    assert raised.value.account_id == MANAGEMENT
    assert TOPIC_ARN in str(raised.value)
    assert drift_check.checks()[0]["InDesiredState"] == 0
    assert drift_check.log[-1] == {
        "event": "not_published",
        "topicArn": TOPIC_ARN,
        "code": "AccessDenied",
    }


def test_a_failed_repair_stays_the_reason_where_its_notice_cannot_be_published_either(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization)
    organization.deny(account_id=MANAGEMENT, action="iam:EnableOrganizationsRootSessions")
    drift_check = DriftCheck(repair=True, publishes=False)
    with pytest.raises(ConvergenceError):
        drift_check()
    assert drift_check.log[-1]["event"] == "not_published"


# Events as they may arrive


@pytest.mark.parametrize(
    "event",
    [
        {"detail-type": "AWS API Call via CloudTrail"},
        {"detail-type": "AWS API Call via CloudTrail", "detail": None},
        {"detail-type": "AWS API Call via CloudTrail", "detail": "DisableOrganizationsRootSessions"},
        {"detail-type": "AWS API Call via CloudTrail", "detail": ["x"]},
        by_event(eventName=None, userIdentity=None, eventTime=None, eventID=None),
        by_event(eventName=7, userIdentity="root", eventTime={}, eventID=[], requestParameters="none"),
        by_event(eventName="", userIdentity={}, eventTime="", eventID="", requestParameters=None),
    ],
    ids=str,
)
def test_a_malformed_event_is_checked_and_published_as_unknown(
    organization: LocalOrganization, event: object
) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck(repair=True)
    (line,) = drift_check(event)
    unknown = {
        "trigger": "unknown",
        "caller": "unknown",
        "calledAt": "unknown",
        "cloudTrailEventId": "unknown",
    }
    assert unknown.items() <= line.items()
    assert "Caller: unknown\n" in drift_check.published[0].message
    assert writes(organization) == []


@pytest.mark.parametrize("event", [{}, {"detail-type": "Test"}, {"detail": {}}, "", [], None], ids=str)
def test_an_invocation_by_hand_checks_and_neither_repairs_nor_publishes(
    organization: LocalOrganization, event: object
) -> None:
    drift_check = DriftCheck(repair=True)
    (line,) = drift_check(event)
    assert line["trigger"] == "unknown"
    assert writes(organization) == []
    assert drift_check.published == []


@pytest.mark.parametrize(
    ("identity", "caller"),
    [
        ({"type": "Root", "arn": f"arn:aws:iam::{MANAGEMENT}:root"}, f"arn:aws:iam::{MANAGEMENT}:root"),
        ({"type": "AWSService", "invokedBy": "sso.amazonaws.com"}, "sso.amazonaws.com"),
        ({"type": "AWSAccount", "principalId": "AIDAEXAMPLE", "accountId": MEMBER}, "AIDAEXAMPLE"),
        ({"type": "IdentityCenterUser", "accountId": MEMBER}, MEMBER),
        ({"type": "Unknown"}, "Unknown"),
    ],
    ids=lambda it: it["type"] if isinstance(it, dict) else "",
)
def test_a_caller_without_an_arn_is_named_by_what_identifies_it(
    organization: LocalOrganization, identity: Mapping[str, object], caller: str
) -> None:
    (line,) = DriftCheck()(by_event(userIdentity=identity))
    assert line["caller"] == caller


HOSTILE = {
    "line break": "jane\n\nDeviations:\n- none",
    "carriage return": "jane\rTime: never",
    "line separator": "jane\u2028Time: never",
    "right to left": "jane\u202eexe.gpj",
    "escape": "jane\x1b[2J",
    "null": "jane\x00",
    "surrogate": "jane\ud800",
    "long": "x" * 100_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("member", ["eventName", "eventTime", "eventID", "userIdentity"])
def test_text_of_an_event_forges_no_line_and_is_short(
    organization: LocalOrganization, member: str, text: str
) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck()
    (line,) = drift_check(by_event(**{member: {"arn": text} if member == "userIdentity" else text}))
    (notice,) = drift_check.published
    usual = DriftCheck()
    usual(BY_EVENT)
    assert notice.message.count("\n") == usual.published[0].message.count("\n")
    for shown in (notice.subject, *notice.message.split("\n"), *(str(it) for it in line.values())):
        assert len(shown) < 500
        assert not {unicodedata.category(it) for it in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert notice.message.encode()


def test_the_subject_is_one_short_line_of_ascii(organization: LocalOrganization) -> None:
    enable_root_access(organization, CREDENTIALS)
    for event in (BY_EVENT, BY_INTERVAL):
        drift_check = DriftCheck(repair=True)
        drift_check(event)
        subject = drift_check.published[0].subject
        assert subject.isascii()
        assert subject.isprintable()
        assert len(subject) < 100


@pytest.mark.parametrize(("deviations", "more"), [(20, []), (21, ["- and 1 more"])])
def test_a_notice_lists_no_more_than_twenty_deviations(
    organization: LocalOrganization, deviations: int, more: list[str]
) -> None:
    enable_root_access(organization, *BOTH)
    account_ids = [f"{number:012}" for number in range(100, 100 + deviations)]
    drift_check = DriftCheck(delegated_administrators=tuple(account_ids))
    drift_check(by_event(eventName="DeregisterDelegatedAdministrator"))
    (notice,) = drift_check.published
    listed = [f"- {account_id} is listed but not registered" for account_id in account_ids[:20]]
    assert [line for line in notice.message.split("\n") if line.startswith("- ")] == [*listed, *more]


# The calls of CloudFormation and SNS


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> RetryBudget:
    """Return the budget of an invocation in us-east-1."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return RetryBudget(clock=FakeTime().clock(), deadline=180)


def test_the_state_of_a_stack_is_its_status_and_the_time_of_its_last_update(
    organization: LocalOrganization, budget: RetryBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloudformation = boto3.client("cloudformation")
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    stack_id = cloudformation.create_stack(StackName="Stack", TemplateBody=json.dumps(template))["StackId"]
    assert describe_stack(stack_id, budget=budget) == StackState(status="CREATE_COMPLETE")

    def update(parsed: dict[str, Any], **_: object) -> None:
        parsed["Stacks"][0]["LastUpdatedTime"] = STABLE.updated_at

    session = boto3.Session()
    session.events.register("after-call.cloudformation.DescribeStacks", update)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    assert describe_stack(stack_id, budget=budget).updated_at == STABLE.updated_at


def test_a_stack_that_does_not_exist_is_an_error(
    organization: LocalOrganization, budget: RetryBudget
) -> None:
    with pytest.raises(CallError) as raised:
        describe_stack(STACK_ID, budget=budget)
    assert raised.value.failure.operation == DESCRIBE_STACKS


def test_a_notice_arrives_at_the_subscribers_of_the_topic(
    organization: LocalOrganization, budget: RetryBudget
) -> None:
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic_arn = sns.create_topic(Name="SecurityNews")["TopicArn"]
    queue = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn)
    publish(Notice(subject="Drift", message="Two\nlines\n"), topic_arn=topic_arn, budget=budget)
    (received,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    body = json.loads(received["Body"])
    assert (body["Subject"], body["Message"]) == ("Drift", "Two\nlines\n")


def test_a_topic_that_does_not_exist_is_an_error(
    organization: LocalOrganization, budget: RetryBudget
) -> None:
    with pytest.raises(CallError) as raised:
        publish(Notice(subject="Drift", message="Drift"), topic_arn=TOPIC_ARN, budget=budget)
    assert raised.value.failure.operation == PUBLISH


SETTINGS = {
    "features": ["RootSessions"],
    "delegatedAdministrators": [MEMBER],
    "repairedStackId": STACK_ID,
    "notificationTopicArn": TOPIC_ARN,
}


def test_the_settings_come_from_the_functions_environment() -> None:
    assert Settings.from_environment({"SETTINGS": json.dumps(SETTINGS)}) == Settings(
        desired=desired_state(features=[SESSIONS], delegated_administrators=[MEMBER]),
        repaired_stack_id=STACK_ID,
        notification_topic_arn=TOPIC_ARN,
    )


def test_delegated_administrators_repair_and_the_topic_may_be_null() -> None:
    settings = SETTINGS | {
        "delegatedAdministrators": None,
        "repairedStackId": None,
        "notificationTopicArn": None,
    }
    assert Settings.from_environment({"SETTINGS": json.dumps(settings)}) == Settings(
        desired=desired_state(features=[SESSIONS]), repaired_stack_id=None, notification_topic_arn=None
    )


@pytest.mark.parametrize("key", SETTINGS)
def test_a_missing_setting_is_an_error_and_has_no_default(key: str) -> None:
    settings = {name: value for name, value in SETTINGS.items() if name != key}
    with pytest.raises(SettingsError, match=f"has no {key}"):
        Settings.from_environment({"SETTINGS": json.dumps(settings)})


def test_an_unknown_setting_is_an_error() -> None:
    with pytest.raises(SettingsError, match="unknown keys: repaired"):
        Settings.from_environment({"SETTINGS": json.dumps(SETTINGS | {"repaired": True})})


@pytest.mark.parametrize("features", [["RootPasswords"], [1], "RootSessions", None], ids=str)
def test_a_feature_that_is_unknown_or_not_in_a_list_is_an_error_in_the_settings(features: object) -> None:
    with pytest.raises(InvalidValueError):
        Settings.from_environment({"SETTINGS": json.dumps(SETTINGS | {"features": features})})
