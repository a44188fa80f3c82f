"""The exit code of a command that shows a report, and what is missing if there is no result. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_calls.text import ACCOUNT_ID
from root_tasks.messages import quantity
from root_tasks.model.report import Outcome
from root_tasks.report.summary import is_audited, is_plan
from root_tasks.tasks import DEFINITIONS

from .errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from root_tasks.model.report import Report

_NOT_AS_WANTED = frozenset({Outcome.HAS_CREDENTIALS, Outcome.UNKNOWN, Outcome.FAILED})
_AS_PLANNED = frozenset({Outcome.DONE, Outcome.NOTHING_TO_DO})


def explicit_accounts(input_: Mapping[str, object], report: Report) -> frozenset[str]:
    """Return the accounts that the input of an execution names one by one, and does not leave out.

    Args:
        input_: The input, in any form.
        report: The report of the execution: it says what an organizational unit leaves out.
    """
    named, excluded = _texts(input_.get("accounts")), _texts(input_.get("exclude"))
    if all(map(ACCOUNT_ID.fullmatch, excluded)):
        return named - excluded
    return named & {result.account_id for result in report.results}


def _texts(value: object) -> frozenset[str]:
    listed = value if isinstance(value, list) else []
    return frozenset(text for text in listed if isinstance(text, str))


def exit_code(
    report: Report, *, named_accounts: Collection[str] = (), checked: bool = True
) -> tuple[ExitCode, str]:
    """Return the exit code of a command that shows a report, and what is missing where that is 2.

    Args:
        report: The report.
        named_accounts: The accounts that the input of its run names one by one.
        checked: Whether it is known that its run wrote it.
    """
    accounts = set(report.totals)
    items = {item.outcome for result in report.results for item in result.items}
    if report.executed_plan is None:
        not_as_wanted = (accounts | items) & _NOT_AS_WANTED
    else:
        # Every account is planned. An item that was skipped is not in the plan.
        not_as_wanted = (accounts | (items - {Outcome.SKIPPED})) - _AS_PLANNED
    if not_as_wanted:
        return ExitCode.NOT_AS_WANTED, ""
    missing = (
        "" if checked else "It is not known whether the run wrote this report.",
        "Not everything could be read." if Outcome.INACCESSIBLE in accounts | items else "",
        _omission(report, named_accounts),
        _emptiness(report, accounts),
    )
    return (ExitCode.NO_RESULT if any(missing) else ExitCode.AS_WANTED), " ".join(filter(None, missing))


def _omission(report: Report, named_accounts: Collection[str]) -> str:
    """Return that accounts were named and skipped; otherwise an empty text."""
    named = set(named_accounts)
    if DEFINITIONS[report.task].policy_type is not None:
        # Buckets, queues and backups are named with their accounts.
        named.update(result.account_id for result in report.results)
    named -= {result.account_id for result in report.results if result.outcome is not Outcome.SKIPPED}
    were = "was" if len(named) == 1 else "were"
    return f"{quantity(len(named), 'account')} that you named {were} skipped." if named else ""


def _emptiness(report: Report, outcomes: Collection[Outcome]) -> str:
    """Return that nothing at all was audited, planned or done; otherwise an empty text."""
    if report.executed_plan is not None:
        return "" if Outcome.DONE in outcomes else "Nothing was left to do."
    if is_plan(report):
        return "" if Outcome.PLANNED in outcomes else "Nothing is planned."
    return "" if any(map(is_audited, report.results)) else "No account was audited."
