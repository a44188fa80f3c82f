"""The loop: observe, plan, apply, until the organization is as the stack lists it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aws_calls.failures import CallError, Failure, FailureKind, error_of_call

from .organization import Organization
from .root_access_errors import ConvergenceError
from .state import RootAccess
from .steps import Operation, Step


@dataclass(kw_only=True)
class Convergence:
    """Brings an organization to the desired state, replanning after each observation.

    Attributes:
        plan: Returns the steps that an observed state lacks.
        retry_advice: The way to try again, for an error; empty: that happens by itself.
        applied: The steps that changed something, in the order in which they were applied last.
        possibly_applied: The steps whose response was lost.
        observed: The state that was observed last; None before the first observation.
        _confirmed: The steps that AWS responded to: a later read has to show them.
        _failed_step: The step that failed; None if it was a read.
        _pauses: How often the loop has waited for a change to become visible.
    """

    organization: Organization
    plan: Callable[[RootAccess], tuple[Step, ...]]
    retry_advice: str
    applied: list[Step] = field(default_factory=list, init=False)
    possibly_applied: list[Step] = field(default_factory=list, init=False)
    observed: RootAccess | None = field(default=None, init=False)
    _confirmed: set[Step] = field(default_factory=set, init=False)
    _failed_step: Step | None = field(default=None, init=False)
    _pauses: int = field(default=0, init=False)

    def run(self) -> RootAccess:
        """Bring the organization to the desired state, and return what AWS then reports.

        Raises:
            RootAccessError: It did not get there. The error says why, and what this invocation
                applied, may have applied and did not apply.
        """
        try:
            observed = self._observe()
            steps = self.plan(observed)
            while steps:
                not_visible = [step for step in steps if step in self._confirmed]
                if not_visible:
                    # A change takes a moment to be visible. It is not made again: if someone has
                    # undone it on purpose, the two would undo each other for minutes.
                    message = f"AWS confirmed {not_visible[0]}, but a later read did not show it"
                    observed = self._reobserve_after_backoff(
                        error_of_call(not_visible[0].operation, FailureKind.NOT_PERSISTED, message)
                    )
                else:
                    observed = self._apply_steps(steps)
                steps = self.plan(observed)
        except CallError as error:
            raise self._error(error.failure) from error
        return observed

    def _error(self, failure: Failure) -> ConvergenceError:
        """Return the error of a call that ended the loop, with what was and was not applied."""
        # Before the first observation, no one knows which steps are missing.
        missing: tuple[Step, ...] = ()
        if self.observed is not None:
            missing = self.plan(self.observed)
        applied_or_in_doubt = self.applied + self.possibly_applied
        return ConvergenceError(
            failure=failure,
            step=self._failed_step,
            account_id=self.organization.aws.account_id,
            retry_advice=self.retry_advice,
            applied=tuple(self.applied),
            possibly_applied=tuple(self.possibly_applied),
            not_applied=tuple(step for step in missing if step not in applied_or_in_doubt),
        )

    def _apply_steps(self, steps: Sequence[Step]) -> RootAccess:
        """Apply the steps for as long as the plan holds, and return the state after that."""
        for step in steps:
            try:
                self._apply_and_note(step)
            except CallError as error:
                if error.failure.kind is not FailureKind.TRUSTED_ACCESS_DISABLED:
                    raise
                # Disabled in parallel, or enabled so recently that not every endpoint knows.
                return self._reobserve_after_backoff(error)
            if step.operation is Operation.ENABLE_TRUSTED_ACCESS:
                # Until now IAM hid the features, which may have been enabled all along: look again
                # before the steps that would enable them.
                break
        return self._observe()

    def apply_step(self, step: Step) -> bool:
        """Apply a step, and return whether it changed something.

        The loop applies each step by this method, because a repair overrides it: the repair first
        checks that the stack was not deployed meanwhile, which may have changed the lists.

        Raises:
            CallError: AWS refused the call, or it did not succeed in time.
        """
        return self.organization.apply(step)

    def _apply_and_note(self, step: Step) -> None:
        """Apply a step, and note for the error and the log whether that changed something."""
        try:
            changed = self.apply_step(step)
        except CallError as error:
            self._failed_step = step
            if error.failure.may_have_taken_effect and step not in self.possibly_applied:
                self.possibly_applied.append(step)
            self.organization.aws.log(event="failed", step=str(step), code=error.failure.code)
            raise
        self._confirmed.add(step)
        if not changed:
            # An earlier call whose response was lost may have changed it, or someone else.
            self.organization.aws.log(event="already_applied", step=str(step))
            return
        # A step that is applied again comes last.
        for noted in (self.possibly_applied, self.applied):
            if step in noted:
                noted.remove(step)
        self.applied.append(step)
        self.organization.aws.log(event="applied", step=str(step))

    def _observe(self) -> RootAccess:
        """Observe the organization, and log its state."""
        # If this fails, the error is about a read, and about no earlier step.
        self._failed_step = None
        self.observed = self.organization.observe()
        self.organization.aws.log(event="observed", **self.observed.to_dict())
        return self.observed

    def _reobserve_after_backoff(self, error: CallError) -> RootAccess:
        """Wait, each time longer, and observe again.

        Raises:
            CallError: There is no time left to wait; it is the given error.
        """
        self._pauses += 1
        self.organization.aws.budget.pause(times=self._pauses, error=error)
        return self._observe()
