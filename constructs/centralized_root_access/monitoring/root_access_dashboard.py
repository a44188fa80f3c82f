"""The RootAccessDashboard construct: root credentials, runs, drift and alarms on one page."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from ..base.alarms import alarms_of
from ..root_access.drift_check import DriftCheck
from ..root_tasks.alarms import audit_metric
from ..root_tasks.root_tasks import RootTasks

# A point a day: audits are rarer than CloudWatch's default period, and a line between points needs
# neighbors.
_PERIOD = Duration.days(1)
_FULL_WIDTH = 24


class RootAccessDashboard(Construct):
    """A CloudWatch dashboard of the last three months.

    It has the state of the alarms; with ``root_tasks`` the accounts with root credentials, the
    inaccessible ones, the management account's own root user, the findings for Security Hub, and
    the runs by their end; with ``drift_check`` whether the organization matched the stack. If
    it is in another Region than what it shows, both stacks need ``cross_region_references=True``.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Dashboards.html

    Example::

        drift_check = root_access.add_drift_check()
        RootAccessDashboard(stack, "Dashboard", root_tasks=tasks, drift_check=drift_check)

    Args:
        scope: The stack, or a construct in it.
        id: The construct's id, which is part of the dashboard's name.
        root_tasks: The root tasks to show, of the same account. Default: none.
        drift_check: The drift check to show, of the same account. Default: none.

    Attributes:
        dashboard: The dashboard.

    Raises:
        ValueError: Neither ``root_tasks`` nor ``drift_check`` is given.
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
        shown = [construct for construct in (root_tasks, drift_check) if construct is not None]
        if not shown:
            raise ValueError("The dashboard would be empty: give root_tasks, drift_check, or both.")
        alarms = [alarm for construct in shown for alarm in alarms_of(construct)]
        states = cloudwatch.AlarmStatusWidget(
            title="Alarms", width=_FULL_WIDTH, height=2, alarms=alarms
        )
        # A row for each subject, the most important one first.
        rows: list[list[cloudwatch.IWidget]] = [[states]]
        if root_tasks is not None:
            rows.append(_accounts(root_tasks))
            rows.append(_management_account_and_findings(root_tasks))
            rows.append(_executions(root_tasks))
        if drift_check is not None:
            rows.append([_drift(drift_check)])
        # It opens with the last three months.
        self.dashboard = cloudwatch.Dashboard(
            self, "Dashboard", default_interval=Duration.days(91), widgets=rows
        )


def _accounts(root_tasks: RootTasks) -> list[cloudwatch.IWidget]:
    """Return the row with the accounts that have root credentials, and the inaccessible ones."""
    with_credentials = root_tasks.metric_accounts_with_root_credentials
    audited = root_tasks.metric_accounts_audited
    inaccessible = root_tasks.metric_accounts_inaccessible
    return [
        _graph(
            "Accounts with root credentials",
            [_line(with_credentials, "With root credentials", cloudwatch.Color.RED)],
            right=[_line(audited, "Audited", cloudwatch.Color.GREY)],
        ),
        _graph(
            "Inaccessible accounts", [_line(inaccessible, "Inaccessible", cloudwatch.Color.ORANGE)]
        ),
    ]


def _management_account_and_findings(root_tasks: RootTasks) -> list[cloudwatch.IWidget]:
    """Return the row with the management account's own root user, and Security Hub's findings."""
    imported, refused = root_tasks.metric_findings_imported, root_tasks.metric_findings_refused
    # Findings are opt-in: without them the other graph has the whole row.
    findings: list[cloudwatch.IWidget] = []
    if imported is not None and refused is not None:
        findings.append(
            _graph(
                "Findings for Security Hub",
                [_line(refused, "Refused", cloudwatch.Color.ORANGE)],
                right=[_line(imported, "Imported", cloudwatch.Color.GREY)],
            )
        )
    unprotected = root_tasks.metric_management_root_user_unprotected
    management_account = _graph(
        "The management account's root user is without MFA or has an access key (1), or not (0)",
        [_line(unprotected, "Unprotected", cloudwatch.Color.RED)],
        width=_FULL_WIDTH // (1 + len(findings)),
        maximum=1,
    )
    return [management_account] + findings


def _executions(root_tasks: RootTasks) -> list[cloudwatch.IWidget]:
    """Return the row with the executions of each state machine, by how they ended."""
    state_machines = {"Audits and plans": root_tasks.audit_state_machine}
    if root_tasks.execute_state_machine is not None:
        state_machines["Executions of plans"] = root_tasks.execute_state_machine
    graphs: list[cloudwatch.IWidget] = []
    for title, state_machine in state_machines.items():
        # A refused execution ends as succeeded, so it is not stacked on the others.
        refused = audit_metric(state_machine, "ExecutionsRefused").with_(statistic="Sum")
        graphs.append(
            _graph(
                title,
                [
                    _line(state_machine.metric_succeeded(), "Succeeded", cloudwatch.Color.GREEN),
                    _line(state_machine.metric_failed(), "Failed", cloudwatch.Color.RED),
                    _line(state_machine.metric_timed_out(), "Timed out", cloudwatch.Color.ORANGE),
                    _line(state_machine.metric_aborted(), "Stopped", cloudwatch.Color.GREY),
                ],
                right=[_line(refused, "Refused, of the succeeded", cloudwatch.Color.PURPLE)],
                width=_FULL_WIDTH // len(state_machines),
                stacked=True,
            )
        )
    return graphs


def _drift(drift_check: DriftCheck) -> cloudwatch.GraphWidget:
    """Return the graph that is 1 while the organization matches the stack."""
    # The metric is a minimum: with a point a day, a drift of an hour would look like one of a day.
    metric = drift_check.metric_in_desired_state.with_(
        period=Duration.hours(1), label="In desired state"
    )
    title = "The organization matches the stack (1), or not (0)"
    return _graph(title, [metric], width=_FULL_WIDTH, maximum=1)


def _line(metric: cloudwatch.Metric, label: str, color: str) -> cloudwatch.Metric:
    """Return a metric as a line of a graph, with a point a day."""
    return metric.with_(period=_PERIOD, label=label, color=color)


def _graph(
    title: str,
    metrics: list[cloudwatch.Metric],
    *,
    right: list[cloudwatch.Metric] | None = None,
    width: int = _FULL_WIDTH // 2,
    maximum: float | None = None,
    stacked: bool | None = None,
) -> cloudwatch.GraphWidget:
    """Return a graph of counts, of which some may have an axis of their own at the right."""
    # Counts have no unit, and begin at zero.
    axis = cloudwatch.YAxisProps(min=0, max=maximum, show_units=False)
    return cloudwatch.GraphWidget(
        title=title,
        width=width,
        left=metrics,
        left_y_axis=axis,
        right=right,
        right_y_axis=axis if right else None,
        stacked=stacked,
    )
