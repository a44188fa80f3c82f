"""The loop: observe, plan, apply, until the organization is as the stack lists it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from aws_calls.failures import CallError, Failure, FailureKind

from .errors import ConvergenceError, described, is_limit_reached
from .plan import Operation, Step, plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aws_calls.retry import RetryBudget

    from .organization import Organization
    from .state import DesiredState, RootAccess


class Planner(Protocol):
    """Which steps lead from what is observed to what is desired."""

    def __call__(self, *, desired: DesiredState, observed: RootAccess) -> tuple[Step, ...]:
        """Returns the steps, in order."""


# The time that putting a delegated administrator back may need.
_PUT_BACK_RESERVE = 25.0


def converge(
    *,
    desired: DesiredState,
    organization: Organization,
    account_id: str,
    budget: RetryBudget,
    log: Callable[..., None],
    planned: Planner = plan,
) -> RootAccess:
    """Makes the organization what is desired, and returns what AWS then says it is.

    Nothing to do means no write at all. It may be run twice, find half of the work done, and run beside
    somebody else's change: what counts is what is there each time it looks.

    Args:
        desired: what the stack lists.
        organization: the organization.
        account_id: the account of the function, for the error.
        budget: how long to wait for an organization that does not stay as it was made.
        log: takes one event as keyword arguments.
        planned: which steps are to be made; by default all that are missing.

    Raises:
        RootAccessError: the organization did not reach what is desired; the message says why, and what
            this invocation made, may have made and did not make.
    """
    convergence = _Convergence(
        desired=desired, organization=organization, budget=budget, log=log, planned=planned
    )
    try:
        return convergence.run()
    except CallError as error:
        raise convergence.error(error, account_id=account_id) from error


class _Convergence:
    """One invocation: what it has seen and made so far."""

    def __init__(
        self,
        *,
        desired: DesiredState,
        organization: Organization,
        budget: RetryBudget,
        log: Callable[..., None],
        planned: Planner,
    ) -> None:
        self._planned = planned
        self._desired = desired
        self._organization = organization
        self._budget = budget
        self._log = log
        self._observed: RootAccess | None = None
        self._made: list[Step] = []
        self._may_have_been_made: list[Step] = []
        self._failed: Step | None = None
        self._not_put_back: list[tuple[Step, Failure]] = []
        self._pauses = 0

    def run(self) -> RootAccess:
        observed = self._note(self._organization.observe())
        while steps := self._missing(observed):
            if undone := [step for step in steps if step in self._made]:
                observed = self._look_again_later(observed, _unsettled(undone[0]))
                steps = self._missing(observed)
            observed = self._make(steps, observed)
        return observed

    def error(self, error: CallError, *, account_id: str) -> ConvergenceError:
        known = {*self._made, *self._may_have_been_made}
        missing = self._missing(self._observed) if self._observed else ()
        return ConvergenceError(
            failure=error.failure,
            step=self._failed,
            account_id=account_id,
            made=self._made,
            may_have_been_made=self._may_have_been_made,
            not_made=[step for step in missing if step not in known],
            afterwards=[
                f"Then {step.account_id} could not be put back: "
                + described(failure, step=step, account_id=account_id)
                for step, failure in self._not_put_back
            ],
        )

    def _missing(self, observed: RootAccess) -> tuple[Step, ...]:
        return self._planned(desired=self._desired, observed=observed)

    def _note(self, observed: RootAccess) -> RootAccess:
        self._observed = observed
        self._log(event="observed", **observed.as_dict())
        return observed

    def _make(self, steps: Iterable[Step], observed: RootAccess) -> RootAccess:
        """Makes the steps as far as the plan holds, and returns what is there then."""
        spare = [step for step in steps if step.operation is Operation.DEREGISTER]
        told = True
        for step in steps:
            try:
                if step.operation is Operation.REGISTER:
                    made_room = self._register(step, spare=spare)
                    # Whoever made room for it, in an earlier pass perhaps, is not to be put back any more.
                    self._not_put_back.clear()
                    if made_room:
                        return self._look_again(observed)
                    features = None
                else:
                    features = self._apply(step)
            except CallError as error:
                if error.failure.kind is not FailureKind.TRUSTED_ACCESS_DISABLED:
                    raise
                # Switched off beside us, or switched on so recently that it does not show everywhere.
                return self._look_again_later(observed, error)
            if step.operation is Operation.ENABLE_TRUSTED_ACCESS:
                # The features may have been on all along, hidden.
                return self._look_again(observed)
            if features is None:
                told = False
            else:
                observed = replace(observed, features=features)
                self._observed = observed
        return observed if told else self._look_again(observed)

    def _register(self, step: Step, *, spare: list[Step]) -> bool:
        """Registers an account; only where AWS's limit is reached another one leaves first.

        Returns:
            Whether one had to leave.
        """
        left: list[Step] = []
        try:
            while True:
                try:
                    self._apply(step, reserve=_PUT_BACK_RESERVE if left else 0.0)
                except CallError as error:
                    if not (is_limit_reached(error.failure) and spare):
                        raise
                else:
                    return bool(left)
                self._make_room(spare.pop(0), left)
        except CallError:
            for leaving in reversed(left):
                self._put_back(leaving)
            raise

    def _make_room(self, leaving: Step, left: list[Step]) -> None:
        try:
            self._apply(leaving, reserve=_PUT_BACK_RESERVE)
        except CallError as error:
            if error.failure.may_have_taken_effect:
                left.append(leaving)
            raise
        left.append(leaving)

    def _put_back(self, leaving: Step) -> None:
        step = Step(operation=Operation.REGISTER, account_id=leaving.account_id)
        failed = self._failed
        try:
            self._apply(step)
        except CallError as error:
            self._not_put_back.append((step, error.failure))
            self._failed = failed

    def _apply(self, step: Step, *, reserve: float = 0.0) -> frozenset[str] | None:
        try:
            features = self._organization.apply(step, reserve=reserve)
        except CallError as error:
            self._failed = step
            if error.failure.may_have_taken_effect and step not in self._may_have_been_made:
                self._may_have_been_made.append(step)
            self._log(event="failed", step=str(step), code=error.failure.code)
            raise
        if step in self._may_have_been_made:
            self._may_have_been_made.remove(step)
        self._made.append(step)
        self._log(event="made", step=str(step))
        return features

    def _look_again(self, observed: RootAccess) -> RootAccess:
        self._failed = None
        return self._note(self._organization.observe_again(observed))

    def _look_again_later(self, observed: RootAccess, error: CallError) -> RootAccess:
        self._pauses += 1
        self._budget.pause(times=self._pauses, error=error)
        return self._look_again(observed)


def _unsettled(step: Step) -> CallError:
    return CallError(
        Failure(
            operation=step.operation,
            kind=FailureKind.NOT_PERSISTED,
            code="Unsettled",
            message=f"AWS confirmed {step}, and then answered that it is not so",
        )
    )
