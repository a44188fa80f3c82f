"""The exit code of a command that shows a report. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from root_access.state import Feature
from root_tasks.messages import quantity
from root_tasks.model.outcome import AS_PLANNED, NOT_AS_WANTED, Outcome
from root_tasks.model.report_schema import Report
from root_tasks.report.facts import is_audited, is_plan
from root_tasks.tasks import DEFINITIONS

from ..base.command_errors import ExitCode


def explicit_accounts(input_: Mapping[str, Any] | None, report: Report) -> frozenset[str]:
    """Return the accounts of a report that the input of its execution names one by one.

    A run refuses an account that is not a member, and its report is without those that the input
    excludes: each other account that the input names is in the report.

    Args:
        input_: The input; None if it is not known. Then any account may have been named, so that
            a report that is not known to be complete never looks complete.
        report: The report of the execution.
    """
    accounts = frozenset(result.account_id for result in report.results)
    if DEFINITIONS[report.task].feature is Feature.ROOT_SESSIONS:
        # Only the tasks that unlock buckets and queues need this feature. Their input names each
        # bucket and queue with its account, so no account is there without having been named.
        return accounts
    if input_ is None:
        # A full audit is of every account, so its input names none.
        return frozenset() if report.full else accounts
    return accounts.intersection(input_.get("accounts", []))


def exit_code(report: Report, *, named_accounts: Set[str] = frozenset()) -> tuple[ExitCode, str]:
    """Return the exit code of a command that shows a report, and its reasons, as sentences.

    The reasons are empty where the report says enough.

    Args:
        report: The report.
        named_accounts: The accounts that the input of its run names one by one.
    """
    if report.executed_plan is not None:
        return _code_of_execution(report)
    if is_plan(report):
        return _code_of_plan(report, _omissions(report, named_accounts))
    return _code_of_audit(report, _omissions(report, named_accounts))


def _code_of_audit(report: Report, problems: list[str]) -> tuple[ExitCode, str]:
    """Return the exit code of an audit, and its reasons; the problems are those of its reads."""
    # Credentials that were found decide, even if something else could not be read.
    if not NOT_AS_WANTED.isdisjoint(report.totals):
        return ExitCode.NOT_AS_WANTED, ""
    # Only the management account is "protected", and its root user was looked at then.
    if Outcome.PROTECTED not in report.totals and not any(map(is_audited, report.results)):
        problems.append("No account was audited.")
    if problems:
        return ExitCode.NO_RESULT, " ".join(problems)
    return ExitCode.AS_WANTED, ""


def _code_of_plan(report: Report, problems: list[str]) -> tuple[ExitCode, str]:
    """Return the exit code of a plan, and its reasons; the problems are those of its reads."""
    # What such a plan leaves out, and why, is in the report that an approver reads.
    if Outcome.PLANNED in report.totals:
        return ExitCode.AS_WANTED, ""
    outcomes = _all_outcomes(report)
    # A plan of every account also skips accounts that no one named, such as suspended ones.
    if not problems and outcomes - {Outcome.SKIPPED} == {Outcome.NOTHING_TO_DO}:
        return ExitCode.AS_WANTED, ""
    problems.append("Nothing is planned.")
    if not outcomes.isdisjoint({Outcome.IN_USE, Outcome.ACCEPTED}):
        problems.append("Credentials that are in use or accepted were left out.")
    return ExitCode.NO_RESULT, " ".join(problems)


def _code_of_execution(report: Report) -> tuple[ExitCode, str]:
    """Return the exit code of an execution, and its reasons."""
    outcomes_of_items = {item.outcome for result in report.results for item in result.items}
    # A skipped item is one that the plan left out; a skipped account is one that was planned.
    outcomes_of_planned = report.totals.keys() | outcomes_of_items - {Outcome.SKIPPED}
    if not AS_PLANNED.issuperset(outcomes_of_planned):
        return ExitCode.NOT_AS_WANTED, ""
    if Outcome.DONE not in report.totals:
        return ExitCode.NO_RESULT, "Nothing was left to do."
    return ExitCode.AS_WANTED, ""


def _omissions(report: Report, named_accounts: Set[str]) -> list[str]:
    """Return what a run could not read, and how many accounts that were named it skipped.

    For example: "Not everything could be read.", "1 account that you named was skipped."
    """
    problems = []
    if Outcome.INACCESSIBLE in _all_outcomes(report):
        problems.append("Not everything could be read.")
    not_skipped = {
        result.account_id for result in report.results if result.outcome is not Outcome.SKIPPED
    }
    skipped = named_accounts - not_skipped
    if skipped:
        were = "was" if len(skipped) == 1 else "were"
        problems.append(f"{quantity(len(skipped), 'account')} that you named {were} skipped.")
    return problems


def _all_outcomes(report: Report) -> set[Outcome]:
    """Return the outcomes that an account or one of its items has."""
    outcomes_of_items = {item.outcome for result in report.results for item in result.items}
    return outcomes_of_items.union(report.totals)
