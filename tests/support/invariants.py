"""What must hold after every invocation of the custom resource's function, regardless of what happened.

The search for a harmful sequence asserts it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.accounts import MANAGEMENT
from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS
from support.faults.vocabulary import INVALID_INPUT
from support.witness import ExternalChange

if TYPE_CHECKING:
    from support.witness import WatchedCall, WatchedInvocation

TRUSTED_ACCESS = "organizations:EnableAWSServiceAccess"
REGISTER = "organizations:RegisterDelegatedAdministrator"
DEREGISTER = "organizations:DeregisterDelegatedAdministrator"
DESCRIBE = "organizations:DescribeOrganization"
LIST_TRUSTED_ACCESS = "organizations:ListAWSServiceAccessForOrganization"
LIST_ADMINISTRATORS = "organizations:ListDelegatedAdministrators"
LIST_FEATURES = "iam:ListOrganizationsFeatures"
ENABLE = {
    CREDENTIALS: "iam:EnableOrganizationsRootCredentialsManagement",
    SESSIONS: "iam:EnableOrganizationsRootSessions",
}
DISABLE = {
    CREDENTIALS: "iam:DisableOrganizationsRootCredentialsManagement",
    SESSIONS: "iam:DisableOrganizationsRootSessions",
}
READS = (DESCRIBE, LIST_TRUSTED_ACCESS, LIST_ADMINISTRATORS, LIST_FEATURES)
WRITES = (TRUSTED_ACCESS, *ENABLE.values(), *DISABLE.values(), REGISTER, DEREGISTER)

# The error codes of a call that has nothing left to do.
_ALREADY = {
    (REGISTER, "AccountAlreadyRegistered"),
    (DEREGISTER, "AccountNotRegistered"),
    (DEREGISTER, "AccountNotFound"),
}
# The error code of a call while trusted access is not enabled.
_HIDDEN = "ServiceAccessNotEnabled"

_MAX_ERROR_BYTES = 2500

# One attempt takes up to twenty seconds, and the response has to be sent after it.
_NO_START_IN_THE_LAST_SECONDS = 35


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What does not change during one operation on the stack.

    Attributes:
        organization_id: The organization.
        failing_action: The action whose calls all fail; "" for none.
        registrable: The accounts that AWS accepts as delegated administrators.
        limit: How many it accepts.
    """

    organization_id: str
    failing_action: str = ""
    registrable: frozenset[str]
    limit: int


def assert_invariants(invocation: WatchedInvocation, circumstances: Circumstances) -> None:
    """Assert all that must hold after an invocation.

    Raises:
        AssertionError: Something does not hold.
    """
    if invocation.event["RequestType"] == "Delete":
        _assert_delete_does_nothing(invocation)
        return
    _assert_no_call_starts_too_late(invocation)
    _assert_writes_are_within_what_is_listed(invocation)
    _assert_order_holds(invocation, limit=circumstances.limit)
    _assert_nothing_is_done_needlessly(invocation)
    if invocation.error is not None:
        _assert_failure_was_inevitable(invocation, circumstances)
        _assert_error_reports_what_was_applied(invocation)
        _assert_error_reports_what_was_not_applied(invocation)
        _assert_deregistered_administrators_are_registered_again(invocation)
    else:
        _assert_status_is_true(invocation, circumstances)
        _assert_success_is_what_is_listed(invocation)


def _assert_delete_does_nothing(invocation: WatchedInvocation) -> None:
    assert not invocation.journal, "a Delete made a call"
    assert invocation.after == invocation.before
    assert invocation.error is None


def _assert_no_call_starts_too_late(invocation: WatchedInvocation) -> None:
    assert invocation.ended <= invocation.deadline
    for call in invocation.calls:
        assert call.started <= invocation.deadline - _NO_START_IN_THE_LAST_SECONDS, call


def _assert_writes_are_within_what_is_listed(invocation: WatchedInvocation) -> None:
    features, administrators = invocation.features, invocation.administrators
    allowed = {TRUSTED_ACCESS}
    allowed |= {ENABLE[feature] if feature in features else DISABLE[feature] for feature in ENABLE}
    if invocation.manages_administrators:
        allowed |= {REGISTER, DEREGISTER}
    left = set()
    for write in invocation.writes:
        assert write.action in allowed, f"{write} is not for what is listed"
        assert write.parameters.get("ServicePrincipal", PRINCIPAL) == PRINCIPAL, f"{write} is not for IAM"
        if write.action == DEREGISTER:
            assert write.account_id not in administrators, f"{write}, which is listed"
            left.add(write.account_id)
        if write.action == REGISTER:
            assert write.account_id in administrators | left, (
                f"{write}, which is not listed and was not deregistered"
            )


