"""The fault matrix: every path, every call on it, every fault, injected at the wire.

The result is either what the stack lists or a failure that reports truly what was applied. The calls of a
path are those that it makes without a fault, so that a call that is added to the code is tested by itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from local_aws.emulation import serve_organization
from local_aws.emulation.state import current_emulation
from local_aws.emulation.task_policies import Feature
from root_access.errors import ConvergenceError
from root_access.plan import Operation, Step
from root_access.state import Status
from support.accounts import MANAGEMENT, MEMBER, OTHER, THIRD
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS
from support.cloudformation import FakeCloudFormation
from support.faults.matrix import TimedInvocation, WatchedFunction, can_occur, code_in_report
from support.faults.proxy import FaultProxy, serve_fault_proxy
from support.faults.vocabulary import (
    ACCESS_DENIED,
    CONCURRENT_MODIFICATION,
    NO_RESPONSE_AFTER,
    NO_RESPONSE_BEFORE,
    READ_TIMEOUT,
    SERVER_ERROR_AFTER,
    SERVER_ERROR_BEFORE,
    THROTTLED,
    THROTTLING_EXCEPTION,
    TRUSTED_ACCESS_NOT_VISIBLE,
    CallSite,
    Fault,
    Persistence,
    call_sites,
)
from support.function import BOTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from local_aws.emulation import LocalOrganization, RootAccess
    from support.cloudformation import DeploymentOutcome

pytestmark = pytest.mark.slow

NO_START_IN_THE_LAST_SECONDS = 35


@dataclass(frozen=True, kw_only=True)
class Path:
    """What CloudFormation does, and in what organization.

    Attributes:
        name: Its name, for the names of test cases.
        new: The properties to deploy.
        old: The properties that were deployed before; None for a Create.
        fresh: Whether root access was never enabled.
        features: The features that are enabled before.
        delegated_administrators: The accounts that are registered before.
        hidden: Whether trusted access was disabled again.
        limit: How many delegated administrators AWS accepts.
        suspended: The accounts that are suspended.
        refused: Whether the new properties can never be reached, and the old ones are deployed again.
    """

    name: str
    new: Mapping[str, Any]
    old: Mapping[str, Any] | None = None
    fresh: bool = False
    features: tuple[str, ...] = ()
    delegated_administrators: tuple[str, ...] = ()
    hidden: bool = False
    limit: int = 5
    suspended: tuple[str, ...] = ()
    refused: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def wanted(self) -> Mapping[str, Any]:
        """The properties that the organization has in the end."""
        return self.old if self.refused and self.old is not None else self.new

    def arrange(self, organization: LocalOrganization) -> None:
        """Bring the organization into the state that the path starts from."""
        organization.reset()
        organization.set_delegated_administrator_limit(self.limit)
        # Directly in the state: an administrator's calls would take as long as the test.
        emulation = current_emulation()
        if not self.fresh:
            emulation.organization.enable_trusted_access(PRINCIPAL, at=emulation.now())
        emulation.features.update(map(Feature, self.features))
        for account_id in self.delegated_administrators:
            emulation.organization.register(account_id=account_id, principal=PRINCIPAL, at=emulation.now())
            organization.advance_clock(1)
        if self.hidden:
            emulation.organization.disable_trusted_access(PRINCIPAL)
        for account_id in self.suspended:
            organization.suspend(account_id)


PATHS = (
    Path(name="create fresh", new={"Features": BOTH}, fresh=True),
    Path(name="create with one feature enabled", new={"Features": BOTH}, features=(CREDENTIALS,)),
    Path(
        name="create with everything enabled",
        new={"Features": BOTH},
        features=BOTH,
        delegated_administrators=(MEMBER,),
    ),
    Path(
        name="create with hidden features",
        new={"Features": [CREDENTIALS]},
        features=BOTH,
        hidden=True,
    ),
    Path(
        name="narrow",
        old={"Features": BOTH},
        new={"Features": [CREDENTIALS]},
        features=BOTH,
        delegated_administrators=(MEMBER,),
    ),
    Path(name="widen", old={"Features": [SESSIONS]}, new={"Features": BOTH}, features=(SESSIONS,)),
    Path(
        name="change delegated administrators",
        old={"Features": BOTH, "DelegatedAdministrators": [MEMBER, OTHER]},
        new={"Features": BOTH, "DelegatedAdministrators": [OTHER, THIRD]},
        features=BOTH,
        delegated_administrators=(MEMBER, OTHER),
    ),
    Path(
        name="change delegated administrators at the limit",
        old={"Features": BOTH, "DelegatedAdministrators": [MEMBER]},
        new={"Features": BOTH, "DelegatedAdministrators": [OTHER]},
        features=BOTH,
        delegated_administrators=(MEMBER,),
        limit=1,
    ),
    Path(
        name="update that is rolled back",
        old={"Features": BOTH, "DelegatedAdministrators": [MEMBER]},
        new={"Features": [CREDENTIALS], "DelegatedAdministrators": [OTHER, THIRD]},
        features=BOTH,
        delegated_administrators=(MEMBER,),
        suspended=(THIRD,),
        refused=True,
    ),
)

TRANSIENT = (
    (THROTTLED, Persistence.ONCE),
    (THROTTLING_EXCEPTION, Persistence.TWICE),
    (CONCURRENT_MODIFICATION, Persistence.TWICE),
    (SERVER_ERROR_BEFORE, Persistence.TWICE),
    (SERVER_ERROR_AFTER, Persistence.TWICE),
    (NO_RESPONSE_BEFORE, Persistence.TWICE),
    (NO_RESPONSE_AFTER, Persistence.ONCE),
    (READ_TIMEOUT, Persistence.ONCE),
    (ACCESS_DENIED, Persistence.TWICE),
    (TRUSTED_ACCESS_NOT_VISIBLE, Persistence.TWICE),
)
PERSISTENT = (
    (THROTTLED, Persistence.UNTIL_NEXT_EVENT),
    (CONCURRENT_MODIFICATION, Persistence.UNTIL_NEXT_EVENT),
    (SERVER_ERROR_BEFORE, Persistence.UNTIL_NEXT_EVENT),
    (SERVER_ERROR_AFTER, Persistence.UNTIL_NEXT_EVENT),
    (NO_RESPONSE_BEFORE, Persistence.UNTIL_NEXT_EVENT),
    (NO_RESPONSE_AFTER, Persistence.UNTIL_NEXT_EVENT),
    (READ_TIMEOUT, Persistence.UNTIL_NEXT_EVENT),
    (TRUSTED_ACCESS_NOT_VISIBLE, Persistence.UNTIL_NEXT_EVENT),
    (ACCESS_DENIED, Persistence.ALWAYS),
)


@dataclass(kw_only=True)
class Ending:
    """How a path ended.

    Attributes:
        outcome: The outcome in CloudFormation.
        stack: The stack.
        before: The organization's root access before.
        after: The organization's root access after.
        invocations: What the function did.
    """

    outcome: DeploymentOutcome
    stack: FakeCloudFormation
    before: RootAccess
    after: RootAccess
    invocations: list[TimedInvocation]


@dataclass(kw_only=True)
class Bench:
    """The organization, the proxy in front of it, and the function that calls it."""

    organization: LocalOrganization
    proxy: FaultProxy
    function: WatchedFunction
    _calls: dict[str, tuple[CallSite, ...]] = field(default_factory=dict)

    def run(
        self, path: Path, fault: Fault | None = None, *, at: CallSite | None = None, persistence: Persistence
    ) -> Ending:
        """Run a path, with a fault at one of its calls."""
        self.proxy.reset()
        path.arrange(self.organization)
        before, others = self.organization.root_access(), self.organization.other_services()
        self.function.start(persistence)
        if fault is not None and at is not None:
            self.proxy.inject(fault, at=at, persistence=persistence)
        stack = FakeCloudFormation(
            function=self.function,
            properties=path.old,
            physical_id=None if path.old is None else self.organization.id,
        )
        outcome = stack.deploy(**path.new)
        assert self.organization.other_services() == others, "another service was touched"
        return Ending(
            outcome=outcome,
            stack=stack,
            before=before,
            after=self.organization.root_access(),
            invocations=self.function.invocations,
        )

    def calls(self, path: Path) -> tuple[CallSite, ...]:
        """Return the calls of a path that meets no fault."""
        if path.name not in self._calls:
            ending = self.run(path, persistence=Persistence.ONCE)
            assert_as_without_fault(path, ending)
            self._calls[path.name] = tuple(
                call_sites(self.organization.calls, trusted_access=PRINCIPAL in ending.before.trusted_access)
            )
        return self._calls[path.name]


LIST_DELEGATES = "organizations:ListDelegatedAdministrators"


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with (
        serve_organization() as organization,
        serve_fault_proxy(str(organization.url)) as (proxy, url),
    ):
        function = WatchedFunction(organization=organization, proxy=proxy, url=url)
        bench = Bench(organization=organization, proxy=proxy, function=function)
        # With its first calls the proxy loads what it knows of the services: on a busy machine for so long
        # that the function would repeat a call.
        bench.run(PATHS[0], persistence=Persistence.ONCE)
        yield bench


def sites(bench: Bench, path: Path, fault: Fault, persistence: Persistence) -> Iterator[CallSite]:
    """Yield the calls of a path at which to inject a fault."""
    for site in bench.calls(path):
        # A read changes nothing: an error before and an error after it are the same, and so are all kinds
        # of lost responses that persist.
        is_repetition = fault is SERVER_ERROR_AFTER or not (persistence.is_transient or fault.responses)
        if can_occur(fault, at=site) and not (site.is_read and is_repetition):
            yield site


@pytest.mark.parametrize(("fault", "persistence"), TRANSIENT, ids=str)
@pytest.mark.parametrize("path", PATHS, ids=str)
def test_a_transient_fault_does_not_change_the_result(
    bench: Bench,
    path: Path,
    fault: Fault,
    persistence: Persistence,
    subtests: pytest.Subtests,
    record_property: Callable[[str, object], None],
) -> None:
    cases = list(sites(bench, path, fault, persistence))
    record_property("fault_cases", len(cases))
    for site in cases:
        with subtests.test(f"{path}: {fault} {persistence} at {site}"):
            ending = bench.run(path, fault, at=site, persistence=persistence)
            assert bench.proxy.hits > 0, "the fault hit no call"
            assert_as_without_fault(path, ending, site=site)
            assert_each_invocation_is_sound(ending, fault=fault)


@pytest.mark.parametrize(("fault", "persistence"), PERSISTENT, ids=str)
@pytest.mark.parametrize("path", PATHS, ids=str)
def test_a_persistent_fault_ends_as_listed_or_in_a_failure_that_reports_truly_what_was_applied(
    bench: Bench,
    path: Path,
    fault: Fault,
    persistence: Persistence,
    subtests: pytest.Subtests,
    record_property: Callable[[str, object], None],
) -> None:
    cases = list(sites(bench, path, fault, persistence))
    record_property("fault_cases", len(cases))
    for site in cases:
        with subtests.test(f"{path}: {fault} {persistence} at {site}"):
            ending = bench.run(path, fault, at=site, persistence=persistence)
            assert bench.proxy.hits > 0, "the fault hit no call"
            assert_each_invocation_is_sound(ending, fault=fault)
            assert_the_fault_is_reported(path, ending, fault=fault, site=site)
            assert_ended_well(path, ending, site=site)
            assert_nothing_else_was_changed(path, ending)
            if path.old is None and not ending.outcome.succeeded:
                assert_a_second_deployment_gets_there(bench, path, ending)


def assert_as_without_fault(path: Path, ending: Ending, *, site: CallSite | None = None) -> None:
    """Assert that the path had its normal result, and that the fault did not end an invocation."""
    errors = [invocation.error for invocation in ending.invocations]
    if path.refused:
        assert not ending.outcome.succeeded
        *refusals, last = errors
        assert last is None
        for refusal in refusals:
            assert_third_account_was_refused(refusal)
        rolled_back = ending.stack.rolled_back
        assert rolled_back is not None
        assert rolled_back.succeeded, rolled_back.reason
    else:
        assert errors == [None]
    may_be_unknown = site is not None and is_optional(site, path)
    assert_is_as_listed(path.wanted, ending, delegates_may_be_unknown=may_be_unknown)


def assert_third_account_was_refused(error: Exception | None) -> None:
    """Assert that an invocation failed because an account is suspended."""
    assert isinstance(error, ConvergenceError), repr(error)
    assert error.step == Step(operation=Operation.REGISTER, account_id=THIRD)
    assert error.failure.reason == "CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR"


def assert_is_as_listed(
    properties: Mapping[str, Any], ending: Ending, *, delegates_may_be_unknown: bool = False
) -> None:
    """Assert that the organization is exactly as the properties list, and that the status reports it."""
    after = ending.after
    assert PRINCIPAL in after.trusted_access
    assert after.features == set(properties["Features"])
    listed = properties.get("DelegatedAdministrators", ending.before.delegated_administrators)
    assert set(after.delegated_administrators) == set(listed)
    if not ending.stack.data:
        return
    since = after.trusted_access[PRINCIPAL].strftime("%Y-%m-%dT%H:%M:%SZ")
    status = Status.ENABLED if after.features == set(BOTH) else Status.PARTIAL
    assert ending.stack.data["Status"] == status
    reported = json.loads(ending.stack.data["StatusJson"])
    assert reported["status"] == status
    assert reported["trustedAccessEnabledAt"] == since
    assert reported["features"] == sorted(after.features)
    if reported["delegatedAdministrators"] is None:
        # Where they are not managed, a list that could not be read is unknown, and fails nothing.
        assert "DelegatedAdministrators" not in properties
        assert delegates_may_be_unknown
    else:
        assert reported["delegatedAdministrators"] == sorted(after.delegated_administrators)


def assert_each_invocation_is_sound(ending: Ending, *, fault: Fault) -> None:
    """Assert that no invocation starts a call too late, and that each failure reports truly what it did."""
    for invocation in ending.invocations:
        lost = 0 if fault.takes_effect else invocation.hits
        assert len(invocation.calls) == len(invocation.attempts) - lost, "the fault did not do what it should"
        assert invocation.ended <= invocation.deadline
        for attempt in invocation.attempts:
            assert attempt.started <= invocation.deadline - NO_START_IN_THE_LAST_SECONDS, attempt
        if invocation.error is not None:
            assert isinstance(invocation.error, ConvergenceError), repr(invocation.error)
            assert_steps_are_reported_truly(invocation, invocation.error, fault=fault)
            assert_delegated_administrators_are_registered_again(invocation, invocation.error)


def assert_steps_are_reported_truly(
    invocation: TimedInvocation, error: ConvergenceError, *, fault: Fault
) -> None:
    """Assert that what a failure says of the steps is what the organization saw of them."""
    effective_steps = invocation.effective_steps
    applied, not_applied = step_names(error.applied), step_names(error.not_applied)
    possibly_applied = step_names(error.possibly_applied)
    not_reregistered = step_names(step for step, _ in error.not_reregistered)
    assert applied <= effective_steps | invocation.needless_steps, error
    assert effective_steps <= applied | possibly_applied, error
    assert possibly_applied <= invocation.write_attempts, error
    assert fault.is_ambiguous or not possibly_applied, error
    assert not not_applied & effective_steps, error
    assert not possibly_applied & (applied | not_applied), error
    assert invocation.write_attempts <= applied | possibly_applied | not_applied | not_reregistered, error


def assert_delegated_administrators_are_registered_again(
    invocation: TimedInvocation, error: ConvergenceError
) -> None:
    """Assert that an account that was deregistered in vain is registered again, or reported."""
    steps = {step for step, _ in error.not_reregistered}
    account_ids = {step.account_id for step in steps}
    assert {step.operation for step in steps} <= {Operation.REGISTER}, error
    assert invocation.after or invocation.before <= account_ids, error
    registered = {step for step in steps if step.account_id in invocation.after}
    assert registered <= set(error.possibly_applied), error


def step_names(steps: Iterable[Step]) -> frozenset[str]:
    """Return the steps as their calls are named."""
    return frozenset(str(step) for step in steps)


def is_optional(site: CallSite, path: Path) -> bool:
    """Return whether a failure of a call fails no deployment: of delegates that one of the lists omits."""
    lists = [path.new] if path.old is None else [path.old, path.new]
    return site.action == LIST_DELEGATES and any(
        "DelegatedAdministrators" not in properties for properties in lists
    )


def assert_the_fault_is_reported(path: Path, ending: Ending, *, fault: Fault, site: CallSite) -> None:
    """Assert that each invocation that met the fault failed, and reported the call and AWS's code."""
    invocations = [invocation for invocation in ending.invocations if invocation.hits]
    assert invocations
    for invocation in invocations:
        if invocation.error is None and is_optional(site, path):
            continue
        if invocation.error is None and path.hidden and fault is TRUSTED_ACCESS_NOT_VISIBLE:
            # The first Enable call is only a look at what was hidden: a later read shows the same.
            continue
        assert invocation.error is not None, "the fault persisted, but the invocation succeeded"
        assert isinstance(invocation.error, ConvergenceError), repr(invocation.error)
        assert invocation.error.account_id == MANAGEMENT
        step, failure = invocation.error.step, invocation.error.failure
        assert (step.operation if step else failure.operation) == site.action, invocation.error
        assert failure.code == code_in_report(fault, at=site), invocation.error


