"""The fault matrix: every path, every call on it, every fault, injected at the wire.

The result is either what the stack lists or a failure that reports truly what was applied. The calls of a
path are those that it makes without a fault, so that a call that is added to the code is tested by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from local_aws.emulation import serve_organization
from local_aws.emulation.state import current_emulation
from local_aws.emulation.task_policies import Feature
from root_access.steps import Operation, Step
from support.accounts import MANAGEMENT, MEMBER, OTHER, THIRD
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS
from support.cloudformation import FakeCloudFormation
from support.faults.matrix import WireWitness, call_sites, can_occur, code_in_report
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
)
from support.function import BOTH
from support.invariants import LIST_ADMINISTRATORS, Circumstances, assert_invariants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from local_aws.emulation import LocalOrganization
    from support.witness import WatchedInvocation

pytestmark = pytest.mark.slow


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
    def manages_administrators(self) -> bool:
        """Whether each list of it has delegated administrators."""
        return all("DelegatedAdministrators" in listed for listed in (self.new, self.old or self.new))

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

FAULTS = (
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
class Bench:
    """The organization, the proxy in front of it, and the function that calls it."""

    organization: LocalOrganization
    proxy: FaultProxy
    function: WireWitness
    _calls: dict[str, tuple[CallSite, ...]] = field(default_factory=dict)

    def run(
        self, path: Path, persistence: Persistence, *, fault: Fault | None = None, at: CallSite | None = None
    ) -> FakeCloudFormation:
        """Run a path, with a fault at one of its calls."""
        self.proxy.reset()
        path.arrange(self.organization)
        others = self.organization.other_services()
        self.function.start(persistence)
        if fault is not None and at is not None:
            self.proxy.inject(fault, at=at, persistence=persistence)
        stack = FakeCloudFormation(
            function=self.function,
            properties=path.old,
            physical_id=None if path.old is None else self.organization.id,
        )
        stack.deploy(**path.new)
        assert self.organization.other_services() == others, "another service was touched"
        return stack

    def assert_each_invocation_is_sound(self, path: Path) -> None:
        """Assert that each invocation failed only for what it met, and reports truly what it did."""
        for invocation in self.function.invocations:
            faults = [(call, call.fault) for call in invocation.calls if call.fault]
            for call, fault in faults:
                assert (call.code is not None) == fault.takes_effect, "the fault did not do what it should"
            circumstances = Circumstances(
                organization_id=self.organization.id,
                failing_action=faults[0][0].action if faults else "",
                registrable=frozenset({MEMBER, OTHER, THIRD}.difference(path.suspended)),
                limit=path.limit,
            )
            assert_invariants(invocation, circumstances)

    def calls(self, path: Path) -> tuple[CallSite, ...]:
        """Return the calls of a path that meets no fault."""
        if path.name not in self._calls:
            self.run(path, Persistence.ONCE)
            self.assert_each_invocation_is_sound(path)
            assert_as_without_fault(path, self.function.invocations)
            self._calls[path.name] = tuple(call_sites(self.function.invocations))
        return self._calls[path.name]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with (
        serve_organization() as organization,
        serve_fault_proxy(str(organization.url)) as (proxy, url),
    ):
        function = WireWitness(organization=organization, proxy=proxy, url=url)
        bench = Bench(organization=organization, proxy=proxy, function=function)
        # With its first calls the proxy loads what it knows of the services: on a busy machine for so long
        # that the function would repeat a call.
        bench.run(PATHS[0], Persistence.ONCE)
        yield bench


def sites(bench: Bench, path: Path, fault: Fault, persistence: Persistence) -> Iterator[CallSite]:
    """Yield the calls of a path at which to inject a fault."""
    for site in bench.calls(path):
        # A read changes nothing: an error before and an error after it are the same, and so are all kinds
        # of lost responses that persist.
        is_repetition = fault is SERVER_ERROR_AFTER or not (persistence.is_transient or fault.responses)
        if can_occur(fault, at=site) and not (site.is_read and is_repetition):
            yield site


@pytest.mark.parametrize(("fault", "persistence"), FAULTS, ids=str)
@pytest.mark.parametrize("path", PATHS, ids=str)
def test_a_fault_that_passes_does_not_change_the_result_and_one_that_persists_is_reported(
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
            stack = bench.run(path, persistence, fault=fault, at=site)
            assert bench.proxy.hits > 0, "the fault hit no call"
            bench.assert_each_invocation_is_sound(path)
            if persistence.is_transient:
                assert_as_without_fault(path, bench.function.invocations)
                continue
            for invocation in bench.function.invocations:
                if any(call.fault for call in invocation.calls):
                    assert_the_fault_is_reported(path, invocation, fault=fault, site=site)
            if stack.properties is None:
                # Another deployment, as the failure suggests, ends as listed.
                bench.proxy.stop()
                outcome = stack.create(**path.new)
                assert outcome.succeeded, outcome.reason
                bench.assert_each_invocation_is_sound(path)


def assert_as_without_fault(path: Path, invocations: Sequence[WatchedInvocation]) -> None:
    """Assert that the fault did not end an invocation."""
    *refused, last = invocations
    assert last.error is None
    assert len(refused) == path.refused
    for invocation in refused:
        error = invocation.convergence_error
        assert error.step == Step(operation=Operation.REGISTER, account_id=THIRD)
        assert error.failure.reason == "CANNOT_REGISTER_SUSPENDED_ACCOUNT_AS_DELEGATED_ADMINISTRATOR"


def assert_the_fault_is_reported(
    path: Path, invocation: WatchedInvocation, *, fault: Fault, site: CallSite
) -> None:
    """Assert that an invocation that met the fault failed, and reported the call and AWS's code."""
    # A list of delegates that one of the lists omits fails no deployment.
    is_optional = site.action == LIST_ADMINISTRATORS and not path.manages_administrators
    # The first Enable call is only a look at what was hidden: a later read shows the same.
    is_look = path.hidden and fault is TRUSTED_ACCESS_NOT_VISIBLE
    if invocation.error is None and (is_optional or is_look):
        return
    error = invocation.convergence_error
    assert error.account_id == MANAGEMENT
    assert (error.step.operation if error.step else error.failure.operation) == site.action, error
    assert error.failure.code == code_in_report(fault, at=site), error
