"""The cycle in an organization of 300 accounts: what a person decides by stays readable."""

from __future__ import annotations

import io
import json
import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.browser import browser, chromium
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
    from pathlib import Path

    from support.command_line import CommandLine, Shown

pytestmark = pytest.mark.no_cover

CHROMIUM = chromium()
# test_report_page.py says more.
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="There is no Chromium."
)
HEADS = "[...document.querySelectorAll('.card summary h2')].map((head) => head.innerText)"
LABELS = (
    "[...document.querySelectorAll('#trend tbody td:first-child')].map((cell) => cell.textContent.slice(11))"
)
AUDITED = ACCOUNTS - INACCESSIBLE - SKIPPED
QUESTION = f"Execute this plan to delete root credentials in {PLANNED} accounts? This cannot be undone."


class Typed(io.StringIO):
    """What a person types."""

    def isatty(self) -> bool:
        return True


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


def lines_before_question(company: CommandLine, *arguments: str, columns: int | None = None) -> list[str]:
    """Return what a person sees who is asked whether to execute a plan, and says no."""
    if columns is not None:
        with process_in_terminal(columns=columns, typed="n\n") as terminal:
            company.run("execute", *arguments)
        lines = terminal.lines
    else:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", Typed("n\n"))
            lines = company.run("execute", *arguments).stderr.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith(QUESTION))
    return lines[:place]


def named(lines: list[str], accounts: dict[str, Any]) -> set[str]:
    text = "\n".join(lines)
    return {account_id for account_id in accounts if account_id in text}


def test_before_the_question_everything_that_will_be_changed_is_listed_and_nothing_else(
    company: CommandLine,
) -> None:
    report = plan_deletion(company)
    accounts = {found["accountId"]: found for found in report["results"]}
    changed = {id_: found for id_, found in accounts.items() if found["outcome"] == "planned"}
    assert (len(accounts), len(changed)) == (ACCOUNTS, PLANNED)
    for columns in (80, 140, None):
        lines = lines_before_question(company, report["runId"], columns=columns)
        assert len(lines) <= PLANNED + 20
        assert columns is None or max(map(len, lines)) <= columns
        assert named(lines, accounts) == {*changed}
        assert "note" not in "\n".join(lines)
        for account_id, found in changed.items():
            whole = f"{account_id}  {found['name']}"
            first = next(place for place, line in enumerate(lines) if whole in line)
            for item in found["items"]:
                said = f"{item['type']} {(item['id'] or '').rpartition('/')[2]}".strip()
                row = next(line for line in lines[first:] if said in line)
                assert item["credential"]["createdAt"][:10] in row
                assert (item["credential"]["lastUsedAt"] or "")[:10] in row
    assert named(lines_before_question(company, report["runId"], "--all"), accounts) == {*accounts}


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 140])
def test_in_a_terminal_the_cycle_shows_each_account_that_matters_on_a_line_and_breaks_no_id(
    company: CommandLine, columns: int
) -> None:
    # Of the plan: five accounts could not be read.
    exit_codes = {"audit": 1, "plan": 2, "execute": 0}
    for command in ("audit", "plan delete --account all", "execute", "audit"):
        arguments = command.split() if command != "execute" else ["execute", [*company.services.inputs][-1]]
        company.now += timedelta(minutes=1)
        with process_in_terminal(columns=columns, typed="y\n") as terminal:
            shown = company.run(*arguments)
        assert shown.exit_code == exit_codes[arguments[0]]
        written = company.run("report", [*company.services.inputs][-1], "--format", "json", "--all").stdout
        for found in json.loads(written)["results"]:
            lines = [line for line in terminal.lines if f"{found['accountId']}  {found['name']}" in line]
            assert len(lines) == (found["outcome"] not in ("clean", "nothing to do")), found
            for item in found["items"]:
                assert any((item["id"] or "").rpartition("/")[2] in line for line in terminal.lines), item
    organization = company.root_tasks.organization
    assert sum(bool(organization.root_credentials(id_).access_keys) for id_ in organization.members) == IN_USE


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


@needs_chromium
@pytest.mark.xdist_group("chromium")
def test_the_page_of_a_full_audit_begins_its_table_within_the_first_screen(
    command_line: CommandLine, tmp_path: Path
) -> None:
    command_line.root_tasks.now = NOW
    # The accounts join between two audits of a day.
    assert command_line.run("audit").exit_code == 0
    command_line.root_tasks.advance(hours=1)
    add_company(command_line.root_tasks.organization)
    saved = tmp_path / "report.html"
    audited = run_later(command_line, "audit", "--output", str(saved), "--format", "json")
    report = json.loads(audited.stdout)
    with browser(str(CHROMIUM)) as page:
        for width in (1280, 390):
            page.open(saved, width=width, height=900)
            top = page.evaluate("document.querySelector('.accounts').getBoundingClientRect().top")
            assert top < (900 if width == 1280 else 2 * 900)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            heads = page.evaluate(HEADS)
            assert heads == [
                "Since the last full audit, 2026-11-25: joined the organization (296)",
                "The last 2 full audits. With root credentials: 0, now 76",
            ]
            labels = page.evaluate(LABELS)
            assert labels == ["04:32", "05:32"]
            command = page.evaluate("document.querySelector('#next code').textContent")
            assert command == f"centralized-root-access plan delete --from-report {report['runId']}"


def test_after_a_cycle_what_needs_nobody_is_counted_and_not_listed(company: CommandLine) -> None:
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
