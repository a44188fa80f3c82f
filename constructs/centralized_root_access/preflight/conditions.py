"""The conditions of a statement, decided for a request."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from .condition_keys import OtherValues
from .documents import Quantifier
from .operators import Undefined
from .policy_text import lowercase
from .truth import Truth, agreement, all_of, any_of, truth_of

if TYPE_CHECKING:
    from .condition_keys import Possible, SessionRequest, Value
    from .documents import Condition
    from .operators import Operator, ValueOf


def condition_holds(condition: Condition, request: SessionRequest) -> Truth:
    """Return whether a condition holds for everything that its key may be.

    The outcome depends on what the condition reads in a request: its key, and its policy variables.
    """
    variables = tuple((key, request.possible(key)) for key in condition.variables)
    return _outcome(condition, request.possible(condition.key), variables)


# The calls of an account read the same, and so do the accounts of a unit if a condition is about
# their path.
@functools.lru_cache(maxsize=10_000)
def _outcome(
    condition: Condition, possible: Possible, variables: tuple[tuple[str, Possible], ...]
) -> Truth:
    value_of = {key: value.text for key, value in variables}.__getitem__
    if condition.operator is None and condition.operator_name != "Null":
        return Truth.UNKNOWN
    cases = [_holds(condition, value, value_of) for value in possible.values]
    if possible.absent:
        cases.append(_holds(condition, None, value_of))
    if possible.others is not None:
        cases.append(_holds_for_any_value(condition, possible, value_of))
    return agreement(cases)


def _holds_for_any_value(condition: Condition, possible: Possible, value_of: ValueOf) -> Truth:
    """Return whether a condition holds for every value that a key may have if it is there."""
    operator = condition.operator
    if operator is None:
        return _null(condition, absent=False)
    everything = any(template.matches_everything for template in condition.values)
    if possible.times is not None and operator.is_order:
        # A condition that holds for the earliest and for the latest time holds for every time in
        # between.
        return agreement(_holds(condition, time, value_of) for time in possible.times)
    if possible.others is OtherValues.ONE_VALUE and operator.takes_wildcards and everything:
        return truth_of(not operator.negated)
    return Truth.UNKNOWN


def _holds(condition: Condition, value: Value | None, value_of: ValueOf) -> Truth:
    """Return whether a condition holds for a value; None is a key that is absent."""
    operator = condition.operator
    if operator is None:
        return _null(condition, absent=value is None)
    if value is None:
        return _holds_without_key(condition, operator)
    if condition.quantifier is None:
        # AWS: a key with a list of values needs a quantifier. Without one nothing matches, negated
        # or not.
        return (
            _match(condition, operator, value, value_of) if isinstance(value, str) else Truth.FALSE
        )
    values = (value,) if isinstance(value, str) else value
    quantify = all_of if condition.quantifier is Quantifier.FOR_ALL_VALUES else any_of
    return quantify(_match(condition, operator, item, value_of) for item in values)


def _holds_without_key(condition: Condition, operator: Operator) -> Truth:
    if condition.quantifier is Quantifier.FOR_ALL_VALUES:
        return Truth.TRUE
    if condition.quantifier is Quantifier.FOR_ANY_VALUE:
        # AWS: false without the key, and true without the key for IfExists; not which of the two
        # wins.
        return Truth.UNKNOWN if condition.if_exists else Truth.FALSE
    return truth_of(condition.if_exists or operator.negated)


def _null(condition: Condition, *, absent: bool) -> Truth:
    texts = {lowercase(template.raw) for template in condition.values}
    if not texts <= {"true", "false"}:
        return Truth.UNKNOWN
    return truth_of(("true" if absent else "false") in texts)


def _match(condition: Condition, operator: Operator, value: str, value_of: ValueOf) -> Truth:
    """Return whether one value of a request is as the operator and the values of a condition say."""
    match = Truth.FALSE
    for template in condition.values:
        result = operator.compare(template, value, value_of)
        if result is Undefined.REQUEST_VALUE:
            return Truth.FALSE
        if result is Undefined.POLICY_VALUE:
            # AWS compares in order and stops at a match. What it does with such a value differs by
            # effect.
            return Truth.UNKNOWN
        if result is Truth.TRUE:
            match = result
            break
        if result is Truth.UNKNOWN:
            match = result
    return match.negation if operator.negated else match
