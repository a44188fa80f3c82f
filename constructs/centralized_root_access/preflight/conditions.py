"""The conditions of a statement, decided for a request."""

from __future__ import annotations

from .condition_keys import OtherValues, Possible, SessionRequest, Value
from .documents import Condition, Quantifier
from .operators import Operator, Undefined, ValueOf
from .policy_text import lowercase
from .truth import Truth, agreement, all_of, any_of, truth_of


def condition_holds(condition: Condition, request: SessionRequest) -> Truth:
    """Return whether a condition holds for everything that its key may be."""
    possible = request.possible(condition.key)
    operator = condition.operator
    if operator is None:
        return _null_holds(condition, possible)
    cases = [_holds(condition, operator, value, request.text_of) for value in possible.values]
    if possible.absent:
        cases.append(_holds_without_key(condition, operator))
    if possible.others is not None:
        cases.append(_holds_for_others(condition, operator, possible))
    return agreement(cases)


def _null_holds(condition: Condition, possible: Possible) -> Truth:
    """Return whether a key is absent or present, as Null asks; other operators are not known.

    For example, ``"Null": {"aws:AssumedRoot": "true"}`` holds if the request lacks the key.
    """
    texts = {lowercase(template.raw) for template in condition.values}
    if condition.operator_name != "Null" or not texts <= {"true", "false"}:
        return Truth.UNKNOWN
    cases = []
    if possible.absent:
        cases.append(truth_of("true" in texts))
    if possible.values or possible.others is not None:
        cases.append(truth_of("false" in texts))
    return agreement(cases)


def _holds_for_others(condition: Condition, operator: Operator, possible: Possible) -> Truth:
    """Return whether a condition holds for every other value that its key may have."""
    # An asterisk matches the one value, whatever it is.
    matches_everything = any(template.matches_everything for template in condition.values)
    is_one_value = possible.others is OtherValues.ONE_VALUE
    if is_one_value and operator.takes_wildcards and matches_everything:
        return truth_of(not operator.negated)
    return Truth.UNKNOWN


def _holds(condition: Condition, operator: Operator, value: Value, value_of: ValueOf) -> Truth:
    """Return whether a condition holds for a value of its key."""
    if condition.quantifier is None:
        if isinstance(value, tuple):
            # AWS: a key with a list of values needs a quantifier. Without one nothing matches,
            # negated or not.
            return Truth.FALSE
        return _match(condition, operator, value, value_of)
    if isinstance(value, str):
        value = (value,)
    matches = [_match(condition, operator, item, value_of) for item in value]
    if condition.quantifier is Quantifier.FOR_ALL_VALUES:
        return all_of(matches)
    return any_of(matches)


def _holds_without_key(condition: Condition, operator: Operator) -> Truth:
    """Return whether a condition holds for a request that lacks its key."""
    if condition.quantifier is Quantifier.FOR_ALL_VALUES:
        # All of no values match.
        return Truth.TRUE
    if condition.quantifier is Quantifier.FOR_ANY_VALUE:
        if condition.if_exists:
            # AWS: false without the key for ForAnyValue, and true without the key for IfExists; not
            # which of the two wins.
            return Truth.UNKNOWN
        return Truth.FALSE
    return truth_of(condition.if_exists or operator.negated)


def _match(condition: Condition, operator: Operator, value: str, value_of: ValueOf) -> Truth:
    """Return whether one value of a request is as a condition's operator and values say."""
    match = Truth.FALSE
    for template in condition.values:
        result = operator.compare(template, value, value_of)
        if result is Undefined.REQUEST_VALUE:
            # Such a value matches nothing, not even a negated operator.
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
    if operator.negated:
        return match.negation
    return match