def _assert_order_holds(invocation: WatchedInvocation, *, limit: int) -> None:
    features, administrators = invocation.features, invocation.administrators
    for state, call in invocation.calls_before_external_changes():
        registered = state.delegated_administrators
        if call.is_write and call.action != TRUSTED_ACCESS:
            assert PRINCIPAL in state.trusted_access, f"{call} before trusted access"
        if call.action in DISABLE.values():
            assert features <= state.features, f"{call} before the listed features are enabled"
        if call.action in (REGISTER, DEREGISTER):
            assert state.features == features, f"{call} before the features"
        if call.action == DEREGISTER and call.account_id in registered:
            unlisted = [account_id for account_id in registered if account_id not in administrators]
            assert call.account_id == unlisted[0], f"{call}, which is not the one registered longest"
            if not administrators <= set(registered):
                assert len(registered) >= limit, f"{call} before the listed accounts are registered"


def _assert_nothing_is_done_needlessly(invocation: WatchedInvocation) -> None:
    if not invocation.external_changes and invocation.is_as_listed(invocation.before):
        assert not invocation.writes, "there was nothing to do"
    if not invocation.external_changes and not any(call.fault for call in invocation.calls):
        assert not invocation.waited, "there was nothing to wait for"
    has_met_fault = False
    for state, call in invocation.calls_before_external_changes():
        has_met_fault |= call.fault is not None
        if call.took_effect and not has_met_fault:
            assert call.after != state, f"{call} changed nothing"


def _assert_failure_was_inevitable(invocation: WatchedInvocation, circumstances: Circumstances) -> None:
    missing = invocation.administrators.difference(invocation.before.delegated_administrators)
    assert (
        circumstances.failing_action in {call.action for call in invocation.calls}
        or INVALID_INPUT in {call.fault for call in invocation.calls}
        or not missing <= circumstances.registrable
        or len(invocation.administrators) > circumstances.limit
        # Others may have taken the last place meanwhile.
        or any(
            change.before.delegated_administrators != change.after.delegated_administrators
            for change in invocation.external_changes
        )
    ), f"nothing stood in the way: {invocation.error}"


def _assert_error_reports_what_was_applied(invocation: WatchedInvocation) -> None:
    error = invocation.convergence_error
    assert len(json.dumps(str(error))) <= _MAX_ERROR_BYTES
    assert error.account_id == MANAGEMENT
    failed = str(error.step or error.failure.operation)
    assert failed in {str(call) for call in invocation.calls} or error.failure.code == "OutOfTime"
    applied: list[str] = []
    possibly_applied: list[str] = []
    for write in invocation.writes:
        step = str(write)
        if write.is_success or (write.fault is None and (write.action, write.code) in _ALREADY):
            applied.append(step)
            possibly_applied = [possible for possible in possibly_applied if possible != step]
        elif write.fault and write.fault.is_ambiguous and step not in possibly_applied:
            possibly_applied.append(step)
    assert [str(step) for step in error.applied] == applied
    assert [str(step) for step in error.possibly_applied] == possibly_applied
    if not applied and not possibly_applied:
        assert not [write for write in invocation.writes if write.took_effect]
        assert invocation.external_changes or invocation.after == invocation.before


def _assert_error_reports_what_was_not_applied(invocation: WatchedInvocation) -> None:
    error = invocation.convergence_error
    not_applied = {str(step) for step in error.not_applied}
    for write in invocation.writes:
        if write.took_effect:
            assert str(write) not in not_applied, f"{write} was applied"
    if invocation.external_changes or not invocation.writes:
        return
    missing = set() if PRINCIPAL in invocation.after.trusted_access else {TRUSTED_ACCESS}
    missing |= {ENABLE[feature] for feature in invocation.features - invocation.after.features}
    missing |= {
        f"{REGISTER}({account_id})"
        for account_id in invocation.administrators.difference(invocation.after.delegated_administrators)
    }
    missing |= {str(write) for write in invocation.writes}.difference(str(step) for step in error.applied)
    missing -= {str(step) for step, _ in error.not_reregistered}
    reported = not_applied | {str(step) for step in error.possibly_applied}
    assert missing <= reported, f"the error does not say that {missing - reported} are missing"


