"""The condition operators, one by one: what AWS documents, and what recorded calls show of each."""

from typing import Any

import pytest

from centralized_root_access.preflight.condition_keys import (
    ANYTHING,
    PRESENT,
    OtherValues,
    Possible,
    Value,
)
from centralized_root_access.preflight.operators import OPERATORS
from centralized_root_access.preflight.truth import Truth
from support.scp import condition_holds

TRUE, FALSE, UNKNOWN = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
ROOT = "arn:aws:iam::222222222222:root"

# The two parts of an operator's name, between which Not stands in its negation; values of the
# policy; the value of the request; whether the condition holds. The negation says the opposite.
WITH_NEGATION = [
    ("String", "Equals", ["a*", "a", ""], "a*", TRUE),
    ("String", "EqualsIgnoreCase", ["\u00e9A"], "\u00e9a", TRUE),
    ("String", "EqualsIgnoreCase", ["\u00c9"], "\u00e9", UNKNOWN),
    ("String", "EqualsIgnoreCase", ["s"], "\u017f", UNKNOWN),
    ("String", "EqualsIgnoreCase", ["\u212a", "b"], "k", UNKNOWN),
    ("String", "EqualsIgnoreCase", ["\u0130B"], "i\u0307b", UNKNOWN),
    ("String", "Equals", ["x${aws:none, 'b'}y"], "xby", TRUE),
    ("String", "Like", ["x${aws:none, 'b'}y*"], "xbyz", TRUE),
    ("String", "Like", ["a${*}*"], "a*b", TRUE),
    ("String", "Like", ["a?c"], "ac", FALSE),
    ("String", "Like", ["?"], "", FALSE),
    ("String", "Like", ["a*b"], "a\nb", TRUE),
    # A match that tried each place of each asterisk would never end.
    ("String", "Like", ["*a" * 30 + "b"], "a" * 60, FALSE),
    ("Numeric", "Equals", ["0.1"], "0.10000000000000000001", FALSE),
    ("Numeric", "Equals", ["1"], "x", FALSE),
    ("Numeric", "Equals", ["1"], "", FALSE),
    ("Numeric", "Equals", ["1"], "0x1", UNKNOWN),
    ("Numeric", "Equals", ["x"], "1", UNKNOWN),
    ("Numeric", "Equals", ["1*"], "1", UNKNOWN),
    ("Arn", "Like", ["arn:aws:iam::2222222222??:ro*"], ROOT, TRUE),
    ("Arn", "Like", ["arn:aws:iam::*"], ROOT, UNKNOWN),
    ("Arn", "Like", ["arn:aws:iam:*:root"], ROOT, UNKNOWN),
    ("Arn", "Like", ["arn:AWS:iam::*:root"], ROOT, FALSE),
    ("Arn", "Like", ["*:root"], ROOT, UNKNOWN),
    ("Arn", "Like", ["*:aws:iam::222222222222:root"], ROOT, UNKNOWN),
    # Values are compared in order: one that is not an ARN counts only if none before it matches.
    ("Arn", "Like", ["arn:aws:iam::*:root", "*:root"], ROOT, TRUE),
    ("Arn", "Like", ["*:root", "arn:aws:iam::*:root"], ROOT, UNKNOWN),
    ("Arn", "Like", ["arn:aws:iam::*:role/a", "x"], ROOT, UNKNOWN),
    ("Arn", "Equals", ["arn:aws:iam::333333333333:root"], ROOT, FALSE),
]
WITHOUT_NEGATION = [
    ("NumericLessThan", ["2"], "x", FALSE),
    ("NumericLessThan", ["1", "3"], "2", TRUE),
    ("Bool", ["True"], "TRUE", TRUE),
    ("Bool", ["true"], "false", FALSE),
    ("Bool", ["false"], "yes", TRUE),
    ("Bool", ["yes"], "true", UNKNOWN),
]


# Whether the operator holds if the request's value is smaller than the policy's, the same, larger.
ORDERS = {
    "LessThan": [TRUE, FALSE, FALSE],
    "LessThanEquals": [TRUE, TRUE, FALSE],
    "GreaterThan": [FALSE, FALSE, TRUE],
    "GreaterThanEquals": [FALSE, TRUE, TRUE],
}


@pytest.mark.parametrize(("order", "expected"), ORDERS.items())
def test_numbers_are_compared_in_their_order(order: str, expected: list[Truth]) -> None:
    condition = {f"Numeric{order}": {"aws:k": "10"}}
    assert [condition_holds(condition, {"aws:k": value}) for value in ("9", "10", "11")] == expected


