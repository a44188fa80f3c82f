"""What follows from a report: the exit code, the next steps, and how long a plan can be executed. Pure."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.untrusted import ACCOUNT_ID
from root_tasks.messages import quantity
from root_tasks.model.report_schema import Action, ItemType, Outcome, Task
from root_tasks.report.key_use import key_query
from root_tasks.report.risk import RECENT, is_all_in_use
from root_tasks.report.summary import is_audited, is_plan, minute
from root_tasks.tasks import DEFINITIONS

from .command_errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime

    from root_tasks.model.report_schema import Report

    from .options import TargetOptions

_NOT_AS_WANTED = frozenset({Outcome.HAS_CREDENTIALS, Outcome.UNKNOWN, Outcome.FAILED})
_AS_PLANNED = frozenset({Outcome.DONE, Outcome.NOTHING_TO_DO})
# An account that was skipped may have left: no audit that names it starts.
_MAY_HAVE_CHANGED = (Outcome.UNKNOWN, Outcome.FAILED, Outcome.DONE)
_MAX_ACCOUNTS_IN_HINT = 5
# A query with more keys is hard to paste.
_MAX_KEYS_IN_QUERY = 20
_IN_USE_LEFT_OUT = (
    "Credentials in use are left out. Find out who uses them. Then plan them with --include-in-use, or plan "
    "again when they are no longer in use."
)
# How a password is set, by what a recovery came to, and why one might delete it.
_RECOVERY_STEPS = {
    Outcome.DONE: ("Next, for account {}:", "When the work is done, to plan deleting the credentials again"),
    Outcome.NOTHING_TO_DO: ("Account {} has a password. To replace it,", "To plan deleting it instead"),
}


# The exit code


def explicit_accounts(input_: Mapping[str, Any], report: Report) -> frozenset[str]:
    """Return the accounts that the input of an execution names one by one, and does not leave out.

    Args:
        input_: The input.
        report: The report of the execution: it says what an organizational unit leaves out.
    """
    named, excluded = input_.get("accounts"), input_.get("exclude", [])
    if not isinstance(named, list):
        return frozenset()
    if all(map(ACCOUNT_ID.fullmatch, excluded)):
        return frozenset(named).difference(excluded)
    return frozenset(named).intersection(result.account_id for result in report.results)


def exit_code(report: Report, *, named_accounts: Collection[str] = ()) -> tuple[ExitCode, str]:
    """Return the exit code of a command that shows a report, and what is missing if that is 2.

    Args:
        report: The report.
        named_accounts: The accounts that the input of its run names one by one.
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


# Plans


def is_executable(report: Report) -> bool:
    """Return whether it is a plan that has something to execute."""
    return is_plan(report) and Outcome.PLANNED in report.totals


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
        """Why it can no longer be executed, as a sentence; None if it can."""
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


def next_steps(report: Report, *, target: TargetOptions, unfinished: bool = False) -> Iterator[str]:
    """Yield the next steps after an audit, an empty plan or an execution, even one that ended early."""
    if report.task is Task.AUDIT:
        yield from _steps_after_audit(report, target=target)
    elif report.action is Action.ALLOW_RECOVERY:
        yield from _steps_of_recovery(report, target=target)
    elif report.executed_plan is None:
        if Outcome.IN_USE in report.totals:
            yield _IN_USE_LEFT_OUT
    elif report.task is Task.DELETE_CREDENTIALS:
        yield from _step_to_look_again(report, *_MAY_HAVE_CHANGED, target=target)
    else:
        yield from _step_to_restore(report, target=target)
        if unfinished or Outcome.UNKNOWN in report.totals:
            # An audit reads no policies.
            yield "Next, to see what is left to do: plan the same again."


def _step_to_restore(report: Report, *, target: TargetOptions) -> Iterator[str]:
    """Yield the step that plans to restore what an execution removed, if anything."""
    backups = dict.fromkeys(
        item.backup
        for result in report.results
        for item in result.items
        # A policy can be backed up and stay; a restored one's backup comes from an earlier run.
        if item.outcome in (Outcome.DONE, Outcome.UNKNOWN)
        and item.backup is not None
        and item.backup.startswith(f"backups/{report.run_id}/")
    )
    if backups:
        words = [word for backup in backups for word in ("--backup", backup)]
        yield f"To plan to restore what was removed: {target.command('plan', 'restore', *words)}"


def _step_to_look_again(report: Report, *outcomes: Outcome, target: TargetOptions) -> Iterator[str]:
    """Yield the step that audits the accounts of an execution that have certain outcomes, if any."""
    ids = [result.account_id for result in report.results if result.outcome in outcomes]
    words = ["--account", ",".join(ids)]
    if len(ids) > _MAX_ACCOUNTS_IN_HINT:
        words = ["--from-report", f"executions/{report.run_id}"]
        words += [word for outcome in outcomes for word in ("--outcome", outcome)]
    if ids:
        yield f"Next, to look again: {target.command('audit', *words)}"


def key_use_steps(report: Report) -> Iterator[str]:
    """Yield how to find out who uses the access keys of a report that were used recently."""
    keys = dict.fromkeys(_keys_in_use(report))
    if query := key_query(itertools.islice(keys, _MAX_KEYS_IN_QUERY)):
        where = "in CloudWatch Logs Insights, on the log group of the organization's trail"
        yield f"To find out who uses the access keys, {where}: {query}"


def _keys_in_use(report: Report) -> Iterator[str]:
    for result in report.results:
        for key in (result.credentials and result.credentials.access_keys) or ():
            if key.last_used_at and report.finished_at - key.last_used_at <= RECENT:
                yield key.access_key_id
        for item in result.items:
            if item.type is ItemType.ACCESS_KEY and item.outcome is Outcome.IN_USE and item.id:
                yield item.id


def _steps_of_recovery(report: Report, *, target: TargetOptions) -> Iterator[str]:
    for outcome, (beginning, deletion) in _RECOVERY_STEPS.items():
        accounts = {
            result.account_id: result.email or "the e-mail address of its root user"
            for result in report.results
            if result.outcome is outcome
        }
        for id_, email in accounts.items():
            yield f"{beginning.format(id_)} on AWS's sign-in page, choose Forgot password for {email}."
        if accounts:
            delete = target.command("plan", "delete", "--account", ",".join(accounts), "--include-in-use")
            yield f"{deletion}: {delete}"
    yield from _step_to_look_again(report, Outcome.UNKNOWN, target=target)


def _steps_after_audit(report: Report, *, target: TargetOptions) -> Iterator[str]:
    having = [result for result in report.results if result.outcome is Outcome.HAS_CREDENTIALS]
    accounts = [result for result in having if not result.protected]
    if not accounts:
        return
    ids = [result.account_id for result in accounts]
    words = ("--from-report", report.run_id)
    if len(ids) <= _MAX_ACCOUNTS_IN_HINT:
        words = ("--account", ",".join(ids))
    in_use = sum(is_all_in_use(result, at=report.finished_at) for result in accounts)
    if in_use == len(accounts):
        anyway = target.command("plan", "delete", *words, "--include-in-use")
        yield (
            f"All credentials found were used in the last {RECENT.days} days, so a plan leaves them out. "
            f"Find out who uses them. Then, to plan them anyway: {anyway}"
        )
        return
    if in_use:
        have = "account has" if in_use == 1 else "accounts have"
        yield (
            f"{in_use:,} {have} only credentials that were used in the last {RECENT.days} days: a plan "
            "leaves them out."
        )
    yield f"Next, to plan their deletion: {target.command('plan', 'delete', *words)}"
