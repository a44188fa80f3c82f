"""The outcome of an account, from those of its items."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aws_calls.failures import CallError, Failure

from ..messages import describe_with_hint
from ..model.report_schema import Item, Outcome
from ..model.run_documents import Finding, Target

# The outcomes of an account that its report explains, by the message of the item.
_NEED_A_REASON = (
    Outcome.UNKNOWN,
    Outcome.FAILED,
    Outcome.INACCESSIBLE,
    Outcome.IN_USE,
    Outcome.SKIPPED,
)


def account_finding(
    account_id: str, items: Sequence[Item], *, planned: Sequence[Target] = ()
) -> Finding:
    """Return what a task found in an account: its outcome is that of the most important item.

    An account with something planned is planned, regardless of its other items: its plan can be
    executed. The reason is then about what is not planned.
    """
    outcomes = [item.outcome for item in items]
    needs_attention_most = min(
        outcomes, key=lambda outcome: outcome.rank, default=Outcome.NOTHING_TO_DO
    )
    outcome = needs_attention_most
    if planned:
        outcome = Outcome.PLANNED
    reason = None
    if needs_attention_most in _NEED_A_REASON:
        reason = next(item.message for item in items if item.outcome is needs_attention_most)
    return Finding(
        account_id=account_id,
        outcome=outcome,
        reason=reason,
        items=tuple(items),
        planned=tuple(planned),
    )


def report_item(target: Target, outcome: Outcome, message: str | None = None) -> Item:
    """Return a target as an item of the report: what it is, how it ended, what to know about it."""
    return Item(
        type=target.type, id=target.id, outcome=outcome, message=message, region=target.region
    )


def failed_item(target: Target, failure: Failure) -> Item:
    """Return a target whose call failed as an item: unknown if the call may have taken effect."""
    outcome = Outcome.FAILED
    if failure.may_have_taken_effect:
        outcome = Outcome.UNKNOWN
    return report_item(target, outcome, describe_with_hint(failure))


def change_target(
    target: Target,
    change: Callable[[], object],
    *,
    already_done_code: str,
    message: str | None = None,
) -> Item:
    """Change a target, and return it as an item: done, nothing to do, failed or unknown.

    Args:
        target: The target.
        change: Makes the call.
        already_done_code: AWS's code if nothing is left to do.
        message: What to know about the target in this case.
    """
    try:
        change()
    except CallError as error:
        failure = error.failure
        if failure.name != already_done_code:
            return failed_item(target, failure)
        # It is done if an earlier attempt, whose response was lost, may have done it.
        if not failure.may_have_taken_effect:
            return report_item(target, Outcome.NOTHING_TO_DO, message)
    return report_item(target, Outcome.DONE)