@pytest.mark.parametrize(("kind", "way", "values", "value", "expected"), WITH_NEGATION, ids=str)
def test_an_operator_and_its_negation(
    kind: str, way: str, values: list[str], value: str, expected: Truth
) -> None:
    listed, request = {"aws:k": values}, {"aws:k": value}
    assert condition_holds({f"{kind}{way}": listed}, request) is expected
    assert condition_holds({f"{kind}Not{way}": listed}, request) is expected.negation


@pytest.mark.parametrize(("operator", "values", "value", "expected"), WITHOUT_NEGATION, ids=str)
def test_an_operator_without_a_negation(
    operator: str, values: list[str], value: str, expected: Truth
) -> None:
    assert condition_holds({operator: {"aws:k": values}}, {"aws:k": value}) is expected


@pytest.mark.parametrize("operator", ["ArnLike", "ArnNotLike"])
def test_a_malformed_arn_of_a_request_matches_nothing_negated_or_not(operator: str) -> None:
    for malformed in ("x", "arn:aws:iam", "x:aws:iam::1:root"):
        assert (
            condition_holds({operator: {"aws:k": "arn:aws:iam::1:root"}}, {"aws:k": malformed})
            is FALSE
        )


@pytest.mark.parametrize("operator", ["IpAddress", "NotIpAddress", "BinaryEquals"])
def test_an_address_is_never_decided(operator: str) -> None:
    assert condition_holds({operator: {"aws:k": "192.0.2.0/24"}}, {"aws:k": "192.0.2.7"}) is UNKNOWN


# Keys that are absent


@pytest.mark.parametrize("operator", OPERATORS)
def test_without_the_key_an_operator_holds_if_it_is_negated_or_has_if_exists(operator: str) -> None:
    values = {"aws:k": "1"}
    assert condition_holds({operator: values}, {}) is (TRUE if "Not" in operator else FALSE)
    assert condition_holds({f"{operator}IfExists": values}, {}) is TRUE
    assert condition_holds({f"ForAllValues:{operator}": values}, {}) is TRUE
    assert condition_holds({f"ForAllValues:{operator}IfExists": values}, {}) is TRUE
    assert condition_holds({f"ForAnyValue:{operator}": values}, {}) is FALSE
    # AWS's two rules contradict each other here.
    assert condition_holds({f"ForAnyValue:{operator}IfExists": values}, {}) is UNKNOWN


@pytest.mark.parametrize(
    ("values", "absent", "present"),
    [
        ("true", TRUE, FALSE),
        ("True", TRUE, FALSE),
        ("false", FALSE, TRUE),
        pytest.param(True, TRUE, FALSE, id="a boolean of JSON"),
        (["true", "false"], TRUE, TRUE),
        ("yes", UNKNOWN, UNKNOWN),
    ],
    ids=str,
)
def test_null_asks_whether_the_key_is_absent(values: Any, absent: Truth, present: Truth) -> None:
    assert condition_holds({"Null": {"aws:k": values}}, {}) is absent
    assert condition_holds({"Null": {"aws:k": values}}, {"aws:k": ""}) is present
    assert condition_holds({"Null": {"aws:k": values}}, {"aws:k": ()}) is present


# Keys with a list of values


@pytest.mark.parametrize(
    ("operator", "values", "given", "expected"),
    [
        ("ForAllValues:StringEquals", ["a"], ("",), FALSE),
        ("ForAllValues:StringNotEquals", ["a"], ("a", "b"), FALSE),
        ("ForAnyValue:StringEquals", ["c"], ("a", "b"), FALSE),
        ("ForAnyValue:StringNotEquals", ["a"], ("a", "b"), TRUE),
        ("ForAnyValue:StringEquals", ["a"], "b", FALSE),
        ("forAnyValue:StringEquals", ["a"], ("a",), TRUE),
        # Without a quantifier nothing matches.
        ("StringEquals", ["a"], ("a",), FALSE),
        ("StringNotEquals", ["a"], ("b",), FALSE),
        ("StringNotEqualsIfExists", ["a"], ("b",), FALSE),
    ],
    ids=str,
)
def test_a_quantifier_takes_the_values_of_a_list(
    operator: str, values: list[str], given: str | tuple[str, ...], expected: Truth
) -> None:
    assert condition_holds({operator: {"aws:k": values}}, {"aws:k": given}) is expected


@pytest.mark.parametrize(
    "operator",
    ["SomethingNew", "stringequals", "ForMostValues:Bool", "NullIfExists", "ForAnyValue:Null"],
)
def test_an_operator_that_is_not_known_is_undecided(operator: str) -> None:
    assert condition_holds({operator: {"aws:k": "true"}}, {"aws:k": "true"}) is UNKNOWN
    assert condition_holds({operator: {"aws:k": "true"}}, {}) is UNKNOWN


