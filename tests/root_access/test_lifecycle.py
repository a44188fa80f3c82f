"""The lifecycle of the custom resource: single failures, waiting, and what an error says."""

import json
import threading
from itertools import pairwise

import pytest

from aws_calls.failures import FailureKind
from local_aws.emulation import LocalOrganization
from root_access.custom_resource import apply_request
from root_access.root_access_errors import ConvergenceError
from root_access.steps import Operation, Step
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, OUTSIDE_ORGANIZATION, THIRD_MEMBER
from support.arrange import (
    IAM_PRINCIPAL,
    ROOT_CREDENTIALS_MANAGEMENT,
    ROOT_SESSIONS,
    enable_root_access,
    set_feature,
)
from support.cloudformation import FakeCloudFormation
from support.faults.clients import change_before, inject
from support.faults.vocabulary import (
    ACCESS_DENIED,
    INVALID_INPUT,
    NO_RESPONSE_BEFORE,
    THROTTLING_EXCEPTION,
    TRUSTED_ACCESS_NOT_VISIBLE,
    Fault,
    error_response,
)
from support.function import BOTH_FEATURES, CustomResourceFunction

pytestmark = pytest.mark.usefixtures("other_services_unchanged")

REGISTER, DEREGISTER = Operation.REGISTER, Operation.DEREGISTER
ENABLE_SESSIONS = Operation.ENABLE_ROOT_SESSIONS
ENABLE_CREDENTIALS = Operation.ENABLE_ROOT_CREDENTIALS_MANAGEMENT
DESCRIBE = "organizations:DescribeOrganization"
LIST_ADMINISTRATORS = "organizations:ListDelegatedAdministrators"
LIST_FEATURES = "iam:ListOrganizationsFeatures"
# An invocation has 180 seconds, and no call starts in the last 35.
LAST_START = 180 - 35


def registered(organization: LocalOrganization) -> tuple[str, ...]:
    """Return the delegated administrators of the organization."""
    return organization.root_access().delegated_administrators


def test_a_fresh_organization_needs_three_writes_in_this_order_and_ten_reads(
    organization: LocalOrganization, function: CustomResourceFunction, stack: FakeCloudFormation
) -> None:
    assert stack.create(Features=BOTH_FEATURES).succeeded
    writes = [f"{call.service}:{call.operation}" for call in organization.writes]
    assert writes == [
        "organizations:EnableAWSServiceAccess",
        "iam:EnableOrganizationsRootCredentialsManagement",
        "iam:EnableOrganizationsRootSessions",
    ]
    assert [event["step"] for event in function.log if event["event"] == "applied"] == writes
    # Which organization it is, once; what is enabled and registered: before the first write, after
    # it, and after the last one.
    assert len(organization.calls) == len(writes) + 1 + 3 * 3


# Delegated administrators, and what an error says of them


def test_what_somebody_else_has_registered_meanwhile_is_not_said_to_be_applied(
    organization: LocalOrganization, function: CustomResourceFunction, stack: FakeCloudFormation
) -> None:
    enable_root_access(organization, *BOTH_FEATURES)
    organizations = organization.client("organizations")
    # Somebody else registers MEMBER right before the function would, and AWS refuses OTHER_MEMBER.
    change_before(
        function.on_event,
        REGISTER,
        lambda: organizations.register_delegated_administrator(
            AccountId=MEMBER, ServicePrincipal=IAM_PRINCIPAL
        ),
    )
    inject(function.on_event, REGISTER, INVALID_INPUT, body=OTHER_MEMBER)
    error = create_error(stack, DelegatedAdministrators=[MEMBER, OTHER_MEMBER])
    assert (error.applied, error.possibly_applied) == ((), ())
    assert registered(organization) == (MEMBER,)


@pytest.mark.parametrize("reached", ["by the limit", "by AWS's other reason"])
def test_a_delegate_that_the_quota_keeps_from_being_replaced_stays_registered(
    organization: LocalOrganization,
    function: CustomResourceFunction,
    stack: FakeCloudFormation,
    reached: str,
) -> None:
    enable_root_access(organization, *BOTH_FEATURES, delegated_administrators=[MEMBER])
    if reached == "by the limit":
        organization.set_delegated_administrator_limit(1)
    else:
        exists = "DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE"
        inject(
            function.on_event,
            REGISTER,
            error_response("ConstraintViolationException", reason=exists),
        )
    error = create_error(stack, DelegatedAdministrators=[OTHER_MEMBER])
    assert registered(organization) == (MEMBER,)
    assert (
        f"Deploy twice: first without {OTHER_MEMBER} in delegated_administrators, which "
        f"deregisters {MEMBER}, and then with {OTHER_MEMBER}. Not applied: " in str(error)
    )


