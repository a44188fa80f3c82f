"""The drift check: what it reports, what it repairs, and what it leaves unchanged."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from aws_calls.failures import CallError, FailureKind
from aws_calls.metrics import metric_line
from aws_calls.notices import PUBLISH, Notice, NotPublishedError, publish
from aws_calls.retry import RetryBudget
from root_access.drift.notice import RecordedCall
from root_access.drift.repair import DESCRIBE_STACKS, CheckFailedError, StackState, describe_stack
from root_access.root_access_errors import ConvergenceError, NotTheManagementAccountError
from root_access.steps import Operation, Step
from support.accounts import MANAGEMENT, MEMBER, OTHER
from support.arrange import CREDENTIALS, PRINCIPAL, enable_root_access, writes
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
    ACCESS_DENIED,
    NO_RESPONSE_AFTER,
    NO_RESPONSE_BEFORE,
    THROTTLED,
    TRUSTED_ACCESS_NOT_VISIBLE,
)
from support.function import BOTH, FakeTime, Function

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local_aws.emulation import LocalOrganization
    from support.faults.vocabulary import Fault

pytestmark = pytest.mark.usefixtures("other_services_unchanged")


def test_an_organization_as_listed_is_one_line_with_the_metric_at_1(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])
    (line,) = DriftCheck(delegated_administrators=(MEMBER,))()
    since = organization.root_access().trusted_access[PRINCIPAL].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert line == {
        **metric_line(
            namespace="CentralizedRootAccess",
            dimensions={"OrganizationId": organization.id},
            values={"InDesiredState": 1},
            timestamp=1_800_000_000.5,
        ),
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


def test_the_interval_repairs_reports_before_and_after_and_publishes_what_it_found_and_applied(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck(repair=True)
    before, after = drift_check()
    assert (before["InDesiredState"], after["InDesiredState"]) == (0, 1)
    assert before["deviations"] == ["RootSessions is disabled"]
    assert after["deviations"] == []
    assert writes(organization) == ["EnableOrganizationsRootSessions"]
    (notice,) = drift_check.published
    assert notice.subject == f"Root access drift repaired in {organization.id}: RootSessions is disabled"
    assert "Deviations found:\n- RootSessions is disabled\n\n" in notice.message
    assert "Applied by the repair:\n- iam:EnableOrganizationsRootSessions\n\n" in notice.message
    assert "The organization matches the stack now." in notice.message


def test_the_points_of_a_check_have_one_time_so_a_repair_does_not_end_the_alarm(
    organization: LocalOrganization,
) -> None:
    """CloudWatch takes the minimum of each minute: a 1 in the next minute would end the alarm at once."""
    enable_root_access(organization, CREDENTIALS)
    seconds = iter((1_800_000_059.0, 1_800_000_061.0))
    before, after = DriftCheck(repair=True, now=lambda: next(seconds))()
    assert (before["InDesiredState"], after["InDesiredState"]) == (0, 1)
    assert before["_aws"]["Timestamp"] == after["_aws"]["Timestamp"] == 1_800_000_059_000


def test_repair_enables_trusted_access_and_leaves_an_unlisted_feature_that_comes_back_with_it(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, *BOTH, hidden=True)
    drift_check = DriftCheck(features=(CREDENTIALS,), repair=True)
    _, after = drift_check()
    # The first Enable call, whose response lists the features that were hidden, is the read of them.
    assert writes(organization) == ["EnableAWSServiceAccess", "EnableOrganizationsRootCredentialsManagement"]
    assert after["deviations"] == ["RootSessions is enabled but not listed"]
    assert after["InDesiredState"] == 0
    (notice,) = drift_check.published
    assert "Still different from the stack:\n- RootSessions is enabled but not listed\n\n" in notice.message


def test_repair_changes_no_delegated_administrator_and_its_call_is_not_the_cause_of_what_remains(
    organization: LocalOrganization,
) -> None:
    """Somebody may have removed one on purpose, in an incident."""
    enable_root_access(organization, CREDENTIALS, delegated_administrators=[OTHER])
    drift_check = DriftCheck(delegated_administrators=(MEMBER,), repair=True)
    drift_check()
    assert organization.root_access().delegated_administrators == (OTHER,)
    assert writes(organization) == ["EnableOrganizationsRootSessions"]
    (notice,) = drift_check.published
    drift_check(by_event(eventName="EnableOrganizationsRootSessions"))
    assert drift_check.published == [notice]


def test_repair_disables_nothing_and_publishes_nothing_then(organization: LocalOrganization) -> None:
    enable_root_access(organization, *BOTH)
    drift_check = DriftCheck(features=(), repair=True)
    drift_check()
    assert organization.root_access().features == set(BOTH)
    assert writes(organization) == []
    assert drift_check.published == []


@pytest.mark.parametrize(
    ("states", "reason"),
    [
        ([IN_PROGRESS], "the stack is in UPDATE_IN_PROGRESS"),
        (
            [replace(STABLE, status="UPDATE_ROLLBACK_IN_PROGRESS")],
            "the stack is in UPDATE_ROLLBACK_IN_PROGRESS",
        ),
        ([STABLE, IN_PROGRESS], "the stack is in UPDATE_IN_PROGRESS"),
        ([STABLE, DEPLOYED_SINCE], "the stack was deployed during the check"),
    ],
    ids=["under way", "rolled back", "begins", "begins and ends"],
)
def test_a_deployment_stops_the_repair_which_is_not_published_because_it_ends_by_itself(
    organization: LocalOrganization, states: list[StackState], reason: str
) -> None:
    """What the function would enable may be what the deployment disables."""
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck(repair=True, describe_stack=stack_states(*states))
    drift_check()
    assert writes(organization) == []
    assert drift_check.log[-1] == {"event": "repair_skipped", "reason": reason}
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
    assert first.subject == f"Root access drift not repaired in {organization.id}: RootSessions is disabled"
    assert "Deviations found:\n- RootSessions is disabled\n" in first.message
    assert f"It stopped because the stack is in {status}. Bring the stack to a status" in first.message


@pytest.mark.parametrize(
    ("fault", "features"), [(THROTTLED, [CREDENTIALS]), (NO_RESPONSE_AFTER, BOTH)], ids=str
)
def test_a_deployment_that_begins_while_a_write_is_retried_stops_the_repair_and_the_write_is_published(
    organization: LocalOrganization, fault: Fault, features: Sequence[str]
) -> None:
    states = [STABLE]
    drift_check = DriftCheck(repair=True, describe_stack=lambda stack_id, *, budget: states[-1])
    enable_root_access(organization, CREDENTIALS)
    inject(drift_check.function.on_event, "iam:EnableOrganizationsRootSessions", fault, times=1)
    drift_check.function.time.while_sleeping = lambda: states.append(IN_PROGRESS)
    drift_check()
    assert organization.root_access().features == set(features)
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
    assert notice.subject.startswith(f"Root access drift not repaired in {organization.id}: ")
    assert "- iam:EnableOrganizationsRootCredentialsManagement\n" in notice.message
    assert "The repair did not finish. It stopped because the stack is in UPDATE_IN_PROGRESS." in (
        notice.message
    )


LIST_FEATURES = "iam:ListOrganizationsFeatures"
NOT_DISABLED = "unknown, which is not the same as disabled"


@pytest.mark.parametrize(
    ("fault", "kind", "sentence"),
    [
        (ACCESS_DENIED, FailureKind.ACCESS_DENIED, "AccessDenied"),
        (TRUSTED_ACCESS_NOT_VISIBLE, FailureKind.INCONSISTENT_READS, NOT_DISABLED),
        (None, FailureKind.INCOMPLETE_RESPONSE, NOT_DISABLED),
    ],
    ids=["denied", "contradictory", "incomplete"],
)
def test_a_read_that_failed_is_a_failed_check_without_a_metric_and_nothing_is_repaired(
    organization: LocalOrganization, fault: Fault | None, kind: FailureKind, sentence: str
) -> None:
    enable_root_access(organization, *BOTH)
    drift_check = DriftCheck(repair=True)
    if fault:
        inject(drift_check.function.on_event, LIST_FEATURES, fault)
    else:
        omit_member(drift_check.function.on_event, LIST_FEATURES, "EnabledFeatures")
    with pytest.raises(CheckFailedError) as raised:
        drift_check()
    assert (raised.value.failure.operation, raised.value.failure.kind) == (LIST_FEATURES, kind)
    assert raised.value.account_id == MANAGEMENT
    assert str(raised.value).startswith("The drift check could not read root access: ")
    assert sentence in str(raised.value)
    assert drift_check.log == []
    assert writes(organization) == []


def test_a_list_of_delegates_that_the_stack_manages_must_be_readable(organization: LocalOrganization) -> None:
    drift_check = DriftCheck(delegated_administrators=(MEMBER,))
    inject(drift_check.function.on_event, "organizations:ListDelegatedAdministrators", ACCESS_DENIED)
    enable_root_access(organization, *BOTH)
    with pytest.raises(CheckFailedError):
        drift_check()


def test_the_wrong_account_is_a_failed_check(organization: LocalOrganization) -> None:
    drift_check = DriftCheck(function=Function(account_id=MEMBER))
    with pytest.raises(NotTheManagementAccountError):
        drift_check()
    assert drift_check.log == []


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
    assert notice.subject.startswith(f"Root access drift not repaired in {organization.id}: ")
    assert str(raised.value) in notice.message


def deny_describe_stack(stack_id: str, *, budget: RetryBudget) -> StackState:
    raise denial_of(DESCRIBE_STACKS)


@pytest.mark.parametrize(("delegates", "metric"), [(None, None), ((MEMBER,), 0)], ids=["as listed", "drift"])
def test_a_check_that_could_not_repair_has_failed_and_reports_drift_alone(
    organization: LocalOrganization, delegates: tuple[str, ...] | None, metric: int | None
) -> None:
    """With a data point the alarm for checks that stopped would count it as one that succeeded."""
    enable_root_access(organization, *BOTH)
    drift_check = DriftCheck(
        repair=True, delegated_administrators=delegates, describe_stack=deny_describe_stack
    )
    with pytest.raises(CheckFailedError):
        drift_check()
    (line,) = drift_check.checks()
    assert line.get("InDesiredState") == metric
    assert ("_aws" in line) == (metric is not None)
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


# Notices


def test_an_event_that_left_drift_is_published_at_once_with_who_and_when(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck()
    (line,) = drift_check(BY_EVENT)
    (notice,) = drift_check.published
    assert notice.subject == f"Root access drift in {organization.id}: RootSessions is disabled"
    assert "- RootSessions is disabled\n" in notice.message
    assert "Call: DisableOrganizationsRootSessions\n" in notice.message
    assert f"Caller: {CALLER}\n" in notice.message
    assert "Time: 2026-11-24T12:00:00Z\n" in notice.message
    assert line["trigger"] == "DisableOrganizationsRootSessions"
    assert line["caller"] == CALLER
    assert line["calledAt"] == "2026-11-24T12:00:00Z"
    assert line["cloudTrailEventId"] == "6f5c0f9e-7d1c-11f0-9a3d-0242ac120002"


def test_a_repair_that_would_enable_nothing_is_not_promised(organization: LocalOrganization) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck(repair=True, features=(CREDENTIALS,), delegated_administrators=(MEMBER,))
    drift_check(by_event(eventName="DisableOrganizationsEverything"))
    (notice,) = drift_check.published
    assert "The drift check does not repair this" in notice.message


ENABLE_CREDENTIALS = "EnableOrganizationsRootCredentialsManagement"


@pytest.mark.parametrize(
    ("enabled", "detail", "deviations"),
    [
        (BOTH, {"eventName": ENABLE_CREDENTIALS}, []),
        ([CREDENTIALS], {"eventName": ENABLE_CREDENTIALS}, ["RootSessions is disabled"]),
        ([CREDENTIALS], {"errorCode": "AccessDenied"}, ["RootSessions is disabled"]),
        (
            [CREDENTIALS],
            {
                "eventName": "DisableAWSServiceAccess",
                "requestParameters": {"servicePrincipal": "sso.amazonaws.com"},
            },
            ["RootSessions is disabled"],
        ),
    ],
    ids=["as listed", "corrects another deviation", "refused", "another service"],
)
def test_a_call_that_caused_no_deviation_is_in_the_log_alone(
    organization: LocalOrganization,
    enabled: Sequence[str],
    detail: Mapping[str, object],
    deviations: list[str],
) -> None:
    enable_root_access(organization, *enabled)
    drift_check = DriftCheck()
    (line,) = drift_check(by_event(**detail))
    assert line["deviations"] == deviations
    assert line["caller"] == CALLER
    assert drift_check.published == []


REGISTER_OTHER = {
    "eventName": "RegisterDelegatedAdministrator",
    "requestParameters": {"accountId": OTHER, "servicePrincipal": PRINCIPAL},
}


@pytest.mark.parametrize(
    ("detail", "effect"),
    [
        ({"eventName": "DisableOrganizationsRootSessions"}, "RootSessions is disabled"),
        ({"eventName": "DisableAWSServiceAccess"}, f"trusted access for {PRINCIPAL} is disabled"),
        (REGISTER_OTHER, f"{OTHER} is registered but not listed"),
        (REGISTER_OTHER | {"requestParameters": None}, "unknown is registered but not listed"),
        (
            {**REGISTER_OTHER, "eventName": "DeregisterDelegatedAdministrator"}
            | {"requestParameters": {"accountId": MEMBER}},
            f"{MEMBER} is listed but not registered",
        ),
    ],
    ids=["feature", "trusted access", "delegate", "unknown delegate", "delegate removed"],
)
def test_a_call_that_contradicts_the_stack_is_published_also_where_it_was_undone(
    organization: LocalOrganization, detail: Mapping[str, object], effect: str
) -> None:
    enable_root_access(organization, *BOTH, delegated_administrators=[MEMBER])
    drift_check = DriftCheck(delegated_administrators=(MEMBER,))
    (line,) = drift_check(by_event(**detail))
    assert (line["InDesiredState"], line["deviations"]) == (1, [])
    (notice,) = drift_check.published
    assert notice.subject == f"Root access drift undone in {organization.id}: {effect}"
    assert f"\n- {effect}\n" in notice.message
    assert f"Caller: {CALLER}\n" in notice.message
    assert "another reason" not in notice.message


@pytest.mark.parametrize(
    "detail",
    [
        {"eventName": "EnableAWSServiceAccess"},
        {"eventName": "DisableOrganizationsEverything"},
        {"eventName": "DisableOrganizationsRootSessions", "errorCode": "AccessDenied"},
        REGISTER_OTHER,
        {**REGISTER_OTHER, "eventName": "DeregisterDelegatedAdministrator"},
    ],
    ids=["trusted access", "unknown", "refused", "delegates not managed", "delegate not managed"],
)
def test_a_call_that_contradicts_nothing_is_in_the_log_alone(
    organization: LocalOrganization, detail: Mapping[str, object]
) -> None:
    enable_root_access(organization, *BOTH)
    drift_check = DriftCheck()
    drift_check(by_event(**detail))
    assert drift_check.published == []


def test_an_undone_call_is_not_said_to_have_left_what_differs_for_another_reason(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck()
    drift_check(by_event(eventName="DisableOrganizationsRootCredentialsManagement"))
    (notice,) = drift_check.published
    effects, _, others = notice.message.partition("Different from the stack, for another reason:")
    assert "- RootCredentialsManagement is disabled\n" in effects
    assert "- RootSessions is disabled\n" in others


IAM = {"servicePrincipal": PRINCIPAL}
DELEGATED = IAM | {"accountId": MEMBER}
ENABLES = [Operation.ENABLE_ROOT_SESSIONS, Operation.ENABLE_ROOT_CREDENTIALS_MANAGEMENT]
DISABLES = [Operation.DISABLE_ROOT_SESSIONS, Operation.DISABLE_ROOT_CREDENTIALS_MANAGEMENT]


@pytest.mark.parametrize(
    ("name", "parameters", "corrections"),
    [
        ("DisableOrganizationsRootSessions", None, [Operation.ENABLE_ROOT_SESSIONS]),
        ("DisableOrganizationsRootCredentialsManagement", None, ENABLES[1:]),
        ("EnableOrganizationsRootSessions", None, [Operation.DISABLE_ROOT_SESSIONS]),
        (ENABLE_CREDENTIALS, None, [Operation.DISABLE_ROOT_CREDENTIALS_MANAGEMENT]),
        ("DisableAWSServiceAccess", IAM, [Operation.ENABLE_TRUSTED_ACCESS, *ENABLES]),
        ("EnableAWSServiceAccess", IAM, DISABLES),
        ("DeregisterDelegatedAdministrator", DELEGATED, [Operation.REGISTER]),
        ("DeregisterDelegatedAdministrator", DELEGATED | {"accountId": OTHER}, []),
        ("DeregisterDelegatedAdministrator", IAM, [Operation.REGISTER]),
        ("DeregisterDelegatedAdministrator", DELEGATED | {"accountId": 7}, [Operation.REGISTER]),
        ("RegisterDelegatedAdministrator", DELEGATED, [Operation.DEREGISTER]),
        ("RegisterDelegatedAdministrator", DELEGATED | {"accountId": OTHER}, []),
        ("RegisterDelegatedAdministrator", None, [Operation.DEREGISTER]),
        ("DisableOrganizationsEverything", None, [*Operation]),
    ],
    ids=str,
)
def test_a_call_can_have_caused_only_what_these_steps_would_correct(
    name: str, parameters: Mapping[str, object] | None, corrections: list[Operation]
) -> None:
    """Trusted access hides the features when it is disabled, and shows them again."""
    recorded = RecordedCall.parse({"eventName": name, "requestParameters": parameters})
    delegation = (Operation.REGISTER, Operation.DEREGISTER)
    assert set(corrections) == {
        operation
        for operation in Operation
        if recorded.may_have_caused(
            Step(operation=operation, account_id=MEMBER if operation in delegation else None)
        )
    }


def test_a_scheduled_check_that_does_not_repair_leaves_drift_to_the_alarm(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck()
    (line,) = drift_check()
    assert line["InDesiredState"] == 0
    assert drift_check.published == []
    assert writes(organization) == []


def test_a_repair_whose_response_was_lost_is_published_although_no_time_is_left(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck(repair=True)
    register, time = drift_check.function.on_event, drift_check.function.time
    change_before(register, "iam:EnableOrganizationsRootSessions", lambda: time.sleep(20), times=99)
    inject(register, "iam:EnableOrganizationsRootSessions", NO_RESPONSE_BEFORE)
    with pytest.raises(ConvergenceError):
        drift_check()
    (notice,) = drift_check.published
    assert "May have been applied:\n- iam:EnableOrganizationsRootSessions\n" in notice.message


@pytest.mark.parametrize("event", [BY_INTERVAL, BY_EVENT], ids=["interval", "event"])
def test_without_a_topic_nothing_is_published(organization: LocalOrganization, event: object) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck(repair=True, topic=False)
    assert drift_check(event)
    assert drift_check.published == []


@pytest.mark.parametrize(
    ("event", "in_desired_state"), [(BY_INTERVAL, [0, 1]), (BY_EVENT, [0])], ids=["interval", "event"]
)
def test_a_notice_that_cannot_be_published_fails_the_check_after_its_metric(
    organization: LocalOrganization, event: object, in_desired_state: list[int]
) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck(repair=True, publishes=False)
    with pytest.raises(NotPublishedError) as raised:
        drift_check(event)
    assert raised.value.failure.operation == PUBLISH
    assert raised.value.topic_arn == TOPIC_ARN
    assert raised.value.account_id == MANAGEMENT
    assert TOPIC_ARN in str(raised.value)
    assert [line["InDesiredState"] for line in drift_check.checks()] == in_desired_state
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
    unknown = dict.fromkeys(("trigger", "caller", "calledAt", "cloudTrailEventId"), "unknown")
    assert unknown.items() <= line.items()
    (notice,) = drift_check.published
    assert "Caller: unknown\n" in notice.message
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
    ids=str,
)
def test_a_caller_without_an_arn_is_named_by_what_identifies_it(
    identity: Mapping[str, object], caller: str
) -> None:
    assert RecordedCall.parse({"userIdentity": identity}).caller == caller


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


def test_text_of_an_event_forges_no_line(organization: LocalOrganization) -> None:
    enable_root_access(organization, CREDENTIALS)
    drift_check = DriftCheck()
    text = "".join(text[:20] for text in HOSTILE.values())
    hostile = dict.fromkeys(["eventName", "eventTime", "eventID"], text)
    (line,) = drift_check(by_event(userIdentity={"arn": text}, **hostile))
    drift_check(BY_EVENT)
    notice, usual = drift_check.published
    assert notice.message.count("\n") == usual.message.count("\n")
    for shown in (notice.subject, *notice.message.split("\n"), *map(str, line.values())):
        assert shown.isprintable()


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
    rest = notice.message.partition("Deviations:\n")[2]
    assert rest.split("\n\n")[0].split("\n") == [*listed, *more]


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

    cloudformation.meta.events.register("after-call.cloudformation.DescribeStacks", update)
    monkeypatch.setattr(boto3, "client", lambda *_, **__: cloudformation)
    assert describe_stack(stack_id, budget=budget).updated_at == STABLE.updated_at


def test_a_stack_that_does_not_exist_is_an_error(
    organization: LocalOrganization, budget: RetryBudget
) -> None:
    with pytest.raises(CallError) as raised:
        describe_stack(STACK_ID, budget=budget)
    assert raised.value.failure.operation == DESCRIBE_STACKS


NOTICE = Notice(subject="Drift", message="Two\nlines\n", thread="drift", next_steps=(), runbook="drift")


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
    publish(NOTICE, topic_arn=topic_arn, budget=budget)
    (received,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    body = json.loads(received["Body"])
    assert (body["Subject"], body["Message"]) == ("Drift", NOTICE.text())


def test_a_topic_that_does_not_exist_is_an_error(
    organization: LocalOrganization, budget: RetryBudget
) -> None:
    with pytest.raises(CallError) as raised:
        publish(NOTICE, topic_arn=TOPIC_ARN, budget=budget)
    assert raised.value.failure.operation == PUBLISH
