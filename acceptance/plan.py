"""The plan of a run: its calls, and what each changes. Nothing is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acceptance.model import (
    DELEGATE,
    MANAGEMENT_ACCOUNT,
    MEMBER,
    ROOT_SESSION,
    USER_WITHOUT_POLICIES,
    Level,
)
from acceptance.resources import CALLS, SUBJECTS
from acceptance.scene import field_changed_by
from acceptance.state import FEATURES, State, StateField, StepKind, split_case, with_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from acceptance.model import Case


_CALLERS = {
    MANAGEMENT_ACCOUNT: "the management account",
    MEMBER: "the member account",
    DELEGATE: "the account to register",
    ROOT_SESSION: "the root session",
    USER_WITHOUT_POLICIES: "the user without policies",
}


def plan_lines(cases: Iterable[Case], level: Level) -> Iterator[str]:
    """Yield what a run of these cases calls and changes, from an organization without root access.

    Args:
        cases: The cases, in the order of the run.
        level: The level of the run.
    """
    state = State()
    for case in cases:
        yield f"{case.name} ({case.level}, {case.source})"
        target, steps = split_case(case)
        if level is Level.READ:
            needed = [SUBJECTS[resource] for resource in State().differences(target)]
            if needed:
                yield f"    is seen only where there is already: {', '.join(needed)}"
            yield _call_line(case)
            continue
        for resource in state.differences(target):
            yield f"    {_change(resource, getattr(target, resource))}"
        state = target
        for step in steps:
            if step.resource is None:
                kind, argument = str(step.value).split(" ", 1)
                if kind == StepKind.SESSION:
                    yield f"    calls sts:AssumeRoot for {argument}; changes nothing"
                elif kind == StepKind.WAIT:
                    yield f"    waits {argument} seconds"
                continue
            yield f"    {_change(step.resource, step.value)}"
            state = with_value(state, step.resource, step.value)
        yield _call_line(case)
    if level is Level.READ:
        yield "Nothing is changed."
        return
    restored = [SUBJECTS[resource] for resource in state.differences(State())]
    last = ", ".join(restored) or "nothing"
    yield f"At the end everything is restored; after the last case that is: {last}."


def restoration_lines(before: Mapping[StateField, object]) -> Iterator[str]:
    """Yield what a restoration calls and changes, each where it is not as it was before the run.

    Args:
        before: The value of each resource before the run.
    """
    has_features = any(before.get(field) is not None for field in FEATURES.values())
    if has_features and StateField.TRUSTED_ACCESS not in before:
        # A feature can be seen and changed only while trusted access is enabled.
        yield _change(StateField.TRUSTED_ACCESS, value=True)
    for resource, value in before.items():
        if value is not None or resource not in FEATURES.values():
            yield _change(resource, value)


def _call_line(case: Case) -> str:
    changed = field_changed_by(case.call)
    who = _CALLERS.get(case.caller, case.caller)
    effect = "changes nothing" if changed is None else f"may change {SUBJECTS[changed]}"
    return f"    calls {case.call.operation} as {who}; {effect}"


def _change(resource: StateField, value: object) -> str:
    return f"calls {CALLS[resource, bool(value)]}; changes {SUBJECTS[resource]}"
