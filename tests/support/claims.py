"""What must hold after every invocation of the custom resource's function, whatever happened meanwhile."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.arrange import CREDENTIALS, PRINCIPAL, SESSIONS
from support.witness import Attempt, Change, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from local_aws.emulation import RootAccess

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

# What a call answers that finds its work done.
_ALREADY = {
    (REGISTER, "AccountAlreadyRegistered"),
    (DEREGISTER, "AccountNotRegistered"),
    (DEREGISTER, "AccountNotFound"),
}
# What a call answers while trusted access is off.
_HIDDEN = "ServiceAccessNotEnabled"

_NOTHING = "Nothing was changed by this invocation."
_LONGEST_ERROR = 2500


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What stays as it is during one operation on the stack.

    Attributes:
        organization_id: the organization.
        denied: the action that the function may not use, "" for none.
        outage: the action that nobody gets through with, "" for none.
        registrable: the accounts that AWS takes as delegated administrators.
        limit: how many it takes.
    """

    organization_id: str
    denied: str
    outage: str
    registrable: frozenset[str]
    limit: int


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """One invocation of the function.

    Attributes:
        event: what it was invoked with.
        before: the organization's root access before it.
        journal: what happened meanwhile.
        after: the organization's root access after it.
        answer: what it returned; None where it raised an error.
        error: the error's message.
        crashed: whether the error is none of the function's own.
        slept: whether the function waited for something.
    """

    event: Mapping[str, Any]
    before: RootAccess
    journal: Sequence[Attempt | Change]
    after: RootAccess
    answer: Mapping[str, Any] | None
    error: str
    crashed: bool
    slept: bool

    @property
    def features(self) -> frozenset[str]:
        """The listed features."""
        return frozenset(self.event["ResourceProperties"]["Features"])

    @property
    def managed(self) -> bool:
        """Whether delegated administrators are listed, be it none."""
        return "DelegatedAdministrators" in self.event["ResourceProperties"]

    @property
    def administrators(self) -> frozenset[str]:
        """The listed delegated administrators."""
        return frozenset(self.event["ResourceProperties"].get("DelegatedAdministrators", ()))

    @property
    def attempts(self) -> list[Attempt]:
        """The function's calls."""
        return [entry for entry in self.journal if isinstance(entry, Attempt)]

    @property
    def writes(self) -> list[Attempt]:
        """The function's calls that change something."""
        return [attempt for attempt in self.attempts if attempt.is_write]

    @property
    def changes(self) -> list[Change]:
        """What somebody else changed meanwhile."""
        return [entry for entry in self.journal if isinstance(entry, Change)]

    @property
    def administrators_changed(self) -> bool:
        """Whether somebody else registered or deregistered an account meanwhile."""
        return any(
            it.before.delegated_administrators != it.after.delegated_administrators for it in self.changes
        )

    def until_changed(self) -> Iterator[tuple[RootAccess, Attempt]]:
        """The calls before somebody else changed something, each with the root access it met."""
        state = self.before
        for entry in self.journal:
            if isinstance(entry, Change):
                return
            yield state, entry
            state = entry.after

    def is_as_listed(self, state: RootAccess) -> bool:
        """Whether root access is what the stack lists."""
        return (
            PRINCIPAL in state.trusted_access
            and state.features == self.features
            and (not self.managed or set(state.delegated_administrators) == self.administrators)
        )


def check(invocation: Invocation, circumstances: Circumstances) -> None:
    """Checks all that must hold after an invocation.

    Raises:
        AssertionError: something does not hold.
    """
    assert not invocation.crashed, f"the function crashed: {invocation.error}"
    if invocation.event["RequestType"] == "Delete":
        _delete_does_nothing(invocation)
        return
    _writes_are_within_what_is_listed(invocation)
    _order_holds(invocation, limit=circumstances.limit)
    _nothing_is_done_needlessly(invocation)
    if invocation.answer is None:
        _failure_was_inevitable(invocation, circumstances)
        _error_tells_what_was_made(invocation)
        _error_tells_what_was_not_made(invocation)
        _who_made_room_is_back(invocation)
    else:
        _status_is_true(invocation, circumstances)
        _success_is_what_is_listed(invocation)


def _delete_does_nothing(invocation: Invocation) -> None:
    assert not invocation.journal, "a Delete made a call"
    assert invocation.after == invocation.before
    assert invocation.answer == {"PhysicalResourceId": invocation.event["PhysicalResourceId"]}