# Blocks


def test_all_keys_and_operators_of_a_block_must_hold() -> None:
    context: dict[str, Possible | Value] = {"aws:k": "a", "aws:l": "b"}
    assert condition_holds({"StringEquals": {"aws:k": "a", "aws:l": "b"}}, context) is TRUE
    assert condition_holds({"StringEquals": {"aws:k": "a", "aws:l": "x"}}, context) is FALSE
    assert (
        condition_holds({"StringEquals": {"aws:k": "a"}, "StringLike": {"aws:l": "x"}}, context)
        is FALSE
    )


def test_one_condition_that_fails_decides_regardless_of_the_others() -> None:
    unknown = {"SomethingNew": {"aws:k": "a"}}
    assert condition_holds({**unknown, "StringEquals": {"aws:l": "x"}}, {"aws:l": "b"}) is FALSE
    assert condition_holds({**unknown, "StringEquals": {"aws:l": "b"}}, {"aws:l": "b"}) is UNKNOWN


def test_values_that_are_no_texts_in_json_are_taken_as_texts() -> None:
    assert condition_holds({"Bool": {"aws:k": False}}, {"aws:k": "false"}) is TRUE
    assert condition_holds({"NumericLessThan": {"aws:k": 10}}, {"aws:k": "9"}) is TRUE
    assert condition_holds({"NumericEquals": {"aws:k": [1.50]}}, {"aws:k": "1.5"}) is TRUE


# Keys of which not all is known

ONE_OR_MORE = Possible(others=OtherValues.ONE_OR_MORE_VALUES)


@pytest.mark.parametrize(
    ("condition", "possible", "expected"),
    [
        ({"Bool": {"aws:k": "false"}}, Possible(absent=True, values=("false",)), UNKNOWN),
        ({"BoolIfExists": {"aws:k": "false"}}, Possible(absent=True, values=("false",)), TRUE),
        ({"Bool": {"aws:k": "true"}}, Possible(absent=True, values=("false",)), FALSE),
        ({"Null": {"aws:k": "true"}}, Possible(absent=True, values=("false",)), UNKNOWN),
        ({"NumericLessThan": {"aws:k": "1.2"}}, Possible(values=("1.2", "1.3")), FALSE),
        ({"NumericLessThan": {"aws:k": "1.3"}}, Possible(values=("1.2", "1.3")), UNKNOWN),
        ({"StringEquals": {"aws:k": "a"}}, PRESENT, UNKNOWN),
        ({"StringNotEquals": {"aws:k": "a"}}, PRESENT, UNKNOWN),
        ({"StringLike": {"aws:k": ["a", "*"]}}, PRESENT, TRUE),
        ({"StringNotLike": {"aws:k": "*"}}, PRESENT, FALSE),
        ({"ForAnyValue:StringLike": {"aws:k": "**"}}, PRESENT, TRUE),
        ({"StringEquals": {"aws:k": "*"}}, PRESENT, UNKNOWN),
        # Only texts have wildcards that match whatever the value is, and only one value.
        ({"Bool": {"aws:k": "*"}}, PRESENT, UNKNOWN),
        ({"ArnLike": {"aws:k": "*"}}, PRESENT, UNKNOWN),
        ({"StringLike": {"aws:k": "*"}}, ONE_OR_MORE, UNKNOWN),
        ({"DateLessThan": {"aws:k": "2020-01-01"}}, Possible(values=("2019-01-01",)), UNKNOWN),
        ({"Null": {"aws:k": "true"}}, PRESENT, FALSE),
        ({"StringLike": {"aws:k": "*"}}, ANYTHING, UNKNOWN),
        ({"Null": {"aws:k": ["true", "false"]}}, ANYTHING, TRUE),
    ],
    ids=str,
)
def test_a_condition_is_decided_only_if_it_is_the_same_for_all_that_a_key_may_be(
    condition: dict[str, object], possible: Possible, expected: Truth
) -> None:
    assert condition_holds(condition, {"aws:k": possible}) is expected


# Variables

