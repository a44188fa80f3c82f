"""Any sequence of deployments, failures and other people's changes, and what holds after each of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from functools import cache, partial
from itertools import pairwise
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

from local_aws.emulation import Seed, mock_organization
from support import invariants
from support.accounts import MANAGEMENT, MEMBER, OTHER, STRANGER, SUSPENDED, THIRD
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS, set_feature_by_client
from support.cloudformation import DeploymentOutcome, FakeCloudFormation
from support.faults.vocabulary import (
    CONCURRENT_MODIFICATION,
    CONNECTION_FAILED,
    INVALID_INPUT,
    NO_RESPONSE_AFTER,
    NO_RESPONSE_BEFORE,
    SERVER_ERROR_AFTER,
    THROTTLED,
    Fault,
)
from support.function import BOTH, FakeTime, Function
from support.invariants import Circumstances
from support.witness import (
    CallKind,
    DisturbingWitness,
    Outage,
    SequentialExecutor,
    Timing,
    WatchedCall,
    WatchedInvocation,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

pytestmark = pytest.mark.no_cover

MEMBERS = (MEMBER, OTHER, THIRD)
SOON_SUSPENDED = THIRD
OTHER_SERVICES = ("guardduty.amazonaws.com", "sso.amazonaws.com")
MAX_SUCCESS_BYTES = 2048

FAULTS = (
    CONNECTION_FAILED,
    NO_RESPONSE_BEFORE,
    NO_RESPONSE_AFTER,
    THROTTLED,
    SERVER_ERROR_AFTER,
    CONCURRENT_MODIFICATION,
    INVALID_INPUT,
)


class Intent(Enum):
    """What somebody else wants to do."""

    TOGGLE_FEATURE = "enable a feature, or disable it if it is enabled"
    DISABLE_FEATURE_AS_DELEGATED_ADMINISTRATOR = "disable a feature as delegated administrator"
    TOGGLE_TRUSTED_ACCESS = "enable trusted access, or disable it if it is enabled"
    TOGGLE_REGISTRATION = "register an account, or deregister it if it is registered"
    SUSPEND = "suspend an account"
    UNDO = "undo what the function did last"
    TOGGLE_OTHER_SERVICE = "enable another service's trusted access, or disable it if it is enabled"
    TOGGLE_REGISTRATION_FOR_OTHER_SERVICE = "register an account for another service, or deregister it"


@dataclass(frozen=True, kw_only=True)
class ExternalAction:
    """Something that somebody else does, and to what."""

    intent: Intent
    feature: str = ""
    account_id: str = ""
    service: str = ""


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """What happens around one of the function's calls, or while it waits.

    Attributes:
        timing: Before or after the call; it has no meaning for a wait.
        kind: A call, a call that changes something, or a wait.
        number: Which one, counted from 0 in each operation on the stack.
        event: How the call fails, or what somebody else does.
    """

    timing: Timing = "before"
    kind: CallKind | Literal["wait"]
    number: int
    event: Fault | ExternalAction


@dataclass(frozen=True, kw_only=True)
class World:
    """What all examples share, because clients take long to create.

    Attributes:
        witness: Sees the function's calls, and disturbs them.
        client: Returns somebody else's client.
        situations: How often each kind of situation occurred.
    """

    witness: DisturbingWitness
    client: Callable[..., Any]
    situations: Counter[str] = field(default_factory=Counter)


ON_OTHER_SERVICES = [intent for intent in Intent if "OTHER_SERVICE" in intent.name]
ON_ROOT_ACCESS = [intent for intent in Intent if intent not in ON_OTHER_SERVICES]

external_actions = st.builds(
    ExternalAction,
    intent=st.one_of(*[st.sampled_from(ON_ROOT_ACCESS)] * 2, st.sampled_from(ON_OTHER_SERVICES)),
    feature=st.sampled_from(BOTH),
    account_id=st.sampled_from(MEMBERS),
    service=st.sampled_from(OTHER_SERVICES),
)
timings = st.sampled_from(("before", "after"))


def around_calls(event: st.SearchStrategy[Any]) -> st.SearchStrategy[Disturbance]:
    """Return something that happens around one of the first calls, or of the first writes."""
    around = partial(st.builds, Disturbance, event=event, timing=timings)
    return st.one_of(
        around(kind=st.just("call"), number=st.integers(0, 8)),
        around(kind=st.just("write"), number=st.integers(0, 3)),
    )


faults = around_calls(st.sampled_from(FAULTS))
interferences = st.one_of(
    around_calls(external_actions),
    st.builds(Disturbance, event=external_actions, kind=st.just("wait"), number=st.integers(0, 2)),
)
feature_lists = st.sampled_from(((), (CREDENTIALS,), (SESSIONS,), BOTH))
good_administrators = st.one_of(
    st.none(), st.lists(st.sampled_from(MEMBERS), unique=True, max_size=3).map(tuple)
)
any_administrators = st.lists(
    st.sampled_from((*MEMBERS, SUSPENDED, STRANGER, MANAGEMENT)), unique=True, min_size=1, max_size=4
).map(tuple)
actions = st.sampled_from((*invariants.WRITES, *invariants.READS))
outages = st.builds(
    Outage,
    action=st.one_of(actions, st.sampled_from((invariants.REGISTER, invariants.DEREGISTER))),
    fault=st.sampled_from(FAULTS),
    skipped_calls=st.sampled_from((0, 0, 1)),
    failing_calls=st.one_of(st.none(), st.integers(1, 4)),
)


class Lifecycle(RuleBasedStateMachine):
    """One stack in one organization that other people change too."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.organization = world.witness.organization
        self.organization.reset()
        self.organization.suspend(SUSPENDED)
        self.witness = world.witness
        self.witness.function.time = FakeTime(while_sleeping=self._act_in_wait)
        self.stack = FakeCloudFormation(function=self.witness)
        self.others = self.organization.other_services()
        self.others_were_touched = False
        self.limit = 5
        self.suspended = {SUSPENDED}
        self.actions_in_waits: list[list[Callable[[], None]]] = []

    @initialize(
        enabled=feature_lists,
        hidden=st.booleans(),
        history=st.lists(external_actions, max_size=3),
        limit=st.integers(1, 4),
        twice=st.booleans(),
    )
    def start(
        self,
        enabled: Sequence[str],
        hidden: bool,
        history: Sequence[ExternalAction],
        limit: int,
        twice: bool,
    ) -> None:
        self._set_limit(limit)
        self._act(ExternalAction(intent=Intent.TOGGLE_TRUSTED_ACCESS))
        for feature in enabled:
            self._act(ExternalAction(intent=Intent.TOGGLE_FEATURE, feature=feature))
        if hidden:
            self._act(ExternalAction(intent=Intent.TOGGLE_TRUSTED_ACCESS))
        for action in history:
            self._act(action)
        self.stack.delivers_twice = twice

    # The stack

    @rule(
        features=feature_lists,
        administrators=good_administrators,
        disturbances=st.one_of(
            st.lists(interferences, min_size=1, max_size=4),
            st.lists(st.one_of(faults, faults, interferences), min_size=1, max_size=4),
        ),
        backwards=st.booleans(),
    )
    def deploy_while_others_act_and_calls_fail(
        self,
        features: Sequence[str],
        administrators: Sequence[str] | None,
        disturbances: Sequence[Disturbance],
        backwards: bool,
    ) -> None:
        self._deploy(features, administrators, disturbances=disturbances, backwards=backwards)

    @rule(
        features=feature_lists,
        administrators=good_administrators,
        writes=st.lists(st.integers(0, 2), unique=True, min_size=1, max_size=2),
    )
    def deploy_while_somebody_undoes_it(
        self, features: Sequence[str], administrators: Sequence[str] | None, writes: Sequence[int]
    ) -> None:
        undo = ExternalAction(intent=Intent.UNDO)
        disturbances = [
            Disturbance(timing="after", kind="write", number=number, event=undo) for number in writes
        ]
        self._deploy(features, administrators, disturbances=disturbances)

    @rule(
        features=st.one_of(st.just(()), feature_lists),
        calls=st.lists(st.integers(0, 3), unique=True, min_size=1, max_size=2),
        backwards=st.booleans(),
    )
    def deploy_while_somebody_toggles_trusted_access(
        self, features: Sequence[str], calls: Sequence[int], backwards: bool
    ) -> None:
        toggle = ExternalAction(intent=Intent.TOGGLE_TRUSTED_ACCESS)
        disturbances = [Disturbance(kind="call", number=number, event=toggle) for number in calls]
        self._deploy(features, (), disturbances=disturbances, backwards=backwards)

    @rule(features=feature_lists, administrators=any_administrators)
    def deploy_with_accounts_that_may_be_refused(
        self, features: Sequence[str], administrators: Sequence[str]
    ) -> None:
        self._deploy(features, administrators)

    @rule(features=feature_lists, administrators=good_administrators, outage=outages)
    def deploy_in_an_outage(
        self, features: Sequence[str], administrators: Sequence[str] | None, outage: Outage
    ) -> None:
        self._deploy(features, administrators, outage=outage)

    @rule(
        features=feature_lists,
        added=st.sampled_from(MEMBERS),
        numbers=st.sampled_from(((1, 1), (2, 2), (2, 1))),
        fault=st.sampled_from(FAULTS),
        hits_restored_accounts=st.booleans(),
    )
    def replace_administrators_by_one_that_fails_after_the_last_deregistration(
        self,
        features: Sequence[str],
        added: str,
        numbers: tuple[int, int],
        fault: Fault,
        hits_restored_accounts: bool,
    ) -> None:
        registered, limit = numbers
        self._fill_the_limit([member for member in MEMBERS if member != added][:registered])
        self._set_limit(limit)
        outage = Outage(
            action=invariants.REGISTER,
            fault=fault,
            account_id="" if hits_restored_accounts else added,
            # The response to the first calls is that the limit is reached.
            skipped_calls=registered - limit + 1,
        )
        self._deploy(features, (added,), outage=outage)

    @rule(
        features=feature_lists,
        added=st.sampled_from(MEMBERS),
        refused=st.sampled_from(((), (STRANGER,))),
        action=st.sampled_from((invariants.REGISTER, invariants.DEREGISTER)),
        fault=st.sampled_from(FAULTS),
    )
    def replace_administrators_through_a_fault(
        self, features: Sequence[str], added: str, refused: Sequence[str], action: str, fault: Fault
    ) -> None:
        self._fill_the_limit([member for member in MEMBERS if member != added])
        outage = Outage(action=action, fault=fault, failing_calls=1)
        self._deploy(features, (added, *refused), outage=outage)

    @rule(
        features=feature_lists,
        administrators=good_administrators,
        action=actions,
        waits=st.one_of(st.none(), st.integers(1, 4)),
    )
    def deploy_before_the_policy_takes_effect_if_it_ever_does(
        self, features: Sequence[str], administrators: Sequence[str] | None, action: str, waits: int | None
    ) -> None:
        self.organization.deny(account_id=MANAGEMENT, action=action)
        allow = partial(self.organization.allow, account_id=MANAGEMENT, action=action)
        if waits is None:
            self._deploy(features, administrators, denied_action=action)
        else:
            self._deploy(features, administrators, actions_in_waits=[*[[]] * (waits - 1), [allow]])
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

    @rule(action=external_actions)
    def somebody_else_acts(self, action: ExternalAction) -> None:
        self._act(action)

    # What holds after each step

    @invariant()
    def other_services_are_as_others_left_them(self) -> None:
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
            assert outcome.response_bytes < MAX_SUCCESS_BYTES
            assert self.stack.properties == properties
        elif self.stack.rolled_back:
            self._count({"rolled back": self.stack.rolled_back.succeeded})

    def _operate(
        self,
        operation: Callable[[], DeploymentOutcome],
        *,
        disturbances: Sequence[Disturbance] = (),
        outage: Outage | None = None,
        denied_action: str = "",
        actions_in_waits: Sequence[list[Callable[[], None]]] = (),
        backwards: bool = False,
    ) -> DeploymentOutcome:
        self.witness.restart()
        self.witness.outage = outage
        self.witness.function.executor = partial(SequentialExecutor, backwards=backwards)
        self.actions_in_waits = [*actions_in_waits] or [[], [], []]
        for disturbance in disturbances:
            self._schedule(disturbance)
        outcome = operation()
        circumstances = Circumstances(
            organization_id=self.organization.id,
            denied_action=denied_action,
            failing_action=outage.action if outage and outage.failing_calls is None else "",
            registrable=frozenset(MEMBERS) - self.suspended,
            limit=self.limit,
        )
        for invocation in self.witness.invocations:
            invariants.assert_invariants(invocation, circumstances)
            self._count(situations(invocation))
        self.witness.restart()
        return outcome

    def _schedule(self, disturbance: Disturbance) -> None:
        number = disturbance.number
        match disturbance.kind, disturbance.event:
            case "call" | "write" as kind, Fault() as fault:
                self.witness.faults[kind, number] = fault
            case "call" | "write" as kind, ExternalAction() as action:
                self.witness.actions[disturbance.timing, kind, number].append(partial(self._act, action))
            case "wait", ExternalAction() as action:
                self.actions_in_waits[number].append(partial(self._act, action))

    def _act_in_wait(self) -> None:
        if self.actions_in_waits:
            for action in self.actions_in_waits.pop(0):
                action()

    def _act(self, action: ExternalAction) -> None:
        self._change(action.intent.value, partial(self._perform, action))

    def _change(self, description: str, change: Callable[[], None]) -> None:
        # During a call there is nobody to raise an error to.
        self.others_were_touched |= self.organization.other_services() != self.others
        self.witness.apply_change(description, change)
        self.organization.advance_clock(1)
        self.others = self.organization.other_services()

    def _perform(self, action: ExternalAction) -> None:
        access, other = self.organization.root_access(), self.organization.other_services()
        match action.intent:
            case Intent.TOGGLE_FEATURE:
                enabled = action.feature not in access.features
                set_feature_by_client(self.world.client("iam"), action.feature, enabled=enabled)
            case Intent.DISABLE_FEATURE_AS_DELEGATED_ADMINISTRATOR:
                for account_id in access.delegated_administrators[:1]:
                    set_feature_by_client(
                        self.world.client("iam", account_id=account_id), action.feature, enabled=False
                    )
            case Intent.TOGGLE_TRUSTED_ACCESS:
                self._set_trusted_access(PRINCIPAL, enabled=PRINCIPAL not in access.trusted_access)
            case Intent.TOGGLE_REGISTRATION:
                registered = action.account_id not in access.delegated_administrators
                self._set_registration(action.account_id, PRINCIPAL, registered=registered)
            case Intent.UNDO:
                self._undo()
            case Intent.SUSPEND:
                self.organization.suspend(SOON_SUSPENDED)
                self.suspended.add(SOON_SUSPENDED)
            case Intent.TOGGLE_OTHER_SERVICE:
                self._set_trusted_access(action.service, enabled=action.service not in other.trusted_access)
            case Intent.TOGGLE_REGISTRATION_FOR_OTHER_SERVICE:
                administrators = other.delegated_administrators.get(action.service, {})
                registered = action.account_id not in administrators
                self._set_registration(action.account_id, action.service, registered=registered)

    def _undo(self) -> None:
        writes = [call for call in self.witness.journal if isinstance(call, WatchedCall) and call.took_effect]
        access = self.organization.root_access()
        match writes[-1:]:
            case [WatchedCall(action=invariants.TRUSTED_ACCESS)]:
                self._set_trusted_access(PRINCIPAL, enabled=False)
            case [WatchedCall(action=invariants.REGISTER | invariants.DEREGISTER, account_id=account_id)]:
                registered = account_id not in access.delegated_administrators
                self._set_registration(account_id, PRINCIPAL, registered=registered)
            case [WatchedCall(action=action)]:
                feature = CREDENTIALS if "Credentials" in action else SESSIONS
                enabled = feature not in access.features
                set_feature_by_client(self.world.client("iam"), feature, enabled=enabled)

    def _set_trusted_access(self, principal: str, *, enabled: bool) -> None:
        organizations = self.world.client("organizations")
        if enabled:
            organizations.enable_aws_service_access(ServicePrincipal=principal)
        else:
            organizations.disable_aws_service_access(ServicePrincipal=principal)

    def _set_registration(self, account_id: str, principal: str, *, registered: bool) -> None:
        organizations = self.world.client("organizations")
        if registered:
            organizations.register_delegated_administrator(AccountId=account_id, ServicePrincipal=principal)
        else:
            organizations.deregister_delegated_administrator(AccountId=account_id, ServicePrincipal=principal)

    def _fill_the_limit(self, account_ids: Sequence[str]) -> None:
        """Have other people register exactly these accounts, so that the limit is reached."""
        self._set_limit(len(MEMBERS))
        self._change("register others", partial(self._set_registrations, account_ids))
        self._set_limit(len(account_ids))

    def _set_registrations(self, account_ids: Sequence[str]) -> None:
        self._set_trusted_access(PRINCIPAL, enabled=True)
        administrators = self.organization.root_access().delegated_administrators
        for account_id in sorted({*account_ids} ^ {*administrators}):
            self._set_registration(account_id, PRINCIPAL, registered=account_id not in administrators)

    def _set_limit(self, limit: int) -> None:
        self.organization.set_delegated_administrator_limit(limit)
        self.limit = limit

    def _count(self, situations: Mapping[str, object]) -> None:
        self.world.situations.update({name: int(bool(occurred)) for name, occurred in situations.items()})


