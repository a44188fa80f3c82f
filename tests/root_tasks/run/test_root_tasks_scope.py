"""What a run reads of the organization follows the accounts that it is about.

Its results do not differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from local_aws.emulation import LocalOrganization, mock_organization
from root_tasks.model.report_schema import Task
from support.accounts import MANAGEMENT, MEMBER, OTHER_MEMBER, THIRD_MEMBER
from support.arrange import (
    ROOT_CREDENTIALS_MANAGEMENT,
    ROOT_SESSIONS,
    add_accounts,
    add_unit,
    call_counts,
    enable_root_access,
)
from support.root_tasks import Execution, RootTasks, lock_bucket_and_queue
from support.scp import attach_policy, statement

pytestmark = pytest.mark.no_cover

HARMLESS = statement(Action="ec2:*")
# The management account and the members that every test begins with.
SEEDED = 4
MAX_DESCRIBED = 100
LISTS = ("ListAccounts", "ListRoots", "ListOrganizationalUnitsForParent")


def calls_of_each_run(*, accounts: int, units: int, has_paths: bool) -> dict[str, Counter[str]]:
    """Run everything that is about one account, and return the calls of each run.

    The account is in a unit of a unit, and has policies on its path as others have.
    """
    with mock_organization() as organization:
        enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS)
        root_tasks = RootTasks(organization=organization)
        if not has_paths:
            root_tasks.omit_member_of_accounts("Paths")
        prod = add_unit(organization, "Prod", MEMBER, parent_id=add_unit(organization, "Workloads"))
        for number in range(units):
            attach_policy(organization, add_unit(organization, f"unit-{number}"), HARMLESS)
        for target_id in (organization.root_id, prod, MEMBER, OTHER_MEMBER):
            attach_policy(organization, target_id, HARMLESS)
        add_accounts(organization, accounts - SEEDED)
        organization.put_root_credentials(account_id=MEMBER, access_keys=1)
        made: dict[str, Counter[str]] = {}

        def run(name: str, input_: dict[str, object]) -> Execution:
            organization.clear_calls()
            execution = root_tasks.run(input_)
            made[name] = call_counts(organization)
            return execution

        def plan_and_execute(name: str, **input_: object) -> Execution:
            plan = run(f"plan to {name}", input_)
            organization.clear_calls()
            execution = root_tasks.execute(plan)
            assert execution.status == "SUCCEEDED", execution.cause
            made[name] = call_counts(organization)
            return execution

        run("audit", {"accounts": [MEMBER]})
        for task in (Task.DELETE, Task.RECOVER):
            plan_and_execute(task, task=task, accounts=[MEMBER])
        for task, target in lock_bucket_and_queue(root_tasks).items():
            unlocked = plan_and_execute(f"unlock: {task}", task=task, **target)
            (item,) = root_tasks.results(unlocked)[MEMBER]["items"]
            plan_and_execute(f"give back: {task}", task=task, **target, backup=item["backup"])
        return made


@pytest.mark.parametrize("has_paths", [True, False], ids=["with paths", "without paths"])
@pytest.mark.parametrize("accounts", [60, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_run_of_one_account_makes_the_same_calls_in_any_organization(
    accounts: int, has_paths: bool
) -> None:
    small = calls_of_each_run(accounts=10, units=0, has_paths=has_paths)
    large = calls_of_each_run(accounts=accounts, units=40, has_paths=has_paths)
    assert small == large
    for made in large.values():
        assert not set(LISTS).intersection(made)
        assert (made["DescribeAccount"], made["DescribeOrganizationalUnit"]) == (1, 2)
        assert made["ListParents"] == (0 if has_paths else 3)


def arrange_organization(organization: LocalOrganization) -> dict[str, str]:
    """Arrange units, policies and accounts, and return the IDs of the units by their names."""
    units = {"Workloads": add_unit(organization, "Workloads", MEMBER)}
    units["Prod"] = add_unit(organization, "Prod", OTHER_MEMBER, parent_id=units["Workloads"])
    units["Sandbox"] = add_unit(organization, "Sandbox", THIRD_MEMBER)
    attach_policy(organization, organization.root_id, HARMLESS)
    attach_policy(organization, units["Prod"], statement())
    perhaps = {"Bool": {"aws:MultiFactorAuthPresent": "false"}}
    attach_policy(organization, MEMBER, statement(Action="iam:*", Condition=perhaps))
    organization.put_root_credentials(account_id=MEMBER, password=True, access_keys=1)
    return units


def rows(root_tasks: RootTasks, input_: object) -> dict[str, dict[str, Any]]:
    """Run an audit, and return the results by account."""
    execution = root_tasks.run(input_)
    assert root_tasks.report(execution)["warnings"] == []
    return root_tasks.results(execution)


@pytest.mark.usefixtures("with_and_without_account_paths")
def test_the_results_of_named_accounts_and_of_units_are_those_of_all_accounts(
    root_tasks: RootTasks,
) -> None:
    organization = root_tasks.organization
    arrange_organization(organization)
    suspended, *many = add_accounts(organization, 30)
    organization.suspend(suspended)
    everybody = rows(root_tasks, {})
    assert (everybody[OTHER_MEMBER]["outcome"], everybody[suspended]["outcome"]) == (
        "INACCESSIBLE",
        "SKIPPED",
    )
    assert everybody[OTHER_MEMBER]["organizationalUnit"] == "Root/Workloads/Prod"
    named = [MANAGEMENT, MEMBER, OTHER_MEMBER, suspended]
    for account_ids in (named, named + many):
        assert rows(root_tasks, {"accounts": account_ids}) == {
            id_: everybody[id_] for id_ in account_ids
        }
    assert rows(root_tasks, {"organizationalUnits": ["Workloads"], "accounts": [THIRD_MEMBER]}) == {
        id_: everybody[id_] for id_ in (MEMBER, OTHER_MEMBER, THIRD_MEMBER)
    }
    assert rows(root_tasks, {"organizationalUnits": ["Root"]}) == everybody


def test_a_few_named_accounts_are_described_and_many_are_listed(root_tasks: RootTasks) -> None:
    organization = root_tasks.organization
    many = sorted(add_accounts(organization, 220 - SEEDED))

    def calls_for(account_ids: Sequence[str]) -> tuple[int, int]:
        organization.clear_calls()
        assert set(root_tasks.outcomes(root_tasks.run({"accounts": account_ids}))) == set(
            account_ids
        )
        made = call_counts(organization)
        return made["ListAccounts"], made["DescribeAccount"]

    assert calls_for(many[:MAX_DESCRIBED]) == (0, MAX_DESCRIBED)
    # The list has eleven pages.
    assert calls_for(many[: MAX_DESCRIBED + 1]) == (11, 0)


def test_a_run_of_a_unit_reads_below_it(root_tasks: RootTasks) -> None:
    organization = root_tasks.organization
    units = arrange_organization(organization)
    add_accounts(organization, 30)
    organization.clear_calls()
    assert set(rows(root_tasks, {"organizationalUnits": [units["Workloads"]]})) == {
        MEMBER,
        OTHER_MEMBER,
    }
    listed = {
        (call.operation, call.parameters["ParentId"])
        for call in organization.calls
        if "ParentId" in call.parameters
    }
    assert listed == {
        (operation, units[name])
        for operation in ("ListAccountsForParent", "ListOrganizationalUnitsForParent")
        for name in ("Workloads", "Prod")
    }
    made = call_counts(organization)
    assert made["ListAccounts"] == 0


@pytest.mark.parametrize("operation", ["DescribeOrganizationalUnit", "ListParents"])
def test_a_run_of_named_accounts_does_without_units_that_cannot_be_read(
    root_tasks: RootTasks, operation: str
) -> None:
    arrange_organization(root_tasks.organization)
    root_tasks.omit_member_of_accounts("Paths")
    root_tasks.fail_calls(f"organizations:{operation}", "AccessDeniedException")
    results = root_tasks.results(root_tasks.run({"accounts": [MANAGEMENT, THIRD_MEMBER]}))
    assert results[THIRD_MEMBER]["outcome"] == "CLEAN"
    assert results[THIRD_MEMBER]["organizationalUnit"] is None
    assert results[MANAGEMENT]["organizationalUnit"] == (
        "Root" if "Describe" in operation else None
    )
    (event,) = [
        event for event in root_tasks.log if event.get("event") == "organizational_units_unread"
    ]
    assert f"organizations:{operation}" in str(event["reason"])