# What the request has, or may have. No value of aws:none.
CONTEXT: dict[str, Possible | Value] = {
    "aws:k": "a",
    "aws:star": "*",
    "aws:list": ("a",),
    "aws:open": PRESENT,
    "aws:perhaps": Possible(absent=True, values=("a",)),
    "aws:usually": Possible(values=("a",), others=OtherValues.ONE_VALUE),
    "aws:either": Possible(values=("a", "b")),
    "aws:arn": "arn:aws:iam::1:root",
    "aws:one": "1",
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${aws:k}", TRUE),
        ("x${aws:k}", FALSE),
        ("${aws:none}", FALSE),
        ("${aws:none, 'a'}", TRUE),
        ("${aws:none, 'b'}", FALSE),
        ("${aws:none, ''}a", TRUE),
        ("${aws:k, 'b'}", TRUE),
        ("${aws:list}", FALSE),
        ("${aws:list, 'a'}", FALSE),
        ("${aws:open}", UNKNOWN),
        ("${aws:open, 'a'}", UNKNOWN),
        ("${aws:perhaps}", UNKNOWN),
        ("${aws:usually}", UNKNOWN),
        ("${aws:either}", UNKNOWN),
        # Forms that AWS does not document.
        ("${aws:none,'a'}", UNKNOWN),
        ("${aws:none, a}", UNKNOWN),
        ("${ aws:k }", UNKNOWN),
        ("${aws:k", UNKNOWN),
        # Not variables.
        ("$a", FALSE),
    ],
)
@pytest.mark.parametrize("operator", ["String{}Equals", "String{}Like", "String{}EqualsIgnoreCase"])
def test_a_variable_has_the_value_of_its_key(operator: str, value: str, expected: Truth) -> None:
    # In CONTEXT, aws:k is "a", aws:none is absent, aws:list is a list, and the value of the others
    # is not certain.
    assert condition_holds({operator.format(""): {"aws:k": value}}, CONTEXT) is expected
    assert condition_holds({operator.format("Not"): {"aws:k": value}}, CONTEXT) is expected.negation


def test_a_wildcard_in_the_value_of_a_variable_is_an_ordinary_character() -> None:
    assert condition_holds({"StringLike": {"aws:k": "${aws:star}"}}, CONTEXT) is FALSE
    assert condition_holds({"StringLike": {"aws:star": "${aws:star}"}}, CONTEXT) is TRUE
    assert condition_holds({"StringLike": {"aws:k": "${aws:none, '*'}"}}, CONTEXT) is FALSE


@pytest.mark.parametrize(
    ("value", "text"),
    [("a${*}", "a*"), ("a${?}", "a?"), ("a${$}", "a$"), ("${$}{aws:k}", "${aws:k}")],
)
def test_special_characters_stand_for_themselves(value: str, text: str) -> None:
    for operator in ("StringLike", "StringEquals"):
        assert condition_holds({operator: {"aws:k": value}}, {"aws:k": text}) is TRUE
        assert condition_holds({operator: {"aws:k": value}}, {"aws:k": "ab"}) is FALSE


def test_variables_are_plain_text_without_the_version_that_knows_them() -> None:
    for version in (None, "2008-10-17"):
        assert (
            condition_holds({"StringEquals": {"aws:k": "${aws:k}"}}, CONTEXT, version=version)
            is FALSE
        )
        literal = {"StringEquals": {"aws:k": "${aws:k}"}}
        assert condition_holds(literal, {"aws:k": "${aws:k}"}, version=version) is TRUE
        # Even an asterisk in braces is then a wildcard.
        assert (
            condition_holds({"StringLike": {"aws:k": "${*}"}}, {"aws:k": "${x}"}, version=version)
            is TRUE
        )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("arn:aws:iam::${aws:one}:root", TRUE),
        ("arn:aws:iam::${aws:k}:root", FALSE),
        ("arn:aws:iam::${aws:none}:root", FALSE),
        ("arn:aws:iam::${aws:none, '1'}:root", TRUE),
        ("arn:aws:iam::${aws:open}:root", UNKNOWN),
        ("arn:aws:iam::${aws:open}:user/x", FALSE),
        ("arn:aws:iam::*:${aws:open}", UNKNOWN),
        # Whether the ARN is taken apart before or after is not documented.
        ("arn:aws:iam::1:${aws:arn}", UNKNOWN),
        ("${aws:arn}", UNKNOWN),
    ],
)
def test_a_variable_in_an_arn_is_a_part_of_it(value: str, expected: Truth) -> None:
    # In CONTEXT, aws:arn is arn:aws:iam::1:root, aws:one is "1", and aws:open is any text.
    assert condition_holds({"ArnEquals": {"aws:arn": value}}, CONTEXT) is expected
    assert condition_holds({"ArnNotLike": {"aws:arn": value}}, CONTEXT) is expected.negation


@pytest.mark.parametrize("operator", ["NumericEquals", "Bool", "Null"])
def test_a_variable_under_an_operator_without_variables_is_undecided(operator: str) -> None:
    assert condition_holds({operator: {"aws:k": "${aws:k}"}}, {"aws:k": "1"}) is UNKNOWN
