"""Least privilege, both ways: the calls of every path against the template's policy."""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from aws_cdk import aws_sns as sns

from centralized_root_access import CentralizedRootAccess
from local_aws.emulation import LocalOrganization, mock_organization
from support.accounts import MEMBER, OTHER_MEMBER, OUTSIDE_ORGANIZATION, THIRD_MEMBER
from support.arrange import ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS, enable_root_access
from support.cloudformation import FakeCloudFormation, is_request_for
from support.drift_check import SCHEDULED_EVENT, STACK_ID, TOPIC_ARN, DriftCheck, cloudtrail_event
from support.function import BOTH_FEATURES, CustomResourceFunction
from support.policies import (
    PolicyComparison,
    PolicyRequest,
    PolicyStatement,
    compare_policy,
    request_of_root_access_call,
)
from support.root_events import ROOT_USE_EVENTS
from support.root_use import RootUseNotices, log_delivery
from support.templates import (
    MANAGEMENT_ENVIRONMENT,
    add_root_use_alarm,
    allowed_to_role,
    bootstrap_stack,
    resources_of_type,
    root_access_template,
    template_of,
)

pytestmark = pytest.mark.no_cover


# No request is denied, and none is allowed that was not made.
NO_DIFFERENCE = PolicyComparison()

# The properties of the custom resource: Features, and DelegatedAdministrators if they are managed.
Properties = dict[str, list[str]]

FEATURES: tuple[tuple[str, ...], ...] = (
    (),
    (ROOT_CREDENTIALS_MANAGEMENT,),
    (ROOT_SESSIONS,),
    BOTH_FEATURES,
)
DELEGATES: tuple[Properties, ...] = (
    {},
    *({"DelegatedAdministrators": ids} for ids in ([], [MEMBER])),
)
# Everything that a stack can list.
CONFIGURATIONS = [
    {"Features": list(features), **delegates}
    for features, delegates in itertools.product(FEATURES, DELEGATES)
]
WIDEST: Properties = {
    "Features": [ROOT_CREDENTIALS_MANAGEMENT],
    "DelegatedAdministrators": [MEMBER],
}
# Each list on its own decides its statement: here each value of each list occurs.
COMPARED: dict[str, Properties] = {
    "nothing": {"Features": []},
    "credentials for a delegate": WIDEST,
    "sessions for no one": {"Features": [ROOT_SESSIONS], "DelegatedAdministrators": []},
    "both for a delegate": {"Features": list(BOTH_FEATURES), "DelegatedAdministrators": [MEMBER]},
}


def allowed_by_role(properties: Properties) -> tuple[PolicyStatement, ...]:
    """Return what the custom resource's role may do besides logging, with some properties."""
    synthesized = root_access_template(
        features=properties["Features"],
        delegated_administrators=properties.get("DelegatedAdministrators"),
    )
    return allowed_to_role(synthesized, "RootAccessRole")


class RecordedRole:
    """What the function requests of AWS while the policy of some properties is in effect.

    CloudFormation changes the role before the custom resource: an Update runs under the policy of
    its new properties, and the Update that rolls it back under that of the old ones. So an event's
    own properties say which policy is in effect.

    Attributes:
        properties: The properties.
        organization: The organization that the function changes.
        requests: What it has requested.
    """

    def __init__(self, properties: Properties, organization: LocalOrganization) -> None:
        self.properties = properties
        self.organization = organization
        self.requests: list[PolicyRequest] = []
        self._function = CustomResourceFunction()

    def stack(self) -> FakeCloudFormation:
        """Return a stack that is not deployed yet, in a new organization.

        Its custom resource is served by the function, whose requests are recorded.
        """
        self.organization.reset()

        def invoke(event: Mapping[str, Any]) -> Exception | None:
            self.organization.clear_calls()
            try:
                return self._function(event)
            finally:
                if is_request_for(event, self.properties):
                    self.requests += (
                        request_of_root_access_call(call, organization_id=self.organization.id)
                        for call in self.organization.calls
                    )

        return FakeCloudFormation(function=invoke)


def create(role: RecordedRole) -> None:
    """Create the resource in every state of an organization, and delete it."""
    assert role.stack().create(**role.properties).succeeded
    for features, administrators in (
        *((features, ()) for features in FEATURES),
        (BOTH_FEATURES, (MEMBER,)),
        ((), (THIRD_MEMBER, OTHER_MEMBER)),
    ):
        stack = role.stack()
        enable_root_access(role.organization, *features, delegated_administrators=administrators)
        assert stack.create(**role.properties).succeeded
        assert stack.delete().succeeded
    hidden = role.stack()
    enable_root_access(role.organization, *BOTH_FEATURES, hidden=True)
    assert hidden.create(**role.properties).succeeded


def update(role: RecordedRole) -> None:
    """Update the resource from all properties that differ from the role's in one list."""
    new = role.properties
    stack = role.stack()
    assert stack.create(**new).succeeded
    for old in CONFIGURATIONS:
        is_same = [
            old.get(name) == new.get(name) for name in ("Features", "DelegatedAdministrators")
        ]
        if any(is_same) and not all(is_same):
            assert stack.update(**old).succeeded
            assert stack.update(**new).succeeded


