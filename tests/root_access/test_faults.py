"""The fault matrix: every path, every call on it, every fault.

The result is either what the stack lists or a failure that reports truly what was applied. The calls of a
path are those that it makes without a fault, so a call that is added to the code is tested by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from local_aws.emulation.state import current_emulation
from local_aws.emulation.task_policies import Feature
from support.accounts import MANAGEMENT, MEMBER, OTHER, THIRD
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS
from support.cloudformation import FakeCloudFormation
from support.faults.vocabulary import (
    ACCESS_DENIED,
    CONCURRENT_MODIFICATION,
    CONNECTION_FAILED,
    NO_RESPONSE_AFTER,
    NO_RESPONSE_BEFORE,
    READ_TIMEOUT,
    SERVER_ERROR_AFTER,
    SERVER_ERROR_BEFORE,
    THROTTLED,
    THROTTLING_EXCEPTION,
    TRUSTED_ACCESS_NOT_VISIBLE,
    Fault,
)
from support.function import BOTH, FakeTime, Function
from support.invariants import (
    DESCRIBE,
    DISABLE,
    ENABLE,
    LIST_ADMINISTRATORS,
    LIST_FEATURES,
    REGISTER,
    Circumstances,
    assert_invariants,
)
from support.witness import DisturbingWitness, Outage, SequentialExecutor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local_aws.emulation import LocalOrganization
    from support.witness import WatchedCall

pytestmark = pytest.mark.slow


@dataclass(frozen=True, kw_only=True)
class Path:
    """What CloudFormation does, and in what organization.

    Attributes:
        new: The properties to deploy.
        old: The properties that were deployed before; None for a Create.
        fresh: Whether root access was never enabled.
        features: The features that are enabled before.
        administrators: The accounts that are registered before.
        hidden: Whether trusted access was disabled again.
        limit: How many delegated administrators AWS accepts.
        refused: An account that is suspended, so that the old properties are deployed again.
    """

    new: Mapping[str, Any]
    old: Mapping[str, Any] | None = None
    fresh: bool = False
    features: tuple[str, ...] = ()
    administrators: tuple[str, ...] = ()
    hidden: bool = False
    limit: int = 5
    refused: str = ""

    def arrange(self, organization: LocalOrganization) -> None:
        """Bring the organization into the state that the path starts from."""
        organization.reset()
        organization.set_delegated_administrator_limit(self.limit)
        emulation = current_emulation()
        if not self.fresh:
            emulation.organization.enable_trusted_access(PRINCIPAL, at=emulation.now())
        emulation.features.update(map(Feature, self.features))
        for account_id in self.administrators:
            emulation.organization.register(account_id=account_id, principal=PRINCIPAL, at=emulation.now())
            organization.advance_clock(1)
        if self.hidden:
            emulation.organization.disable_trusted_access(PRINCIPAL)
        if self.refused:
            organization.suspend(self.refused)


def lists(features: Sequence[str], *administrators: str) -> Mapping[str, Any]:
    return {"Features": features, "DelegatedAdministrators": administrators}


PATHS = {
    "create fresh": Path(new={"Features": BOTH}, fresh=True),
    "create with hidden features": Path(new={"Features": [CREDENTIALS]}, features=BOTH, hidden=True),
    "create as it is": Path(new={"Features": BOTH}, features=BOTH, administrators=(MEMBER,)),
    "narrow": Path(old={"Features": BOTH}, new={"Features": [CREDENTIALS]}, features=BOTH),
    "widen": Path(old={"Features": [SESSIONS]}, new={"Features": BOTH}, features=(SESSIONS,)),
    "other delegates": Path(
        old=lists(BOTH, MEMBER, OTHER),
        new=lists(BOTH, OTHER, THIRD),
        features=BOTH,
        administrators=(MEMBER, OTHER),
    ),
    "other delegates at the limit": Path(
        old=lists(BOTH, MEMBER), new=lists(BOTH, OTHER), features=BOTH, administrators=(MEMBER,), limit=1
    ),
    "rolled back": Path(
        old=lists(BOTH, MEMBER),
        new=lists([CREDENTIALS], OTHER, THIRD),
        features=BOTH,
        administrators=(MEMBER,),
        refused=THIRD,
    ),
}
FAULTS = (
    CONNECTION_FAILED,
    THROTTLED,
    THROTTLING_EXCEPTION,
    CONCURRENT_MODIFICATION,
    SERVER_ERROR_BEFORE,
    SERVER_ERROR_AFTER,
    NO_RESPONSE_BEFORE,
    NO_RESPONSE_AFTER,
    READ_TIMEOUT,
    ACCESS_DENIED,
)


@pytest.fixture
def witness(organization: LocalOrganization) -> DisturbingWitness:
    return DisturbingWitness(organization=organization, function=Function(executor=SequentialExecutor))


def run(
    witness: DisturbingWitness,
    path: Path,
    *,
    fault: tuple[int, Fault] | None = None,
    outage: Outage | None = None,
) -> list[WatchedCall]:
    """Run a path, check each invocation, and return its calls."""
    path.arrange(witness.organization)
    others = witness.organization.other_services()
    witness.restart()
    witness.function.time = FakeTime()
    if fault:
        witness.faults["call", fault[0]] = fault[1]
    witness.outage = outage
    physical_id = None if path.old is None else witness.organization.id
    stack = FakeCloudFormation(function=witness, properties=path.old, physical_id=physical_id)
    outcome = stack.deploy(**path.new)
    assert witness.organization.other_services() == others
    assert outage or outcome.succeeded != bool(path.refused)
    for invocation in witness.invocations:
        assert_invariants(
            invocation,
            Circumstances(
                organization_id=witness.organization.id,
                failing_action=outage.action if outage else "",
                registrable=frozenset({MEMBER, OTHER, THIRD} - {path.refused}),
                limit=path.limit,
            ),
        )
    return [call for invocation in witness.invocations for call in invocation.calls]


def can_occur(fault: Fault, call: WatchedCall) -> bool:
    """Return whether AWS can have a fault at a call."""
    if fault is TRUSTED_ACCESS_NOT_VISIBLE:
        needs_it = {LIST_ADMINISTRATORS, LIST_FEATURES, REGISTER, *ENABLE.values(), *DISABLE.values()}
        return call.action in needs_it and PRINCIPAL in call.after.trusted_access
    # The only read for which AWS documents it.
    return fault is not CONCURRENT_MODIFICATION or call.is_write or call.action == DESCRIBE


@pytest.mark.parametrize("fault", [*FAULTS, TRUSTED_ACCESS_NOT_VISIBLE], ids=str)
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_fault_that_passes_does_not_change_the_result(
    witness: DisturbingWitness, path: Path, fault: Fault
) -> None:
    for number, call in enumerate(run(witness, path)):
        if can_occur(fault, call):
            calls = run(witness, path, fault=(number, fault))
            assert [call.fault for call in calls if call.fault] == [fault]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_fault_that_persists_is_reported(witness: DisturbingWitness, path: Path, fault: Fault) -> None:
    for action in {call.action for call in run(witness, path)}:
        run(witness, path, outage=Outage(action=action, fault=fault))
        for invocation in witness.invocations:
            if invocation.error is None:
                is_met = any(call.fault for call in invocation.calls)
                assert not is_met or (action == LIST_ADMINISTRATORS and not invocation.manages_administrators)
                continue
            error = invocation.convergence_error
            assert error.account_id == MANAGEMENT
            if any(call.fault for call in invocation.calls):
                assert (error.step.operation if error.step else error.failure.operation) == action
                assert error.failure.code == fault.code_of(action)