def situations(invocation: WatchedInvocation) -> Mapping[str, object]:
    """Return which situations an invocation was in; if one never occurred, the test would show nothing."""
    error = invocation.convergence_error if invocation.error else None
    calls, writes = invocation.calls, invocation.writes
    registrations = [write.action for write in writes if write.took_effect and write.account_id]
    registered_again = any(
        write.action == invariants.REGISTER and write.account_id not in invocation.administrators
        for write in writes
    )
    not_reregistered = error and error.not_reregistered
    doubtful = {str(write) for write in writes if write.fault and write.fault.is_ambiguous}
    confirmed = {str(write) for write in writes if write.is_success}
    in_success = {
        invocation.event["RequestType"]: True,
        "succeeded while somebody else changed something": invocation.external_changes,
        "succeeded despite a fault": any(call.fault for call in calls),
        "waited for a policy": any(call.code == "AccessDenied" for call in calls),
        "nothing to do": calls and not writes,
    }
    in_failure = {
        "failed": error,
        "failed after a doubtful step was confirmed": doubtful & confirmed,
        "possibly applied": error and error.possibly_applied,
        "not applied": error and error.not_applied,
        "nothing changed": error and not error.applied and not error.possibly_applied,
    }
    return {
        "registered again": registered_again and not not_reregistered,
        "not registered again": registered_again and not_reregistered,
        "replaced a delegated administrator": (
            (invariants.DEREGISTER, invariants.REGISTER) in pairwise(registrations)
        ),
        **{name: error is None and occurred for name, occurred in in_success.items()},
        **{name: error is not None and occurred for name, occurred in in_failure.items()},
    }


@pytest.fixture
def world() -> Iterator[World]:
    members = tuple((account_id, f"member-{account_id[0]}") for account_id in (*MEMBERS, SUSPENDED))
    with mock_organization(seed=Seed(members=members)) as organization:
        witness = DisturbingWitness(organization=organization, function=Function())
        yield World(witness=witness, client=cache(organization.client))


def search(world: World, *, examples: int) -> None:
    class OfThisWorld(Lifecycle):
        def __init__(self) -> None:
            super().__init__(world)

    run_state_machine_as_test(
        OfThisWorld,
        settings=settings(
            max_examples=examples,
            stateful_step_count=8,
            deadline=None,
            derandomize=True,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


def test_no_sequence_of_deployments_failures_and_other_peoples_changes_harms_an_organization(
    world: World,
) -> None:
    search(world, examples=25)


@pytest.mark.slow
def test_a_long_search_meets_every_situation_and_none_harms_an_organization(world: World) -> None:
    search(world, examples=200)
    assert len(world.situations) == 16
    assert all(world.situations.values())