def _assert_deregistered_administrators_are_registered_again(invocation: WatchedInvocation) -> None:
    gone: list[str] = []
    state = invocation.before
    for entry in invocation.journal:
        if isinstance(entry, ExternalChange):
            if entry.before.features == entry.after.features:
                return
        elif entry.took_effect and entry.action == DEREGISTER:
            if not invocation.administrators <= set(state.delegated_administrators):
                gone.append(entry.account_id)
        elif entry.took_effect and entry.action == REGISTER:
            # An account that was replaced is not registered again.
            is_listed = entry.account_id in invocation.administrators
            gone = [] if is_listed else [account_id for account_id in gone if account_id != entry.account_id]
        state = entry.after
    error = invocation.convergence_error
    reported = {step for step, _ in error.not_reregistered}
    assert {step.operation for step in reported} <= {REGISTER}
    assert set(gone) <= {step.account_id for step in reported}
    registered = {step for step in reported if step.account_id in invocation.after.delegated_administrators}
    assert registered <= set(error.possibly_applied)


def _assert_status_is_true(invocation: WatchedInvocation, circumstances: Circumstances) -> None:
    """Assert that the status is what AWS's last responses said."""
    assert invocation.resource
    assert invocation.resource["PhysicalResourceId"] == circumstances.organization_id
    data = invocation.resource["Data"]
    features = _last_look(invocation, LIST_FEATURES, *ENABLE.values(), *DISABLE.values()).after.features
    since = _last_look(invocation, LIST_TRUSTED_ACCESS).after.trusted_access[PRINCIPAL]
    status = {0: "DISABLED", 1: "PARTIAL", 2: "ENABLED"}[len(features)]
    assert json.loads(data["StatusJson"]) == {
        "status": status,
        "organizationId": circumstances.organization_id,
        "managementAccountId": MANAGEMENT,
        "trustedAccessEnabledAt": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "features": sorted(features),
        "delegatedAdministrators": _administrators_to_report(invocation),
    }
    assert data["Status"] == status
    assert data["OrganizationId"] == circumstances.organization_id


def _administrators_to_report(invocation: WatchedInvocation) -> list[str] | None:
    """Return the accounts of the last list; None if they are not managed and the last look failed."""
    *_, last = (call for call in invocation.calls if call.action == LIST_ADMINISTRATORS)
    if not last.is_success and last.code != _HIDDEN and not invocation.manages_administrators:
        return None
    return sorted(_last_look(invocation, LIST_ADMINISTRATORS).after.delegated_administrators)


def _assert_success_is_what_is_listed(invocation: WatchedInvocation) -> None:
    """Assert that it was so at the last look, and still is unless others changed it after that."""
    after = invocation.after
    features = _last_look(invocation, LIST_FEATURES, *ENABLE.values(), *DISABLE.values())
    assert features.after.features == invocation.features
    if not _external_changes_since(invocation, features):
        assert after.features == invocation.features
    trusted_access = _last_look(invocation, LIST_TRUSTED_ACCESS)
    assert PRINCIPAL in trusted_access.after.trusted_access
    if not _external_changes_since(invocation, trusted_access):
        assert PRINCIPAL in after.trusted_access
    if invocation.manages_administrators:
        administrators = _last_look(invocation, LIST_ADMINISTRATORS)
        assert set(administrators.after.delegated_administrators) == invocation.administrators
        if not _external_changes_since(invocation, administrators):
            assert set(after.delegated_administrators) == invocation.administrators


def _last_look(invocation: WatchedInvocation, *actions: str) -> WatchedCall:
    """Return the last of these calls whose response said how things are."""
    responses = [call for call in invocation.calls if call.fault is None and call.action in actions]
    last = [call for call in responses if call.code in ("", _HIDDEN)][-1]
    assert last.code != _HIDDEN, f"{last} said last that trusted access is not enabled"
    return last


def _external_changes_since(invocation: WatchedInvocation, call: WatchedCall) -> list[ExternalChange]:
    position = next(number for number, entry in enumerate(invocation.journal) if entry is call)
    return [entry for entry in invocation.journal[position:] if isinstance(entry, ExternalChange)]