def _writes_are_within_what_is_listed(invocation: Invocation) -> None:
    features, administrators = invocation.features, invocation.administrators
    allowed = {TRUSTED_ACCESS}
    allowed |= {ENABLE[feature] if feature in features else DISABLE[feature] for feature in ENABLE}
    if invocation.managed:
        allowed |= {REGISTER, DEREGISTER}
    left = set()
    for write in invocation.writes:
        assert write.action in allowed, f"{write} is not for what is listed"
        assert write.parameters.get("ServicePrincipal", PRINCIPAL) == PRINCIPAL, f"{write} is not for IAM"
        if write.action == DEREGISTER:
            assert write.account_id not in administrators, f"{write}, who is listed"
            left.add(write.account_id)
        if write.action == REGISTER:
            assert write.account_id in administrators | left, f"{write}, who is not listed and did not leave"


def _order_holds(invocation: Invocation, *, limit: int) -> None:
    features, administrators = invocation.features, invocation.administrators
    for state, attempt in invocation.until_changed():
        registered = state.delegated_administrators
        if attempt.is_write and attempt.action != TRUSTED_ACCESS:
            assert PRINCIPAL in state.trusted_access, f"{attempt} before trusted access"
        if attempt.action in DISABLE.values():
            assert features <= state.features, f"{attempt} before the listed features are on"
        if attempt.action in (REGISTER, DEREGISTER):
            assert state.features == features, f"{attempt} before the features"
        if attempt.action == DEREGISTER and attempt.account_id in registered:
            unlisted = [account_id for account_id in registered if account_id not in administrators]
            assert attempt.account_id == unlisted[0], f"{attempt}, who is not registered longest"
            if not administrators <= set(registered):
                assert len(registered) >= limit, f"{attempt} before the listed are registered"


def _nothing_is_done_needlessly(invocation: Invocation) -> None:
    if not invocation.changes and invocation.is_as_listed(invocation.before):
        assert not invocation.writes, "there was nothing to do"
    if not invocation.changes and not any(
        it.fault or it.code == "AccessDenied" for it in invocation.attempts
    ):
        assert not invocation.slept, "there was nothing to wait for"
    befallen = False
    for state, attempt in invocation.until_changed():
        befallen |= attempt.fault is not None
        if attempt.took_effect and not befallen:
            assert attempt.after != state, f"{attempt} changed nothing"


def _failure_was_inevitable(invocation: Invocation, circumstances: Circumstances) -> None:
    denied = circumstances.denied in {it.action for it in invocation.attempts if it.code == "AccessDenied"}
    failing = circumstances.outage in {it.action for it in invocation.attempts}
    refused = Fault.REFUSED in {it.fault for it in invocation.attempts}
    missing = invocation.administrators.difference(invocation.before.delegated_administrators)
    assert (
        denied
        or failing
        or refused
        or not missing <= circumstances.registrable
        or len(invocation.administrators) > circumstances.limit
        # Somebody else may have taken the last place meanwhile; the framework invokes again.
        or invocation.administrators_changed
    ), f"nothing stood in the way: {invocation.error}"


def _error_tells_what_was_made(invocation: Invocation) -> None:
    error = invocation.error
    assert len(json.dumps(error)) <= _LONGEST_ERROR
    failed = error.partition(" failed in account 111111111111: ")[0]
    assert failed in {str(attempt) for attempt in invocation.attempts} or ": OutOfTime: " in error
    made: list[str] = []
    open_: list[str] = []
    for write in invocation.writes:
        step = str(write)
        if write.succeeded or (write.fault is None and (write.action, write.code) in _ALREADY):
            made.append(step)
            open_ = [it for it in open_ if it != step]
        elif write.fault and write.fault.leaves_open and step not in open_:
            open_.append(step)
    assert _named(error, "Made by this invocation") == _spelled(made)
    assert _named(error, "May have been made (no answer)") == _spelled(open_)
    assert (_NOTHING in error) == (not made and not open_)
    if _NOTHING in error:
        assert not [write for write in invocation.writes if write.took_effect]
        assert invocation.changes or invocation.after == invocation.before


