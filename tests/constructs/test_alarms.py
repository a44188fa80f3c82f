"""The descriptions of all alarms: what happened, what to do, and where more is said.

They are in tests/notices/alarms.txt, for people to read. WRITE_NOTICES=1 writes it.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from aws_cdk import Annotations
from aws_cdk import aws_sns as sns
from aws_cdk.aws_cloudwatch_actions import SnsAction

from centralized_root_access import CentralizedRootAccess, RootTasks
from support.accounts import MEMBER
from support.apps import read_page
from support.many_apps import add_all_arguments
from support.notices import GOLDEN_NOTICES, read_or_write_golden
from support.pages import parse_command_line
from support.templates import (
    add_root_use_alarm,
    bootstrap_stack,
    new_topic,
    properties_of_type,
    template_of,
    text_with_references,
    warning_ids,
)

NO_ACTION_WARNING = "centralized-root-access:noAlarmAction"

RUNBOOK = read_page("guides/operating.md")


def test_an_alarm_says_what_happened_and_what_to_do() -> None:
    stack = bootstrap_stack()
    add_all_arguments(stack)
    alarms = properties_of_type(template_of(stack), "AWS::CloudWatch::Alarm")
    descriptions = {
        id_: text_with_references(alarm["AlarmDescription"]) for id_, alarm in alarms.items()
    }
    shown = "\n".join(f"---- {id_}\n{descriptions[id_]}\n" for id_ in sorted(descriptions))
    assert shown == read_or_write_golden("alarms", shown)
    # A command or a query, and last the heading.
    ends = re.compile(r": (centralized-root-access|aws|fields) .*\nRunbook: [^\n]+$", re.DOTALL)
    assert [id_ for id_, text in descriptions.items() if not ends.search(text)] == []


def test_a_construct_whose_alarms_notify_no_one_says_so_once() -> None:
    stack = bootstrap_stack()
    CentralizedRootAccess(stack, "RootAccess").add_drift_check()
    RootTasks(stack, "RootTasks")
    add_root_use_alarm(stack)
    assert warning_ids(stack) == [NO_ACTION_WARNING] * 3


@pytest.mark.parametrize(
    "end_warning",
    [
        pytest.param(
            lambda tasks, topic: tasks.failed_alarm.add_alarm_action(SnsAction(topic)), id="action"
        ),
        pytest.param(
            lambda tasks, topic: Annotations.of(tasks).acknowledge_warning(
                NO_ACTION_WARNING, "Grafana"
            ),
            id="acknowledged",
        ),
    ],
)
def test_an_action_of_its_own_or_an_acknowledgment_ends_the_warning(
    end_warning: Callable[[RootTasks, sns.Topic], object],
) -> None:
    stack = bootstrap_stack()
    end_warning(RootTasks(stack, "RootTasks"), new_topic(stack))
    assert warning_ids(stack) == []


# The texts of all notices and alarms, as tests have written them.
TEXTS = sorted(GOLDEN_NOTICES.glob("*.txt"))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_the_runbook_has_what_a_notice_or_an_alarm_names(path: Path) -> None:
    page, *headings = re.findall("^#+ (.+)$", RUNBOOK, re.MULTILINE)
    named = re.findall(r"Runbook: (.+?), (.+)$", path.read_text(), re.MULTILINE)
    assert named
    assert {title for title, _ in named} == {page}
    assert {heading for _, heading in named} <= set(headings)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_each_command_in_a_notice_or_an_alarm_can_be_run(path: Path) -> None:
    # On a line of its own, or after what it is for.
    command = re.compile(r"(?:^ *|: )(centralized-root-access .+)$", re.MULTILINE)
    for line in set(command.findall(path.read_text())):
        _program, *arguments = shlex.split(line.replace("ACCOUNT", MEMBER))
        parse_command_line(arguments)
