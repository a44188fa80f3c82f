"""A report's consequences: the exit code, the time in which a plan can be executed, the next steps. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.untrusted import ACCOUNT_ID
from root_access.state import Feature
from root_tasks.messages import quantity
from root_tasks.model.outcome import AS_PLANNED, NOT_AS_WANTED, Outcome
from root_tasks.report.summary import is_audited, is_plan, minute
from root_tasks.tasks import DEFINITIONS

from ..base.command_errors import ExitCode
from ..base.terminal import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from common.next_step import NextStep
    from root_tasks.model.report_schema import Report

    from ..base.options import TargetOptions

# The exit code


def explicit_accounts(input_: Mapping[str, Any], report: Report) -> frozenset[str]:
    """Return the accounts that the input of an execution names one by one, and does not leave out.

    Args:
        input_: The input.
        report: The report of the execution: it says what an organizational unit leaves out.
    """
    named, excluded = frozenset(input_.get("accounts", [])) - {"all"}, input_.get("exclude", [])
    if all(map(ACCOUNT_ID.fullmatch, excluded)):
        return named.difference(excluded)
    return named.intersection(result.account_id for result in report.results)


def exit_code(report: Report, *, named_accounts: Collection[str] = ()) -> tuple[ExitCode, str]:
    """Return the exit code of a command that shows a report, and what is missing if that is 2.

    Args:
        report: The report.
        named_accounts: The accounts that the input of its run names one by one.
    """
    accounts = set(report.totals)
    items = {item.outcome for result in report.results for item in result.items}
    if report.executed_plan is None:
        not_as_wanted = (accounts | items) & NOT_AS_WANTED
    else:
        # Every account is planned. An item that was skipped is not in the plan.
        not_as_wanted = (accounts | (items - {Outcome.SKIPPED})) - AS_PLANNED
    if not_as_wanted:
        return ExitCode.NOT_AS_WANTED, ""
    missing = (
        "Not everything could be read." if Outcome.INACCESSIBLE in accounts | items else "",
        _omission(report, named_accounts),
        _emptiness(report, accounts),
    )
    return (ExitCode.NO_RESULT if any(missing) else ExitCode.AS_WANTED), " ".join(
        filter(None, missing)
    )


def _omission(report: Report, named_accounts: Collection[str]) -> str:
    """Return that accounts were named and skipped; otherwise an empty text."""
    named = set(named_accounts)
    if DEFINITIONS[report.task].feature is Feature.ROOT_SESSIONS:
        # Buckets, queues and backups are named with their accounts.
        named.update(result.account_id for result in report.results)
    named -= {
        result.account_id for result in report.results if result.outcome is not Outcome.SKIPPED
    }
    were = "was" if len(named) == 1 else "were"
    return f"{quantity(len(named), 'account')} that you named {were} skipped." if named else ""


def _emptiness(report: Report, outcomes: Collection[Outcome]) -> str:
    """Return that nothing at all was audited, planned or done; otherwise an empty text."""
    if report.executed_plan is not None:
        return "" if Outcome.DONE in outcomes else "Nothing was left to do."
    if is_plan(report):
        return "" if Outcome.PLANNED in outcomes else "Nothing is planned."
    if Outcome.PROTECTED in outcomes or any(map(is_audited, report.results)):
        return ""
    return "No account was audited."


# Plans


@dataclass(frozen=True, kw_only=True)
class PlanState:
    """The state of a plan that has something to execute.

    Attributes:
        now: The time in UTC.
        expires_at: When it can no longer be executed; None if its run did not say.
        executed_by: The run that executed it, or began to; None if none can be seen.
    """

    now: datetime
    expires_at: datetime | None
    executed_by: str | None

    @property
    def obstacle(self) -> str | None:
        """The reason for which it can no longer be executed, as a sentence; None if it can be."""
        if self.executed_by is not None:
            return f"This plan was executed by {self.executed_by}."
        if self.expires_at is not None and self.now > self.expires_at:
            return f"This plan expired at {minute(self.expires_at)}. Create a new plan."
        return None

    @property
    def words(self) -> str:
        """The state in a few words."""
        if self.executed_by is not None:
            return f"executed by {self.executed_by}"
        if self.obstacle is not None:
            return "expired"
        return "no end is known" if self.expires_at is None else f"until {minute(self.expires_at)}"


# The next steps, as commands to paste


def sentences(steps: Iterable[NextStep], *, target: TargetOptions) -> Iterator[str]:
    """Yield next steps as sentences, with commands that work where this one does."""
    for place, step in enumerate(steps):
        what = step.what if place else f"Next, {step.what[0].lower()}{step.what[1:]}"
        if step.command is None:
            yield what
            continue
        # A query has no options.
        is_command = step.command.startswith(f"{PROGRAM} ")
        yield f"{what}: {target.complete(step.command) if is_command else step.command}"
