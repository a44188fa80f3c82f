"""The next steps after a run, as commands to paste. Pure."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from root_tasks.model.report import Action, ItemType, Outcome, Task
from root_tasks.report.key_use import key_query
from root_tasks.report.risk import RECENT, is_all_in_use

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from root_tasks.model.report import AccountResult, Report

    from .target import TargetOptions

_MAX_ACCOUNTS_IN_HINT = 5
# A query with more keys is hard to paste.
_MAX_KEYS_IN_QUERY = 20


def next_steps(report: Report, *, target: TargetOptions) -> list[str]:
    """Return the next steps after an audit, an empty plan or an execution."""
    if report.task is Task.AUDIT:
        return _step_after_audit(report, target=target)
    if report.executed_plan is None:
        return _steps_after_empty_plan(report, target=target)
    backups = dict.fromkeys(
        item.backup
        for result in report.results
        for item in result.items
        # A restored policy's backup comes from an earlier run.
        if item.backup is not None and item.backup.startswith(f"backups/{report.run_id}/")
    )
    if backups:
        words = [word for backup in backups for word in ("--backup", backup)]
        return [f"To plan to restore what was removed: {target.command('plan', 'restore', *words)}"]
    if report.action is Action.ALLOW_RECOVERY:
        return _steps_after_recovery(report, target=target)
    if report.task is Task.DELETE_CREDENTIALS:
        return [f"Next, to look again: {audit_of_plan(report, target=target)}"]
    return []


def audit_of_plan(report: Report, *, target: TargetOptions) -> str:
    """Return the command that audits every account of the plan that an execution was to execute."""
    ids = [result.account_id for result in report.results]
    if len(ids) <= _MAX_ACCOUNTS_IN_HINT:
        return target.command("audit", "--account", ",".join(ids))
    plan = f"runs/{report.executed_plan}"
    return target.command("audit", "--from-report", plan, "--outcome", Outcome.PLANNED)


def key_use_steps(report: Report) -> list[str]:
    """Return how to find out who uses the access keys of a report that were used recently."""
    keys = dict.fromkeys(_keys_in_use(report))
    query = key_query(itertools.islice(keys, _MAX_KEYS_IN_QUERY))
    where = "in CloudWatch Logs Insights, on the log group of the organization's trail"
    return [f"To find out who uses the access keys, {where}: {query}"] if query else []


def _keys_in_use(report: Report) -> Iterator[str]:
    for result in report.results:
        for key in (result.credentials and result.credentials.access_keys) or ():
            if key.last_used_at and report.finished_at - key.last_used_at <= RECENT:
                yield key.access_key_id
        for item in result.items:
            if item.type is ItemType.ACCESS_KEY and item.outcome is Outcome.IN_USE and item.id:
                yield item.id


def _steps_after_recovery(report: Report, *, target: TargetOptions) -> list[str]:
    recovered = [result for result in report.results if result.outcome is Outcome.DONE]
    if not recovered:
        return []
    return [
        *(f"Next, for account {result.account_id}: {_forgot_password(result)}" for result in recovered),
        f"When the work is done, to plan deleting the credentials again: {_delete(recovered, target=target)}",
    ]


def _forgot_password(result: AccountResult) -> str:
    email = result.email or "the e-mail address of its root user"
    return f"on AWS's sign-in page, choose Forgot password for {email}."


def _delete(results: Iterable[AccountResult], *, target: TargetOptions) -> str:
    accounts = ",".join(result.account_id for result in results)
    return target.command("plan", "delete", "--account", accounts, "--include-in-use")


def _steps_after_empty_plan(report: Report, *, target: TargetOptions) -> list[str]:
    if report.action is Action.ALLOW_RECOVERY:
        having = [result for result in report.results if result.outcome is Outcome.NOTHING_TO_DO]
        return [
            *(
                f"Account {result.account_id} has a password. To replace it, {_forgot_password(result)}"
                for result in having
            ),
            *([f"To plan deleting it instead: {_delete(having, target=target)}"] if having else []),
        ]
    if Outcome.IN_USE not in report.totals:
        return []
    return [
        "Credentials in use are left out. Find out who uses them. Then plan them with --include-in-use, or "
        "plan again when they are no longer in use."
    ]


def _step_after_audit(report: Report, *, target: TargetOptions) -> list[str]:
    accounts = [result for result in report.results if result.outcome is Outcome.HAS_CREDENTIALS]
    if not accounts:
        return []
    ids = [result.account_id for result in accounts]
    words = ("--from-report", report.run_id)
    if len(ids) <= _MAX_ACCOUNTS_IN_HINT:
        words = ("--account", ",".join(ids))
    in_use = sum(is_all_in_use(result, at=report.finished_at) for result in accounts)
    if in_use == len(accounts):
        anyway = target.command("plan", "delete", *words, "--include-in-use")
        return [
            f"All credentials found were used in the last {RECENT.days} days, so a plan leaves them out. "
            f"Find out who uses them. Then, to plan them anyway: {anyway}"
        ]
    have = "account has" if in_use == 1 else "accounts have"
    in_use_only = (
        f"{in_use:,} {have} only credentials that were used in the last {RECENT.days} days: a plan leaves "
        "them out."
    )
    next_step = f"Next, to plan their deletion: {target.command('plan', 'delete', *words)}"
    return [in_use_only, next_step] if in_use else [next_step]
