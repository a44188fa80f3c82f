"""Brings an organization into the state of a case, makes the call, and restores what was there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from acceptance import product
from acceptance.callers import call_operation
from acceptance.measurements import MEASUREMENTS
from acceptance.model import ROOT_SESSION, Response
from acceptance.places import FINDERS
from acceptance.resources import (
    CALLS,
    NEEDED_FEATURES,
    PRINCIPAL,
    SETTERS,
    account_summary,
    find_queue_url,
    has_password,
    observe,
    observe_root_access,
)
from acceptance.state import FEATURES, State, StateField, StepKind, split_case, with_value
from aws_calls.failures import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from acceptance.callers import Callers
    from acceptance.deployment import Deployment
    from acceptance.journal import Journal, Unfinished
    from acceptance.model import Call, Case
    from acceptance.state import Step

PRODUCT, DEPLOYMENT, MEASUREMENT = "product", "deployment", "measurement"

# What a call of a case may change: the run itself changes it by the same call, and so can restore it.
_CHANGED_BY: Mapping[str, StateField] = {
    operation: field for (field, _), operations in CALLS.items() for operation in operations.split(", ")
}
# They name what does not exist.
_CHANGES_NOTHING = (
    *("iam:DeleteAccessKey", "iam:DeactivateMFADevice", "iam:DeleteSigningCertificate"),
    "iam:UpdateAccessKey",
)
_IN_ACCOUNTS = (StateField.BUCKET, StateField.QUEUE, StateField.USER, StateField.PASSWORD)
_READS = ("Assume", "Describe", "Get", "List", "Lookup", "Simulate")
_QUEUE_URL = "{queue url}"


def field_changed_by(call: Call) -> StateField | None:
    """Return what a call of a case may change, or None if it only reads.

    Raises:
        ValueError: The call changes something that the run could not restore.
    """
    service, operation = call.operation.split(":")
    if service in (DEPLOYMENT, MEASUREMENT):
        return None
    if service == PRODUCT:
        return product.field_changed_by(operation, call.parameters)
    if operation.startswith(_READS) or call.operation in _CHANGES_NOTHING:
        return None
    if call.operation not in _CHANGED_BY:
        raise ValueError(f"A run could not restore what {call.operation} changes.")
    if service == "organizations" and call.parameters["ServicePrincipal"] != PRINCIPAL:
        return None
    return _CHANGED_BY[call.operation]


class Scene:
    """An organization, and what the run has changed in it.

    Args:
        callers: The clients.
        journal: Where each change is written before it happens.
        state: The state of the organization.
        deployment: The stack of the run; None below the level that deploys.
    """

    def __init__(
        self, callers: Callers, *, journal: Journal, state: State, deployment: Deployment | None = None
    ) -> None:
        self.callers = callers
        self.state = state
        self._journal = journal
        self._deployment = deployment
        self._names = callers.names
        self._denied: str | None = None
        self._before: dict[StateField, Any] = {}

    def arrange(self, case: Case) -> None:
        """Bring the organization into the state that the case is given."""
        target, steps = split_case(case)
        self.converge(target)
        self.callers.root_session = None
        self._denied = None
        if self._deployment is not None:
            self._deployment.arrange()
        for step in steps:
            self._apply(step)
        if case.caller != ROOT_SESSION and not case.call.operation.startswith((DEPLOYMENT, MEASUREMENT)):
            # A user's key and a role's session take a moment; the call itself must not wait for them.
            self.callers.arn_of(case.caller)

    def call(self, case: Case) -> Response:
        """Make the call of the case, and return the normalized response."""
        changed = field_changed_by(case.call)
        if changed is not None:
            self._write_change(changed, after=None)
        try:
            self._set_denial(is_denied=True)
            response = self._respond(case)
        finally:
            self._set_denial(is_denied=False)
        if changed is not None:
            self._look_again(changed, case.call, failed=response.code is not None)
        return response

    def afterwards(self, keys: Mapping[str, int]) -> dict[str, int]:
        """Return these keys of the member's GetAccountSummary."""
        summary = account_summary(self.callers)
        return {key: summary[key] for key in keys}

    def restore(self, before: Mapping[StateField, Any] | None = None) -> None:
        """Restore what was changed, and write to the journal that it is.

        What was about to change when a run ended may have been changed or not, so AWS is asked. A restoration
        that is killed can be repeated.

        Args:
            before: What each changed resource was before; default: before this run.
        """
        values = self._before if before is None else before
        touched = frozenset(values)
        if touched:
            self.state = observe(self.callers, touched, deployment=self._deployment)
        features = touched & frozenset(FEATURES.values())
        if not self.state.trusted_access and any(values[feature] is not None for feature in features):
            # A feature can be seen and changed only while trusted access is enabled.
            self.enable_trusted_access()
        self.converge(replace(self.state, **{resource.value: value for resource, value in values.items()}))
        self._journal.finish()

    def enable_trusted_access(self) -> None:
        """Enable trusted access, so that the features can be seen."""
        self._set(StateField.TRUSTED_ACCESS, True)

    def converge(self, target: State) -> None:
        """Bring the organization into a state, in an order in which each change is possible."""
        if target.stack is not None and self.state.stack is None:
            # So that it is the stack that enables root access.
            self.converge(State())
            self._set(StateField.STACK, target.stack)
        if self.state.policy not in (None, target.policy):
            # It may stop the root sessions that the other changes need.
            self._set(StateField.POLICY, None)
        if target.stack is None:
            self._set(StateField.STACK, None)
        for resource in _IN_ACCOUNTS:
            if not getattr(target, resource):
                self._set(resource, getattr(target, resource))
        self._converge_root_access(target)
        for resource in (*_IN_ACCOUNTS, StateField.POLICY):
            self._set(resource, getattr(target, resource))

    def _converge_root_access(self, target: State) -> None:
        features = [r for r in (StateField.CREDENTIALS, StateField.SESSIONS) if self._differs(r, target)]
        if (features or target.trusted_access or target.delegate) and not self.state.trusted_access:
            self._set(StateField.TRUSTED_ACCESS, True)
        for resource in (StateField.CREDENTIALS, StateField.SESSIONS):
            wanted = getattr(target, resource)
            if wanted is not None and self.state.trusted_access:
                self._set(resource, wanted)
        self._set(StateField.DELEGATE, target.delegate)
        if not target.trusted_access:
            self._set(StateField.TRUSTED_ACCESS, False)

    def _differs(self, resource: StateField, target: State) -> bool:
        wanted, known = getattr(target, resource), getattr(self.state, resource)
        # A hidden feature may be enabled; it matters only where trusted access is wanted as well.
        return wanted is not None and wanted != known and (known is not None or target.trusted_access)

    def _set(self, resource: StateField, value: Any) -> None:
        if getattr(self.state, resource) == value:
            return
        needed = NEEDED_FEATURES.get(resource)
        if needed is not None:
            self._set(StateField.TRUSTED_ACCESS, True)
            self._set(needed, True)
        self._write_change(resource, after=value)
        if resource is StateField.STACK:
            self._set_stack(value)
            return
        SETTERS[resource](self.callers, value)
        self.state = with_value(self.state, resource, "" if value is None else value)
        if resource is StateField.TRUSTED_ACCESS:
            self._observe()

    def _set_stack(self, value: str | None) -> None:
        if self._deployment is None:
            raise ValueError("This run deploys no stack.")
        if value is None:
            self._deployment.destroy()
        else:
            # The stack enables what it lists.
            for resource in (StateField.TRUSTED_ACCESS, StateField.CREDENTIALS, StateField.SESSIONS):
                self._write_change(resource, after=True)
            self._deployment.deploy(value)
        self._observe(stack=value)

    def _apply(self, step: Step) -> None:
        if step.resource is not None:
            self._set(step.resource, None if step.value == "" else step.value)
            return
        kind, argument = str(step.value).split(" ", 1)
        match kind:
            case StepKind.WAIT:
                self.callers.aws.wait(float(argument))
            case StepKind.SESSION:
                self.callers.root_session = self.callers.open_root_session(argument)
            case StepKind.DENIAL:
                self._denied = argument

    def _set_denial(self, *, is_denied: bool) -> None:
        if self._denied is not None:
            aws = self.callers.aws
            aws.set_denial(self._denied, account_id=self._names.management, denied=is_denied)

    def _write_change(self, resource: StateField, *, after: Any) -> None:
        before = getattr(self.state, resource)
        self._before.setdefault(resource, before)
        self._journal.write_change(resource, before=before, after=after)

    def _respond(self, case: Case) -> Response:
        service, operation = case.call.operation.split(":")
        if service == PRODUCT:
            try:
                return Response(output=product.run(self.callers, operation, case.call.parameters))
            except CallError as error:
                message = self._names.to_example_text(error.failure.message)
                return Response(code=error.failure.code, message=message)
        if service == MEASUREMENT:
            return Response(output=MEASUREMENTS[operation](self.callers))
        if service == DEPLOYMENT:
            if self._deployment is None:
                raise ValueError("This run deploys no stack.")
            output = self._deployment.look(operation, case.call.parameters)
            self._observe(stack=self._deployment.find())
            return Response(output=output)
        client = self.callers.of_case(case.caller, service, host=case.call.host)
        raw = call_operation(client, operation, self._parameters(case.call))
        return self._normalize(raw, caller=self.callers.arn_of(case.caller))

    def _parameters(self, call: Call) -> dict[str, Any]:
        parameters: dict[str, Any] = self._names.to_real(dict(call.parameters))
        if parameters.get("QueueUrl") == _QUEUE_URL:
            parameters["QueueUrl"] = find_queue_url(self.callers)
        for name, value in parameters.items():
            if value in list(FINDERS):
                parameters[name] = FINDERS[value](self.callers)
        return parameters

    def _normalize(self, raw: Mapping[str, Any], *, caller: str) -> Response:
        if "Error" in raw:
            return Response(
                code=raw["Error"]["Code"],
                http=raw["ResponseMetadata"]["HTTPStatusCode"],
                message=self._names.to_example_text(raw["Error"].get("Message", ""), caller=caller),
                reason=raw.get("Reason"),
            )
        output = {name: value for name, value in raw.items() if name != "ResponseMetadata"}
        return Response(output=self._names.to_example(output))

    def _look_again(self, changed: StateField, call: Call, *, failed: bool) -> None:
        match changed:
            case StateField.PASSWORD:
                self.state = replace(self.state, password=has_password(self.callers))
            case StateField.BUCKET | StateField.QUEUE:
                if not failed:
                    value = "open" if _opens(call) else "locked"
                    self.state = with_value(self.state, changed, value)
            case _:
                self._observe()

    def _observe(self, **more: Any) -> None:
        """Look at root access; features that are hidden stay what they were."""
        observed = observe_root_access(self.callers)
        values: dict[str, Any] = {
            "trusted_access": observed.trusted_access,
            "delegate": observed.delegate,
        }
        if observed.trusted_access:
            values |= {feature.value: getattr(observed, feature) for feature in FEATURES.values()}
        self.state = replace(self.state, **values, **more)


def _opens(call: Call) -> bool:
    """Return whether a call removes the policy of the bucket or queue."""
    operation = call.operation.split(":")[1]
    if operation == "SetQueueAttributes":
        return not call.parameters["Attributes"]["Policy"]
    return operation in ("DeleteBucketPolicy", "Execute")


def restore_from_journal(
    unfinished: Unfinished, callers: Callers, *, journal: Journal, deployment: Deployment | None = None
) -> tuple[StateField, ...]:
    """Restore everything that a run may have changed before it was killed, and return what that was.

    Args:
        unfinished: What the run's journal says.
        callers: The clients.
        journal: Where the changes of the restoration are written as well.
        deployment: The stack of the run.
    """
    scene = Scene(callers, journal=journal, state=State(), deployment=deployment)
    scene.restore(unfinished.before)
    return tuple(unfinished.before)
