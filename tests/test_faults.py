"""The fault matrix: every path, every call on it, every fault, at the wire.

What comes out is either what the stack lists or a failure that says truly what is done. The calls of a
path are those that it makes without a fault, so that a call which is added to it is tried by itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from local_aws.emulation import serve_organization
from local_aws.emulation.state import current_emulation
from local_aws.emulation.task_policies import Feature
from root_access.state import Status
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS
from support.cloudformation import FakeCloudFormation
from support.faults import (
    ACCESS_DENIED,
    CONCURRENT_MODIFICATION,
    READ_TIMEOUT,
    RESET_AFTER,
    RESET_BEFORE,
    SERVER_ERROR_AFTER,
    SERVER_ERROR_BEFORE,
    THROTTLED,
    THROTTLED_IN_OTHER_WORDS,
    TRUSTED_ACCESS_LAGS,
    CallSite,
    Fault,
    FaultProxy,
    Invocation,
    Moment,
    Strength,
    Told,
    WatchedFunction,
    call_sites,
    fault_proxy,
)
from support.function import BOTH, MANAGEMENT_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from local_aws.emulation import LocalOrganization, RootAccess
    from support.cloudformation import Outcome

pytestmark = pytest.mark.slow

MEMBER, OTHER, THIRD = "222222222222", "333333333333", "444444444444"
NO_START_IN_THE_LAST = 35


@dataclass(frozen=True, kw_only=True)
class Path:
    """What CloudFormation does, and on what organization.

    Attributes:
        name: its name, for the test's.
        new: the properties that are deployed.
        old: the properties that were deployed before; None for a Create.
        fresh: whether nothing of root access was ever switched on.
        features: the features that are on before.
        delegated_administrators: the accounts that are registered before.
        hidden: whether trusted access was switched off again.
        limit: how many delegated administrators AWS takes.
        suspended: the accounts that are suspended.
        refused: whether the new properties can never be reached, and the old ones come back.
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
        """The properties that describe the organization in the end."""
        return self.old if self.refused and self.old is not None else self.new

    def arrange(self, organization: LocalOrganization) -> None:
        """Puts the organization into the state that the path starts from."""
        organization.reset()
        organization.set_delegated_administrator_limit(self.limit)
        # Straight into the state: an administrator's calls would take as long as the test.
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
    Path(name="create half on", new={"Features": BOTH}, features=(CREDENTIALS,)),
    Path(
        name="create with everything on",
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
        name="change delegates",
        old={"Features": BOTH, "DelegatedAdministrators": [MEMBER, OTHER]},
        new={"Features": BOTH, "DelegatedAdministrators": [OTHER, THIRD]},
        features=BOTH,
        delegated_administrators=(MEMBER, OTHER),
    ),
    Path(
        name="change delegates at the limit",
        old={"Features": BOTH, "DelegatedAdministrators": [MEMBER]},
        new={"Features": BOTH, "DelegatedAdministrators": [OTHER]},
        features=BOTH,
        delegated_administrators=(MEMBER,),
        limit=1,
    ),
    Path(
        name="update rolled back",
        old={"Features": BOTH, "DelegatedAdministrators": [MEMBER]},
        new={"Features": [CREDENTIALS], "DelegatedAdministrators": [OTHER, THIRD]},
        features=BOTH,
        delegated_administrators=(MEMBER,),
        suspended=(THIRD,),
        refused=True,
    ),
)

PASSING = (
    (THROTTLED, Strength.ONCE),
    (THROTTLED_IN_OTHER_WORDS, Strength.TWICE),
    (CONCURRENT_MODIFICATION, Strength.TWICE),
    (SERVER_ERROR_BEFORE, Strength.TWICE),
    (SERVER_ERROR_AFTER, Strength.TWICE),
    (RESET_BEFORE, Strength.TWICE),
    (RESET_AFTER, Strength.ONCE),
    (READ_TIMEOUT, Strength.ONCE),
    (ACCESS_DENIED, Strength.TWICE),
    (TRUSTED_ACCESS_LAGS, Strength.TWICE),
)
STAYING = (
    (THROTTLED, Strength.UNTIL_THE_NEXT_EVENT),
    (CONCURRENT_MODIFICATION, Strength.UNTIL_THE_NEXT_EVENT),
    (SERVER_ERROR_BEFORE, Strength.UNTIL_THE_NEXT_EVENT),
    (SERVER_ERROR_AFTER, Strength.UNTIL_THE_NEXT_EVENT),
    (RESET_BEFORE, Strength.UNTIL_THE_NEXT_EVENT),
    (RESET_AFTER, Strength.UNTIL_THE_NEXT_EVENT),
    (READ_TIMEOUT, Strength.UNTIL_THE_NEXT_EVENT),
    (TRUSTED_ACCESS_LAGS, Strength.UNTIL_THE_NEXT_EVENT),
    (ACCESS_DENIED, Strength.FOR_EVER),
)