def create_error(stack: FakeCloudFormation, **properties: object) -> ConvergenceError:
    """Create the custom resource, and return why that failed."""
    error = stack.create(**{"Features": BOTH_FEATURES, **properties}).error
    assert isinstance(error, ConvergenceError)
    return error


@pytest.mark.parametrize(
    ("account_ids", "sentence"),
    [
        (
            [OUTSIDE_ORGANIZATION],
            f"{OUTSIDE_ORGANIZATION} is not a member of this organization: remove it from "
            "delegated_administrators",
        ),
        ([THIRD_MEMBER], f"{THIRD_MEMBER} is suspended: remove it from delegated_administrators"),
        (
            [MANAGEMENT],
            f"{MANAGEMENT} is the management account, which cannot be a delegated administrator",
        ),
        (
            [MEMBER, OTHER_MEMBER],
            "quota of delegated administrators for IAM is reached. List fewer "
            "delegated_administrators.",
        ),
    ],
    ids=["stranger", "suspended", "management account", "quota"],
)
def test_an_account_that_cannot_be_registered_is_named_with_the_reason(
    organization: LocalOrganization,
    stack: FakeCloudFormation,
    account_ids: list[str],
    sentence: str,
) -> None:
    organization.suspend(THIRD_MEMBER)
    organization.set_delegated_administrator_limit(1)
    outcome = stack.create(Features=BOTH_FEATURES, DelegatedAdministrators=account_ids)
    assert not outcome.succeeded
    assert sentence in outcome.reason


# Bounded waiting in one place


def test_a_failure_that_lasts_is_retried_in_growing_intervals_and_ends_in_time(
    organization: LocalOrganization, function: CustomResourceFunction, stack: FakeCloudFormation
) -> None:
    inject(function.on_event, ENABLE_SESSIONS, THROTTLING_EXCEPTION)
    error = create_error(stack)
    assert error.failure.kind is FailureKind.RETRYABLE
    assert error.failure.timed_out
    assert error.failure.attempts == len(function.time.starts) + 1
    assert error.failure.waited == function.time.seconds <= LAST_START
    growing = [later - earlier for earlier, later in pairwise([0.0, *function.time.starts])]
    assert growing == sorted(growing)
    # Waits double from 0.5 to 8 seconds, and jitter leaves three quarters of each here.
    assert growing[0] == pytest.approx(0.375)
    assert growing[-1] == pytest.approx(6)


def test_a_policy_that_is_not_effective_yet_is_waited_for(
    organization: LocalOrganization, function: CustomResourceFunction, stack: FakeCloudFormation
) -> None:
    """A role's new policy takes effect within seconds, and the function runs before."""
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT, delegated_administrators=[MEMBER])
    for action in (DESCRIBE, LIST_FEATURES, LIST_ADMINISTRATORS, ENABLE_SESSIONS):
        inject(function.on_event, action, ACCESS_DENIED, times=3)
    assert stack.create(Features=BOTH_FEATURES).succeeded
    assert organization.root_access().features == set(BOTH_FEATURES)
    assert json.loads(stack.data["StatusJson"])["delegatedAdministrators"] == [MEMBER]


@pytest.mark.parametrize("action", [LIST_FEATURES, ENABLE_SESSIONS])
def test_a_denial_that_stays_is_final_after_ninety_seconds(
    organization: LocalOrganization,
    function: CustomResourceFunction,
    stack: FakeCloudFormation,
    action: str,
) -> None:
    # Features are only read with trusted access.
    enable_root_access(organization)
    organization.deny(MANAGEMENT, action)
    error = create_error(stack)
    assert (error.failure.operation, error.failure.kind) == (action, FailureKind.ACCESS_DENIED)
    assert f"denies {action}: allow it." in str(error)
    assert " Deploy again." in str(error)
    assert error.failure.attempts > 10
    assert 90 <= function.time.seconds < 100


def test_a_change_in_doubt_that_aws_confirms_later_is_applied(
    organization: LocalOrganization, function: CustomResourceFunction, stack: FakeCloudFormation
) -> None:
    # The first attempt may have taken effect, the second one fails for now, and the third succeeds.
    inject(function.on_event, ENABLE_CREDENTIALS, NO_RESPONSE_BEFORE, times=1)
    inject(function.on_event, ENABLE_CREDENTIALS, TRUSTED_ACCESS_NOT_VISIBLE, times=1)
    inject(function.on_event, ENABLE_SESSIONS, INVALID_INPUT)
    error = create_error(stack)
    assert Step(operation=Operation.ENABLE_ROOT_CREDENTIALS_MANAGEMENT) in error.applied
    assert error.possibly_applied == ()


