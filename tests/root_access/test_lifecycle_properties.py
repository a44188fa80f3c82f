"""Any sequence of deployments, failures and changes by others, and what holds after each of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, partial
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
from support.function import BOTH, FakeTime, Function
from support.invariants import Circumstances
from support.witness import CallKind, Outage, SequentialExecutor, Timing, WatchedCall, Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

pytestmark = pytest.mark.no_cover

MEMBERS = (MEMBER, OTHER, THIRD)
SOON_SUSPENDED = THIRD
MAX_SUCCESS_BYTES = 2048

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


class Intent(Enum):
    """What others want to do."""

    TOGGLE_FEATURE = "enable a feature, or disable it if it is enabled"
    DISABLE_FEATURE_AS_DELEGATED_ADMINISTRATOR = "disable a feature as delegated administrator"
    TOGGLE_TRUSTED_ACCESS = "enable trusted access, or disable it if it is enabled"
    TOGGLE_REGISTRATION = "register an account, or deregister it if it is registered"
    SUSPEND = "suspend an account"
    UNDO = "undo what the function did last"


@dataclass(frozen=True, kw_only=True)
class ExternalAction:
    """Something that others do, and to what."""

    intent: Intent
    feature: str = ""
    account_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """What happens around one of the function's calls, or while it waits.

    Attributes:
        timing: Before or after the call; it has no meaning for a wait.
        kind: A call, a call that changes something, or a wait.
        number: Which one, counted from 0 in each operation on the stack.
        event: How the call fails, or what others do.
    """

    timing: Timing = "before"
    kind: CallKind | Literal["wait"]
    number: int
    event: Fault | ExternalAction


external_actions = st.builds(
    ExternalAction,
    intent=st.sampled_from(Intent),
    feature=st.sampled_from(BOTH),
    account_id=st.sampled_from(MEMBERS),
)


def around_calls(event: st.SearchStrategy[Any]) -> st.SearchStrategy[Disturbance]:
    """Return something that happens around one of the first calls, or of the first writes."""
    around = partial(st.builds, Disturbance, event=event, timing=st.sampled_from(("before", "after")))
    return st.one_of(
        around(kind=st.just("call"), number=st.integers(0, 10)),
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
    """One stack in one organization, which others change as well."""

    def __init__(self, witness: Witness, client: Callable[..., Any]) -> None:
        super().__init__()
        self.witness = witness
        self.client = client
        self.organization = witness.organization
        self.organization.reset()
        self.organization.suspend(SUSPENDED)
        self.witness.function.time = FakeTime(while_sleeping=self._act_in_wait)
        self.stack = FakeCloudFormation(function=self.witness)
        self.others = self.organization.other_services()
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
        self, enabled: Sequence[str], hidden: bool, history: Sequence[ExternalAction], limit: int, twice: bool
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
        refused=st.sampled_from(((), (STRANGER,))),
        outage=st.builds(
            Outage,
            action=st.sampled_from((invariants.REGISTER, invariants.DEREGISTER)),
            fault=st.sampled_from(FAULTS),
            # AWS responds to the first registration that the limit is reached.
            skipped_calls=st.integers(0, 2),
            failing_calls=st.sampled_from((1, None)),
        ),
        spares_restored_accounts=st.booleans(),
    )
    def replace_administrators_at_the_limit(
        self,
        features: Sequence[str],
        added: str,
        refused: Sequence[str],
        outage: Outage,
        spares_restored_accounts: bool,
    ) -> None:
        self._fill_the_limit([member for member in MEMBERS if member != added])
        if spares_restored_accounts and outage.action == invariants.REGISTER:
            outage = replace(outage, account_id=added)
        self._deploy(features, (added, *refused), outage=outage)

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

    # Others

    @rule(action=external_actions)
    def others_act(self, action: ExternalAction) -> None:
        self._act(action)

    # What holds after each step

    @invariant()
    def other_services_are_as_they_were(self) -> None:
        assert self.organization.other_services() == self.others

    @invariant()
    def the_physical_id_is_the_organizations_id(self) -> None:
        exists = self.stack.properties is not None
        assert self.stack.physical_id == (self.organization.id if exists else None)

    # How it is done

    def _deploy(self, features: Sequence[str], administrators: Sequence[str] | None, **during: Any) -> None:
        properties: dict[str, object] = {"Features": tuple(features)}
        if administrators is not None:
            properties["DelegatedAdministrators"] = tuple(administrators)
        outcome = self._operate(partial(self.stack.deploy, **properties), **during)
        if outcome.succeeded:
            assert outcome.response_bytes < MAX_SUCCESS_BYTES
            assert self.stack.properties == properties

    def _operate(
        self,
        operation: Callable[[], DeploymentOutcome],
        *,
        disturbances: Sequence[Disturbance] = (),
        outage: Outage | None = None,
        backwards: bool = False,
    ) -> DeploymentOutcome:
        self.witness.restart()
        self.witness.outage = outage
        self.witness.function.executor = partial(SequentialExecutor, backwards=backwards)
        self.actions_in_waits = [[], [], []]
        for disturbance in disturbances:
            self._schedule(disturbance)
        outcome = operation()
        circumstances = Circumstances(
            organization_id=self.organization.id,
            failing_action=outage.action if outage and outage.failing_calls is None else "",
            registrable=frozenset(MEMBERS) - self.suspended,
            limit=self.limit,
        )
        for invocation in self.witness.invocations:
            invariants.assert_invariants(invocation, circumstances)
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
        self._change(partial(self._perform, action))

    def _change(self, change: Callable[[], None]) -> None:
        self.witness.apply_change(change)
        self.organization.advance_clock(1)

    def _perform(self, action: ExternalAction) -> None:
        access = self.organization.root_access()
        match action.intent:
            case Intent.TOGGLE_FEATURE:
                enabled = action.feature not in access.features
                set_feature_by_client(self.client("iam"), action.feature, enabled=enabled)
            case Intent.DISABLE_FEATURE_AS_DELEGATED_ADMINISTRATOR:
                for account_id in access.delegated_administrators[:1]:
                    set_feature_by_client(
                        self.client("iam", account_id=account_id), action.feature, enabled=False
                    )
            case Intent.TOGGLE_TRUSTED_ACCESS:
                self._set_trusted_access(enabled=PRINCIPAL not in access.trusted_access)
            case Intent.TOGGLE_REGISTRATION:
                registered = action.account_id not in access.delegated_administrators
                self._set_registration(action.account_id, registered=registered)
            case Intent.UNDO:
                self._undo()
            case Intent.SUSPEND:
                self.organization.suspend(SOON_SUSPENDED)
                self.suspended.add(SOON_SUSPENDED)

    def _undo(self) -> None:
        writes = [call for call in self.witness.journal if isinstance(call, WatchedCall) and call.took_effect]
        access = self.organization.root_access()
        match writes[-1:]:
            case [WatchedCall(action=invariants.TRUSTED_ACCESS)]:
                self._set_trusted_access(enabled=False)
            case [WatchedCall(action=invariants.REGISTER | invariants.DEREGISTER, account_id=account_id)]:
                registered = account_id not in access.delegated_administrators
                self._set_registration(account_id, registered=registered)
            case [WatchedCall(action=action)]:
                feature = CREDENTIALS if "Credentials" in action else SESSIONS
                enabled = feature not in access.features
                set_feature_by_client(self.client("iam"), feature, enabled=enabled)

    def _set_trusted_access(self, *, enabled: bool) -> None:
        organizations = self.client("organizations")
        if enabled:
            organizations.enable_aws_service_access(ServicePrincipal=PRINCIPAL)
        else:
            organizations.disable_aws_service_access(ServicePrincipal=PRINCIPAL)

    def _set_registration(self, account_id: str, *, registered: bool) -> None:
        organizations = self.client("organizations")
        if registered:
            organizations.register_delegated_administrator(AccountId=account_id, ServicePrincipal=PRINCIPAL)
        else:
            organizations.deregister_delegated_administrator(AccountId=account_id, ServicePrincipal=PRINCIPAL)

    def _fill_the_limit(self, account_ids: Sequence[str]) -> None:
        """Let others register exactly these accounts, which reaches the limit."""
        self._set_limit(len(MEMBERS))
        self._change(partial(self._set_registrations, account_ids))
        self._set_limit(len(account_ids))

    def _set_registrations(self, account_ids: Sequence[str]) -> None:
        self._set_trusted_access(enabled=True)
        administrators = self.organization.root_access().delegated_administrators
        for account_id in sorted({*account_ids} ^ {*administrators}):
            self._set_registration(account_id, registered=account_id not in administrators)

    def _set_limit(self, limit: int) -> None:
        self.organization.set_delegated_administrator_limit(limit)
        self.limit = limit


@pytest.mark.parametrize("examples", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_no_sequence_of_deployments_failures_and_changes_harms_an_organization(examples: int) -> None:
    members = tuple((account_id, f"member-{account_id[0]}") for account_id in (*MEMBERS, SUSPENDED))
    with mock_organization(seed=Seed(members=members)) as organization:
        witness, client = Witness(organization=organization, function=Function()), cache(organization.client)

        class OfOrganization(Lifecycle):
            def __init__(self) -> None:
                super().__init__(witness, client)

        run_state_machine_as_test(
            OfOrganization,
            settings=settings(
                max_examples=examples,
                stateful_step_count=8,
                deadline=None,
                derandomize=True,
                print_blob=True,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