def roll_back(role: RecordedRole) -> None:
    """Make an Update to the opposite fail at its last step: the old properties are sent again.

    Its last step registers delegated administrators, of which the stranger is no member account.
    """
    features = [feature for feature in BOTH_FEATURES if feature not in role.properties["Features"]]
    stack = role.stack()
    assert stack.create(**role.properties).succeeded
    assert not stack.update(
        Features=features, DelegatedAdministrators=[THIRD_MEMBER, OUTSIDE_ORGANIZATION]
    ).succeeded
    assert stack.rolled_back
    assert stack.rolled_back.succeeded


PATHS = (create, update, roll_back)


def requests_of_every_path(properties: Properties) -> tuple[PolicyRequest, ...]:
    """Return what the function requests of AWS on every path, with some properties."""
    with mock_organization() as organization:
        role = RecordedRole(properties, organization)
        for path in PATHS:
            path(role)
    return tuple(role.requests)


@pytest.mark.parametrize("properties", COMPARED.values(), ids=COMPARED)
def test_the_role_may_do_exactly_what_the_function_does_on_every_path(
    properties: Properties,
) -> None:
    requests = requests_of_every_path(properties)
    assert compare_policy(allowed_by_role(properties), requests) == NO_DIFFERENCE


def test_trusted_access_and_delegation_are_allowed_for_iam_alone() -> None:
    accounts = "arn:aws:organizations::111111111111:account/o-*/*"
    resources_and_conditions = {
        statement.sid: (
            *statement.resources,
            *(condition.values for condition in statement.conditions),
        )
        for statement in allowed_by_role(WIDEST)
    }
    assert resources_and_conditions == {
        "ReadRootAccess": ("*",),
        "ReadDelegatedAdministrators": ("*", ("iam.amazonaws.com",)),
        "EnableTrustedAccess": ("*", ("iam.amazonaws.com",)),
        "ChangeFeatures": ("*",),
        "ChangeDelegatedAdministrators": (accounts, ("iam.amazonaws.com",)),
    }


# The drift check


# What the stack lists, and the arguments of the drift check. Nothing else depends on findings: it
# imports them where it has a topic.
DRIFT_CHECKS: dict[str, dict[str, Any]] = {
    "a repair of nothing": {"features": (), "repair": True, "topic": False},
    "reports of credentials": {
        "features": (ROOT_CREDENTIALS_MANAGEMENT,),
        "repair": False,
        "topic": True,
    },
    "a log of sessions": {"features": (ROOT_SESSIONS,), "repair": False, "topic": False},
    "a repair of both": {"features": BOTH_FEATURES, "repair": True, "topic": True},
}


def allowed_by_drift_role(
    *, features: tuple[str, ...], repair: bool, topic: bool
) -> tuple[PolicyStatement, ...]:
    """Return what the drift check's role may do besides logging.

    Args:
        features: The features that the stack lists.
        repair: Whether the check repairs.
        topic: Whether it has a topic, and then imports findings, too.
    """
    stack = bootstrap_stack()
    CentralizedRootAccess(stack, "RootAccess", features=features).add_drift_check(
        repair=repair,
        notification_topic=sns.Topic(stack, "Topic") if topic else None,
        security_hub_findings=topic,
    )
    synthesized = template_of(stack)
    references = {"AWS::StackId": STACK_ID}
    references |= dict.fromkeys(resources_of_type(synthesized, "AWS::SNS::Topic"), TOPIC_ARN)
    return allowed_to_role(synthesized, "RootAccessDriftCheckRole", references=references)


def drift_requests(**configured: Any) -> list[PolicyRequest]:
    """Return what the drift check requests of AWS, in every state and by every event."""
    requests: list[PolicyRequest] = []
    # Each of these calls can cause drift of one feature or of both, which a notice then tells.
    calls = ("DisableOrganizationsRootCredentialsManagement", "DisableOrganizationsRootSessions")
    events = (
        SCHEDULED_EVENT,
        *(cloudtrail_event(eventName=name) for name in (*calls, "DisableAWSServiceAccess")),
    )
    # Features are hidden while trusted access is disabled.
    states = [(features, hidden) for features in FEATURES for hidden in (False, True)]
    with mock_organization() as organization:
        for (features, hidden), event in itertools.product(states, events):
            organization.reset()
            enable_root_access(organization, *features, hidden=hidden)
            drift_check = DriftCheck(security_hub_findings=configured["topic"], **configured)
            drift_check(event)
            # Those to IAM and Organizations, and those to other services.
            requests += (
                request_of_root_access_call(call, organization_id=organization.id)
                for call in organization.calls
            )
            requests += drift_check.requests
    return requests


@pytest.mark.parametrize("configured", DRIFT_CHECKS.values(), ids=DRIFT_CHECKS)
def test_the_drift_checks_role_may_do_exactly_what_it_does_in_every_state(
    configured: dict[str, Any],
) -> None:
    requests = drift_requests(**configured)
    assert compare_policy(allowed_by_drift_role(**configured), requests) == NO_DIFFERENCE


# Notices of root use


def test_the_role_for_notices_of_root_use_may_publish_and_nothing_else() -> None:
    stack = bootstrap_stack()
    add_root_use_alarm(
        stack,
        notification_topic=sns.Topic.from_topic_arn(stack, "Topic", TOPIC_ARN),
        root_user_notices=True,
        management_account=MANAGEMENT_ENVIRONMENT.account,
    )
    function = RootUseNotices()
    function(log_delivery(ROOT_USE_EVENTS["a console sign-in"]))
    allowed = allowed_to_role(template_of(stack), "RootUseNoticesRole")
    assert compare_policy(allowed, function.requests) == NO_DIFFERENCE
