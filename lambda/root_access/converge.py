"""The loop: observe, plan, apply, until the organization is as the stack lists it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aws_calls.failures import CallError, FailureKind, error_of_call

from .root_access_errors import QUOTA_REACHED, ConvergenceError
from .steps import Operation, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aws_calls.failures import Failure
    from aws_calls.retry import RetryBudget

    from .organization import Organization
    from .state import RootAccess

# The time that it may take to register a delegated administrator again.
_REREGISTRATION_RESERVE_SECONDS = 25.0


@dataclass(kw_only=True)
class Convergence:
    """Brings an organization to the desired state, replanning after each observation."""

    organization: Organization
    plan: Callable[[RootAccess], tuple[Step, ...]]
    apply: Callable[[Step, RetryBudget | None], frozenset[str] | None]
    retry_advice: str
    log: Callable[..., None]
    applied: list[Step] = field(default_factory=list, init=False)
    possibly_applied: list[Step] = field(default_factory=list, init=False)
    observed: RootAccess | None = field(default=None, init=False)
    _failed: Step | None = field(default=None, init=False)
    _not_reregistered: list[tuple[Step, Failure]] = field(default_factory=list, init=False)
    _pauses: int = field(default=0, init=False)

    def run(self) -> RootAccess:
        """Bring the organization to the desired state, and return what AWS then reports.

        Raises:
            RootAccessError: It did not get there. The error says why, and what this invocation
                applied, may have applied and did not apply.
        """
        try:
            observed = self._observe()
            while steps := self.plan(observed):
                if undone := [step for step in steps if step in self.applied]:
                    message = f"AWS confirmed {undone[0]}, but a later read did not show it"
                    observed = self._reobserve_after_backoff(
                        error_of_call(undone[0].operation, FailureKind.NOT_PERSISTED, message)
                    )
                    steps = self.plan(observed)
                observed = self._apply_steps(steps, observed)
        except CallError as error:
            raise self._error(error.failure) from error
        return observed

    def _error(self, failure: Failure) -> ConvergenceError:
        known = {*self.applied, *self.possibly_applied}
        missing = self.plan(self.observed) if self.observed else ()
        return ConvergenceError(
            failure=failure,
            step=self._failed,
            account_id=self.organization.account_id,
            retry_advice=self.retry_advice,
            applied=tuple(self.applied),
            possibly_applied=tuple(self.possibly_applied),
            not_applied=tuple(step for step in missing if step not in known),
            not_reregistered=tuple(self._not_reregistered),
        )

    def _apply_steps(self, steps: Sequence[Step], observed: RootAccess) -> RootAccess:
        """Apply the steps for as long as the plan holds, and return the state after that."""
        removable = [step for step in steps if step.operation is Operation.DEREGISTER]
        features_reported = True
        for step in steps:
            try:
                if step.operation is Operation.ENABLE_TRUSTED_ACCESS:
                    self._apply(step)
                    # The features may have been enabled all along, hidden.
                    return self._observe()
                if step.operation is Operation.REGISTER:
                    if self._register(step, removable=removable):
                        return self._observe()
                    features = None
                else:
                    features = self._apply(step)
            except CallError as error:
                if error.failure.kind is not FailureKind.TRUSTED_ACCESS_DISABLED:
                    raise
                # Disabled in parallel, or enabled so recently that not every endpoint knows.
                return self._reobserve_after_backoff(error)
            if features is None:
                features_reported = False
            else:
                observed = replace(observed, features=features)
                self.observed = observed
        return observed if features_reported else self._observe()

    def _register(self, step: Step, *, removable: list[Step]) -> bool:
        """Register an account, and return whether AWS's quota made it deregister another one first."""
        freed: list[Step] = []
        budget = self.organization.budget
        try:
            while True:
                try:
                    self._apply(step, budget)
                except CallError as error:
                    if error.failure.reason not in QUOTA_REACHED or not removable:
                        raise
                else:
                    return bool(freed)
                budget = budget.within(
                    self.organization.budget.remaining_seconds - _REREGISTRATION_RESERVE_SECONDS
                )
                freed.append(removable.pop(0))
                self._apply(freed[-1], budget)
        except CallError:
            for deregistration in reversed(freed):
                if deregistration in (*self.applied, *self.possibly_applied):
                    self._reregister(deregistration)
            raise

    def _reregister(self, deregistration: Step) -> None:
        step = Step(operation=Operation.REGISTER, account_id=deregistration.account_id)
        failed = self._failed
        try:
            self._apply(step)
        except CallError as error:
            self._not_reregistered.append((step, error.failure))
            self._failed = failed

    def _apply(self, step: Step, budget: RetryBudget | None = None) -> frozenset[str] | None:
        try:
            features = self.apply(step, budget)
        except CallError as error:
            self._failed = step
            if error.failure.may_have_taken_effect and step not in self.possibly_applied:
                self.possibly_applied.append(step)
            self.log(event="failed", step=str(step), code=error.failure.code)
            raise
        for noted in (self.possibly_applied, self.applied):
            if step in noted:
                noted.remove(step)
        self.applied.append(step)
        self.log(event="applied", step=str(step))
        return features

    def _observe(self) -> RootAccess:
        self._failed = None
        self.observed = self.organization.observe()
        self.log(event="observed", **self.observed.to_dict())
        return self.observed

    def _reobserve_after_backoff(self, error: CallError) -> RootAccess:
        self._pauses += 1
        self.organization.budget.pause(times=self._pauses, error=error)
        return self._observe()