@dataclass(kw_only=True)
class Ending:
    """How a path ended.

    Attributes:
        outcome: what CloudFormation made of it.
        stack: the stack.
        before: the organization's root access before.
        after: the organization's root access after.
        invocations: what the function did.
    """

    outcome: Outcome
    stack: FakeCloudFormation
    before: RootAccess
    after: RootAccess
    invocations: list[Invocation]


@dataclass(kw_only=True)
class Bench:
    """The organization, the proxy in front of it, and the function that calls it."""

    organization: LocalOrganization
    proxy: FaultProxy
    function: WatchedFunction
    _calls: dict[str, tuple[CallSite, ...]] = field(default_factory=dict)

    def run(
        self, path: Path, fault: Fault | None = None, *, at: CallSite | None = None, strength: Strength
    ) -> Ending:
        """Goes a path, with a fault at one of its calls."""
        self.proxy.forget()
        path.arrange(self.organization)
        before, others = self.organization.root_access(), self.organization.other_services()
        self.function.start(strength)
        if fault is not None and at is not None:
            self.proxy.inject(fault, at=at, strength=strength)
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
        """The calls of a path that meets no fault."""
        if path.name not in self._calls:
            ending = self.run(path, strength=Strength.ONCE)
            assert_as_without_fault(path, ending)
            self._calls[path.name] = tuple(
                call_sites(self.organization.calls, trusted_access=PRINCIPAL in ending.before.trusted_access)
            )
        return self._calls[path.name]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with (
        serve_organization() as organization,
        fault_proxy(str(organization.url)) as (proxy, url),
    ):
        function = WatchedFunction(organization=organization, proxy=proxy, url=url)
        yield Bench(organization=organization, proxy=proxy, function=function)


def sites(bench: Bench, path: Path, fault: Fault, strength: Strength) -> Iterator[CallSite]:
    """The calls of a path that a fault is to be tried at."""
    for site in bench.calls(path):
        # A read changes nothing: an error before and one after are the same to it, and one kind of error
        # that stays is as good as the other.
        same = fault is SERVER_ERROR_AFTER or not (strength.passes or fault.errors)
        if fault.can_hit(site) and not (site.is_read and same):
            yield site


@pytest.mark.parametrize(("fault", "strength"), PASSING, ids=str)
@pytest.mark.parametrize("path", PATHS, ids=str)
def test_a_fault_that_passes_does_not_change_what_comes_out(
    bench: Bench,
    path: Path,
    fault: Fault,
    strength: Strength,
    subtests: pytest.Subtests,
    record_property: Callable[[str, object], None],
) -> None:
    tried = list(sites(bench, path, fault, strength))
    record_property("fault_cases", len(tried))
    for site in tried:
        with subtests.test(f"{path}: {fault} {strength} at {site}"):
            ending = bench.run(path, fault, at=site, strength=strength)
            assert bench.proxy.hits > 0, "the fault hit no call"
            assert_as_without_fault(path, ending)
            assert_each_invocation_is_sound(ending, fault=fault)


@pytest.mark.parametrize(("fault", "strength"), STAYING, ids=str)
@pytest.mark.parametrize("path", PATHS, ids=str)
def test_a_fault_that_stays_ends_as_listed_or_in_a_failure_that_says_truly_what_is_done(
    bench: Bench,
    path: Path,
    fault: Fault,
    strength: Strength,
    subtests: pytest.Subtests,
    record_property: Callable[[str, object], None],
) -> None:
    tried = list(sites(bench, path, fault, strength))
    record_property("fault_cases", len(tried))
    for site in tried:
        with subtests.test(f"{path}: {fault} {strength} at {site}"):
            ending = bench.run(path, fault, at=site, strength=strength)
            assert bench.proxy.hits > 0, "the fault hit no call"
            assert_each_invocation_is_sound(ending, fault=fault)
            assert_the_fault_is_told(ending, fault=fault, site=site)
            assert_ended_well(path, ending)
            assert_nothing_else_was_changed(path, ending)
            if path.old is None and not ending.outcome.succeeded:
                assert_a_second_deployment_gets_there(bench, path, ending)