def test_a_feature_that_a_read_shows_late_is_enabled_once(
    organization: LocalOrganization, function: CustomResourceFunction, stack: FakeCloudFormation
) -> None:
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT)

    def show_the_old_features(parsed: dict[str, object], **_: object) -> None:
        if function.time.seconds < 60:
            parsed["EnabledFeatures"] = [ROOT_CREDENTIALS_MANAGEMENT]

    function.on_event("after-call.iam.ListOrganizationsFeatures", show_the_old_features)
    assert stack.create(Features=BOTH_FEATURES).succeeded
    operations = [call.operation for call in organization.calls]
    assert operations.count("EnableOrganizationsRootSessions") == 1


def test_a_feature_that_is_disabled_again_and_again_ends_as_an_error(
    organization: LocalOrganization, function: CustomResourceFunction, stack: FakeCloudFormation
) -> None:
    change_before(
        function.on_event,
        ENABLE_SESSIONS,
        lambda: set_feature(organization, ROOT_CREDENTIALS_MANAGEMENT, enabled=False),
        times=999,
    )
    change_before(
        function.on_event,
        ENABLE_CREDENTIALS,
        lambda: set_feature(organization, ROOT_SESSIONS, enabled=False),
        times=999,
    )
    error = create_error(stack)
    assert error.failure.kind is FailureKind.NOT_PERSISTED
    assert len(error.applied) == len(set(error.applied)), "the reason has room for all that follows"
    assert function.time.seconds <= LAST_START


def test_an_error_names_the_read_that_failed_and_not_an_earlier_step(
    organization: LocalOrganization, function: CustomResourceFunction, stack: FakeCloudFormation
) -> None:
    def disable() -> None:
        organization.client("organizations").disable_aws_service_access(
            ServicePrincipal=IAM_PRINCIPAL
        )
        inject(function.on_event, LIST_FEATURES, ACCESS_DENIED)

    change_before(function.on_event, ENABLE_SESSIONS, disable)
    error = create_error(stack)
    assert (error.step, error.failure.operation) == (None, LIST_FEATURES)


def test_no_call_starts_once_the_response_is_sent(
    organization: LocalOrganization, function: CustomResourceFunction
) -> None:
    # The handler sets it when it sends the response without waiting for the rest.
    abandoned = threading.Event()
    abandoned.set()
    with pytest.raises(ConvergenceError):
        apply_request(
            {"RequestType": "Create", "ResourceProperties": {"Features": BOTH_FEATURES}},
            aws=function.invocation(),
            abandoned=abandoned,
        )
    assert organization.calls == ()


# Unknown is never disabled


@pytest.mark.parametrize(
    "delegates", [{}, {"DelegatedAdministrators": [MEMBER]}], ids=["unmanaged", "managed"]
)
@pytest.mark.parametrize("code", ["InvalidInputException", "ServiceAccessNotEnabledException"])
def test_a_refused_list_of_delegates_is_empty_while_trusted_access_is_disabled(
    organization: LocalOrganization,
    function: CustomResourceFunction,
    stack: FakeCloudFormation,
    code: str,
    delegates: dict[str, object],
) -> None:
    """AWS's response in an organization that never had trusted access is not recorded."""
    inject(function.on_event, LIST_ADMINISTRATORS, error_response(code), times=1)
    assert stack.create(Features=BOTH_FEATURES, **delegates).succeeded
    assert organization.root_access().features == set(BOTH_FEATURES)
    assert list(registered(organization)) == delegates.get("DelegatedAdministrators", [])


@pytest.mark.parametrize(
    "fault",
    [error_response("InvalidInputException"), ACCESS_DENIED, THROTTLING_EXCEPTION],
    ids=["refused", "denied", "throttled"],
)
def test_an_unmanaged_list_of_delegates_never_fails_a_deployment_and_is_unknown(
    organization: LocalOrganization,
    function: CustomResourceFunction,
    stack: FakeCloudFormation,
    fault: Fault,
) -> None:
    enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT, delegated_administrators=[MEMBER])
    inject(function.on_event, LIST_ADMINISTRATORS, fault)
    assert stack.create(Features=BOTH_FEATURES).succeeded
    assert organization.root_access().features == set(BOTH_FEATURES)
    assert json.loads(stack.data["StatusJson"])["delegatedAdministrators"] is None
    # The list is retried for less than a minute: the deployment needs the time for the rest.
    assert function.time.seconds < 60
