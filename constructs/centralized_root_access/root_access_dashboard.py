"""The RootAccessDashboard construct: root credentials over time, runs, drift and alarms on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from ._alarms import alarms_of, audit_metric
from .drift_check import DriftCheck
from .root_tasks import RootTasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aws_cdk import aws_stepfunctions as sfn

_SHOWN = Duration.days(91)
# A point a day: audits are rarer than CloudWatch's default period, and a line between points needs neighbors.
_PERIOD = Duration.days(1)
_FULL_WIDTH = 24


class RootAccessDashboard(Construct):
    """A CloudWatch dashboard of the last three months.

    It has the state of the alarms; with ``root_tasks`` the accounts with root credentials and the
    inaccessible ones at each day's full audits, whether the management account's own root user was
    protected, the findings for Security Hub, and the executions by their end; with ``drift_check`` whether
    the organization matched the stack. CloudWatch charges for a dashboard, with the first three of an
    account free.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Dashboards.html

    Example::

        drift_check = root_access.add_drift_check()
        RootAccessDashboard(stack, "Dashboard", root_tasks=tasks, drift_check=drift_check)

    Args:
        scope: The stack, or a construct in it.
        id: The construct's id, which is part of the dashboard's name.
        root_tasks: The root tasks to show, of the same account and Region. Default: none.
        drift_check: The drift check to show, of the same account and Region. Default: none.

    Attributes:
        dashboard: The dashboard.

    Raises:
        ValueError: Neither ``root_tasks`` nor ``drift_check`` is given.
        TypeError: An argument has another type.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        root_tasks: RootTasks | None = None,
        drift_check: DriftCheck | None = None,
    ) -> None:
        super().__init__(scope, id)
        if root_tasks is not None and not isinstance(root_tasks, RootTasks):
            raise TypeError(f"root_tasks must be a RootTasks construct, got {root_tasks!r}.")
        if drift_check is not None and not isinstance(drift_check, DriftCheck):
            raise TypeError(f"drift_check must be what add_drift_check returned, got {drift_check!r}.")
        shown = [construct for construct in (root_tasks, drift_check) if construct is not None]
        if not shown:
            raise ValueError("The dashboard would be empty: give root_tasks, drift_check, or both.")
        self.dashboard = cloudwatch.Dashboard(self, "Dashboard", default_interval=_SHOWN)
        self.dashboard.add_widgets(
            cloudwatch.AlarmStatusWidget(
                title="Alarms",
                width=_FULL_WIDTH,
                height=2,
                alarms=[alarm for construct in shown for alarm in alarms_of(construct)],
            )
        )
        if root_tasks is not None:
            self.dashboard.add_widgets(_credentials(root_tasks), _inaccessible(root_tasks))
            self.dashboard.add_widgets(*_management_account_and_findings(root_tasks))
            self.dashboard.add_widgets(*_executions(root_tasks))
        if drift_check is not None:
            self.dashboard.add_widgets(_drift(drift_check))


def _credentials(root_tasks: RootTasks) -> cloudwatch.GraphWidget:
    with_credentials = root_tasks.metric_accounts_with_root_credentials.with_(
        period=_PERIOD, label="With root credentials", color=cloudwatch.Color.RED
    )
    audited = root_tasks.metric_accounts_audited.with_(
        period=_PERIOD, label="Audited", color=cloudwatch.Color.GREY
    )
    return _graph("Accounts with root credentials", [with_credentials], right=[audited])


def _inaccessible(root_tasks: RootTasks) -> cloudwatch.GraphWidget:
    inaccessible = root_tasks.metric_accounts_inaccessible.with_(
        period=_PERIOD, label="Inaccessible", color=cloudwatch.Color.ORANGE
    )
    return _graph("Inaccessible accounts", [inaccessible])


def _management_account_and_findings(root_tasks: RootTasks) -> Iterator[cloudwatch.GraphWidget]:
    unprotected = root_tasks.metric_management_root_user_unprotected.with_(
        period=_PERIOD, label="Unprotected", color=cloudwatch.Color.RED
    )
    imported, refused = root_tasks.metric_findings_imported, root_tasks.metric_findings_refused
    yield _graph(
        "The management account's root user is without MFA or has an access key (1), or not (0)",
        [unprotected],
        width=_FULL_WIDTH if imported is None else _FULL_WIDTH // 2,
        maximum=1,
    )
    if imported is not None and refused is not None:
        yield _graph(
            "Findings for Security Hub",
            [refused.with_(period=_PERIOD, label="Refused", color=cloudwatch.Color.ORANGE)],
            right=[imported.with_(period=_PERIOD, label="Imported", color=cloudwatch.Color.GREY)],
        )


def _executions(root_tasks: RootTasks) -> Iterator[cloudwatch.GraphWidget]:
    state_machines = {"Audits and plans": root_tasks.audit_state_machine}
    if root_tasks.execute_state_machine is not None:
        state_machines["Executions of plans"] = root_tasks.execute_state_machine
    for title, state_machine in state_machines.items():
        # What is refused ends as succeeded, so it is not stacked on the others.
        refused = audit_metric(state_machine, "ExecutionsRefused").with_(
            period=_PERIOD, statistic="Sum", label="Refused, of the succeeded", color=cloudwatch.Color.PURPLE
        )
        yield _graph(
            title,
            list(_ends(state_machine)),
            right=[refused],
            width=_FULL_WIDTH // len(state_machines),
            stacked=True,
        )


def _ends(state_machine: sfn.StateMachine) -> Iterator[cloudwatch.Metric]:
    yield state_machine.metric_succeeded(period=_PERIOD, label="Succeeded", color=cloudwatch.Color.GREEN)
    yield state_machine.metric_failed(period=_PERIOD, label="Failed", color=cloudwatch.Color.RED)
    yield state_machine.metric_timed_out(period=_PERIOD, label="Timed out", color=cloudwatch.Color.ORANGE)
    yield state_machine.metric_aborted(period=_PERIOD, label="Stopped", color=cloudwatch.Color.GREY)


def _drift(drift_check: DriftCheck) -> cloudwatch.GraphWidget:
    metric = drift_check.metric.with_(period=Duration.hours(1), statistic="Minimum", label="In desired state")
    title = "The organization matches the stack (1), or not (0)"
    return _graph(title, [metric], width=_FULL_WIDTH, maximum=1)


def _graph(
    title: str,
    metrics: list[cloudwatch.Metric],
    *,
    right: list[cloudwatch.Metric] | None = None,
    width: int = _FULL_WIDTH // 2,
    maximum: float | None = None,
    stacked: bool | None = None,
) -> cloudwatch.GraphWidget:
    axis = cloudwatch.YAxisProps(min=0, max=maximum, show_units=False)
    return cloudwatch.GraphWidget(
        title=title,
        width=width,
        left=metrics,
        left_y_axis=axis,
        right=right,
        right_y_axis=None if right is None else axis,
        stacked=stacked,
    )
