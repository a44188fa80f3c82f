"""The dashboard: every metric and alarm that the constructs have, and nothing that does not exist."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import Duration, Stack

from centralized_root_access import CentralizedRootAccess, RootAccessDashboard, RootTask, RootTasks
from support.templates import MANAGEMENT, bootstrap_stack, only_resource, resources, template, text

if TYPE_CHECKING:
    from collections.abc import Iterator


def build(stack: Stack, *, tasks: bool = True, drift: bool = True, acting: bool = True) -> dict[str, Any]:
    root_tasks = (
        RootTasks(
            stack,
            "RootTasks",
            tasks=[RootTask.AUDIT, *([RootTask.DELETE_CREDENTIALS] if acting else [])],
            audit_interval=Duration.days(1),
        )
        if tasks
        else None
    )
    drift_check = CentralizedRootAccess(stack, "RootAccess").add_drift_check() if drift else None
    RootAccessDashboard(stack, "Dashboard", root_tasks=root_tasks, drift_check=drift_check)
    return template(stack)


def body(found: dict[str, Any]) -> dict[str, Any]:
    """Return the dashboard's body, with the tokens in it as `text` has them."""
    value = only_resource(found, "AWS::CloudWatch::Dashboard")["Properties"]["DashboardBody"]
    return dict(json.loads(text(value)))


def metrics(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for widget in body(found)["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            yield metric[0], metric[1]


def test_it_shows_root_credentials_runs_and_drift() -> None:
    shown = set(metrics(build(bootstrap_stack(env=MANAGEMENT))))
    assert {name for namespace, name in shown if namespace == "CentralizedRootAccess"} == {
        "AccountsAudited",
        "AccountsInaccessible",
        "AccountsWithRootCredentials",
        "InDesiredState",
    }
    assert {name for namespace, name in shown if namespace == "AWS/States"} == {
        "ExecutionsAborted",
        "ExecutionsFailed",
        "ExecutionsSucceeded",
        "ExecutionsTimedOut",
    }


def test_it_shows_both_state_machines_where_there_are_two() -> None:
    def machines(found: dict[str, Any]) -> set[str]:
        return {
            metric[metric.index("StateMachineArn") + 1]
            for widget in body(found)["widgets"]
            for metric in widget["properties"].get("metrics", [])
            if metric[0] == "AWS/States"
        }

    assert len(machines(build(bootstrap_stack(env=MANAGEMENT)))) == 2
    assert len(machines(build(bootstrap_stack(env=MANAGEMENT), acting=False))) == 1


def test_it_shows_the_state_of_every_alarm() -> None:
    found = build(bootstrap_stack(env=MANAGEMENT))
    shown = {
        re.sub(r"\$\{(\w+).*\}", r"\1", alarm)
        for widget in body(found)["widgets"]
        for alarm in widget["properties"].get("alarms", [])
    }
    assert shown == set(resources(found, "AWS::CloudWatch::Alarm"))


@pytest.mark.parametrize(("tasks", "drift"), [(True, False), (False, True)], ids=["tasks", "drift"])
def test_it_shows_what_is_given_and_nothing_else(tasks: bool, drift: bool) -> None:
    shown = {name for _, name in metrics(build(bootstrap_stack(env=MANAGEMENT), tasks=tasks, drift=drift))}
    assert ("AccountsWithRootCredentials" in shown) is tasks
    assert ("InDesiredState" in shown) is drift


def test_an_empty_dashboard_is_refused() -> None:
    with pytest.raises(ValueError, match="give root_tasks, drift_check, or both"):
        RootAccessDashboard(bootstrap_stack(), "Dashboard")


@pytest.mark.parametrize("argument", ["root_tasks", "drift_check"])
def test_something_else_than_a_construct_is_refused(argument: str) -> None:
    arguments: Any = {argument: "RootTasks"}
    with pytest.raises(TypeError, match=f"{argument} must be .* got 'RootTasks'"):
        RootAccessDashboard(bootstrap_stack(), "Dashboard", **arguments)


def test_the_name_in_the_template_is_pinned() -> None:
    found = build(bootstrap_stack(env=MANAGEMENT))
    assert list(resources(found, "AWS::CloudWatch::Dashboard")) == ["Dashboard7A714131"]