def _error_tells_what_was_not_made(invocation: Invocation) -> None:
    told = _named(invocation.error, "Not made")
    for write in invocation.writes:
        if write.took_effect:
            assert str(write) not in told, f"{write} was made"
    if invocation.changes or not invocation.writes or any("more" in step for step in told):
        return
    missing = [] if PRINCIPAL in invocation.after.trusted_access else [TRUSTED_ACCESS]
    missing += [ENABLE[feature] for feature in invocation.features - invocation.after.features]
    missing += [
        f"{REGISTER}({account_id})"
        for account_id in invocation.administrators.difference(invocation.after.delegated_administrators)
    ]
    open_ = _named(invocation.error, "May have been made (no answer)")
    assert set(missing) <= {*told, *open_}, f"the error does not tell that {missing} are missing"


def _who_made_room_is_back(invocation: Invocation) -> None:
    gone: list[str] = []
    state = invocation.before
    for entry in invocation.journal:
        if isinstance(entry, Change):
            if entry.before.features == entry.after.features:
                return
        elif entry.took_effect and entry.action == DEREGISTER:
            if not invocation.administrators <= set(state.delegated_administrators):
                gone.append(entry.account_id)
        elif entry.took_effect and entry.action == REGISTER:
            # Who is replaced stays away.
            listed = entry.account_id in invocation.administrators
            gone = [] if listed else [it for it in gone if it != entry.account_id]
        state = entry.after
    for account_id in gone:
        assert f"Then {account_id} could not be put back: " in invocation.error


def _status_is_true(invocation: Invocation, circumstances: Circumstances) -> None:
    """What is reported is what AWS said last."""
    assert invocation.answer
    assert invocation.answer["PhysicalResourceId"] == circumstances.organization_id
    data = invocation.answer["Data"]
    features = _last_look(invocation, LIST_FEATURES, *ENABLE.values(), *DISABLE.values()).after.features
    since = _last_look(invocation, LIST_TRUSTED_ACCESS).after.trusted_access[PRINCIPAL]
    administrators = _last_look(invocation, LIST_ADMINISTRATORS).after.delegated_administrators
    status = {0: "DISABLED", 1: "PARTIAL", 2: "ENABLED"}[len(features)]
    assert json.loads(data["StatusJson"]) == {
        "status": status,
        "organizationId": circumstances.organization_id,
        "managementAccountId": "111111111111",
        "trustedAccessEnabledAt": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "features": sorted(features),
        "delegatedAdministrators": sorted(administrators),
    }
    assert data["Status"] == status
    assert data["OrganizationId"] == circumstances.organization_id
    assert data["EnabledFeatures"] == ",".join(sorted(features))
    assert data["TrustedAccessEnabledAt"] == since.strftime("%Y-%m-%dT%H:%M:%SZ")


def _success_is_what_is_listed(invocation: Invocation) -> None:
    """It was so at the last look, and still is unless somebody else changed it after that."""
    after = invocation.after
    features = _last_look(invocation, LIST_FEATURES, *ENABLE.values(), *DISABLE.values())
    assert features.after.features == invocation.features
    if not _changes_since(invocation, features):
        assert after.features == invocation.features
    trusted_access = _last_look(invocation, LIST_TRUSTED_ACCESS)
    assert PRINCIPAL in trusted_access.after.trusted_access
    if not _changes_since(invocation, trusted_access):
        assert PRINCIPAL in after.trusted_access
    if invocation.managed:
        administrators = _last_look(invocation, LIST_ADMINISTRATORS)
        assert set(administrators.after.delegated_administrators) == invocation.administrators
        if not _changes_since(invocation, administrators):
            assert set(after.delegated_administrators) == invocation.administrators


def _last_look(invocation: Invocation, *actions: str) -> Attempt:
    """The last call among these that AWS answered: with what is there, not with an error."""
    answered = [it for it in invocation.attempts if it.fault is None and it.action in actions]
    last = [it for it in answered if it.code in ("", _HIDDEN)][-1]
    assert last.code != _HIDDEN, f"{last} told last that trusted access is off"
    return last


def _changes_since(invocation: Invocation, attempt: Attempt) -> list[Change]:
    position = next(number for number, entry in enumerate(invocation.journal) if entry is attempt)
    return [entry for entry in invocation.journal[position:] if isinstance(entry, Change)]


def _named(error: str, words: str) -> list[str]:
    """The steps that an error names after these words."""
    found = re.search(rf"{re.escape(words)}: ([^.]*)\.", error)
    return found[1].split(", ") if found else []


def _spelled(steps: Sequence[str]) -> list[str]:
    """So many steps as an error spells them, the others as a number."""
    if len(steps) <= 8:
        return list(steps)
    return [*steps[:7], f"{steps[7]} and {len(steps) - 8} more"]
