"""The work of checking policies hardly grows with the values that they list."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from centralized_root_access.preflight.conditions import condition_holds
from centralized_root_access.preflight.policy_text import Template, Unresolved
from centralized_root_access.preflight.truth import Truth
from centralized_root_access.preflight.verdicts import TaskResult, judge_task
from root_tasks.model.report_schema import Task
from root_tasks.model.run import Account
from support.scp import SESSION, RequestWith, check_of, document, policies_of, policy, statement
from support.scp_grammar import CALLS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from centralized_root_access.preflight.check import PolicyCheck
    from centralized_root_access.preflight.condition_keys import Value
    from centralized_root_access.preflight.operators import ValueOf

UNITS = tuple(f"r-ab12/ou-ab12-{number:08d}" for number in range(2))
ACCOUNT_IDS = tuple(f"{100000000000 + number}" for number in range(20))
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
            check,
            Task.DELETE_CREDENTIALS,
            Account(account_id=account_id, unit_path=unit_path),
        ).result
        for account_id, unit_path in zip(account_ids, itertools.cycle(UNITS), strict=False)
    ]


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
    assert set(results(check_of_denial(Resource=resources), ACCOUNT_IDS)) == {TaskResult.ALLOWED}
    assert comparisons == []


def test_an_outcome_is_kept_for_the_same_values_of_the_variables_alone() -> None:
    block = {"StringEquals": {"aws:k": "${aws:v}"}}
    (condition,) = policy(statement(Condition=block)).statements[0].conditions
    contexts: list[dict[str, Value]] = [{"aws:k": "a", "aws:v": value} for value in ("a", "b", "a")]
    requests = [RequestWith(session=SESSION, call=CALLS[0], context=context) for context in contexts]
    holds = [condition_holds(condition, request) for request in requests]
    assert holds == [Truth.TRUE, Truth.FALSE, Truth.TRUE]
