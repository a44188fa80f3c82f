"""What holds of every condition and policy: the evaluator never guesses, and ends in few steps."""

import itertools
import json
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import strategies as st

from centralized_root_access import preflight
from centralized_root_access.preflight.attachments import FULL_ACCESS
from centralized_root_access.preflight.condition_keys import (
    ABSENT,
    ANYTHING,
    PRESENT,
    Possible,
    Value,
)
from centralized_root_access.preflight.documents import Policy, parse_policy
from centralized_root_access.preflight.evaluate import Decision
from centralized_root_access.preflight.operators import OPERATORS
from centralized_root_access.preflight.policy_text import parse_template
from centralized_root_access.preflight.truth import Truth
from support.properties import property_test
from support.scp import (
    condition_holds,
    decision_in_context,
    decision_with_policies,
    parsed_policy,
    policy_document,
    statement,
)

# What is not known

ROOT = "arn:aws:iam::222222222222:root"
DAY = "2030-01-01T00:00:00Z"
# What a key may be, and some of the values that it may have; None is a key that is absent.
UNCERTAIN: dict[str, tuple[Possible, tuple[Value | None, ...]]] = {
    "absent or a value": (Possible(absent=True, values=("1",)), (None, "1")),
    "one of two values": (Possible(values=("1", ROOT)), ("1", ROOT)),
    "any value": (PRESENT, ("1", "true", "", DAY, ROOT)),
    "anything": (ANYTHING, (None, "1", "true", ROOT, ("1", "2"), ())),
}


@pytest.mark.parametrize(("possible", "values"), UNCERTAIN.values(), ids=UNCERTAIN)
def test_what_is_certain_of_all_that_a_key_may_be_is_so_for_each_value(
    possible: Possible, values: tuple[Value | None, ...]
) -> None:
    """Knowing more never changes what was certain."""
    prefixes, suffixes = ("", "ForAllValues:", "ForAnyValue:"), ("", "IfExists")
    for prefix, operator, suffix in itertools.product(prefixes, OPERATORS, suffixes):
        for expected in ("1", "*", DAY, ROOT):
            condition = {f"{prefix}{operator}{suffix}": {"aws:k": expected}}
            uncertain = condition_holds(condition, {"aws:k": possible})
            for value in values:
                concrete = condition_holds(condition, {"aws:k": ABSENT if value is None else value})
                assert uncertain in (concrete, Truth.UNKNOWN), (condition, value)


# Texts

_PATTERN = st.text(alphabet="ab*?:", max_size=12)


@property_test(examples=1000, pattern=_PATTERN, text=st.text(alphabet="ab:\n", max_size=12))
def test_wildcards_match_as_the_regular_expression_says(pattern: str, text: str) -> None:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    template = parse_template(pattern, variables=True)
    assert template.matches(text) is bool(re.fullmatch(expression, text, re.DOTALL))


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just("*")),
    lambda children: st.one_of(
        st.lists(children, max_size=3),
        st.dictionaries(
            st.sampled_from(
                (
                    "Version",
                    "Statement",
                    "Effect",
                    "Action",
                    "Resource",
                    "Condition",
                    "Bool",
                    "aws:k",
                )
            ),
            children,
            max_size=5,
        ),
    ),
    max_leaves=20,
)


@property_test(examples=200, content=st.one_of(st.text(), _JSON.map(json.dumps)))
def test_any_text_is_a_policy_or_a_policy_with_a_problem(content: str) -> None:
    policy = parse_policy(content, policy_id="p", name="p")
    assert bool(policy.statements) is not bool(policy.problem)
    if policy.problem:
        assert decision_with_policies(policy) is Decision.UNKNOWN


@property_test(
    examples=200,
    value=st.text(alphabet="$ab{}*?', :", max_size=20),
    text=st.text(alphabet="ab$*", max_size=5),
)
def test_any_text_can_be_a_value_of_every_operator(value: str, text: str) -> None:
    for operator in (
        "StringLike",
        "ArnLike",
        "StringEquals",
        "NumericEquals",
        "DateEquals",
        "IpAddress",
    ):
        condition = {operator: {"aws:k": value}}
        policy = parsed_policy(
            policy_document(statement(Condition=condition, Resource=f"arn:aws:iam::*:{value}"))
        )
        decision_in_context({"aws:k": text}, FULL_ACCESS, policy)


# Steps

MAX_POLICY_CHARACTERS = 10_240
PACKAGE = str(Path(preflight.__path__[0]))


def largest(build: Callable[[int], dict[str, Any]]) -> Policy:
    """Return the largest policy of a kind that Organizations stores, to within an eighth.

    Args:
        build: Returns the policy that has so many of a part, such as statements.
    """
    count = 1
    while len(json.dumps(build(count * 2))) <= MAX_POLICY_CHARACTERS:
        count *= 2
    while len(json.dumps(build(count + count // 8 + 1))) <= MAX_POLICY_CHARACTERS:
        count += count // 8 + 1
    policy = parsed_policy(build(count))
    assert not policy.problem
    return policy


def like(*values: str) -> dict[str, Any]:
    return policy_document(statement(Condition={"StringLike": {"aws:PrincipalArn": list(values)}}))


HOSTILE: dict[str, Callable[[int], dict[str, Any]]] = {
    "one value of asterisks": lambda count: like("*" * count),
    "a value that matches late": lambda count: like("*a" * count + "*b"),
    "many values that match late": lambda count: like(*["*a*r*n*:*:*:*:*2*2*2*2*r*o*o*x*"] * count),
    "many variables": lambda count: like("${aws:PrincipalArn}" * count),
    "many resources": lambda count: policy_document(
        statement(NotResource=["arn:*:*:*:*:*o*x"] * count)
    ),
    "many statements": lambda count: policy_document(
        *[statement(NotAction="s3:*", Resource="arn:x:*")] * count
    ),
    "many conditions": lambda count: policy_document(
        statement(
            Condition={
                "StringNotLike": {f"aws:PrincipalTag/{number}": "*" for number in range(count)}
            }
        )
    ),
}


def steps_of(run: Callable[[], object]) -> int:
    """Return how many lines of the evaluator run."""
    steps = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal steps
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        steps += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return steps


@pytest.mark.parametrize("build", HOSTILE.values(), ids=HOSTILE)
def test_the_largest_policy_is_decided_in_steps_proportional_to_its_size(
    build: Callable[[int], dict[str, Any]],
) -> None:
    policy = largest(build)
    steps = steps_of(partial(decision_with_policies, policy))
    # Steps that grew with the square of the size would be thousands for each character.
    assert steps <= 30 * MAX_POLICY_CHARACTERS
