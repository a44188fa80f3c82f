"""The sentences about the steps of an invocation that failed; the data behind them is tested elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aws_calls.failures import Failure, FailureKind
from root_access.errors import ConvergenceError
from root_access.plan import Operation, Step
from support.accounts import MANAGEMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING_CHANGED = "Nothing was changed by this invocation."
STEPS = [Step(operation=Operation.REGISTER, account_id=f"{number:012}") for number in range(1, 11)]


def message(
    *,
    applied: Sequence[Step] = (),
    possibly_applied: Sequence[Step] = (),
    not_applied: Sequence[Step] = (),
) -> str:
    return str(
        ConvergenceError(
            failure=Failure(
                operation=Operation.REGISTER, kind=FailureKind.REFUSED, code="Refused", message="No"
            ),
            step=None,
            account_id=MANAGEMENT,
            applied=applied,
            possibly_applied=possibly_applied,
            not_applied=not_applied,
        )
    )


@pytest.mark.parametrize("applied", [[], STEPS[:1]], ids=["nothing applied", "applied"])
@pytest.mark.parametrize("possibly_applied", [[], STEPS[1:2]], ids=["no doubt", "possibly applied"])
@pytest.mark.parametrize("not_applied", [[], STEPS[2:3]], ids=["nothing left", "not applied"])
def test_nothing_was_changed_only_if_no_step_was_or_may_have_been_applied(
    applied: list[Step], possibly_applied: list[Step], not_applied: list[Step]
) -> None:
    text = message(applied=applied, possibly_applied=possibly_applied, not_applied=not_applied)
    assert (NOTHING_CHANGED in text) == (not applied and not possibly_applied)


def test_up_to_eight_steps_are_named_and_the_others_counted() -> None:
    names = [str(step) for step in STEPS]
    assert f"Not applied: {', '.join(names[:8])}." in message(not_applied=STEPS[:8])
    assert f"Not applied: {', '.join(names[:8])} and 2 more." in message(not_applied=STEPS)
