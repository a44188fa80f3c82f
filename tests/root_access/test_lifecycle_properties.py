"""Any deployment, in whatever state, whichever calls fail and whatever others change."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import strategies as st

from local_aws.emulation import LocalOrganization
from local_aws.emulation.values import RootAccess
from root_access.root_access_errors import ConvergenceError
from root_access.steps import DISABLE_FEATURE, ENABLE_FEATURE, Operation, Step
from support.accounts import MEMBER, OTHER_MEMBER, OUTSIDE_ORGANIZATION, THIRD_MEMBER
from support.arrange import IAM_PRINCIPAL, enable_root_access, set_feature
from support.cloudformation import FakeCloudFormation
from support.faults.clients import change_before, inject
from support.faults.vocabulary import (
    ACCESS_DENIED,
    CONCURRENT_MODIFICATION,
    CONNECTION_FAILED,
    INVALID_INPUT,
    NO_RESPONSE_AFTER,
    NO_RESPONSE_BEFORE,
    SERVER_ERROR_AFTER,
    SERVER_ERROR_BEFORE,
    THROTTLED,
    THROTTLING_EXCEPTION,
    Fault,
)
from support.function import BOTH_FEATURES, CustomResourceFunction
from support.properties import property_test

pytestmark = [pytest.mark.no_cover, pytest.mark.usefixtures("other_services_unchanged")]

MEMBERS = (MEMBER, OTHER_MEMBER, THIRD_MEMBER)
# An invocation has 180 seconds, and no call starts in the last 35.
LAST_START = 180 - 35
MAX_SUCCESS_BYTES, MAX_ERROR_BYTES = 2048, 2500
FAULTS = (
    CONNECTION_FAILED,
    NO_RESPONSE_BEFORE,
    NO_RESPONSE_AFTER,
    THROTTLED,
    THROTTLING_EXCEPTION,
    SERVER_ERROR_BEFORE,
    SERVER_ERROR_AFTER,
    CONCURRENT_MODIFICATION,
    ACCESS_DENIED,
    INVALID_INPUT,
)
READS = (
    "organizations:DescribeOrganization",
    "organizations:ListAWSServiceAccessForOrganization",
    "organizations:ListDelegatedAdministrators",
    "iam:ListOrganizationsFeatures",
)


@dataclass(frozen=True, kw_only=True)
class FailingCalls:
    """Calls of an action that fail.

    Attributes:
        action: The call, named as in an IAM policy.
        fault: How they fail.
        account_id: The account that they are about; empty: any.
        times: How many of them fail; None: all.
    """

    action: str
    fault: Fault
    account_id: str
    times: int | None


@dataclass(frozen=True, kw_only=True)
class ChangeByOthers:
    """Another person's change of a feature, right before a call that changes something."""

    before: Operation
    feature: str
    enabled: bool


features = st.sampled_from(((), BOTH_FEATURES[:1], BOTH_FEATURES[1:], BOTH_FEATURES))
some_members = st.lists(st.sampled_from(MEMBERS), unique=True, max_size=3)
failing_calls = st.builds(
    FailingCalls,
    action=st.sampled_from((*Operation, *READS, Operation.REGISTER, Operation.DEREGISTER)),
    fault=st.sampled_from(FAULTS),
    # Most of them all the time: a call that succeeds in the end is less of a test.
    account_id=st.sampled_from(("",) * 9 + MEMBERS),
    times=st.sampled_from((None, None, 1)),
)
changes = st.builds(
    ChangeByOthers,
    before=st.sampled_from(Operation),
    feature=st.sampled_from(BOTH_FEATURES),
    enabled=st.booleans(),
)


