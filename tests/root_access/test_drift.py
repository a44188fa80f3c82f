"""The drift check: what it reports, what it repairs, and what it leaves unchanged."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from aws_calls.notices import NotPublishedError
from common.log import metric_line
from local_aws.emulation import LocalOrganization
from root_access.drift.recorded_call import RecordedCall
from root_access.drift.repair import DESCRIBE_STACKS, CheckFailedError
from root_access.root_access_errors import ConvergenceError
from root_access.steps import Operation, Step
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER
from support.arrange import (
    IAM_PRINCIPAL,
    ROOT_CREDENTIALS_MANAGEMENT,
    enable_root_access,
    write_calls,
)
from support.drift_check import (
    CALLER_ARN,
    CLOUDTRAIL_EVENT,
    RECENTLY_DEPLOYED_STACK,
    SCHEDULED_EVENT,
    STABLE_STACK,
    STACK_IN_PROGRESS,
    DriftCheck,
    cloudtrail_event,
)
from support.faults.clients import change_before, inject
from support.faults.vocabulary import (
    ACCESS_DENIED,
    NO_RESPONSE_BEFORE,
)
from support.function import BOTH_FEATURES
from support.notices import text_by_mail
from support.responding import client_error

pytestmark = pytest.mark.usefixtures("other_services_unchanged")

ENABLE_SESSIONS = "EnableOrganizationsRootSessions"
ENABLE_CREDENTIALS = "EnableOrganizationsRootCredentialsManagement"
NO_SESSIONS = "RootSessions is disabled"
NO_TRUSTED_ACCESS = f"trusted access for {IAM_PRINCIPAL} is disabled"
UNLISTED_SESSIONS = "RootSessions is enabled but not listed"


def test_an_organization_as_listed_is_one_line_with_the_metric_at_1(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, *BOTH_FEATURES, delegated_administrators=[MEMBER])
    (line,) = DriftCheck(delegated_administrators=(MEMBER,))()
    since = organization.root_access().trusted_access[IAM_PRINCIPAL].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert line == {
        **metric_line(
            dimension_sets=[{"OrganizationId": organization.id}],
            values={"InDesiredState": 1},
            # The time of every check here: 2027-01-15, 08:00:00.5 UTC.
            timestamp=1_800_000_000.5,
        ),
        "event": "checked",
        "trigger": "interval",
        "status": "ENABLED",
        "organizationId": organization.id,
        "managementAccountId": MANAGEMENT,
        "trustedAccessEnabledAt": since,
        "features": sorted(BOTH_FEATURES),
        "delegatedAdministrators": [MEMBER],
        "observedAt": "2027-01-15T08:00:00Z",
        "deviations": [],
    }
    assert write_calls(organization) == []


DELEGATES_DIFFER = [
    f"{MEMBER} is listed but not registered",
    f"{OTHER_MEMBER} is registered but not listed",
]
# What is enabled or registered, what the stack lists otherwise than both features and unmanaged
# delegates, the deviations that a check reports, the calls of a repair, and the deviations that
# remain. "hidden" is trusted access that was disabled afterwards, so that IAM hides the features.
DEVIATIONS: dict[str, tuple[Sequence[str], dict[str, Any], list[str], list[str], list[str]]] = {
    "disabled": ([ROOT_CREDENTIALS_MANAGEMENT], {}, [NO_SESSIONS], [ENABLE_SESSIONS], []),
    "hidden, and one unlisted": (
        ["hidden", *BOTH_FEATURES],
        {"features": (ROOT_CREDENTIALS_MANAGEMENT,)},
        [NO_TRUSTED_ACCESS, "RootCredentialsManagement is disabled"],
        ["EnableAWSServiceAccess"],
        [UNLISTED_SESSIONS],
    ),
    "hidden, and one disabled": (
        ["hidden", ROOT_CREDENTIALS_MANAGEMENT],
        {},
        [NO_TRUSTED_ACCESS, "RootCredentialsManagement is disabled", NO_SESSIONS],
        ["EnableAWSServiceAccess", ENABLE_SESSIONS],
        [],
    ),
    "delegates, perhaps removed on purpose": (
        [ROOT_CREDENTIALS_MANAGEMENT, OTHER_MEMBER],
        {"delegated_administrators": (MEMBER,)},
        [NO_SESSIONS, *DELEGATES_DIFFER],
        [ENABLE_SESSIONS],
        DELEGATES_DIFFER,
    ),
    "enabled": (
        BOTH_FEATURES,
        {"features": (ROOT_CREDENTIALS_MANAGEMENT,)},
        [UNLISTED_SESSIONS],
        [],
        [UNLISTED_SESSIONS],
    ),
}


@pytest.mark.parametrize(
    ("arranged", "listed", "deviations", "applied", "remaining"),
    DEVIATIONS.values(),
    ids=DEVIATIONS,
)
def test_a_scheduled_check_reports_all_and_a_repair_only_enables(
    organization: LocalOrganization,
    arranged: Sequence[str],
    listed: dict[str, Any],
    deviations: list[str],
    applied: list[str],
    remaining: list[str],
) -> None:
    # Features, OTHER_MEMBER as a delegate, and "hidden" for trusted access that is disabled.
    enable_root_access(
        organization,
        *(feature for feature in arranged if feature in BOTH_FEATURES),
        delegated_administrators=[
            account_id for account_id in arranged if account_id == OTHER_MEMBER
        ],
        hidden="hidden" in arranged,
    )
    reporting, repairing = DriftCheck(**listed), DriftCheck(repair=True, **listed)
    (line,) = reporting()
    assert (line["InDesiredState"], line["deviations"]) == (0, deviations)
    assert (write_calls(organization), reporting.published) == ([], []), (
        "without a repair there is only the alarm, by the metric"
    )
    lines = repairing()
    assert write_calls(organization) == applied
    assert (lines[0]["InDesiredState"], lines[0]["deviations"]) == (0, deviations)
    assert (lines[-1]["InDesiredState"], lines[-1]["deviations"]) == (int(not remaining), remaining)
    assert len({line["_aws"]["Timestamp"] for line in lines}) == 1, "a later 1 would end the alarm"
    # Only a repair that applies something is followed by a second look and a notice.
    assert len(lines) == 1 + bool(applied)
    assert len(repairing.published) == bool(applied)
    for notice in repairing.published:
        state, worst = notice.subject.split(f" in {organization.id}: ")
        assert state == f"Root access drift {'partly repaired' if remaining else 'repaired'}"
        assert worst.startswith(tuple(remaining or deviations))
        looked_up = re.findall(r"EventName,AttributeValue=(\w+)", text_by_mail(notice.publication))
        undone = {name.replace("Enable", "Disable") for name in applied}
        assert undone == {name for name in looked_up if name.startswith("Disable")}, (
            "the notice says how to find the caller of each call that the repair undid"
        )


# A repair beside deployments


# What CloudFormation returns of the stack, read by read; the last one stays.
@pytest.mark.parametrize(
    # What CloudFormation says of the stack at each look; the last state stays.
    ("states", "reason", "is_lasting"),
    [
        ([STACK_IN_PROGRESS], "the stack is in UPDATE_IN_PROGRESS", False),
        ([STABLE_STACK, STACK_IN_PROGRESS], "the stack is in UPDATE_IN_PROGRESS", False),
        (
            [STABLE_STACK, RECENTLY_DEPLOYED_STACK] * 2,
            "the stack was deployed during the check",
            False,
        ),
        ([STABLE_STACK | {"StackStatus": "UPDATE_FAILED"}], "the stack is in UPDATE_FAILED", True),
    ],
    ids=["under way", "begins", "begins and ends", "has failed"],
)
def test_a_deployment_stops_a_repair_which_is_published_if_it_does_not_end_by_itself(
    organization: LocalOrganization,
    states: list[Mapping[str, object] | Exception],
    reason: str,
    is_lasting: bool,
) -> None:
    """A deployment may change the lists that the function has.

    Nothing remembers what was published before, so each of the two checks publishes again.
    """
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)
    drift_check = DriftCheck(repair=True, stack=states)
    drift_check()
    drift_check()
    assert write_calls(organization) == []
    assert drift_check.log[-1] == {"event": "repair_skipped", "reason": reason}
    # Once by each check, or not at all.
    assert len(drift_check.published) == 2 * is_lasting
    for notice in drift_check.published:
        assert (
            notice.subject == f"Root access drift not repaired in {organization.id}: {NO_SESSIONS}"
        )
        assert f"It stopped because {reason}. Bring the stack to a status" in notice.message


def test_a_deployment_that_begins_between_two_writes_leaves_the_second_to_it(
    organization: LocalOrganization,
) -> None:
    # Both features are to be enabled, and only the first call finds the stack as it was.
    drift_check = DriftCheck(repair=True, stack=[STABLE_STACK, STABLE_STACK, STACK_IN_PROGRESS])
    enable_root_access(organization)
    drift_check()
    assert write_calls(organization) == [ENABLE_CREDENTIALS]
    assert drift_check.log[-1]["event"] == "repair_skipped"
    (notice,) = drift_check.published
    assert f"- iam:{ENABLE_CREDENTIALS}\n" in notice.message
    assert "The repair did not finish. It stopped because the stack is in UPDATE_IN_PROGRESS." in (
        notice.message
    )


# Checks that fail


@pytest.mark.parametrize(
    ("action", "delegates"),
    [
        ("iam:ListOrganizationsFeatures", None),
        ("organizations:ListDelegatedAdministrators", (MEMBER,)),
    ],
    ids=["features", "managed delegates"],
)
def test_a_check_that_could_not_read_has_no_metric_and_repairs_nothing(
    organization: LocalOrganization, action: str, delegates: tuple[str, ...] | None
) -> None:
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)
    drift_check = DriftCheck(repair=True, delegated_administrators=delegates)
    inject(drift_check.function.on_event, action, ACCESS_DENIED)
    with pytest.raises(CheckFailedError, match="could not read root access: ") as raised:
        drift_check()
    assert (raised.value.failure.operation, raised.value.account_id) == (action, MANAGEMENT)
    assert drift_check.log == []
    assert write_calls(organization) == []


# What is enabled, the listed delegates, the value of the metric, None if there is none, and the
# number of notices.
@pytest.mark.parametrize(
    ("features", "delegates", "metric", "notices"),
    [
        (BOTH_FEATURES, None, None, 0),
        (BOTH_FEATURES, (MEMBER,), 0, 0),
        ([ROOT_CREDENTIALS_MANAGEMENT], None, 0, 1),
    ],
    ids=["as listed", "drift", "drift to repair"],
)
@pytest.mark.parametrize("code", ["AccessDenied", "Throttling"])
def test_a_check_that_could_not_read_its_stack_has_failed_and_reports_drift_alone(
    organization: LocalOrganization,
    code: str,
    features: Sequence[str],
    delegates: tuple[str, ...] | None,
    metric: int | None,
    notices: int,
) -> None:
    """If it wrote a 1, the alarm for checks that stopped would count it as one that succeeded."""
    enable_root_access(organization, *features)
    drift_check = DriftCheck(
        repair=True,
        delegated_administrators=delegates,
        stack=[client_error(code, "No.", operation="DescribeStacks")],
    )
    with pytest.raises(CheckFailedError, match="could not read the state of its stack") as raised:
        drift_check()
    assert raised.value.failure.operation == DESCRIBE_STACKS
    assert write_calls(organization) == []
    (line,) = drift_check.checks()
    assert line.get("InDesiredState") == metric
    assert ("_aws" in line) == (metric is not None)
    assert len(drift_check.published) == notices
    assert all(str(raised.value) in notice.message for notice in drift_check.published)
    assert "Deploy" not in str(raised.value), "an unchanged stack runs no function"
    assert drift_check.function.time.seconds <= 30, (
        "CloudFormation's throttling does not take the time of the check itself"
    )


def test_a_repair_whose_response_was_lost_is_published_although_no_time_is_left(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)
    drift_check = DriftCheck(repair=True)
    register, time = drift_check.function.on_event, drift_check.function.time
    # Each attempt takes as long as one may, until no time is left.
    change_before(register, f"iam:{ENABLE_SESSIONS}", lambda: time.sleep(20), times=99)
    inject(register, f"iam:{ENABLE_SESSIONS}", NO_RESPONSE_BEFORE)
    with pytest.raises(ConvergenceError):
        drift_check()
    (notice,) = drift_check.published
    assert f"May have been applied:\n- iam:{ENABLE_SESSIONS}\n" in notice.message


@pytest.mark.parametrize(
    ("event", "in_desired_state"),
    # Only on schedule does the check repair, and look again.
    [(SCHEDULED_EVENT, [0, 1]), (CLOUDTRAIL_EVENT, [0])],
    ids=["interval", "event"],
)
def test_a_notice_that_cannot_be_published_fails_the_check_after_its_metric(
    organization: LocalOrganization, event: object, in_desired_state: list[int]
) -> None:
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)
    drift_check = DriftCheck(repair=True, publishes=False)
    with pytest.raises(NotPublishedError):
        drift_check(event)
    assert [line["InDesiredState"] for line in drift_check.checks()] == in_desired_state


def test_a_failed_repair_stays_the_reason_if_its_notice_cannot_be_published_either(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization)
    organization.deny(MANAGEMENT, f"iam:{ENABLE_SESSIONS}")
    drift_check = DriftCheck(repair=True, publishes=False)
    with pytest.raises(ConvergenceError):
        drift_check()
    assert drift_check.log[-1]["event"] == "not_published"


@pytest.mark.parametrize(
    ("features", "refused", "worst"),
    [
        (BOTH_FEATURES, "iam:ListOrganizationsFeatures", NO_TRUSTED_ACCESS),
        ([ROOT_CREDENTIALS_MANAGEMENT], f"iam:{ENABLE_SESSIONS}", NO_SESSIONS),
    ],
    ids=["unknown", "known"],
)
def test_a_feature_that_is_back_with_trusted_access_is_not_said_to_be_disabled(
    organization: LocalOrganization, features: Sequence[str], refused: str, worst: str
) -> None:
    enable_root_access(organization, *features, hidden=True)
    drift_check = DriftCheck(repair=True)
    register, enable = drift_check.function.on_event, "organizations:EnableAWSServiceAccess"
    # The repair enables trusted access, and is denied the call that it makes then.
    change_before(register, enable, lambda: inject(register, refused, ACCESS_DENIED))
    with pytest.raises(ConvergenceError):
        drift_check()
    (notice,) = drift_check.published
    assert notice.subject.endswith(f": {worst}")
    assert "Root credentials cannot be audited" not in notice.message
    assert "no root session can be opened" not in notice.message, (
        "the repair enabled trusted access"
    )


# Recorded calls


# The details of recorded calls, where they differ from BY_EVENT's, which disables root sessions.
REGISTER_OTHER = {
    "eventName": "RegisterDelegatedAdministrator",
    "requestParameters": {"accountId": OTHER_MEMBER, "servicePrincipal": IAM_PRINCIPAL},
}
DEREGISTER_OTHER = REGISTER_OTHER | {"eventName": "DeregisterDelegatedAdministrator"}
DEREGISTER_MEMBER = DEREGISTER_OTHER | {"requestParameters": {"accountId": MEMBER}}
OF_ANOTHER_SERVICE = {"requestParameters": {"servicePrincipal": "sso.amazonaws.com"}}


DISABLE_TRUSTED_ACCESS = {"eventName": "DisableAWSServiceAccess"}
OTHER_DELEGATE = f"drift undone: {OTHER_MEMBER} is registered but not listed"
REGISTER_UNKNOWN = REGISTER_OTHER | {"requestParameters": {"servicePrincipal": None}}
UNKNOWN_DELEGATE = "drift undone: unknown is registered but not listed"
NO_DELEGATE = f"drift undone: {MEMBER} is listed but not registered"
# What is enabled, the delegates that are listed and registered, the call, and the subject of the
# notice, without "Root access": drift that the call left, or that was undone; None: no notice.
CALLS: dict[str, tuple[Sequence[str], tuple[str, ...] | None, Mapping[str, object], str | None]] = {
    "caused": ([ROOT_CREDENTIALS_MANAGEMENT], None, {}, f"drift: {NO_SESSIONS}"),
    "refused": ([ROOT_CREDENTIALS_MANAGEMENT], None, {"errorCode": "AccessDenied"}, None),
    "another cause": ([ROOT_CREDENTIALS_MANAGEMENT], None, {"eventName": ENABLE_CREDENTIALS}, None),
    "another service": (
        [ROOT_CREDENTIALS_MANAGEMENT],
        None,
        DISABLE_TRUSTED_ACCESS | OF_ANOTHER_SERVICE,
        None,
    ),
    "as listed": (BOTH_FEATURES, None, {"eventName": ENABLE_CREDENTIALS}, None),
    "undone": (BOTH_FEATURES, None, {}, f"drift undone: {NO_SESSIONS}"),
    "refused, as listed": (BOTH_FEATURES, None, {"errorCode": "AccessDenied"}, None),
    "unknown": (BOTH_FEATURES, None, {"eventName": "DisableOrganizationsEverything"}, None),
    "trusted access undone": (
        BOTH_FEATURES,
        None,
        DISABLE_TRUSTED_ACCESS,
        f"drift undone: {NO_TRUSTED_ACCESS}",
    ),
    "enabled again": (
        [ROOT_CREDENTIALS_MANAGEMENT],
        None,
        DISABLE_TRUSTED_ACCESS,
        f"drift undone: {NO_TRUSTED_ACCESS}",
    ),
    "unmanaged delegate": (BOTH_FEATURES, None, REGISTER_OTHER, None),
    "delegate undone": (BOTH_FEATURES, (MEMBER,), REGISTER_OTHER, OTHER_DELEGATE),
    "unknown delegate undone": (BOTH_FEATURES, (MEMBER,), REGISTER_UNKNOWN, UNKNOWN_DELEGATE),
    "removal undone": (BOTH_FEATURES, (MEMBER,), DEREGISTER_MEMBER, NO_DELEGATE),
}


@pytest.mark.parametrize(("enabled", "delegates", "detail", "subject"), CALLS.values(), ids=CALLS)
def test_a_call_that_led_to_a_deviation_is_published_at_once_even_if_it_was_undone(
    organization: LocalOrganization,
    enabled: Sequence[str],
    delegates: tuple[str, ...] | None,
    detail: Mapping[str, object],
    subject: str | None,
) -> None:
    enable_root_access(organization, *enabled, delegated_administrators=delegates or ())
    drift_check = DriftCheck(delegated_administrators=delegates)
    # The event is of a call that disables root sessions, except for what the details replace.
    (line,) = drift_check(cloudtrail_event(**detail))
    assert line["deviations"] == ([] if enabled == BOTH_FEATURES else [NO_SESSIONS])
    assert line["trigger"] == detail.get("eventName", "DisableOrganizationsRootSessions")
    assert line["caller"] == CALLER_ARN
    assert line["calledAt"] == "2026-11-24T12:00:00Z"
    assert line["cloudTrailEventId"] == "6f5c0f9e-7d1c-11f0-9a3d-0242ac120002"
    published = [notice.subject for notice in drift_check.published]
    expected = [f"Root access {subject}"] if subject else []
    assert [text.replace(f" in {organization.id}", "") for text in published] == expected
    assert all(f"Caller: {CALLER_ARN}\n" in notice.message for notice in drift_check.published)


def test_enabling_trusted_access_contradicts_no_stack(organization: LocalOrganization) -> None:
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)
    drift_check = DriftCheck(features=(ROOT_CREDENTIALS_MANAGEMENT,))
    drift_check(cloudtrail_event(eventName="EnableAWSServiceAccess"))
    assert drift_check.published == []


def test_an_undone_call_is_not_the_reason_for_what_else_differs(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)
    drift_check = DriftCheck()
    drift_check(cloudtrail_event(eventName="DisableOrganizationsRootCredentialsManagement"))
    (notice,) = drift_check.published
    effects, _, others = notice.message.partition("Different from the stack, for another reason:")
    assert "- RootCredentialsManagement is disabled\n" in effects
    assert f"- {NO_SESSIONS}\n" in others
    assert "aws iam enable-organizations-root-sessions\n" in text_by_mail(notice.publication)


def test_a_repair_that_would_enable_nothing_is_not_promised(
    organization: LocalOrganization,
) -> None:
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)
    drift_check = DriftCheck(
        repair=True, features=(ROOT_CREDENTIALS_MANAGEMENT,), delegated_administrators=(MEMBER,)
    )
    drift_check(cloudtrail_event(eventName="DisableOrganizationsEverything"))
    (notice,) = drift_check.published
    assert "The drift check does not repair this" in notice.message


def test_a_notice_corrects_the_five_worst_deviations(organization: LocalOrganization) -> None:
    enable_root_access(organization)
    listed = tuple(f"{number:012}" for number in range(1, 7))
    drift_check = DriftCheck(delegated_administrators=listed)
    drift_check(cloudtrail_event(eventName="DisableOrganizationsEverything"))
    (notice,) = drift_check.published
    corrections = re.findall(r"^ +aws (\S+ \S+)", text_by_mail(notice.publication), re.MULTILINE)
    # Neither feature is enabled, and none of the six listed delegates is registered.
    assert corrections == [
        "iam enable-organizations-root-credentials-management",
        "iam enable-organizations-root-sessions",
        *["organizations register-delegated-administrator"] * 3,
    ]


IAM = {"servicePrincipal": IAM_PRINCIPAL}
DELEGATED = IAM | {"accountId": MEMBER}
# The steps of features, in the opposite order of the one in which they are enabled.
ENABLES = [Operation.ENABLE_ROOT_SESSIONS, Operation.ENABLE_ROOT_CREDENTIALS_MANAGEMENT]
DISABLES = [Operation.DISABLE_ROOT_SESSIONS, Operation.DISABLE_ROOT_CREDENTIALS_MANAGEMENT]


@pytest.mark.parametrize(
    # The steps are about MEMBER, which DELEGATED names. IAM names only the service, so such a call
    # may have been about any account.
    ("name", "parameters", "corrections"),
    [
        ("DisableOrganizationsRootSessions", None, [Operation.ENABLE_ROOT_SESSIONS]),
        ("DisableOrganizationsRootCredentialsManagement", None, ENABLES[1:]),
        (ENABLE_SESSIONS, None, [Operation.DISABLE_ROOT_SESSIONS]),
        (ENABLE_CREDENTIALS, None, [Operation.DISABLE_ROOT_CREDENTIALS_MANAGEMENT]),
        ("DisableAWSServiceAccess", IAM, [Operation.ENABLE_TRUSTED_ACCESS, *ENABLES]),
        ("EnableAWSServiceAccess", IAM, DISABLES),
        ("DeregisterDelegatedAdministrator", DELEGATED, [Operation.REGISTER]),
        ("DeregisterDelegatedAdministrator", DELEGATED | {"accountId": OTHER_MEMBER}, []),
        ("DeregisterDelegatedAdministrator", IAM, [Operation.REGISTER]),
        ("DeregisterDelegatedAdministrator", DELEGATED | {"accountId": 7}, [Operation.REGISTER]),
        ("RegisterDelegatedAdministrator", DELEGATED, [Operation.DEREGISTER]),
        ("RegisterDelegatedAdministrator", DELEGATED | {"accountId": OTHER_MEMBER}, []),
        ("RegisterDelegatedAdministrator", None, [Operation.DEREGISTER]),
        ("DisableOrganizationsEverything", None, list(Operation)),
    ],
    ids=str,
)
def test_a_call_can_have_caused_only_what_these_steps_would_correct(
    name: str, parameters: Mapping[str, object] | None, corrections: list[Operation]
) -> None:
    """Trusted access hides the features when it is disabled, and shows them again."""
    recorded = RecordedCall.parse({"eventName": name, "requestParameters": parameters})
    steps = {operation: Step(operation=operation) for operation in Operation}
    for delegation in (Operation.REGISTER, Operation.DEREGISTER):
        steps[delegation] = Step(operation=delegation, account_id=MEMBER)
    possible = {operation for operation, step in steps.items() if recorded.may_have_caused(step)}
    assert possible == set(corrections)


@pytest.mark.parametrize(
    ("identity", "caller"),
    [
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


# Events as they may arrive


@pytest.mark.parametrize(
    "event",
    [
        {"detail-type": "AWS API Call via CloudTrail"},
        cloudtrail_event() | {"detail": "DisableOrganizationsRootSessions"},
        cloudtrail_event(
            eventName=7, userIdentity="root", eventTime="", eventID=None, requestParameters="none"
        ),
        cloudtrail_event(eventName=None, userIdentity={}, eventTime={}, eventID=[]),
    ],
    ids=["nothing", "a text", "other types", "an unknown caller"],
)
def test_a_malformed_event_is_checked_and_published_as_unknown(
    organization: LocalOrganization, event: object
) -> None:
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)
    drift_check = DriftCheck(repair=True)
    (line,) = drift_check(event)
    for key in ("trigger", "caller", "calledAt", "cloudTrailEventId"):
        assert line[key] == "unknown"
    (notice,) = drift_check.published
    assert "Caller: unknown\n" in notice.message
    assert write_calls(organization) == []


@pytest.mark.parametrize("event", [{"detail-type": "Test"}, {"detail": {}}, "", None], ids=str)
def test_an_invocation_by_hand_checks_and_neither_repairs_nor_publishes(
    organization: LocalOrganization, event: object
) -> None:
    drift_check = DriftCheck(repair=True)
    (line,) = drift_check(event)
    assert line["trigger"] == "unknown"
    assert write_calls(organization) == []
    assert drift_check.published == []


def test_text_of_an_event_forges_no_line(organization: LocalOrganization) -> None:
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)
    drift_check = DriftCheck()
    hostile = "jane\n\nDeviations:\n- none\r\u2028\u202eexe.gpj\x1b[2J\x00\ud800" + "x" * 100_000
    fields = dict.fromkeys(["eventName", "eventTime", "eventID"], hostile)
    (line,) = drift_check(cloudtrail_event(userIdentity={"arn": hostile}, **fields))
    drift_check(CLOUDTRAIL_EVENT)
    notice, usual = drift_check.published
    assert notice.message.count("\n") == usual.message.count("\n")
    # What the event says is cut off: it has over 100,000 characters.
    assert len(notice.message) < 5_000
    for shown in (notice.subject, *notice.message.split("\n"), *map(str, line.values())):
        assert shown.isprintable()
