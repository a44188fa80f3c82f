"""What holds of every policy: the evaluator never guesses, minds no order, and ends in bounded steps."""

from __future__ import annotations

import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st

from centralized_root_access import preflight
from centralized_root_access.preflight.attachments import FULL_ACCESS
from centralized_root_access.preflight.condition_keys import ABSENT, OtherValues, Possible
from centralized_root_access.preflight.documents import Policy, parse_policy
from centralized_root_access.preflight.evaluate import Decision
from centralized_root_access.preflight.policy_text import parse_template
from support.properties import property_test
from support.scp import (
    bucket_call,
    decision,
    decision_with,
    document,
    evaluate_call,
    levels,
    policy_of,
    queue_call,
    statement,
)
from support.scp_grammar import CALLS, KEYS, conditions, documents, statements

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from centralized_root_access.preflight.calls import Call
    from centralized_root_access.preflight.condition_keys import Value

RANK = {Decision.DENIED: 0, Decision.UNKNOWN: 1, Decision.ALLOWED: 2}


def decide(call: Call, *policies: Policy) -> Decision:
    return evaluate_call(call, service_control=levels(policies)).decision


# More statements, and other orders


@property_test(drawn=documents(), added=statements(), call=st.sampled_from(CALLS))
def test_a_further_deny_never_lets_more_pass_and_a_further_allow_never_less(
    drawn: dict[str, Any], added: dict[str, Any], call: Call
) -> None:
    before, after = policy_of(drawn), policy_of(document(*drawn["Statement"], added))
    for others in ((), (FULL_ACCESS,)):
        ranks = [RANK[decide(call, *others, policy)] for policy in (before, after)]
        assert ranks == sorted(ranks, reverse=added["Effect"] == "Deny")


# What is not known

SAMPLE_VALUES: tuple[Value | None, ...] = (
    None,
    "true",
    "false",
    "red",
    "yes",
    "192.0.2.7",
    "vpc-1",
    "us-east-1",
    "2026-01-01T00:00:00Z",
    "arn:aws:iam::222222222222:root",
    "o-exampleorgid/r-ab12/ou-ab12-workload/ou-ab12-payments/",
    ("red", "team"),
    (),
)


@st.composite
def possibilities(draw: st.DrawFn) -> tuple[Possible, Value | None]:
    """Draw what a key may be, and one of the values that it may have."""
    drawn = draw(st.lists(st.sampled_from(SAMPLE_VALUES), min_size=1, max_size=3, unique=True))
    others = draw(
        st.sampled_from((None, None, OtherValues.ONE_VALUE, OtherValues.ONE_OR_MORE_VALUES))
    )
    possible = Possible(
        absent=None in drawn,
        values=tuple(value for value in drawn if value is not None),
        others=others,
    )
    inside = [
        value
        for value in SAMPLE_VALUES
        if value in drawn
        or (others is OtherValues.ONE_OR_MORE_VALUES and value is not None)
        or (others is OtherValues.ONE_VALUE and isinstance(value, str))
    ]
    return possible, draw(st.sampled_from(inside))


@property_test(
    examples=300, block=conditions(), data=st.data(), effect=st.sampled_from(("Allow", "Deny"))
)
def test_what_is_certain_of_all_that_keys_may_be_is_so_for_each(
    block: dict[str, Any], data: st.DataObject, effect: str
) -> None:
    """Knowing more never changes what was certain."""
    names = sorted({key.lower() for key in mentioned(document(statement(Condition=block)))})
    keys = data.draw(st.fixed_dictionaries({name: possibilities() for name in names}))
    policies = [policy_of(document(statement(effect, Condition=block)))]
    if effect == "Deny":
        policies.append(FULL_ACCESS)

    uncertain = decision_with({key: possible for key, (possible, _) in keys.items()}, *policies)
    concrete = decision_with(
        {key: ABSENT if value is None else value for key, (_, value) in keys.items()}, *policies
    )
    assert uncertain in (concrete, Decision.UNKNOWN)


def mentioned(drawn: dict[str, Any]) -> set[str]:
    """Return the keys that a document's conditions and variables name."""
    text = json.dumps(drawn)
    return {key for key in (*KEYS, "aws:userid", "aws:username") if key.lower() in text.lower()}


@property_test(
    drawn=documents(),
    name=st.sampled_from(("payroll", "jobs", "x", "222222222222-logs")),
    region=st.sampled_from(("us-east-1", "eu-west-1")),
    unnamed=st.sampled_from((bucket_call, queue_call)),
)
def test_what_is_certain_of_a_target_that_is_not_named_is_so_for_each(
    drawn: dict[str, Any], name: str, region: str, unnamed: Callable[..., Call]
) -> None:
    attached = (FULL_ACCESS, policy_of(drawn))
    without = decide(unnamed(None, region=None), *attached)
    assert without in (Decision.UNKNOWN, decide(unnamed(name, region=region), *attached))


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
        assert decision(policy) is Decision.UNKNOWN


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
        policy = policy_of(
            document(statement(Condition=condition, Resource=f"arn:aws:iam::*:{value}"))
        )
        decision_with({"aws:k": text}, FULL_ACCESS, policy)


# Steps

MAX_POLICY_CHARACTERS = 10_240
PACKAGE = str(Path(preflight.__path__[0]))


def largest(build: Callable[[int], dict[str, Any]]) -> Policy:
    """Return the largest policy of a kind that Organizations stores."""
    count = 1
    while len(json.dumps(build(count * 2))) <= MAX_POLICY_CHARACTERS:
        count *= 2
    while len(json.dumps(build(count + count // 8 + 1))) <= MAX_POLICY_CHARACTERS:
        count += count // 8 + 1
    policy = policy_of(build(count))
    assert not policy.problem
    return policy


def like(*values: str) -> dict[str, Any]:
    return document(statement(Condition={"StringLike": {"aws:PrincipalArn": list(values)}}))


HOSTILE: dict[str, Callable[[int], dict[str, Any]]] = {
    "one value of asterisks": lambda count: like("*" * count),
    "a value that matches late": lambda count: like("*a" * count + "*b"),
    "many values that match late": lambda count: like(*["*a*r*n*:*:*:*:*2*2*2*2*r*o*o*x*"] * count),
    "many variables": lambda count: like("${aws:PrincipalArn}" * count),
    "many resources": lambda count: document(statement(NotResource=["arn:*:*:*:*:*o*x"] * count)),
    "many statements": lambda count: document(
        *[statement(NotAction="s3:*", Resource="arn:x:*")] * count
    ),
    "many conditions": lambda count: document(
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
    steps = steps_of(partial(decision, policy))
    assert steps <= 30 * MAX_POLICY_CHARACTERS
