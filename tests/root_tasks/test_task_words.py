"""What a run does, in its own words: no two runs that differ in effect read alike."""

from __future__ import annotations

import itertools
import re

import pytest

from centralized_root_access.cli.show import screen
from root_tasks.model.report_schema import Item, ItemType, Outcome, Report, Task
from root_tasks.report.render import as_csv
from root_tasks.report.summary import headline, summary, title, what_it_does
from root_tasks.tasks import DEFINITIONS
from support.reports import account_result, html_page_of, report_of

RUNS = [
    (task, override)
    for task, definition in DEFINITIONS.items()
    for override in (False, True)
    if definition.makes_changes and (definition.setting_words or not override)
]
TYPES = {Task.UNLOCK_BUCKET: ItemType.BUCKET_POLICY, Task.UNLOCK_QUEUE: ItemType.QUEUE_POLICY}


def run(task: Task, override: bool, outcome: Outcome) -> Report:
    """The plan or the execution of a task, in an account where everything else is the same."""
    item = Item(
        type=TYPES.get(task, ItemType.PASSWORD),
        outcome=outcome,
        id="locked",
        policy="{}",
    )
    account = account_result("300000000001", outcome, items=(item,))
    executed_plan = None if outcome is Outcome.PLANNED else "plan"
    return report_of(account, task=task, sets_policy=override, executed_plan=executed_plan)


def texts(written: Report, capsys: pytest.CaptureFixture[str]) -> tuple[str, ...]:
    """What people read of a run, text by text."""
    screen.show_report(written)
    terminal = capsys.readouterr().out
    page = html_page_of(written).partition("<main>")[0]
    return (
        title(written),
        headline(written),
        summary(written),
        what_it_does(written),
        terminal,
        as_csv(written).decode(),
        *re.findall(r'<(?:title|h1|p class="(?:summary|notice \w+)")>(.+?)</', page),
    )


@pytest.mark.parametrize("outcome", [Outcome.PLANNED, Outcome.DONE])
def test_no_two_runs_that_differ_in_effect_share_a_text(
    outcome: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {each: texts(run(*each, outcome), capsys) for each in RUNS}
    assert len(said) == len(RUNS) == 6
    for (one, these), (other, those) in itertools.combinations(said.items(), 2):
        shared = [words for words, others in zip(these, those, strict=True) if words == others]
        assert shared == [], (one, other)
