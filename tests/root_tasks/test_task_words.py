"""What a run does, in its own words: no two runs that differ in effect read alike."""

import itertools
import re

import pytest

from centralized_root_access.cli.show import screen
from root_tasks.model.report_schema import Item, ItemType, Outcome, Report, Task
from root_tasks.report.render import as_csv
from root_tasks.report.summary import headline, summary
from root_tasks.report.words import title, what_it_does
from root_tasks.tasks import DEFINITIONS
from support.reports import account_result, html_page_of, report_of

TASKS_AND_WHETHER_A_POLICY_IS_SET = [
    (task, sets_policy)
    for task, definition in DEFINITIONS.items()
    for sets_policy in (False, True)
    if definition.makes_changes and (definition.setting_words or not sets_policy)
]
ITEM_TYPES = {Task.UNLOCK_BUCKET: ItemType.BUCKET_POLICY, Task.UNLOCK_QUEUE: ItemType.QUEUE_POLICY}


def finished_run(task: Task, sets_policy: bool, outcome: Outcome) -> Report:
    """Return the report of a plan or an execution, which differ in nothing but the arguments."""
    item = Item(
        type=ITEM_TYPES.get(task, ItemType.PASSWORD),
        outcome=outcome,
        id="locked",
        policy="{}",
    )
    account = account_result("300000000001", outcome, items=(item,))
    executed_plan = None if outcome is Outcome.PLANNED else "plan"
    return report_of(account, task=task, sets_policy=sets_policy, executed_plan=executed_plan)


def texts_about(report: Report, capsys: pytest.CaptureFixture[str]) -> tuple[str, ...]:
    """Return what people read of a run: each text in the same place for every run.

    Its title is, for example, "Plan: delete root credentials", and what it does is "delete root
    credentials", as sentences have it.
    """
    screen.show_report(report)
    terminal = capsys.readouterr().out
    page = html_page_of(report).partition("<main>")[0]
    return (
        title(report),
        headline(report),
        summary(report),
        what_it_does(report),
        terminal,
        as_csv(report).decode(),
        *re.findall(r'<(?:title|h1|p class="(?:summary|notice \w+)")>(.+?)</', page),
    )


@pytest.mark.parametrize("outcome", [Outcome.PLANNED, Outcome.DONE])
def test_no_two_runs_that_differ_in_effect_share_a_text(
    outcome: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {
        each: texts_about(finished_run(*each, outcome), capsys)
        for each in TASKS_AND_WHETHER_A_POLICY_IS_SET
    }
    assert len(said) == len(TASKS_AND_WHETHER_A_POLICY_IS_SET) == 6
    for (one, its_texts), (other, other_texts) in itertools.combinations(said.items(), 2):
        pairs = zip(its_texts, other_texts, strict=True)
        shared = [its_text for its_text, other_text in pairs if its_text == other_text]
        assert shared == [], (one, other)
