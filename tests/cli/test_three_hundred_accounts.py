"""The cycle in an organization of 300 accounts stays readable."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.command_line import NOW
from support.company import (
    ACCOUNTS,
    HAVING,
    IN_USE,
    INACCESSIBLE,
    NOTHING_TO_DO,
    PLANNED,
    SKIPPED,
    add_company,
)
from support.terminal import process_in_terminal

if TYPE_CHECKING:
    from support.command_line import CommandLine, Shown

pytestmark = pytest.mark.no_cover

AUDITED = ACCOUNTS - INACCESSIBLE - SKIPPED
QUESTION = f"Execute this plan to delete root credentials in {PLANNED} accounts? This cannot be undone."


@pytest.fixture
def company(command_line: CommandLine) -> CommandLine:
    command_line.root_tasks.now = NOW
    add_company(command_line.root_tasks.organization)
    return command_line


def run_later(company: CommandLine, *arguments: str) -> Shown:
    """Run a command a minute later: its run has another name."""
    company.now += timedelta(minutes=1)
    return company.run(*arguments)


def plan_deletion(company: CommandLine) -> dict[str, Any]:
    """Plan to delete everything, and return the report."""
    planned = run_later(company, "plan", "delete", "--account", "all", "--format", "json")
    report: dict[str, Any] = json.loads(planned.stdout)
    return report


def lines_before_question(company: CommandLine, *arguments: str, columns: int) -> list[str]:
    """Return what a person sees who is asked whether to execute a plan, and says no."""
    with process_in_terminal(columns=columns, typed="n\n") as terminal:
        company.run("execute", *arguments)
    lines = terminal.lines
    place = next(number for number, line in enumerate(lines) if line.startswith(QUESTION))
    return lines[:place]


def named(lines: list[str], accounts: dict[str, Any]) -> set[str]:
    text = "\n".join(lines)
    return {account_id for account_id in accounts if account_id in text}


@pytest.mark.parametrize("columns", [80, 140])
def test_before_the_question_each_change_is_listed_and_nothing_else(
    company: CommandLine, columns: int
) -> None:
    report = plan_deletion(company)
    accounts = {found["accountId"]: found for found in report["results"]}
    changed = {id_: found for id_, found in accounts.items() if found["outcome"] == "planned"}
    assert (len(accounts), len(changed)) == (ACCOUNTS, PLANNED)
    lines = lines_before_question(company, report["runId"], columns=columns)
    assert len(lines) <= 3 * PLANNED
    assert max(map(len, lines)) <= columns
    assert named(lines, accounts) == {*changed}
    assert "note" not in "\n".join(lines)
    for account_id, found in changed.items():
        whole = f"{account_id}  {found['name']}  {found['organizationalUnit']}"
        first = next(place for place, line in enumerate(lines) if whole in line)
        for item in found["items"]:
            said = f"{item['type']} {(item['id'] or '').rpartition('/')[2]}".strip()
            place = next(number for number, line in enumerate(lines) if number >= first and said in line)
            # A long row goes on in the next line.
            row = " ".join(lines[place : place + 2])
            assert item["credential"]["createdAt"][:10] in row
            assert (item["credential"]["lastUsedAt"] or "")[:10] in row
    assert named(lines_before_question(company, report["runId"], "--all", columns=columns), accounts) == {
        *accounts
    }


def test_without_a_terminal_each_row_is_a_whole_line(company: CommandLine) -> None:
    report = plan_deletion(company)
    lines = company.run("report", report["runId"], "--all").lines
    for found in report["results"]:
        rows = [line for line in lines if f"  {found['accountId']}  " in line]
        assert len(rows) == max(1, len(found["items"])), found
        for row, item in zip(rows, found["items"], strict=False):
            assert f"  {found['name']}  " in row
            assert f"  {found['organizationalUnit']}  " in row
            assert f"  {item['type']}" in row


def test_after_a_cycle_accounts_that_need_no_action_are_counted_and_not_listed(company: CommandLine) -> None:
    organization = company.root_tasks.organization
    assert company.run("audit").lines[-1].startswith(f"{HAVING} of the {AUDITED} accounts")
    report = plan_deletion(company)
    executed = run_later(company, "execute", report["runId"], "--yes")
    assert executed.exit_code == 0
    assert sum(line.startswith("deleted  ") for line in executed.lines) == sum(
        len(found["items"]) for found in report["results"] if found["outcome"] == "planned"
    )
    assert run_later(company, "audit").lines[-1].startswith(f"{IN_USE} of the {AUDITED} accounts")
    kept = [id_ for id_ in organization.members if organization.root_credentials(id_).access_keys]
    assert len(kept) == IN_USE

    planned = run_later(company, "plan", "delete", "--account", "all")
    *rows, summary = planned.lines
    assert f" {NOTHING_TO_DO + PLANNED} had nothing to do " in summary
    assert [row for row in rows if row.startswith("nothing to do")] == []
    listed = company.run("report", [*company.services.inputs][-1], "--all").lines
    assert sum(row.startswith("nothing to do") for row in listed) == NOTHING_TO_DO + PLANNED