@property_test(
    examples=400,
    enabled=features,
    hidden=st.booleans(),
    registered=some_members,
    limit=st.integers(1, 3),
    listed=features,
    administrators=st.none()
    | some_members
    | some_members.map(lambda ids: [*ids, OUTSIDE_ORGANIZATION]),
    failing=st.lists(failing_calls, max_size=2),
    changed=st.lists(changes, max_size=1),
)
def test_no_state_failure_or_change_by_others_makes_a_deployment_harmful_or_its_error_untrue(
    organization: LocalOrganization,
    enabled: Sequence[str],
    hidden: bool,
    registered: list[str],
    limit: int,
    listed: Sequence[str],
    administrators: list[str] | None,
    failing: list[FailingCalls],
    changed: list[ChangeByOthers],
) -> None:
    organization.reset()
    # Arrange: any state, with calls that will fail and a change that others will make.
    # AWS disables trusted access only without delegated administrators.
    existing = [] if hidden else registered[:limit]
    enable_root_access(organization, *enabled, delegated_administrators=existing, hidden=hidden)
    organization.set_delegated_administrator_limit(limit)
    before = organization.root_access()
    function = CustomResourceFunction()
    for calls in failing:
        inject(
            function.on_event, calls.action, calls.fault, body=calls.account_id, times=calls.times
        )
    for change in changed:
        apply_change = partial(set_feature, organization, change.feature, enabled=change.enabled)
        change_before(function.on_event, change.before, apply_change)
    # Act. Lambda may deliver an event twice; the first response counts.
    stack = FakeCloudFormation(function=function, delivers_twice=not failing and not changed)
    managed = {} if administrators is None else {"DelegatedAdministrators": administrators}
    outcome = stack.create(Features=listed, **managed)

    # Assert: what succeeded is as listed, and what failed did no harm and is told truly.
    after = organization.root_access()
    if not changed:
        assert_writes_are_what_is_listed(organization, listed, administrators)
    assert function.time.seconds <= LAST_START
    if outcome.succeeded:
        assert outcome.response_bytes < MAX_SUCCESS_BYTES
        assert IAM_PRINCIPAL in after.trusted_access
        assert changed or after.features == set(listed)
        assert administrators is None or set(after.delegated_administrators) == set(administrators)
        status = json.loads(stack.data["StatusJson"])
        assert changed or status["features"] == sorted(after.features)
        return
    error = outcome.error
    assert isinstance(error, ConvergenceError)
    assert len(json.dumps(str(error))) <= MAX_ERROR_BYTES
    if changed:
        return
    wanted = administrators or []
    # All of them are registered before others are deregistered.
    assert failing or len({*wanted, *existing}) > limit or OUTSIDE_ORGANIZATION in wanted, (
        f"nothing stood in the way: {error}"
    )
    assert_error_is_true(error, effects(before, after))
    if not set(wanted) <= set(after.delegated_administrators):
        gone = set(before.delegated_administrators) - set(after.delegated_administrators)
        assert not gone, f"{gone} lost their registration before all that are listed have one"


def assert_writes_are_what_is_listed(
    organization: LocalOrganization, listed: Collection[str], administrators: Sequence[str] | None
) -> None:
    """Assert that each call that changed something leads to what the stack lists."""
    allowed = {Operation.ENABLE_TRUSTED_ACCESS.value}
    allowed |= {
        (ENABLE_FEATURE if each in listed else DISABLE_FEATURE)[each].value
        for each in ENABLE_FEATURE
    }
    if administrators is not None:
        allowed |= {Operation.REGISTER.value, Operation.DEREGISTER.value}
    for call in organization.writes:
        action, account_id = f"{call.service}:{call.operation}", call.parameters.get("AccountId")
        assert action in allowed
        # IAM's own calls name no service.
        assert call.parameters.get("ServicePrincipal", IAM_PRINCIPAL) == IAM_PRINCIPAL
        if action == Operation.DEREGISTER:
            assert account_id not in (administrators or ())
        if action == Operation.REGISTER:
            assert account_id in (administrators or ())


def effects(before: RootAccess, after: RootAccess) -> set[Step]:
    """Return the steps that lead from one root access to another one."""
    steps = {
        Step(operation=ENABLE_FEATURE[each])
        for each in ENABLE_FEATURE
        if each in after.features - before.features
    }
    steps |= {
        Step(operation=DISABLE_FEATURE[each])
        for each in DISABLE_FEATURE
        if each in before.features - after.features
    }
    if IAM_PRINCIPAL in after.trusted_access.keys() - before.trusted_access.keys():
        steps.add(Step(operation=Operation.ENABLE_TRUSTED_ACCESS))
    was, is_ = set(before.delegated_administrators), set(after.delegated_administrators)
    steps |= {Step(operation=Operation.REGISTER, account_id=account_id) for account_id in is_ - was}
    steps |= {
        Step(operation=Operation.DEREGISTER, account_id=account_id) for account_id in was - is_
    }
    return steps


def assert_error_is_true(error: ConvergenceError, happened: set[Step]) -> None:
    """Assert that an error leaves no effect out, and calls nothing missing that took effect."""
    assert happened <= set(error.applied) | set(error.possibly_applied)
    assert not happened & set(error.not_applied) - set(error.possibly_applied)
    if not error.applied and not error.possibly_applied:
        assert not happened
