"""A report as Markdown, for the summary of a pipeline's job or a comment. Pure.

Every text that someone else can choose is code here: no renderer makes a link, an image, a mention
or HTML of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from common.untrusted import printable
from root_tasks.model.report_schema import Report
from root_tasks.report.facts import executable_until
from root_tasks.report.plan_warnings import warnings_before_execution
from root_tasks.report.render import facts_of
from root_tasks.report.summary import headline
from root_tasks.report.words import minute, title

from .report_rows import heading_of, listed_results, policies_of_plan, rows_of


def as_markdown(report: Report, *, sha256: str, everything: bool = False) -> str:
    """Return a report as Markdown: its summary, the facts about its run, and a table of its items.

    Args:
        report: The report.
        sha256: The SHA-256 of its report.json, by which a plan is approved.
        everything: Whether to list also accounts that need no action.
    """
    sections = [f"### {title(report)}", headline(report)]
    sections += [f"**Warning:** {_as_code(warning)}" for warning in report.warnings]
    facts = [*facts_of(report), ("SHA-256 of report.json", sha256)]
    until = executable_until(report)
    if until is not None:
        facts.append(("Can be executed until", minute(until)))
        warnings = warnings_before_execution(report)
        sections += [f"**Before you approve:** {_as_code(warning)}" for warning in warnings]
    sections.append("\n".join(f"- {name}: {_as_code(value)}" for name, value in facts))
    table_lines = list(_table_lines(report, everything=everything))
    if table_lines:
        head = ["| account | name | OU | outcome | what |", "|---|---|---|---|---|"]
        sections.append("\n".join(head + table_lines))
    for title_of_policy, difference in policies_of_plan(report):
        sections += [_as_code(title_of_policy), _as_code_block(difference)]
    return "\n\n".join(sections) + "\n"


def _table_lines(report: Report, *, everything: bool) -> Iterator[str]:
    """Yield a line of the table for each row of each account."""
    for result in listed_results(report, everything=everything):
        account = [result.account_id, result.name or "", result.organizational_unit or ""]
        for row in rows_of(report, result):
            _, outcome = heading_of(report, result, row)
            cells = [_as_code(each) for each in account] + [outcome, _as_code(row.what)]
            yield f"| {' | '.join(cells)} |"


def _as_code(text: str) -> str:
    """Return a text as code, which also stays within the cell of a table.

    A bar would end the cell, even in code and after a backslash, so it is written as its number.
    """
    shown = printable(text).replace("|", r"\x7c")
    fence = "`" * (_longest_run_of_backticks(shown) + 1)
    return f"{fence} {shown} {fence}" if shown else ""


def _as_code_block(text: str) -> str:
    """Return a text over several lines as a block of code."""
    lines = [printable(line) for line in text.replace("\r\n", "\n").split("\n")]
    # At least three, and more than any line has, so that no line ends the block.
    fence = "`" * max(3, _longest_run_of_backticks(text) + 1)
    return "\n".join([f"{fence}text"] + lines + [fence])


def _longest_run_of_backticks(text: str) -> int:
    """Return how many backticks follow each other at most."""
    return max(map(len, re.findall("`+", text)), default=0)
