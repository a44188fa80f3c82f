"""Whether the conditions of a statement hold for a request."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from .context import OtherValues
from .documents import Quantifier
from .operators import Undefined
from .truth import Truth, agreement, all_of, any_of, truth_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .context import Possible, SessionRequest, Value
    from .documents import Condition
    from .operators import Operator, ValueOf
    from .text import Template

    Matches = Callable[[Operator, str], Truth]

# The calls of an account read the same, and so do the accounts of a unit if a condition is about their path.
_MAX_OUTCOMES = 16


class UndecidedReason(StrEnum):
    """Why a part of a statement could not be decided."""

    REQUEST = "what the request has is not known"
    LANGUAGE = "what AWS makes of this text is not known"
    OPERATOR = "the operator is not known"


def condition_holds(condition: Condition, request: SessionRequest) -> tuple[Truth, UndecidedReason]:
    """Return whether a condition holds for all that its key may be, and why not if that is not known.

    The last outcomes are kept, by what the condition reads of a request: its key, and its policy variables.
    """
    possible = request.possible(condition.key)
    variables = tuple((key, request.possible(key)) for key in condition.variables)
    outcomes = condition.outcomes
    if (possible, variables) not in outcomes:
        if len(outcomes) == _MAX_OUTCOMES:
            del outcomes[next(iter(outcomes))]
        value_of = {key: value.text for key, value in variables}.__getitem__
        outcomes[possible, variables] = _outcome(
            condition,
            possible,
            lambda operator, value: _match(operator, condition.candidates(value), value, value_of),
        )
    return outcomes[possible, variables]


def _outcome(condition: Condition, possible: Possible, matches: Matches) -> tuple[Truth, UndecidedReason]:
    """Return whether a condition holds for all that its key may be, and why not if that is not known.

    Args:
        condition: The condition.
        possible: What its key may be.
        matches: Whether one value of the request is as the condition says.
    """
    if condition.operator is None and not condition.is_null:
        return Truth.UNKNOWN, UndecidedReason.OPERATOR
    cases = [_holds(condition, value, matches) for value in possible.values]
    if possible.absent:
        cases.append(_holds(condition, None, matches))
    if possible.others is not None:
        cases.append(_holds_for_any_value(condition, possible.others))
    elif len(cases) == 1:
        # The key is known. Not known is what AWS makes of a text of the policy, or the value of a variable.
        unknown = cases[0] is Truth.UNKNOWN
        fixed = unknown and all(template.is_fixed for template in condition.values)
        return cases[0], UndecidedReason.LANGUAGE if fixed else UndecidedReason.REQUEST
    return agreement(cases), UndecidedReason.REQUEST


def _holds_for_any_value(condition: Condition, what: OtherValues) -> Truth:
    """Return whether a condition holds for every value that a key may have if it is there."""
    operator = condition.operator
    if operator is None:
        return _null(condition, absent=False)
    everything = any(template.matches_everything for template in condition.values)
    if what is OtherValues.ONE_VALUE and operator.takes_wildcards and everything:
        return truth_of(not operator.negated)
    return Truth.UNKNOWN


def _holds(condition: Condition, value: Value | None, matches: Matches) -> Truth:
    """Return whether a condition holds for a value; None is a key that is absent."""
    operator = condition.operator
    if operator is None:
        return _null(condition, absent=value is None)
    if value is None:
        return _holds_without_key(condition, operator)
    if condition.quantifier is None:
        # AWS: a key with a list of values needs a quantifier. Without one nothing matches, negated or not.
        return matches(operator, value) if isinstance(value, str) else Truth.FALSE
    values = (value,) if isinstance(value, str) else value
    quantify = all_of if condition.quantifier is Quantifier.FOR_ALL_VALUES else any_of
    return quantify(matches(operator, item) for item in values)


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


def _match(operator: Operator, templates: Iterable[Template], value: str, value_of: ValueOf) -> Truth:
    """Return whether one value of a request is as an operator and the values of a policy say."""
    match = Truth.FALSE
    for template in templates:
        result = operator.compare(template, value, value_of)
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