def assert_ended_well(path: Path, ending: Ending, *, site: CallSite) -> None:
    """Assert that a success is as listed, and a rollback without a fault ends in the old properties."""
    may_be_unknown = is_optional(site, path)
    if ending.outcome.succeeded:
        assert_is_as_listed(path.new, ending, delegates_may_be_unknown=may_be_unknown)
    elif path.old is not None:
        rolled_back = ending.stack.rolled_back
        assert rolled_back is not None
        if rolled_back.succeeded:
            assert_is_as_listed(path.old, ending, delegates_may_be_unknown=may_be_unknown)
        else:
            assert ending.invocations[-1].hits, rolled_back.reason


def assert_nothing_else_was_changed(path: Path, ending: Ending) -> None:
    """Assert that what both lists have has stayed, and that nothing was added that neither has."""
    before, after = ending.before, ending.after
    lists = [path.new] if path.old is None else [path.old, path.new]
    listed_features = [set(properties["Features"]) for properties in lists]
    assert before.features.intersection(*listed_features) <= after.features
    assert after.features <= before.features.union(*listed_features)
    listed = [
        set(properties.get("DelegatedAdministrators", before.delegated_administrators))
        for properties in lists
    ]
    was, now = set(before.delegated_administrators), set(after.delegated_administrators)
    assert was.intersection(*listed) <= now
    assert now <= was.union(*listed)
    assert set(before.trusted_access) <= set(after.trusted_access)


def assert_a_second_deployment_gets_there(bench: Bench, path: Path, ending: Ending) -> None:
    """Assert that another deployment, as the failure suggests, ends as listed."""
    bench.proxy.stop()
    outcome = ending.stack.create(**path.new)
    assert outcome.succeeded, outcome.reason
    ending.after = bench.organization.root_access()
    assert_is_as_listed(path.new, ending)
