"""Any sequence of deployments, failures and other people's changes, and what holds after each of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import root_access.organization
from aws_calls.errors import RootAccessError
from local_aws.emulation import LocalOrganization, Seed, mock_organization
from support import claims
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS
from support.claims import Circumstances, Invocation
from support.cloudformation import FakeCloudFormation, Outcome
from support.function import BOTH, FakeTime, Function
from support.witness import Attempt, Counted, Fault, Moment, OneAfterTheOther, Outage, Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

MANAGEMENT, STRANGER, SUSPENDED = "111111111111", "999999999999", "555555555555"
MEMBERS = ("222222222222", "333333333333", "444444444444")
SOON_SUSPENDED = MEMBERS[-1]
OTHER_SERVICES = ("guardduty.amazonaws.com", "sso.amazonaws.com")
LONGEST_SUCCESS = 2048


class Deed(Enum):
    """What other people do."""

    SWITCH_FEATURE = "switch a feature on, or off if it is on"
    SWITCH_FEATURE_OFF_AS_DELEGATED_ADMINISTRATOR = "switch a feature off as delegated administrator"
    SWITCH_TRUSTED_ACCESS = "switch trusted access on, or off if it is on"
    REGISTER = "register an account, or deregister it if it is registered"
    SUSPEND = "suspend an account"
    UNDO = "undo what the function did last"
    SWITCH_OTHER_SERVICE = "switch another service's trusted access on, or off if it is on"
    REGISTER_FOR_OTHER_SERVICE = "register an account for another service, or deregister it"


@dataclass(frozen=True, kw_only=True)
class Act:
    """Something that somebody else does, and what to."""

    deed: Deed
    feature: str = ""
    account_id: str = ""
    service: str = ""


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """What happens around one of the function's calls, or while it sleeps.

    Attributes:
        moment: before or after it; it is always while, for a sleep.
        counted: a call, a call that changes something, or a sleep.
        number: which, counted from 0 in each operation on the stack.
        what: what befalls the call, or what somebody else does.
    """

    moment: Moment = "before"
    counted: Counted | Literal["sleep"]
    number: int
    what: Fault | Act


@dataclass(frozen=True, kw_only=True)
class World:
    """What all examples share, for clients are slow to build.

    Attributes:
        organization: the organization.
        function: the function.
        witness: sees the function's calls.
        seen: how often each kind of thing happened.
    """

    organization: LocalOrganization
    function: Function
    witness: Witness
    seen: Counter[str] = field(default_factory=Counter)
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, service: str, account_id: str = MANAGEMENT) -> Any:
        """Somebody else's client."""
        key = service, account_id
        if key not in self._clients:
            self._clients[key] = self.organization.client(service, account_id=account_id)
        return self._clients[key]


ON_OTHER_SERVICES = [deed for deed in Deed if "OTHER_SERVICE" in deed.name]
ON_ROOT_ACCESS = [deed for deed in Deed if deed not in ON_OTHER_SERVICES]

acts = st.builds(
    Act,
    deed=st.one_of(*[st.sampled_from(ON_ROOT_ACCESS)] * 2, st.sampled_from(ON_OTHER_SERVICES)),
    feature=st.sampled_from(BOTH),
    account_id=st.sampled_from(MEMBERS),
    service=st.sampled_from(OTHER_SERVICES),
)
faults = st.one_of(
    st.builds(Disturbance, what=st.sampled_from(Fault), counted=st.just("call"), number=st.integers(0, 8)),
    st.builds(Disturbance, what=st.sampled_from(Fault), counted=st.just("write"), number=st.integers(0, 3)),
)
moments = st.sampled_from(("before", "after"))
interferences = st.one_of(
    st.builds(Disturbance, what=acts, moment=moments, counted=st.just("call"), number=st.integers(0, 8)),
    st.builds(Disturbance, what=acts, moment=moments, counted=st.just("write"), number=st.integers(0, 3)),
    st.builds(Disturbance, what=acts, counted=st.just("sleep"), number=st.integers(0, 2)),
)
listed_features = st.sampled_from(((), (CREDENTIALS,), (SESSIONS,), BOTH))
good_administrators = st.one_of(
    st.none(), st.lists(st.sampled_from(MEMBERS), unique=True, max_size=3).map(tuple)
)
any_administrators = st.lists(
    st.sampled_from((*MEMBERS, SUSPENDED, STRANGER, MANAGEMENT)), unique=True, min_size=1, max_size=4
).map(tuple)
LEAVE_OPEN = [fault for fault in Fault if fault.leaves_open]
actions = st.sampled_from((*claims.WRITES, *claims.READS))
outages = st.builds(
    Outage,
    action=st.one_of(actions, st.sampled_from((claims.REGISTER, claims.DEREGISTER))),
    fault=st.sampled_from(Fault),
    spared=st.sampled_from((0, 0, 1)),
    lasting=st.one_of(st.none(), st.integers(1, 4)),
)


