"""What a run reads of the organization follows the accounts that it is about.

Its results do not differ.
"""

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

# A policy that denies nothing that a root session does.
HARMLESS = statement(Action="ec2:*")
# The management account and the members that every test begins with.
SEEDED = 4
# As many named accounts are described one by one; the list of more of them is read.
MAX_DESCRIBED = 100
# Calls whose number grows with the organization.
LISTS = ("ListAccounts", "ListRoots", "ListOrganizationalUnitsForParent")


def calls_of_each_run(*, accounts: int, units: int) -> dict[str, Counter[str]]:
    """Run everything that is about one account, and return the calls of each run by its name.

    The account is in the unit Root/Workloads/Prod, and has policies on its path as others have.

    Args:
        accounts: How many accounts the organization has.
        units: How many other units it has.
    """
    with mock_organization() as organization:
        enable_root_access(organization, ROOT_CREDENTIALS_MANAGEMENT, ROOT_SESSIONS)
        root_tasks = RootTasks(organization=organization)
        prod = add_unit(organization, "Prod", MEMBER, parent_id=add_unit(organization, "Workloads"))
        for number in range(units):
            attach_policy(organization, add_unit(organization, f"unit-{number}"), HARMLESS)
        for target_id in (organization.root_id, prod, MEMBER, OTHER_MEMBER):
            attach_policy(organization, target_id, HARMLESS)
        add_accounts(organization, accounts - SEEDED)
        organization.put_root_credentials(MEMBER, access_keys=1)
        calls_by_run: dict[str, Counter[str]] = {}

        def run(name: str, input_: dict[str, object]) -> Execution:
            organization.clear_calls()
            execution = root_tasks.run(input_)
            calls_by_run[name] = call_counts(organization)
            return execution

        def plan_and_execute(name: str, **input_: object) -> Execution:
            plan = run(f"plan to {name}", input_)
            organization.clear_calls()
            execution = root_tasks.execute(plan)
            assert execution.status == "SUCCEEDED", execution.cause
            calls_by_run[name] = call_counts(organization)
            return execution

        run("audit", {"accounts": [MEMBER]})
        for task in (Task.DELETE, Task.RECOVER):
            plan_and_execute(task, task=task, accounts=[MEMBER])
        for task, target in lock_bucket_and_queue(root_tasks).items():
            unlocked = plan_and_execute(f"unlock: {task}", task=task, **target)
            (item,) = root_tasks.results(unlocked)[MEMBER]["items"]
            plan_and_execute(f"give back: {task}", task=task, **target, backup=item["backup"])
        return calls_by_run


@pytest.mark.parametrize("accounts", [60, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_run_of_one_account_makes_the_same_calls_in_any_organization(accounts: int) -> None:
    small = calls_of_each_run(accounts=10, units=0)
    large = calls_of_each_run(accounts=accounts, units=40)
    assert small == large
    for counts in large.values():
        assert not set(LISTS).intersection(counts)
        # The account, and the names of its two units.
        assert (counts["DescribeAccount"], counts["DescribeOrganizationalUnit"]) == (1, 2)


def arrange_organization(organization: LocalOrganization) -> dict[str, str]:
    """Arrange units, policies and accounts, and return the IDs of the units by their names.

    The units are Workloads, with a member that has credentials; Workloads/Prod, with another one
    that root sessions are denied; and Sandbox, with the third one.
    """
    units = {"Workloads": add_unit(organization, "Workloads", MEMBER)}
    units["Prod"] = add_unit(organization, "Prod", OTHER_MEMBER, parent_id=units["Workloads"])
    units["Sandbox"] = add_unit(organization, "Sandbox", THIRD_MEMBER)
    attach_policy(organization, organization.root_id, HARMLESS)
    attach_policy(organization, units["Prod"], statement())
    only_without_mfa = {"Bool": {"aws:MultiFactorAuthPresent": "false"}}
    attach_policy(organization, MEMBER, statement(Action="iam:*", Condition=only_without_mfa))
    organization.put_root_credentials(MEMBER, password=True, access_keys=1)
    return units


def audit_results(root_tasks: RootTasks, input_: object) -> dict[str, dict[str, Any]]:
    """Run an audit without warnings, and return its results by account."""
    execution = root_tasks.run(input_)
    assert root_tasks.report(execution)["warnings"] == []
    return root_tasks.results(execution)


def test_the_results_of_named_accounts_and_of_units_are_those_of_all_accounts(
    root_tasks: RootTasks,
) -> None:
    organization = root_tasks.organization
    arrange_organization(organization)
    suspended, *many = add_accounts(organization, 30)
    organization.suspend(suspended)
    everybody = audit_results(root_tasks, {})
    assert everybody[OTHER_MEMBER]["outcome"] == "INACCESSIBLE"
    assert everybody[suspended]["outcome"] == "SKIPPED"
    assert everybody[OTHER_MEMBER]["organizationalUnit"] == "Root/Workloads/Prod"
    few = [MANAGEMENT, MEMBER, OTHER_MEMBER, suspended]
    for account_ids in (few, few + many):
        assert audit_results(root_tasks, {"accounts": account_ids}) == {
            id_: everybody[id_] for id_ in account_ids
        }
    unit_and_account = {"organizationalUnits": ["Workloads"], "accounts": [THIRD_MEMBER]}
    assert audit_results(root_tasks, unit_and_account) == {
        id_: everybody[id_] for id_ in (MEMBER, OTHER_MEMBER, THIRD_MEMBER)
    }
    assert audit_results(root_tasks, {"organizationalUnits": ["Root"]}) == everybody


def test_a_few_named_accounts_are_described_and_many_are_listed(root_tasks: RootTasks) -> None:
    organization = root_tasks.organization
    many = sorted(add_accounts(organization, 220 - SEEDED))

    def lists_and_descriptions(account_ids: Sequence[str]) -> tuple[int, int]:
        """Audit some accounts, and return how often accounts were listed, and described."""
        organization.clear_calls()
        audit = root_tasks.run({"accounts": account_ids})
        assert set(root_tasks.outcomes(audit)) == set(account_ids)
        counts = call_counts(organization)
        return counts["ListAccounts"], counts["DescribeAccount"]

    assert lists_and_descriptions(many[:MAX_DESCRIBED]) == (0, MAX_DESCRIBED)
    # The list of 220 accounts has eleven pages of 20.
    assert lists_and_descriptions(many[: MAX_DESCRIBED + 1]) == (11, 0)


def test_a_run_of_a_unit_reads_below_it(root_tasks: RootTasks) -> None:
    organization = root_tasks.organization
    units = arrange_organization(organization)
    add_accounts(organization, 30)
    organization.clear_calls()
    results = audit_results(root_tasks, {"organizationalUnits": [units["Workloads"]]})
    assert set(results) == {MEMBER, OTHER_MEMBER}
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
    assert call_counts(organization)["ListAccounts"] == 0