def assert_as_without_fault(path: Path, ending: Ending) -> None:
    """The path ended in what it is for, and the fault was not what ended an invocation."""
    errors = [invocation.error for invocation in ending.invocations]
    if path.refused:
        assert not ending.outcome.succeeded
        *refused, last = errors
        assert last is None
        assert all(error and f"Account {THIRD} is suspended" in error for error in refused), errors
        rolled_back = ending.stack.rolled_back
        assert rolled_back is not None
        assert rolled_back.succeeded, rolled_back.reason
    else:
        assert errors == [None]
    assert_is_as_listed(path.wanted, ending)


def assert_is_as_listed(properties: Mapping[str, Any], ending: Ending) -> None:
    """The organization is exactly what the properties list, and that is what is reported."""
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
    assert reported["delegatedAdministrators"] == sorted(after.delegated_administrators)


def assert_each_invocation_is_sound(ending: Ending, *, fault: Fault) -> None:
    """No invocation starts a call too late, and each that failed says truly what it did."""
    for invocation in ending.invocations:
        lost = 0 if fault.moment is Moment.AFTER else invocation.hits
        assert len(invocation.calls) == len(invocation.attempts) - lost, "the fault is not what it says"
        assert invocation.ended <= invocation.deadline
        for attempt in invocation.attempts:
            assert attempt.at <= invocation.deadline - NO_START_IN_THE_LAST, attempt
        if invocation.error is not None:
            assert_told_truly(invocation, invocation.error, fault=fault)
            assert_delegates_are_put_back(invocation, invocation.error)


def assert_told_truly(invocation: Invocation, message: str, *, fault: Fault) -> None:
    """What a failure says of the steps is what the organization saw of them."""
    told, took_effect = Told.by(message), invocation.took_effect
    assert told.made <= took_effect | invocation.found_made, message
    assert took_effect <= told.made | told.may_have_been_made, message
    assert told.may_have_been_made <= invocation.tried, message
    assert fault.moment is not Moment.NEVER or not told.may_have_been_made, message
    assert not told.not_made & took_effect, message
    assert not told.may_have_been_made & (told.made | told.not_made), message
    assert told.nothing_was_changed == (not told.made and not told.may_have_been_made), message
    not_put_back = {register(account_id) for account_id in told.not_put_back}
    told_of = told.made | told.may_have_been_made | told.not_made | not_put_back
    assert invocation.tried <= told_of, message


def assert_delegates_are_put_back(invocation: Invocation, message: str) -> None:
    """Whoever made room for an account that did not come is back, or the failure says so."""
    told = Told.by(message)
    assert invocation.after or invocation.before <= told.not_put_back, message
    back = {register(account_id) for account_id in told.not_put_back & invocation.after}
    assert back <= told.may_have_been_made, message


def register(account_id: str) -> str:
    """The step that registers an account, as the function names it."""
    return f"organizations:RegisterDelegatedAdministrator({account_id})"


def assert_the_fault_is_told(ending: Ending, *, fault: Fault, site: CallSite) -> None:
    """Each invocation that met the fault failed, and named the call and AWS's code."""
    met = [invocation for invocation in ending.invocations if invocation.hits]
    assert met
    for invocation in met:
        assert invocation.error is not None, "the fault stayed, and yet it succeeded"
        assert invocation.error.startswith(site.action), invocation.error
        code = fault.told_for(site)
        assert f" failed in account {MANAGEMENT_ACCOUNT}: {code}" in invocation.error, invocation.error


def assert_ended_well(path: Path, ending: Ending) -> None:
    """A success is what is listed; a roll-back that meets no fault ends in the old properties."""
    if ending.outcome.succeeded:
        assert_is_as_listed(path.new, ending)
    elif path.old is not None:
        rolled_back = ending.stack.rolled_back
        assert rolled_back is not None
        if rolled_back.succeeded:
            assert_is_as_listed(path.old, ending)
        else:
            assert ending.invocations[-1].hits, rolled_back.reason


def assert_nothing_else_was_changed(path: Path, ending: Ending) -> None:
    """Whatever happened: what both lists have is there still, and nothing came that neither has."""
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
    """Deploying again, as the failure says, ends in what is listed."""
    bench.proxy.stop()
    outcome = ending.stack.create(**path.new)
    assert outcome.succeeded, outcome.reason
    ending.after = bench.organization.root_access()
    assert_is_as_listed(path.new, ending)