class Lifecycle(RuleBasedStateMachine):
    """One stack on one organization that other people use too."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.organization = world.organization
        self.organization.reset()
        self.organization.suspend(SUSPENDED)
        self.world.function.time = FakeTime(while_sleeping=self._asleep)
        self.stack = FakeCloudFormation(function=self._invoke)
        self.others = self.organization.other_services()
        self.others_were_touched = False
        self.limit = 5
        self.suspended = {SUSPENDED}
        self.invocations: list[Invocation] = []
        self.naps: list[list[Callable[[], None]]] = []
        self.slept = 0

    @initialize(
        on=listed_features,
        hidden=st.booleans(),
        history=st.lists(acts, max_size=3),
        limit=st.integers(1, 4),
        twice=st.booleans(),
    )
    def begin(self, on: Sequence[str], hidden: bool, history: Sequence[Act], limit: int, twice: bool) -> None:
        self._set_limit(limit)
        self._act(Act(deed=Deed.SWITCH_TRUSTED_ACCESS))
        for feature in on:
            self._act(Act(deed=Deed.SWITCH_FEATURE, feature=feature))
        if hidden:
            self._act(Act(deed=Deed.SWITCH_TRUSTED_ACCESS))
        for act in history:
            self._act(act)
        if twice:
            self.stack.deliver_each_event_twice()

    # The stack

    @rule(
        features=listed_features,
        administrators=good_administrators,
        disturbances=st.lists(interferences, min_size=1, max_size=4),
        backwards=st.booleans(),
    )
    def deploy_beside_others(
        self,
        features: Sequence[str],
        administrators: Sequence[str] | None,
        disturbances: Sequence[Disturbance],
        backwards: bool,
    ) -> None:
        self._deploy(features, administrators, disturbances=disturbances, backwards=backwards)

    @rule(
        features=listed_features,
        administrators=good_administrators,
        disturbances=st.lists(st.one_of(faults, faults, interferences), min_size=1, max_size=4),
    )
    def deploy_through_faults(
        self,
        features: Sequence[str],
        administrators: Sequence[str] | None,
        disturbances: Sequence[Disturbance],
    ) -> None:
        self._deploy(features, administrators, disturbances=disturbances)

    @rule(
        features=listed_features,
        administrators=st.one_of(st.none(), good_administrators),
        writes=st.lists(st.integers(0, 2), unique=True, min_size=1, max_size=2),
    )
    def deploy_while_somebody_undoes_it(
        self, features: Sequence[str], administrators: Sequence[str] | None, writes: Sequence[int]
    ) -> None:
        self._deploy(
            features,
            administrators,
            disturbances=[
                Disturbance(moment="after", counted="write", number=number, what=Act(deed=Deed.UNDO))
                for number in writes
            ],
        )

    @rule(
        features=st.one_of(st.just(()), listed_features),
        calls=st.lists(st.integers(0, 3), unique=True, min_size=1, max_size=2),
        backwards=st.booleans(),
    )
    def deploy_while_trusted_access_flickers(
        self, features: Sequence[str], calls: Sequence[int], backwards: bool
    ) -> None:
        switched = Act(deed=Deed.SWITCH_TRUSTED_ACCESS)
        disturbances = [Disturbance(counted="call", number=number, what=switched) for number in calls]
        self._deploy(features, (), disturbances=disturbances, backwards=backwards)

    @rule(features=listed_features, administrators=any_administrators)
    def deploy_with_accounts_that_may_be_refused(
        self, features: Sequence[str], administrators: Sequence[str]
    ) -> None:
        self._deploy(features, administrators)

    @rule(features=listed_features, administrators=good_administrators, outage=outages)
    def deploy_in_an_outage(
        self, features: Sequence[str], administrators: Sequence[str] | None, outage: Outage
    ) -> None:
        self._deploy(features, administrators, outage=outage)

    @rule(
        features=listed_features,
        coming=st.sampled_from(MEMBERS),
        leaving=st.integers(1, 2),
        fault=st.sampled_from(Fault),
        hits_who_is_put_back=st.booleans(),
    )
    def replace_administrators_by_one_who_fails_once_somebody_left(
        self, features: Sequence[str], coming: str, leaving: int, fault: Fault, hits_who_is_put_back: bool
    ) -> None:
        self._fill_the_limit([member for member in MEMBERS if member != coming][:leaving])
        outage = Outage(
            action=claims.REGISTER,
            fault=fault,
            account_id="" if hits_who_is_put_back else coming,
            # The first answer is that the limit is reached.
            spared=1,
        )
        self._deploy(features, (coming,), outage=outage)

    @rule(
        features=listed_features,
        coming=st.sampled_from(MEMBERS),
        refused=st.sampled_from(((), (STRANGER,))),
        action=st.sampled_from((claims.REGISTER, claims.DEREGISTER)),
        fault=st.sampled_from(Fault),
    )
    def replace_administrators_through_a_fault(
        self, features: Sequence[str], coming: str, refused: Sequence[str], action: str, fault: Fault
    ) -> None:
        self._fill_the_limit([member for member in MEMBERS if member != coming])
        outage = Outage(action=action, fault=fault, lasting=1)
        self._deploy(features, (coming, *refused), outage=outage)

    @rule(
        features=listed_features,
        administrators=good_administrators,
        action=actions,
        naps=st.one_of(st.none(), st.integers(1, 4)),
    )
    def deploy_before_the_policy_takes_effect_if_it_ever_does(
        self, features: Sequence[str], administrators: Sequence[str] | None, action: str, naps: int | None
    ) -> None:
        self.organization.deny(account_id=MANAGEMENT, action=action)
        allow = partial(self.organization.allow, account_id=MANAGEMENT, action=action)
        if naps is None:
            self._deploy(features, administrators, denied=action)
        else:
            self._deploy(features, administrators, naps=[*[[]] * (naps - 1), [allow]])
        allow()

    @precondition(lambda self: self.stack.properties is not None)
    @rule(retained=st.booleans())
    def remove(self, retained: bool) -> None:
        before, events = self.organization.root_access(), len(self.stack.events)
        if retained:
            self.stack.forget()
            assert len(self.stack.events) == events
        else:
            assert self._operate(self.stack.delete).succeeded
        assert self.organization.root_access() == before

    # Other people

    @rule(act=acts)
    def somebody_else_acts(self, act: Act) -> None:
        self._act(act)

    # What holds after each step

    @invariant()
    def other_services_are_as_other_people_left_them(self) -> None:
        assert not self.others_were_touched
        assert self.organization.other_services() == self.others

    @invariant()
    def the_physical_id_is_the_organizations_id(self) -> None:
        exists = self.stack.properties is not None
        assert self.stack.physical_id == (self.organization.id if exists else None)

    # How it is done

    def _deploy(
        self,
        features: Sequence[str],
        administrators: Sequence[str] | None,
        **during: Any,
    ) -> None:
        properties: dict[str, object] = {"Features": tuple(features)}
        if administrators is not None:
            properties["DelegatedAdministrators"] = tuple(administrators)
        outcome = self._operate(partial(self.stack.deploy, **properties), **during)
        if outcome.succeeded:
            assert outcome.answer_bytes < LONGEST_SUCCESS
            assert self.stack.properties == properties
        elif self.stack.rolled_back:
            self._saw("rolled back" if self.stack.rolled_back.succeeded else "roll-back failed")

    def _operate(
        self,
        operation: Callable[[], Outcome],
        *,
        disturbances: Sequence[Disturbance] = (),
        outage: Outage | None = None,
        denied: str = "",
        naps: Sequence[list[Callable[[], None]]] = (),
        backwards: bool = False,
    ) -> Outcome:
        witness = self.world.witness
        witness.expect_calls()
        self.naps = [*naps] or [[], [], []]
        for disturbance in disturbances:
            self._plan(disturbance)
        if outage:
            witness.begin_outage(outage)
        OneAfterTheOther.backwards = backwards
        self.invocations.clear()
        outcome = operation()
        witness.expect_calls()
        circumstances = Circumstances(
            organization_id=self.organization.id,
            denied=denied,
            outage=outage.action if outage and outage.lasting is None else "",
            registrable=frozenset(MEMBERS) - self.suspended,
            limit=self.limit,
        )
        for invocation in self.invocations:
            claims.check(invocation, circumstances)
            self._saw(*happened(invocation))
        return outcome

    def _plan(self, disturbance: Disturbance) -> None:
        number, witness = disturbance.number, self.world.witness
        match disturbance.counted, disturbance.what:
            case "call" | "write" as counted, Fault() as fault:
                witness.fail_at(counted, number, fault)
            case "call" | "write" as counted, Act() as act:
                witness.act_at(disturbance.moment, counted, number, partial(self._act, act))
            case "sleep", Act() as act:
                self.naps[number].append(partial(self._act, act))

    def _asleep(self) -> None:
        self.slept += 1
        if self.naps:
            for act in self.naps.pop(0):
                act()

    def _invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        self.organization.clear_calls()
        self.world.witness.journal.clear()
        before, slept = self.organization.root_access(), self.slept
        answer: Mapping[str, Any] | None = None
        error, crashed = "", False
        try:
            answer = self.world.function(event)
        except Exception as raised:
            error, crashed = str(raised), not isinstance(raised, RootAccessError)
            raise
        else:
            return answer
        finally:
            self.invocations.append(
                Invocation(
                    event=event,
                    before=before,
                    journal=tuple(self.world.witness.journal),
                    after=self.organization.root_access(),
                    answer=answer,
                    error=error,
                    crashed=crashed,
                    slept=self.slept > slept,
                )
            )

    def _act(self, act: Act) -> None:
        self._change(act.deed.value, partial(self._perform, act))

    def _change(self, what: str, change: Callable[[], None]) -> None:
        # In the midst of a call there is nobody to raise an error to.
        self.others_were_touched |= self.organization.other_services() != self.others
        self.world.witness.changed(what, change)
        self.organization.advance_clock(1)
        self.others = self.organization.other_services()

    def _perform(self, act: Act) -> None:
        access, other = self.organization.root_access(), self.organization.other_services()
        match act.deed:
            case Deed.SWITCH_FEATURE:
                switch(self.world.client("iam"), act.feature, on=act.feature not in access.features)
            case Deed.SWITCH_FEATURE_OFF_AS_DELEGATED_ADMINISTRATOR:
                for account_id in access.delegated_administrators[:1]:
                    switch(self.world.client("iam", account_id), act.feature, on=False)
            case Deed.SWITCH_TRUSTED_ACCESS:
                self._switch_service(PRINCIPAL, on=PRINCIPAL not in access.trusted_access)
            case Deed.REGISTER:
                on = act.account_id not in access.delegated_administrators
                self._register(act.account_id, PRINCIPAL, on=on)
            case Deed.UNDO:
                self._undo()
            case Deed.SUSPEND:
                self.organization.suspend(SOON_SUSPENDED)
                self.suspended.add(SOON_SUSPENDED)
            case Deed.SWITCH_OTHER_SERVICE:
                self._switch_service(act.service, on=act.service not in other.trusted_access)
            case Deed.REGISTER_FOR_OTHER_SERVICE:
                registered = other.delegated_administrators.get(act.service, {})
                self._register(act.account_id, act.service, on=act.account_id not in registered)

    def _undo(self) -> None:
        writes = [it for it in self.world.witness.journal if isinstance(it, Attempt) and it.took_effect]
        access = self.organization.root_access()
        match writes[-1:]:
            case [Attempt(action=claims.TRUSTED_ACCESS)]:
                self._switch_service(PRINCIPAL, on=False)
            case [Attempt(action=claims.REGISTER | claims.DEREGISTER, account_id=account_id)]:
                self._register(account_id, PRINCIPAL, on=account_id not in access.delegated_administrators)
            case [Attempt(action=action)]:
                feature = CREDENTIALS if "Credentials" in action else SESSIONS
                switch(self.world.client("iam"), feature, on=feature not in access.features)

    def _switch_service(self, principal: str, *, on: bool) -> None:
        organizations = self.world.client("organizations")
        if on:
            organizations.enable_aws_service_access(ServicePrincipal=principal)
        else:
            organizations.disable_aws_service_access(ServicePrincipal=principal)

    def _register(self, account_id: str, principal: str, *, on: bool) -> None:
        organizations = self.world.client("organizations")
        if on:
            organizations.register_delegated_administrator(AccountId=account_id, ServicePrincipal=principal)
        else:
            organizations.deregister_delegated_administrator(AccountId=account_id, ServicePrincipal=principal)

    def _fill_the_limit(self, account_ids: Sequence[str]) -> None:
        """Has other people register these accounts and no other, so that there is no place left."""
        self._set_limit(len(MEMBERS))
        self._change("register others", partial(self._let_be_administrators, account_ids))
        self._set_limit(len(account_ids))

    def _let_be_administrators(self, account_ids: Sequence[str]) -> None:
        self._switch_service(PRINCIPAL, on=True)
        registered = self.organization.root_access().delegated_administrators
        for account_id in sorted({*account_ids} ^ {*registered}):
            self._register(account_id, PRINCIPAL, on=account_id not in registered)

    def _set_limit(self, limit: int) -> None:
        self.organization.set_delegated_administrator_limit(limit)
        self.limit = limit

    def _saw(self, *what: str) -> None:
        self.world.seen.update(what)


def switch(iam: Any, feature: str, *, on: bool) -> None:
    match feature, on:
        case "RootCredentialsManagement", True:
            iam.enable_organizations_root_credentials_management()
        case "RootCredentialsManagement", False:
            iam.disable_organizations_root_credentials_management()
        case "RootSessions", True:
            iam.enable_organizations_root_sessions()
        case "RootSessions", False:
            iam.disable_organizations_root_sessions()


# What the sequences must have come through, for else they would show nothing.
SITUATIONS = {
    "Create",
    "Update",
    "Delete",
    "failed",
    "rolled back",
    "nothing to do",
    "succeeded beside somebody else's change",
    "got through a fault",
    "waited for a policy",
    "made room",
    "failed after a doubtful step was confirmed",
    "put back",
    "could not be put back",
    "May have been made",
    "Not made",
    "Nothing was changed",
}


def happened(invocation: Invocation) -> Iterator[str]:
    """What kinds of things an invocation went through."""
    failed = invocation.answer is None
    yield "failed" if failed else invocation.event["RequestType"]
    if not failed and invocation.changes:
        yield "succeeded beside somebody else's change"
    if not failed and any(attempt.fault for attempt in invocation.attempts):
        yield "got through a fault"
    if not failed and any(attempt.code == "AccessDenied" for attempt in invocation.attempts):
        yield "waited for a policy"
    if not failed and invocation.attempts and not invocation.writes:
        yield "nothing to do"
    if any(
        write.action == claims.REGISTER and write.account_id not in invocation.administrators
        for write in invocation.writes
    ):
        yield "could not be put back" if "could not be put back" in invocation.error else "put back"
    doubtful = {str(write) for write in invocation.writes if write.fault in LEAVE_OPEN}
    if failed and doubtful.intersection(str(write) for write in invocation.writes if write.succeeded):
        yield "failed after a doubtful step was confirmed"
    steps = [write.action for write in invocation.writes if write.took_effect]
    if claims.DEREGISTER in steps and claims.REGISTER in steps[steps.index(claims.DEREGISTER) :]:
        yield "made room"
    for told in ("May have been made", "Not made", "Nothing was changed"):
        if told in invocation.error:
            yield told


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(root_access.organization, "ThreadPoolExecutor", OneAfterTheOther)
    members = tuple((account_id, f"member-{account_id[0]}") for account_id in (*MEMBERS, SUSPENDED))
    with mock_organization(seed=Seed(members=members)) as organization:
        function = Function()
        witness = Witness(organization=organization)
        witness.watch(function)
        yield World(organization=organization, function=function, witness=witness)


def test_no_sequence_of_deployments_failures_and_other_peoples_changes_hurts_an_organization(
    world: World,
) -> None:
    class OfThisWorld(Lifecycle):
        def __init__(self) -> None:
            super().__init__(world)

    run_state_machine_as_test(
        OfThisWorld,
        settings=settings(
            max_examples=200,
            stateful_step_count=8,
            deadline=None,
            derandomize=True,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
    assert not SITUATIONS - set(world.seen)
