"""The dashboard has every metric and alarm of the constructs, and nothing else."""

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from aws_cdk import App, Duration, Environment, Stack

from centralized_root_access import CentralizedRootAccess, RootAccessDashboard, RootTask, RootTasks
from support.templates import (
    bootstrap_stack,
    only_resource,
    resources_of_type,
    template_of,
    text_with_references,
)


def dashboard_template(
    *, tasks: Sequence[RootTask] = tuple(RootTask), drift: bool = True
) -> dict[str, Any]:
    """Return the template of a stack with a dashboard, and what it shows.

    Args:
        tasks: The root tasks; none: the dashboard shows no root tasks.
        drift: Whether it shows a drift check.
    """
    stack = bootstrap_stack()
    interval = Duration.days(1)
    root_tasks = None
    if tasks:
        root_tasks = RootTasks(stack, "RootTasks", tasks=tasks, audit_interval=interval)
    drift_check = CentralizedRootAccess(stack, "RootAccess").add_drift_check() if drift else None
    RootAccessDashboard(stack, "Dashboard", root_tasks=root_tasks, drift_check=drift_check)
    return template_of(stack)


def body(template: dict[str, Any]) -> dict[str, Any]:
    """Return the dashboard's body, in which ``${Id}`` stands for a reference."""
    value = only_resource(template, "AWS::CloudWatch::Dashboard")["Properties"]["DashboardBody"]
    return dict(json.loads(text_with_references(value)))


def metrics(template: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the namespace and the name of each metric that the dashboard shows."""
    widgets = [widget["properties"].get("metrics", []) for widget in body(template)["widgets"]]
    return sorted((namespace, name) for shown in widgets for namespace, name, *_ in shown)


# The metrics of the constructs, and those that Step Functions has of each state machine.
OWN = (
    "AccountsAudited",
    "AccountsInaccessible",
    "AccountsWithRootCredentials",
    "InDesiredState",
    "ManagementRootUserUnprotected",
)
ENDS = ("ExecutionsAborted", "ExecutionsFailed", "ExecutionsSucceeded", "ExecutionsTimedOut")


@pytest.mark.parametrize(
    ("tasks", "state_machines"),
    [([RootTask.AUDIT], 1), (list(RootTask), 2)],
    ids=["audits", "audits and plans"],
)
def test_it_shows_root_credentials_the_runs_of_each_state_machine_and_drift(
    tasks: Sequence[RootTask], state_machines: int
) -> None:
    own = [("CentralizedRootAccess", name) for name in OWN]
    ends = [
        *(("AWS/States", name) for name in ENDS),
        ("CentralizedRootAccess", "ExecutionsRefused"),
    ]
    assert metrics(dashboard_template(tasks=tasks)) == sorted(own + state_machines * ends)


def test_it_shows_the_state_of_every_alarm() -> None:
    template = dashboard_template()
    # The ARN of an alarm is a token that has its logical ID.
    shown = {
        re.sub(r"\$\{(\w+).*\}", r"\1", alarm)
        for widget in body(template)["widgets"]
        for alarm in widget["properties"].get("alarms", [])
    }
    assert shown == set(resources_of_type(template, "AWS::CloudWatch::Alarm"))


def test_it_shows_what_is_given_and_nothing_else() -> None:
    drift = ("CentralizedRootAccess", "InDesiredState")
    assert metrics(dashboard_template(tasks=[])) == [drift]
    assert drift not in metrics(dashboard_template(drift=False))


def test_a_dashboard_in_another_region_names_the_region_of_each_metric() -> None:
    app = App(analytics_reporting=False)
    home, abroad = (
        Stack(
            app,
            region,
            env=Environment(account="1" * 12, region=region),
            cross_region_references=True,
        )
        for region in ("us-east-1", "eu-west-1")
    )
    drift_check = CentralizedRootAccess(home, "RootAccess").add_drift_check()
    RootAccessDashboard(
        abroad, "Dashboard", root_tasks=RootTasks(home, "RootTasks"), drift_check=drift_check
    )
    widgets = [
        widget["properties"].get("metrics", []) for widget in body(template_of(abroad))["widgets"]
    ]
    assert {options.get("region") for shown in widgets for *_, options in shown} == {"us-east-1"}


def test_an_empty_dashboard_is_refused() -> None:
    with pytest.raises(ValueError, match="give root_tasks, drift_check, or both"):
        RootAccessDashboard(bootstrap_stack(), "Dashboard")
