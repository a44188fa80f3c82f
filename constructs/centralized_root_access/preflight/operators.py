"""The condition operators: how one value of a request compares with one value of a policy."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from operator import eq, ge, gt, le, lt

from .policy_text import ARN_PARTS, Template, Unresolved, lowercase
from .truth import Truth, all_of, truth_of

ValueOf = Callable[[str], str | Unresolved]
Compare = Callable[[Template, str, ValueOf], "Truth | Undefined"]


class Undefined(StrEnum):
    """The reason for which two values cannot be compared."""

    # Stackd recorded it for session policies (NOTICE): with an operand that is not an ARN a Deny
    # applies and an Allow does not. It is not known whether Organizations stores such operands.
    POLICY_VALUE = "the policy's value is not of the operator's type"
    # A malformed ARN in a request matches nothing, not even a negated operator.
    REQUEST_VALUE = "the request's value is not of the operator's type"


@dataclass(frozen=True, kw_only=True)
class Operator:
    """A condition operator without its prefix and suffix.

    Attributes:
        compare: Whether a value of the request is what a value of the policy says.
        negated: Whether it holds if no value of the policy matches.
        takes_wildcards: Whether an asterisk in a value of the policy matches every value of a
            request.
    """

    compare: Compare
    negated: bool = False
    takes_wildcards: bool = False


def _comparison_of_texts(
    matches: Callable[[Template, str], Truth],
) -> Callable[[Template, str, ValueOf], Truth]:
    """Return a comparison that takes policy variables."""

    def compare(template: Template, value: str, value_of: ValueOf) -> Truth:
        resolved = template.resolve(value_of)
        if resolved is Unresolved.UNKNOWN:
            return Truth.UNKNOWN
        if isinstance(resolved, Unresolved):
            # Nothing equals or is like a variable without a value; negated operators match it.
            return Truth.FALSE
        return matches(resolved, value)

    return compare


_string_equals = _comparison_of_texts(lambda template, value: truth_of(template.text == value))
_string_like = _comparison_of_texts(lambda template, value: truth_of(template.matches(value)))


def _equals_ignoring_case(template: Template, value: str) -> Truth:
    """Compare texts of which A to Z count as a to z."""
    if lowercase(template.text) == lowercase(value):
        return Truth.TRUE
    if template.text.isascii() and value.isascii():
        return Truth.FALSE
    # It is not known which letters beyond ASCII AWS takes for the same.
    return Truth.UNKNOWN


def _arn_like(template: Template, value: str, value_of: ValueOf) -> Truth | Undefined:
    """Compare part by part; wildcards do not cross the colons between the parts."""
    if not _is_arn(value):
        return Undefined.REQUEST_VALUE
    if not template.is_arn:
        return Undefined.POLICY_VALUE
    parts = template.arn_parts

    def value_in_arn(key: str) -> str | Unresolved:
        known = value_of(key)
        if isinstance(known, Unresolved) or ":" not in known:
            return known
        # AWS does not say whether an ARN is taken apart before or after its variables are replaced.
        return Unresolved.UNKNOWN

    return all_of(
        _string_like(part, text, value_in_arn)
        for part, text in zip(parts, value.split(":", ARN_PARTS - 1), strict=True)
    )


def _is_arn(value: str) -> bool:
    """Return whether a value of a request has all the parts of an ARN."""
    return value.startswith("arn:") and value.count(":") >= ARN_PARTS - 1


_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)


def _number(text: str) -> Decimal | None:
    """Return a text as a number; None if it is not one."""
    if _NUMBER.fullmatch(text) is None:
        return None
    return Decimal(text)


_STARTS_OF_NUMBERS = tuple("+-.0123456789")


def _without_variables(compare: Callable[[str, str], Truth | Undefined]) -> Compare:
    """Return a comparison of a policy's value, which AWS takes literally, with a request's."""
    return lambda template, value, _: compare(template.raw, value)


def _comparison_of_numbers(holds: Callable[..., bool]) -> Compare:
    """Return the comparison of two texts as numbers.

    Text of a request that is not a number is unequal to all of them and in no order.

    Args:
        holds: Compares the request's number with the policy's, such as ``operator.lt``.
    """

    def compare(policy_value: str, value: str) -> Truth | Undefined:
        expected = _number(policy_value)
        if expected is None:
            return Undefined.POLICY_VALUE
        actual = _number(value)
        if actual is None and value.startswith(_STARTS_OF_NUMBERS):
            # AWS may read other forms of numbers than we do.
            return Truth.UNKNOWN
        return truth_of(actual is not None and holds(actual, expected))

    return _without_variables(compare)


def _bool(policy_value: str, value: str) -> Truth | Undefined:
    """Compare; "true" in any case is true, and every other value of a request is false."""
    expected = lowercase(policy_value)
    if expected not in ("true", "false"):
        return Undefined.POLICY_VALUE
    return truth_of((lowercase(value) == "true") == (expected == "true"))


_ORDERS = {
    "Equals": eq,
    "LessThan": lt,
    "LessThanEquals": le,
    "GreaterThan": gt,
    "GreaterThanEquals": ge,
}
_ARN = Operator(compare=_arn_like)
# No key of a root session has a known value that is binary or an address, or a known time.
_NEVER_DECIDED = Operator(compare=lambda *_: Truth.UNKNOWN)
OPERATORS = {
    "StringEquals": Operator(compare=_string_equals),
    "StringEqualsIgnoreCase": Operator(compare=_comparison_of_texts(_equals_ignoring_case)),
    "StringLike": Operator(compare=_string_like, takes_wildcards=True),
    "Bool": Operator(compare=_without_variables(_bool)),
    "BinaryEquals": _NEVER_DECIDED,
    "IpAddress": _NEVER_DECIDED,
    # AWS: the two behave identically.
    "ArnEquals": _ARN,
    "ArnLike": _ARN,
}
# NumericEquals, NumericLessThan, ..., DateEquals, DateLessThan, ...
for _name, _holds in _ORDERS.items():
    OPERATORS[f"Numeric{_name}"] = Operator(compare=_comparison_of_numbers(_holds))
    OPERATORS[f"Date{_name}"] = _NEVER_DECIDED
_NEGATIONS = {
    "StringEquals": "StringNotEquals",
    "StringEqualsIgnoreCase": "StringNotEqualsIgnoreCase",
    "StringLike": "StringNotLike",
    "NumericEquals": "NumericNotEquals",
    "DateEquals": "DateNotEquals",
    "IpAddress": "NotIpAddress",
    "ArnEquals": "ArnNotEquals",
    "ArnLike": "ArnNotLike",
}
for _name, _negation in _NEGATIONS.items():
    OPERATORS[_negation] = replace(OPERATORS[_name], negated=True)
