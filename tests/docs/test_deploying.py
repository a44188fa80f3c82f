"""The pages on deploying and a permissions boundary list what the templates have."""

import re

from aws_cdk import Environment
from aws_cdk import aws_organizations as organizations

from centralized_root_access import CentralizedRootAccess, RootTask, RootTasks, RootUserGuardrail
from support.apps import read_page
from support.permissions_table import PAGE, permissions_tables, tables_of_page
from support.templates import bootstrap_stack, warning_ids


def test_the_tables_of_permissions_are_what_the_roles_are_allowed() -> None:
    assert tables_of_page() == permissions_tables(), (
        "Run `PYTHONPATH=tests .venv/bin/python -m support.permissions_table`."
    )


def test_the_page_about_the_topic_names_each_role_that_publishes() -> None:
    rows = [row for row in PAGE.read_text().splitlines() if "`sns:Publish`" in row]
    page = read_page("guides/drift.md")
    assert set(re.findall(r"`\w+Role`", "".join(rows))) == set(re.findall(r"`\w+Role`", page))


def test_the_page_lists_every_warning() -> None:
    # In the first one not all is offered, and the second one is disabled by default.
    warned = set()
    for region in ("us-gov-west-1", "af-south-1"):
        stack = bootstrap_stack(env=Environment(account="111111111111", region=region))
        CentralizedRootAccess(stack, "RootAccess", features=[], delegated_administrators=[])
        RootTasks(stack, "RootTasks", tasks=RootTask)
        unit = organizations.CfnOrganizationalUnit(
            stack, "Unit", name="Sandbox", parent_id="r-a1b2"
        )
        RootUserGuardrail(stack, "RootUserGuardrail", targets=[unit.attr_id])
        warned |= set(warning_ids(stack))
    section = read_page("reference/api.md").partition("\n## Warnings at synth\n")[2]
    assert warned == set(re.findall(r"`(centralized-root-access:\w+)`", section))
