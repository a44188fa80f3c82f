"""How the outcomes of an account's items make the account's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..messages import hint, told
from ..model.report import Item, Outcome
from ..model.run import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_calls.failures import Failure

    from ..model.run import Target

# The first of these that an item has is the account's.
_GRAVEST_FIRST = (
    Outcome.UNKNOWN,
    Outcome.FAILED,
    Outcome.INACCESSIBLE,
    Outcome.DONE,
    Outcome.PLANNED,
)


def finding_of(account_id: str, items: Sequence[Item], *, planned: Sequence[Target] = ()) -> Finding:
    """Returns what came of a task in an account by what came of its items."""
    outcomes = {item.outcome for item in items}
    outcome = next((each for each in _GRAVEST_FIRST if each in outcomes), Outcome.NOTHING_TO_DO)
    reason = ""
    if outcome in (Outcome.UNKNOWN, Outcome.FAILED, Outcome.INACCESSIBLE):
        reason = next(item.message for item in items if item.outcome is outcome)
    return Finding(
        account_id=account_id, outcome=outcome, reason=reason, items=tuple(items), planned=tuple(planned)
    )


def failed_item(target: Target, failure: Failure) -> Item:
    """Returns a target whose call failed: whether it took effect may be unknown."""
    return Item(
        type=target.type,
        id=target.id,
        outcome=Outcome.UNKNOWN if failure.may_have_taken_effect else Outcome.FAILED,
        message=told_with_hint(failure),
    )


def unseen_item(target: Target, failure: Failure) -> Item:
    """Returns a target that could not be looked at."""
    return Item(type=target.type, id=target.id, outcome=Outcome.INACCESSIBLE, message=told_with_hint(failure))


def already_so(target: Target, failure: Failure) -> Item:
    """Returns a target that is as wanted: by an attempt whose answer was lost, or before this run."""
    outcome = Outcome.DONE if failure.may_have_taken_effect else Outcome.NOTHING_TO_DO
    return Item(type=target.type, id=target.id, outcome=outcome)


def told_with_hint(failure: Failure) -> str:
    """Returns a failed call with AWS's code and message, and what may be behind it."""
    return f"{told(failure)} {hint(failure)}".rstrip()
