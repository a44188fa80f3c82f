"""The accounts of another run's report, for the input of a run."""

from __future__ import annotations

from root_tasks.messages import quantity
from root_tasks.model.outcome import Outcome
from root_tasks.report.facts import has_outcome
from root_tasks.tasks.task_input import FROM_REPORT

from ..base.command_errors import CommandError
from ..base.options import Selection
from ..base.terminal import print_note
from .deployed_runs import Runs
from .report_output import print_doubt
from .reports import report_of_run


def accounts_of_report(
    runs: Runs, selection: Selection, *, with_protected: bool
) -> dict[str, object]:
    """Return the accounts that another run reports with certain outcomes, as an input has them.

    Without another run there are none.

    Args:
        runs: The runs of the deployment.
        selection: The run, if there is one, and the outcomes.
        with_protected: Whether to take protected accounts, too: an audit reads them, and a plan
            would only skip them.

    Raises:
        CommandError: There is no such report, its run did not write it, or no account has one of
            the outcomes.
    """
    if selection.from_report is None:
        return {}
    stored = report_of_run(runs, selection.from_report)
    print_doubt(stored)
    report = stored.report
    outcomes = [outcome for outcome in Outcome if outcome.option in selection.outcomes]
    results = [
        result
        for result in report.results
        if any(has_outcome(report, result, outcome) for outcome in outcomes)
    ]
    accounts = [result.account_id for result in results if with_protected or not result.protected]
    left_out = len(results) - len(accounts)
    if left_out:
        protected = quantity(left_out, "protected account")
        print_note(f"Left out of run {report.run_id}: {protected}.")
    if not accounts:
        which = "other account" if left_out else "account"
        named_outcomes = ", ".join(outcome.option for outcome in outcomes)
        problem = f"Run {report.run_id} reports no {which} with these outcomes: {named_outcomes}."
        if Outcome.PLANNED in report.totals:
            # A plan that expired may be what is to be planned again.
            problem += f" Add --outcome {Outcome.PLANNED.option} for those that it lists."
        raise CommandError(problem)
    return {"accounts": accounts, FROM_REPORT: report.run_id}
