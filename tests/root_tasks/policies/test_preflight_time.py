"""The work of checking policies hardly grows with the values that they list."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st

from root_tasks.model.report import ItemType, Task
from root_tasks.model.run import Target
from root_tasks.policies.verdicts import TaskResult, judge_task
from scp.conditions import condition_holds
from scp.text import Template, Unresolved
from scp.truth import Truth
from support.properties import property_test
from support.scp import (
    SESSION,
    RequestWith,
    check_of,
    document,
    policies_of,
    policy,
    statement,
)
from support.scp_grammar import CALLS, conditions_and_contexts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from root_tasks.policies.check import PolicyCheck
    from scp.context import Value
    from scp.documents import Condition
    from scp.operators import ValueOf

UNITS = tuple(("r-ab12", f"ou-ab12-{number:08d}") for number in range(2))
ACCOUNT_IDS = tuple(f"{100000000000 + number}" for number in range(20))
TARGETS = (Target(type=ItemType.PASSWORD), Target(type=ItemType.ACCESS_KEY, id="AKIA"))
OTHER_IDS = [f"{900000000000 + number}" for number in range(660)]


# The work


@pytest.fixture
def comparisons(monkeypatch: pytest.MonkeyPatch) -> list[Template]:
    """The texts of policies that were compared with what a request has, each as often as it was."""
    compared: list[Template] = []
    resolve = Template.resolve

    def note(template: Template, value_of: ValueOf) -> Template | Unresolved:
        compared.append(template)
        return resolve(template, value_of)

    monkeypatch.setattr(Template, "resolve", note)
    return compared


def check_of_denial(**elements: object) -> PolicyCheck:
    """Return the check of a policy at the root, next to FullAWSAccess, with a denial in it."""
    return check_of(policies_of({"p-1": document(statement("Deny", **elements))}, {"r-ab12": ["p-1"]}))


def results(check: PolicyCheck, account_ids: Iterable[str]) -> list[TaskResult]:
    """Return the results of a deletion of credentials, in accounts of two units in turn."""
    return [
        judge_task(
            check, Task.DELETE_CREDENTIALS, account_id=account_id, unit_ids=unit_ids, targets=TARGETS
        ).result
        for account_id, unit_ids in zip(account_ids, itertools.cycle(UNITS), strict=False)
    ]


@pytest.mark.parametrize(
    ("operator", "key", "values"),
    [
        ("StringEquals", "aws:PrincipalAccount", OTHER_IDS),
        ("StringEquals", "aws:PrincipalAccount", [f"1*{id_}" for id_ in OTHER_IDS]),
        ("StringEqualsIgnoreCase", "aws:PrincipalAccount", OTHER_IDS),
        ("StringLike", "aws:PrincipalAccount", OTHER_IDS),
        ("StringLike", "aws:PrincipalAccount", [f"{id_}*" for id_ in OTHER_IDS]),
        ("ArnEquals", "aws:PrincipalArn", [f"arn:aws:iam::{id_}:root" for id_ in OTHER_IDS[:250]]),
        ("ArnLike", "aws:PrincipalArn", [f"arn:aws:iam::*:role/exempt-{id_}*" for id_ in OTHER_IDS[:200]]),
    ],
)
def test_values_that_start_otherwise_are_not_compared(
    comparisons: list[Template], operator: str, key: str, values: list[str]
) -> None:
    check = check_of_denial(Condition={operator: {key: values}})
    assert set(results(check, ACCOUNT_IDS)) == {TaskResult.ALLOWED}
    assert len(comparisons) == 0


def test_an_account_that_is_listed_is_compared_with_its_own_value_alone(comparisons: list[Template]) -> None:
    listed = [*OTHER_IDS[:300], *ACCOUNT_IDS[:2], *OTHER_IDS[300:]]
    check = check_of_denial(Condition={"StringEquals": {"aws:PrincipalAccount": listed}})
    found = results(check, ACCOUNT_IDS)
    assert [result is TaskResult.DENIED for result in found] == [id_ in listed for id_ in ACCOUNT_IDS]
    assert len(comparisons) == 2


def test_what_has_to_be_compared_is_compared_once_for_all_calls_of_an_account(
    comparisons: list[Template],
) -> None:
    exempt = [f"arn:aws:iam::*:role/exempt-{number}" for number in range(200)]
    check = check_of_denial(Condition={"StringNotLike": {"aws:PrincipalArn": exempt}})
    assert set(results(check, ACCOUNT_IDS)) == {TaskResult.DENIED}
    assert len(comparisons) == len(exempt) * len(ACCOUNT_IDS)


def test_what_accounts_have_in_common_is_compared_once_for_all_of_them(comparisons: list[Template]) -> None:
    paths = [f"*/ou-ab12-{number:08d}/" for number in range(100, 200)]
    check = check_of_denial(Condition={"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": paths}})
    assert set(results(check, ACCOUNT_IDS)) == {TaskResult.ALLOWED}
    assert len(comparisons) == len(paths) * len(UNITS)


def test_resources_of_other_accounts_are_not_compared(comparisons: list[Template]) -> None:
    resources = [f"arn:aws:iam::{id_}:root" for id_ in OTHER_IDS[:300]]
    assert set(results(check_of_denial(Resource=resources), ACCOUNT_IDS[:1])) == {TaskResult.ALLOWED}
    of_one_account = len(comparisons)
    # What is left out of the policies once for all accounts is all that takes work.
    assert set(results(check_of_denial(Resource=resources), ACCOUNT_IDS)) == {TaskResult.ALLOWED}
    assert len(comparisons) == 2 * of_one_account


# The same results


def without_index(condition: Condition) -> Condition:
    """Return a condition of which every value is compared, and of which no outcome is kept."""
    operator = condition.operator and replace(condition.operator, key_of=lambda _: None)
    return replace(condition, operator=operator)


@property_test(drawn=conditions_and_contexts(), others=st.lists(conditions_and_contexts(), max_size=3))
def test_an_index_and_kept_outcomes_change_no_outcome(
    drawn: tuple[dict[str, Any], dict[str, Value]],
    others: list[tuple[dict[str, Any], dict[str, Value]]],
) -> None:
    block, context = drawn
    (condition,) = policy(statement(Condition=block)).statements[0].conditions
    contexts = [context, *(other for _, other in others)]
    for known in [*contexts, *contexts]:
        request = RequestWith(session=SESSION, call=CALLS[0], context=known)
        assert condition_holds(condition, request) == condition_holds(without_index(condition), request)


def test_an_outcome_is_kept_for_the_same_values_of_the_variables_alone() -> None:
    block = {"StringEquals": {"aws:k": "${aws:v}"}}
    (condition,) = policy(statement(Condition=block)).statements[0].conditions
    contexts: list[dict[str, Value]] = [{"aws:k": "a", "aws:v": value} for value in ("a", "b", "a")]
    requests = [RequestWith(session=SESSION, call=CALLS[0], context=context) for context in contexts]
    holds = [condition_holds(condition, request) for request in requests]
    assert holds == [Truth.TRUE, Truth.FALSE, Truth.TRUE]
