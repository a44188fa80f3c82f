"""The descriptions of all alarms: what happened, what to do, and where more is said.

They are in tests/notices/alarms.txt, for people to read. WRITE_NOTICES=1 writes it.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import Annotations, App, Stack
from aws_cdk import aws_logs as logs
from aws_cdk.aws_cloudwatch import Alarm
from aws_cdk.aws_cloudwatch_actions import SnsAction

from centralized_root_access import CentralizedRootAccess, RootTasks, RootUseAlarm
from support.accounts import MEMBER
from support.apps import ROOT
from support.many_apps import MANAGEMENT, add_all_arguments
from support.notices import GOLDEN, read_or_write_golden
from support.pages import parse_command_line
from support.templates import (
    bootstrap_stack,
    new_topic,
    properties_of,
    template,
    text,
    warnings,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs import Construct

NO_ACTION = "centralized-root-access:noAlarmAction"

RUNBOOK = (ROOT / "docs" / "guides" / "operating.md").read_text()


@pytest.fixture(scope="module")
def alarms() -> dict[str, Any]:
    stack = Stack(App(), "OrganizationBootstrap", env=MANAGEMENT)
    add_all_arguments(stack)
    return properties_of(template(stack), "AWS::CloudWatch::Alarm")


def test_an_alarm_says_what_happened_and_what_to_do(alarms: dict[str, Any]) -> None:
    descriptions = {name: text(alarm["AlarmDescription"]) for name, alarm in alarms.items()}
    shown = "\n".join(f"---- {name}\n{descriptions[name]}\n" for name in sorted(descriptions))
    assert shown == read_or_write_golden("alarms", shown)


def root_tasks_alarm(stack: Stack, **arguments: Any) -> tuple[Construct, Alarm]:
    tasks = RootTasks(stack, "RootTasks", **arguments)
    return tasks, tasks.failed_alarm


def drift_alarm(stack: Stack, **arguments: Any) -> tuple[Construct, Alarm]:
    root_access = CentralizedRootAccess(stack, "RootAccess")
    return root_access, root_access.add_drift_check(**arguments).drift_alarm


def root_use_alarm(stack: Stack, **arguments: Any) -> tuple[Construct, Alarm]:
    trail = logs.LogGroup.from_log_group_name(stack, "Trail", "organization-trail")
    root_use = RootUseAlarm(stack, "RootUse", trail_log_group=trail, **arguments)
    return root_use, next(child for child in root_use.node.children if isinstance(child, Alarm))


@pytest.mark.parametrize("build", [root_tasks_alarm, drift_alarm, root_use_alarm])
def test_alarms_that_notify_no_one_are_warned_of_until_they_do(build: Any) -> None:
    def warned(build_app: Callable[[Stack], None]) -> list[str]:
        stack = bootstrap_stack(env=MANAGEMENT)
        build_app(stack)
        return warnings(stack)

    def with_an_action_of_its_own(stack: Stack) -> None:
        _, alarm = build(stack)
        alarm.add_alarm_action(SnsAction(new_topic(stack)))

    def acknowledged(stack: Stack) -> None:
        construct, _ = build(stack)
        Annotations.of(construct).acknowledge_warning(NO_ACTION, "A composite alarm has them.")

    assert warned(build) == [NO_ACTION]
    assert warned(lambda stack: build(stack, notification_topic=new_topic(stack))) == []
    assert warned(with_an_action_of_its_own) == []
    assert warned(acknowledged) == []


def test_a_sum_needs_no_metric_that_has_ever_had_a_value(alarms: dict[str, Any]) -> None:
    """SUM over a list leaves a series out that does not exist.

    With + the sum would not exist either.
    """
    sums = [
        metric["Expression"]
        for alarm in alarms.values()
        for metric in alarm.get("Metrics", ())
        if len(alarm["Metrics"]) > 2 and "Expression" in metric
    ]
    (expression,) = sums
    assert re.fullmatch(r"SUM\(\[FILL\(\w+, 0\)(, FILL\(\w+, 0\))+\]\)", expression)


def test_an_alarm_of_audits_has_the_worse_of_two_that_end_in_its_period(
    alarms: dict[str, Any],
) -> None:
    of_audits = [
        alarm
        for alarm in alarms.values()
        if alarm.get("MetricName", "").startswith(("AccountsWith", "AccountsIn"))
    ]
    assert [alarm["Statistic"] for alarm in of_audits] == ["Maximum"] * 2


TEXTS = sorted(GOLDEN.glob("*.txt"))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_the_runbook_has_what_a_notice_or_an_alarm_names(path: Any) -> None:
    page, *headings = re.findall("^#+ (.+)$", RUNBOOK, re.MULTILINE)
    named = re.findall(r"Runbook: (.+?), (.+)$", path.read_text(), re.MULTILINE)
    assert named
    assert {title for title, _ in named} == {page}
    assert {heading for _, heading in named} <= {*headings}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_each_command_in_a_notice_or_an_alarm_can_be_run(path: Any) -> None:
    for line in set(
        re.findall(r"(?:^ *|: )(centralized-root-access .+)$", path.read_text(), re.MULTILINE)
    ):
        parse_command_line(shlex.split(line.replace("ACCOUNT", MEMBER))[1:])
