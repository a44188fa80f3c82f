"""Brings an organization into the state of a case, makes the call, and restores what was."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from acceptance.callers import Callers, call_operation
from acceptance.measurements import MEASUREMENTS
from acceptance.model import MEASUREMENT, ROOT_SESSION, Call, Case, Response
from acceptance.resources import (
    NEEDED_FEATURES,
    SETTERS,
    SUBJECTS,
    account_summary,
    field_changed_by,
    observe_root_access,
    policy_types,
    queue_url,
)
from acceptance.state import FEATURES, UNKNOWN, State, StateField, Step, split_steps, with_value

_IN_MEMBER = (StateField.BUCKET, StateField.QUEUE, StateField.PASSWORD)
# What a run itself makes, and so knows without asking AWS, whose lists lag.
_MADE = (*_IN_MEMBER, StateField.POLICY)
_QUEUE_URL = "{queue url}"


class RestoreError(Exception):
    """Something could not be restored; the message has each field of the state, and why."""


class Scene:
    """An organization, and its state as far as a run changes it.

    Args:
        callers: The clients.
        state: The state of the organization.
    """

    def __init__(self, callers: Callers, *, state: State) -> None:
        self.callers = callers
        self.state = state
        self._names = callers.names

    @functools.cached_property
    def policy_types(self) -> frozenset[str]:
        """The enabled types of policies, of those that the run attaches."""
        return policy_types(self.callers)

    def arrange(self, case: Case) -> None:
        """Bring the organization into the state that the case is given."""
        target, steps = split_steps(case.given)
        self.converge(target)
        self.callers.root_session = None
        for step in steps:
            self._apply(step)
        if case.caller != ROOT_SESSION and not case.call.operation.startswith(MEASUREMENT):
            # A role's session takes a moment; the call itself must not wait for it.
            self.callers.arn_of(case.caller)

    def call(self, case: Case) -> Response:
        """Make the call of the case, and return the normalized response."""
        response = self._respond(case)
        changed = field_changed_by(case.call)
        if changed in (StateField.TRUSTED_ACCESS, StateField.DELEGATE, *FEATURES.values()):
            self.observe()
        if changed in _MADE:
            self.state = with_value(self.state, changed, UNKNOWN)
        return response

    def afterwards(self, keys: Mapping[str, int]) -> dict[str, int]:
        """Return these keys of the member's GetAccountSummary."""
        summary = account_summary(self.callers)
        return {key: summary[key] for key in keys}

    def reveal_features(self) -> None:
        """Enable trusted access: only then are the features listed."""
        self._set(StateField.TRUSTED_ACCESS, True)

    def observe(self) -> None:
        """Look at root access; features that are hidden stay what they were."""
        observed = observe_root_access(self.callers)
        features = FEATURES.values() if observed.trusted_access else ()
        names = ("trusted_access", "delegate", *features)
        self.state = replace(self.state, **{name: getattr(observed, name) for name in names})

    def restore(self, before: State) -> None:
        """Restore the state before a run, as often as needed; a failure keeps nothing else from it.

        Raises:
            RestoreError: Something could not be restored.
        """
        problems: list[str] = []

        def attempt(resource: StateField, value: Any) -> None:
            """Set a field, and note why that is not possible."""
            try:
                self._set(resource, value)
            except (BotoCoreError, ClientError) as error:
                problems.append(f"{SUBJECTS[resource]}: {error}")

        self.observe()
        if before.credentials is not None:
            self.reveal_features()
        self._converge(before, attempt)
        if problems:
            raise RestoreError("Not restored: " + "; ".join(problems))

    def converge(self, target: State) -> None:
        """Bring the organization into a state, in an order in which each change is possible."""
        self._converge(target, self._set)

    def _converge(self, target: State, set_: Callable[[StateField, Any], None]) -> None:
        """Set each field that differs, in an order in which each change is possible.

        Args:
            target: The wanted state.
            set_: Sets a field to a value.
        """
        if self.state.policy not in (None, target.policy):
            # It may stop the root sessions that the other changes need.
            set_(StateField.POLICY, None)
        for resource in _IN_MEMBER:
            if not getattr(target, resource):
                set_(resource, getattr(target, resource))
        self._converge_root_access(target, set_)
        for resource in (*_IN_MEMBER, StateField.POLICY):
            if getattr(target, resource):
                set_(resource, getattr(target, resource))

    def _converge_root_access(self, target: State, set_: Callable[[StateField, Any], None]) -> None:
        """Set trusted access, the features and the delegate as they are wanted."""
        features = [resource for resource in FEATURES.values() if self._differs(resource, target)]
        if features or target.trusted_access or target.delegate:
            set_(StateField.TRUSTED_ACCESS, True)
        for resource in FEATURES.values():
            if self._differs(resource, target):
                set_(resource, getattr(target, resource))
        set_(StateField.DELEGATE, target.delegate)
        if not target.trusted_access:
            set_(StateField.TRUSTED_ACCESS, False)

    def _differs(self, resource: StateField, target: State) -> bool:
        """Return whether a feature is known not to be as wanted, or may not be."""
        wanted, known = getattr(target, resource), getattr(self.state, resource)
        # A hidden feature may be enabled; it matters only if trusted access is wanted as well.
        return (
            wanted is not None and wanted != known and (known is not None or target.trusted_access)
        )

    def _set(self, resource: StateField, value: Any) -> None:
        """Set a field of the state to a value, in AWS and in what is known of it."""
        if getattr(self.state, resource) == value:
            return
        needed = NEEDED_FEATURES.get(resource)
        if needed is not None:
            self._set(StateField.TRUSTED_ACCESS, True)
            self._set(needed, True)
        if resource in _MADE:
            # Unknown until the change is done, because it may end halfway.
            self.state = with_value(self.state, resource, UNKNOWN)
        SETTERS[resource](self.callers, value)
        self.state = with_value(self.state, resource, "" if value is None else value)
        if resource is StateField.TRUSTED_ACCESS:
            self.observe()

    def _apply(self, step: Step) -> None:
        """Change something, wait, or open a root session, as a step of a case says."""
        if step.resource is not None:
            self._set(step.resource, None if step.value == "" else step.value)
        elif isinstance(step.value, float):
            self.callers.aws.wait(step.value)
        else:
            self.callers.root_session = self.callers.open_root_session(str(step.value))

    def _respond(self, case: Case) -> Response:
        """Make the call of a case, and return its response without what identifies anyone."""
        service, operation = case.call.operation.split(":")
        parameters = self._parameters(case.call)
        if service == MEASUREMENT:
            return Response(output=MEASUREMENTS[operation](self.callers))
        client = self.callers.of_case(case.caller, service, host=case.call.host)
        return self._normalize(
            call_operation(client, operation, parameters), caller=self.callers.arn_of(case.caller)
        )

    def _parameters(self, call: Call) -> dict[str, Any]:
        """Return a call's parameters with the organization's own accounts and resources."""
        parameters: dict[str, Any] = self._names.to_real(dict(call.parameters))
        if parameters.get("QueueUrl") == _QUEUE_URL:
            parameters["QueueUrl"] = queue_url(self.callers)
        return parameters

    def _normalize(self, raw: Mapping[str, Any], *, caller: str) -> Response:
        """Return a response or an error of AWS as cases have it, without what identifies anyone."""
        if "Error" in raw:
            return Response(
                code=raw["Error"]["Code"],
                http=raw["ResponseMetadata"]["HTTPStatusCode"],
                message=self._names.to_example_text(raw["Error"].get("Message", ""), caller=caller),
                reason=raw.get("Reason"),
            )
        output = {name: value for name, value in raw.items() if name != "ResponseMetadata"}
        return Response(output=self._names.to_example(output))
