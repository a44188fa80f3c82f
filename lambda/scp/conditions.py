"""Whether the conditions of a statement hold for a request."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from .context import OtherValues
from .documents import Condition, Quantifier
from .operators import UNKNOWN_PREFIXES, Undefined
from .text import Index, Variable
from .truth import Truth, agreement, all_of, any_of, truth_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .context import Possible, SessionRequest, Value
    from .operators import LiteralPrefixes, Operator, ValueOf
    from .text import Template

    Matches = Callable[[Operator, str], Truth]
    _Variables = tuple[tuple[str, Possible], ...]

# The calls of an account read the same, and so do the accounts of a unit if a condition is about their path.
_MAX_OUTCOMES = 16


class UndecidedReason(StrEnum):
    """Why a part of a statement could not be decided."""

    REQUEST = "what the request has is not known"
    LANGUAGE = "what AWS makes of this text is not known"
    OPERATOR = "the operator is not known"


@dataclass(frozen=True, kw_only=True)
class IndexedCondition(Condition):
    """A condition that is evaluated for many requests.

    It says what the condition says. Most values are ruled out by their starts before they are compared. The
    last outcomes are kept by what it reads of a request.
    """

    @classmethod
    def of(cls, condition: Condition) -> IndexedCondition:
        """Return a condition for many requests."""
        return cls(**{each.name: getattr(condition, each.name) for each in fields(Condition)})

    def outcome(self, request: SessionRequest) -> tuple[Truth, UndecidedReason]:
        """Return whether it holds for a request, and why not if that is not known."""
        variables = tuple((key, request.possible(key)) for key in self._variables)
        return self._cache(request.possible(self.key), variables)

    @cached_property
    def _variables(self) -> frozenset[str]:
        """The keys of its policy variables."""
        return frozenset(
            token.key for value in self.values for token in value.tokens if isinstance(token, Variable)
        )

    @cached_property
    def _prefixes(self) -> LiteralPrefixes:
        return UNKNOWN_PREFIXES if self.operator is None else self.operator.prefixes

    @cached_property
    def _index(self) -> Index:
        return Index((self._prefixes.of_template(value), value) for value in self.values)

    @cached_property
    def _cache(self) -> Callable[[Possible, _Variables], tuple[Truth, UndecidedReason]]:
        return lru_cache(maxsize=_MAX_OUTCOMES)(self._outcome_of)

    def _outcome_of(self, possible: Possible, variables: _Variables) -> tuple[Truth, UndecidedReason]:
        """Return the outcome for all that it reads of a request: its key, and its policy variables."""
        value_of = {key: value.text for key, value in variables}.__getitem__
        return _outcome(
            self,
            possible,
            lambda operator, value: _match(operator, self._candidates(value), value, value_of),
        )

    def _candidates(self, value: str) -> Sequence[Template]:
        text = self._prefixes.of_value(value)
        return self.values if text is None else self._index.candidates(text)


def condition_holds(condition: Condition, request: SessionRequest) -> tuple[Truth, UndecidedReason]:
    """Return whether a condition holds for all that its key may be, and why not if that is not known."""
    if isinstance(condition, IndexedCondition):
        return condition.outcome(request)
    return _outcome(
        condition,
        request.possible(condition.key),
        lambda operator, value: _match(operator, condition.values, value, request.text_of),
    )


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
    return quantify(matches(operator, each) for each in values)


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
