"""docs/deploying.md: what it lists is what the templates have."""

from __future__ import annotations

import itertools
import re

from aws_cdk import Environment
from aws_cdk import aws_organizations as organizations

from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks, RootUserGuardrail
from support.permissions_table import (
    PAGE,
    TASKS,
    permissions_of_table,
    permissions_table,
    permissions_with_every_argument,
    table_of_page,
    task_permissions,
)
from support.templates import bootstrap_stack, warnings


def test_the_table_of_permissions_is_what_the_roles_are_allowed() -> None:
    assert table_of_page() == permissions_table(), (
        "Run `PYTHONPATH=tests .venv/bin/python -m support.permissions_table`."
    )


def test_no_combination_of_arguments_adds_a_permission_that_the_table_lacks() -> None:
    assert permissions_with_every_argument() <= permissions_of_table()


def test_tasks_that_share_a_row_have_the_same_permissions() -> None:
    assert {RootTask.AUDIT, *TASKS} == set(RootTask)
    for one, other in itertools.combinations(TASKS, 2):
        assert (TASKS[one] == TASKS[other]) == (task_permissions(one) == task_permissions(other))


def test_the_page_lists_every_warning() -> None:
    warned = set()
    for region in ("us-gov-west-1", "af-south-1"):
        stack = bootstrap_stack(env=Environment(account="111111111111", region=region))
        CentralizedRootAccess(stack, "RootAccess", features=[], delegated_administrators=[])
        RootTasks(stack, "RootTasks")
        unit = organizations.CfnOrganizationalUnit(stack, "Unit", name="Sandbox", parent_id="r-a1b2")
        RootUserGuardrail(stack, "RootUserGuardrail", targets=[stack.account, unit.attr_id])
        warned |= set(warnings(stack))
    assert warned == set(re.findall(r"`(centralized-root-access:\w+)`", PAGE.read_text()))
