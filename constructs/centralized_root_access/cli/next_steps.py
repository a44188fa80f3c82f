"""What one would do after a run, as commands to paste. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from root_tasks.model.report import Action, Outcome, Task
from root_tasks.report.risk import RECENT, is_all_in_use

if TYPE_CHECKING:
    from root_tasks.model.report import Report

    from .target import TargetOptions

_MAX_ACCOUNTS_IN_HINT = 5


def next_steps(report: Report, *, target: TargetOptions) -> list[str]:
    """Return what one would do after an audit or an execution, as commands to paste."""
    if report.task is Task.AUDIT:
        return _step_after_audit(report, target=target)
    if report.executed_plan is None:
        return _step_after_empty_plan(report)
    backups = dict.fromkeys(
        item.backup
        for result in report.results
        for item in result.items
        # Of a policy that was restored, the backup is of an earlier run.
        if item.backup is not None and item.backup.startswith(f"backups/{report.run_id}/")
    )
    if backups:
        words = [word for backup in backups for word in ("--backup", backup)]
        return [f"To plan to restore what was removed: {target.command('plan', 'restore', *words)}"]
    if report.action is Action.ALLOW_RECOVERY:
        return _steps_after_recovery(report, target=target)
    if report.task is Task.DELETE_CREDENTIALS:
        return [f"Next, to look again: {target.command('audit')}"]
    return []


def _steps_after_recovery(report: Report, *, target: TargetOptions) -> list[str]:
    recovered = [result for result in report.results if result.outcome is Outcome.DONE]
    if not recovered:
        return []
    accounts = ",".join(result.account_id for result in recovered)
    delete = target.command("plan", "delete", "--account", accounts, "--include-in-use")
    return [
        *(
            f"Next, for account {result.account_id}: on AWS's sign-in page, choose Forgot password for "
            f"{result.email or 'the e-mail address of its root user'}."
            for result in recovered
        ),
        f"When the work is done, to plan deleting the credentials again: {delete}",
    ]


def _step_after_empty_plan(report: Report) -> list[str]:
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
