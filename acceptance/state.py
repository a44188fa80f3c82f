"""A run's changes, the state that the steps of a case lead to, and the order of the steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from acceptance.model import DELEGATE, MEMBER, Level

CREDENTIALS = "RootCredentialsManagement"
SESSIONS = "RootSessions"
# The value of what a run makes while it may exist or not, in any form.
UNKNOWN = "unknown"


class StateField(StrEnum):
    """The fields of the state that a run changes."""

    TRUSTED_ACCESS = "trusted_access"
    CREDENTIALS = "credentials"
    SESSIONS = "sessions"
    DELEGATE = "delegate"
    PASSWORD = "password"
    BUCKET = "bucket"
    QUEUE = "queue"
    POLICY = "policy"

    @property
    def level(self) -> Level:
        """The level of the runs that may change it."""
        in_member = (StateField.PASSWORD, StateField.BUCKET, StateField.QUEUE, StateField.POLICY)
        return Level.MEMBER if self in in_member else Level.FEATURE


FEATURES: Mapping[str, StateField] = {
    CREDENTIALS: StateField.CREDENTIALS,
    SESSIONS: StateField.SESSIONS,
}


@dataclass(frozen=True, kw_only=True)
class State:
    """The part of the organization's state that a run changes.

    Attributes:
        trusted_access: Whether IAM has trusted access.
        credentials: Whether RootCredentialsManagement is enabled; None while it cannot be listed.
        sessions: Whether RootSessions is enabled; None while it cannot be listed.
        delegate: Whether the delegate is registered for IAM; a text if another account is.
        password: Whether the member's root user has a password.
        bucket: The policy of the run's bucket, "open" or "locked"; None if there is no bucket.
        queue: The same for the run's queue.
        policy: Which policy the run attached; None for none. Like the three before it, it may be
            unknown.
    """

    trusted_access: bool = False
    credentials: bool | None = False
    sessions: bool | None = False
    delegate: bool | str = False
    password: bool | str = False
    bucket: str | None = None
    queue: str | None = None
    policy: str | None = None

    def differences(self, other: State) -> tuple[StateField, ...]:
        """Return in what another state differs. A feature that cannot be listed does not differ."""
        different = []
        for resource in StateField:
            own_value, other_value = getattr(self, resource), getattr(other, resource)
            cannot_be_listed = resource in FEATURES.values() and None in (own_value, other_value)
            if own_value != other_value and not cannot_be_listed:
                different.append(resource)
        return tuple(different)


def state_after_kill(level: Level) -> State:
    """Return what is known of an organization after a run of a level that was killed."""
    unknown = {}
    if level is Level.MEMBER:
        unknown = {field.value: UNKNOWN for field in StateField if field.level is level}
    return State(**{"credentials": None, "sessions": None, **unknown})  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of a case.

    Attributes:
        resource: What it changes; None if it is a wait or a session.
        value: What it changes it to; the seconds of a wait, the task of a session.
        in_order: Whether it matters that it happens after the steps before it.
    """

    resource: StateField | None
    value: bool | float | str
    in_order: bool = False


_ENABLED = {"enabled": True, "disabled": False, "registered": True, "deregistered": False}


def parse_step(text: str) -> Step:
    """Return a step of a case.

    Raises:
        ValueError: There is no such step.
    """
    words = text.split()
    match words:
        case ["trusted", "access", "enabled" | "disabled" as state]:
            resource = StateField.TRUSTED_ACCESS
        case [feature, "enabled" | "disabled" as state] if feature in FEATURES:
            resource = FEATURES[feature]
        case [account, "registered" | "deregistered" as state] if account == DELEGATE:
            resource = StateField.DELEGATE
        case [*no, "root", "password", "in", account] if account == MEMBER and no in ([], ["no"]):
            return Step(resource=StateField.PASSWORD, value=not no, in_order=bool(no))
        case ["bucket" | "queue" as kind, "locked" | "open" as policy]:
            return Step(resource=StateField(kind), value=policy)
        case [seconds, "seconds", "later"]:
            return Step(resource=None, value=float(seconds), in_order=True)
        case ["root", "session", task]:
            return Step(resource=None, value=task, in_order=True)
        case ["policy", *name, "attached"]:
            return Step(resource=StateField.POLICY, value=" ".join(name))
        case ["policy", *_, "detached"]:
            return Step(resource=StateField.POLICY, value="", in_order=True)
        case _:
            raise ValueError(f"There is no step {text!r}.")
    enabled = _ENABLED[state]
    return Step(resource=resource, value=enabled, in_order=not enabled)


def is_time_bound(given: Iterable[str]) -> bool:
    """Return whether the response depends on the time since a step, so that no run may wait."""
    return any(step.endswith("seconds later") for step in given)


def split_steps(given: Sequence[str]) -> tuple[State, tuple[Step, ...]]:
    """Return the state to which the first steps lead in any order, and the steps that follow."""
    steps = [parse_step(text) for text in given]
    state = State()
    for number, step in enumerate(steps):
        if step.in_order or step.resource is None:
            return state, tuple(steps[number:])
        state = with_value(state, step.resource, step.value)
    return state, ()


def with_value(state: State, resource: StateField, value: object) -> State:
    """Return a state with another value; an empty one means that there is none."""
    return replace(state, **{resource.value: None if value == "" else value})  # type: ignore[arg-type]
