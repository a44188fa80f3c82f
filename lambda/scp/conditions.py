"""Whether the conditions of a statement hold for a request."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from .context import Open
from .operators import Undefined
from .policies import Quantifier
from .truth import Truth, agreement, all_of, any_of, truth_of

if TYPE_CHECKING:
    from .context import Request, Value
    from .operators import Operator
    from .policies import Condition


class Why(StrEnum):
    """Why a part of a statement could not be decided."""

    REQUEST = "what the request has is not known"
    LANGUAGE = "what AWS makes of this text is not known"
    OPERATOR = "the operator is not known"


def condition_holds(condition: Condition, request: Request) -> tuple[Truth, Why]:
    """Return whether a condition holds for all that its key may be, and why not if that is not known."""
    if condition.operator is None and not condition.is_null:
        return Truth.UNKNOWN, Why.OPERATOR
    possible = request.possible(condition.key)
    cases = [_holds(condition, value, request) for value in possible.values]
    if possible.absent:
        cases.append(_holds(condition, None, request))
    if possible.open is not None:
        cases.append(_holds_for_any_value(condition, possible.open))
    elif len(cases) == 1:
        # The key is known. Not known is what AWS makes of a text of the policy, or the value of a variable.
        fixed = all(template.is_fixed for template in condition.values)
        return cases[0], Why.LANGUAGE if fixed else Why.REQUEST
    return agreement(cases), Why.REQUEST


def _holds_for_any_value(condition: Condition, what: Open) -> Truth:
    """Return whether a condition holds for every value that a key may have if it is there."""
    operator = condition.operator
    if operator is None:
        return _null(condition, absent=False)
    everything = any(template.matches_everything for template in condition.values)
    if what is Open.ONE_VALUE and operator.takes_wildcards and everything:
        return truth_of(not operator.negated)
    return Truth.UNKNOWN


def _holds(condition: Condition, value: Value | None, request: Request) -> Truth:
    """Return whether a condition holds for a value; None is a key that is absent."""
    operator = condition.operator
    if operator is None:
        return _null(condition, absent=value is None)
    if value is None:
        return _holds_without_key(condition, operator)
    if condition.quantifier is None:
        # AWS: a key with a list of values needs a quantifier. Without one nothing matches, negated or not.
        return _matches(condition, operator, value, request) if isinstance(value, str) else Truth.FALSE
    values = (value,) if isinstance(value, str) else value
    quantify = all_of if condition.quantifier is Quantifier.FOR_ALL_VALUES else any_of
    return quantify(_matches(condition, operator, each, request) for each in values)


def _holds_without_key(condition: Condition, operator: Operator) -> Truth:
    if condition.quantifier is Quantifier.FOR_ALL_VALUES:
        return Truth.TRUE
    if condition.quantifier is Quantifier.FOR_ANY_VALUE:
        # AWS: false without the key, and true without the key for IfExists; not which of the two wins.
        return Truth.UNKNOWN if condition.if_exists else Truth.FALSE
    return truth_of(condition.if_exists or operator.negated)


def _null(condition: Condition, *, absent: bool) -> Truth:
    texts = {template.raw.lower() for template in condition.values}
    if not texts <= {"true", "false"}:
        return Truth.UNKNOWN
    return truth_of(("true" if absent else "false") in texts)


def _matches(condition: Condition, operator: Operator, value: str, request: Request) -> Truth:
    """Return whether one value of the request is as the condition says."""
    match = Truth.FALSE
    for template in condition.values:
        result = operator.compare(template, value, request.text_of)
        if result is Undefined.REQUEST_VALUE:
            return Truth.FALSE
        if result is Undefined.POLICY_VALUE:
            # AWS compares in order and stops at a match. What it does with such a value differs by effect.
            return Truth.UNKNOWN
        if result is Truth.TRUE:
            match = result
            break
        if result is Truth.UNKNOWN:
            match = result
    return match.negation if operator.negated else match
