"""The loop: observe, plan, apply, until the organization is as the stack lists it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from aws_calls.failures import CallError, Failure, FailureKind

from .errors import ConvergenceError, is_quota_reached
from .plan import ENABLE_FEATURE, Operation, Step, plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aws_calls.retry import RetryBudget

    from .organization import Organization
    from .state import DesiredState, RootAccess


class Planner(Protocol):
    """Which steps lead from the observed to the desired state."""

    def __call__(self, *, desired: DesiredState, observed: RootAccess) -> tuple[Step, ...]:
        """Return the steps, in order."""


class Apply(Protocol):
    """Applies a step, as Organization.apply does."""

    def __call__(self, step: Step, *, budget: RetryBudget | None = None) -> frozenset[str] | None:
        """Apply the step, and return the features that are enabled now, if they are known."""


# How long it may take to register a delegated administrator again.
_REREGISTRATION_RESERVE_SECONDS = 25.0


def converge(
    *,
    desired: DesiredState,
    organization: Organization,
    account_id: str,
    budget: RetryBudget,
    log: Callable[..., None],
    planner: Planner = plan,
    apply: Apply | None = None,
) -> RootAccess:
    """Bring the organization to the desired state, and return what AWS then reports.

    Nothing is written where nothing is missing. The loop may run twice, find half of the work done, and
    run in parallel with somebody else's change: what counts is the state at each observation.

    Args:
        desired: What the stack lists.
        organization: The organization.
        account_id: The function's account, for the error.
        budget: How long to retry, and to wait for a change to become visible.
        log: Takes one event as keyword arguments.
        planner: Which steps to apply; by default all that are missing.
        apply: Applies a step; by default the organization does.

    Raises:
        RootAccessError: The organization did not reach the desired state. The error says why, and what
            this invocation applied, may have applied and did not apply.
    """
    convergence = _Convergence(
        desired=desired,
        organization=organization,
        budget=budget,
        log=log,
        planner=planner,
        apply=apply or organization.apply,
    )
    try:
        return convergence.run()
    except CallError as error:
        raise convergence.error(error, account_id=account_id) from error


class _Convergence:
    """One invocation: what it has observed and applied so far."""

    def __init__(
        self,
        *,
        desired: DesiredState,
        organization: Organization,
        budget: RetryBudget,
        log: Callable[..., None],
        planner: Planner,
        apply: Apply,
    ) -> None:
        self._planner = planner
        self._apply_step = apply
        self._desired = desired
        self._organization = organization
        self._budget = budget
        self._log = log
        self._observed: RootAccess | None = None
        self._applied: list[Step] = []
        self._possibly_applied: list[Step] = []
        self._failed: Step | None = None
        self._not_reregistered: list[tuple[Step, Failure]] = []
        self._pauses = 0

    def run(self) -> RootAccess:
        observed = self._record(self._organization.observe())
        while steps := self._missing(observed):
            if undone := [step for step in steps if step in self._applied]:
                observed = self._reobserve_after_backoff(observed, _persistence_error(undone[0]))
                steps = self._missing(observed)
            observed = self._apply_steps(steps, observed)
        return observed

    def error(self, error: CallError, *, account_id: str) -> ConvergenceError:
        known = {*self._applied, *self._possibly_applied}
        missing = self._missing(self._observed) if self._observed else ()
        return ConvergenceError(
            failure=error.failure,
            step=self._failed,
            account_id=account_id,
            applied=tuple(self._applied),
            possibly_applied=tuple(self._possibly_applied),
            not_applied=tuple(step for step in missing if step not in known),
            not_reregistered=tuple(self._not_reregistered),
        )

    def _missing(self, observed: RootAccess) -> tuple[Step, ...]:
        return self._planner(desired=self._desired, observed=observed)

    def _record(self, observed: RootAccess) -> RootAccess:
        self._observed = observed
        self._log(event="observed", **observed.to_dict())
        return observed

    def _apply_steps(self, steps: Iterable[Step], observed: RootAccess) -> RootAccess:
        """Apply the steps as far as the plan holds, and return the state after that."""
        removable = [step for step in steps if step.operation is Operation.DEREGISTER]
        features_reported = True
        for step in steps:
            try:
                if step.operation is Operation.ENABLE_TRUSTED_ACCESS:
                    self._apply(step)
                    # The features may have been enabled all along, hidden.
                    return self._reveal_features(steps, observed)
                if step.operation is Operation.REGISTER:
                    freed_slot = self._register(step, removable=removable)
                    # Accounts that were deregistered for it, in an earlier pass perhaps, stay deregistered.
                    self._not_reregistered.clear()
                    if freed_slot:
                        return self._reobserve(observed)
                    features = None
                else:
                    features = self._apply(step)
            except CallError as error:
                if error.failure.kind is not FailureKind.TRUSTED_ACCESS_DISABLED:
                    raise
                # Disabled in parallel, or enabled so recently that not every endpoint knows.
                return self._reobserve_after_backoff(observed, error)
            if features is None:
                features_reported = False
            else:
                observed = replace(observed, features=features)
                self._observed = observed
        return observed if features_reported else self._reobserve(observed)

    def _reveal_features(self, steps: Iterable[Step], observed: RootAccess) -> RootAccess:
        """Return what trusted access shows: by the first Enable call, or by a read where there is none."""
        first = next((step for step in steps if step.operation in ENABLE_FEATURE.values()), None)
        if first is None:
            return self._reobserve(observed)
        enabled = self._organization.observe_while_enabling(observed, lambda: self._apply(first))
        self._failed = None
        return self._record(enabled)

    def _register(self, step: Step, *, removable: list[Step]) -> bool:
        """Register an account. Only where AWS's quota is reached, another one is deregistered first.

        Returns:
            Whether one was.
        """
        deregistered: list[Step] = []
        budget = self._budget
        try:
            while True:
                try:
                    self._apply(step, budget=budget)
                except CallError as error:
                    if not (is_quota_reached(error.failure) and removable):
                        raise
                else:
                    return bool(deregistered)
                budget = self._budget.reserving(_REREGISTRATION_RESERVE_SECONDS)
                self._free_slot(removable.pop(0), deregistered, budget=budget)
        except CallError:
            for deregistration in reversed(deregistered):
                self._reregister(deregistration)
            raise

    def _free_slot(self, deregistration: Step, deregistered: list[Step], *, budget: RetryBudget) -> None:
        try:
            self._apply(deregistration, budget=budget)
        except CallError as error:
            if error.failure.may_have_taken_effect:
                deregistered.append(deregistration)
            raise
        deregistered.append(deregistration)

    def _reregister(self, deregistration: Step) -> None:
        step = Step(operation=Operation.REGISTER, account_id=deregistration.account_id)
        failed = self._failed
        try:
            self._apply(step)
        except CallError as error:
            self._not_reregistered.append((step, error.failure))
            self._failed = failed

    def _apply(self, step: Step, *, budget: RetryBudget | None = None) -> frozenset[str] | None:
        try:
            features = self._apply_step(step, budget=budget)
        except CallError as error:
            self._failed = step
            if error.failure.may_have_taken_effect and step not in self._possibly_applied:
                self._possibly_applied.append(step)
            self._log(event="failed", step=str(step), code=error.failure.code)
            raise
        if step in self._possibly_applied:
            self._possibly_applied.remove(step)
        self._applied.append(step)
        self._log(event="applied", step=str(step))
        return features

    def _reobserve(self, observed: RootAccess) -> RootAccess:
        self._failed = None
        return self._record(self._organization.observe_again(observed))

    def _reobserve_after_backoff(self, observed: RootAccess, error: CallError) -> RootAccess:
        self._pauses += 1
        self._budget.pause(times=self._pauses, error=error)
        return self._reobserve(observed)


def _persistence_error(step: Step) -> CallError:
    return CallError(
        Failure(
            operation=step.operation,
            kind=FailureKind.NOT_PERSISTED,
            code="NotPersisted",
            message=f"AWS confirmed {step}, but a later read did not show it",
        )
    )
