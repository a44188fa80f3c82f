"""The exit code of a command that shows a report. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from root_access.state import Feature
from root_tasks.messages import quantity
from root_tasks.model.outcome import AS_PLANNED, NOT_AS_WANTED, Outcome
from root_tasks.model.report_schema import Report
from root_tasks.report.summary import is_audited, is_plan
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
        # Buckets and queues are named with their accounts.
        return accounts
    if input_ is None:
        return frozenset() if report.full else accounts
    return accounts.intersection(input_.get("accounts", []))


def exit_code(report: Report, *, named_accounts: Set[str] = frozenset()) -> tuple[ExitCode, str]:
    """Return the exit code of a command that shows a report, and what is missing, in sentences.

    Args:
        report: The report.
        named_accounts: The accounts that the input of its run names one by one.
    """
    if report.executed_plan is not None:
        return _of_execution(report)
    if is_plan(report):
        return _of_plan(report, _omissions(report, named_accounts))
    return _of_audit(report, _omissions(report, named_accounts))


def _of_audit(report: Report, missing: list[str]) -> tuple[ExitCode, str]:
    # What was found decides, whatever could not be read.
    if not NOT_AS_WANTED.isdisjoint(report.totals):
        return ExitCode.NOT_AS_WANTED, ""
    if Outcome.PROTECTED not in report.totals and not any(map(is_audited, report.results)):
        missing.append("No account was audited.")
    if missing:
        return ExitCode.NO_RESULT, " ".join(missing)
    return ExitCode.AS_WANTED, ""


def _of_plan(report: Report, missing: list[str]) -> tuple[ExitCode, str]:
    # A plan that can be executed never ends with the exit code of one that lists nothing.
    if Outcome.PLANNED not in report.totals:
        missing.append("Nothing is planned.")
        return ExitCode.NO_RESULT, " ".join(missing)
    if missing or not NOT_AS_WANTED.isdisjoint(_outcomes(report)):
        return ExitCode.NOT_AS_WANTED, " ".join(missing)
    return ExitCode.AS_WANTED, ""


def _of_execution(report: Report) -> tuple[ExitCode, str]:
    # Every account is planned. An item that was skipped is not in the plan.
    items = {item.outcome for result in report.results for item in result.items}
    if not AS_PLANNED.issuperset(report.totals.keys() | items - {Outcome.SKIPPED}):
        return ExitCode.NOT_AS_WANTED, ""
    if Outcome.DONE not in report.totals:
        return ExitCode.NO_RESULT, "Nothing was left to do."
    return ExitCode.AS_WANTED, ""


def _omissions(report: Report, named_accounts: Set[str]) -> list[str]:
    """Return what a run could not read, and how many accounts that were named it skipped."""
    missing = []
    if Outcome.INACCESSIBLE in _outcomes(report):
        missing.append("Not everything could be read.")
    skipped = named_accounts - {
        result.account_id for result in report.results if result.outcome is not Outcome.SKIPPED
    }
    if skipped:
        were = "was" if len(skipped) == 1 else "were"
        missing.append(f"{quantity(len(skipped), 'account')} that you named {were} skipped.")
    return missing


def _outcomes(report: Report) -> set[Outcome]:
    """Return the outcomes of the accounts and of their items."""
    items = {item.outcome for result in report.results for item in result.items}
    return items.union(report.totals)
