"""The next steps after a run: one list, for the report, its page, the terminal and the notice. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from common.next_step import NextStep

from ..messages import NO_SUCH_BUCKET, NO_SUCH_QUEUE
from ..model.report_schema import ItemType, Outcome, Task
from .management_root_user import PROTECT_OWN
from .risk import RECENT, all_credentials, is_all_in_use, is_recent
from .summary import is_plan, minute

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from ..model.report_schema import AccountResult, Item, Report

# More accounts are named by their run.
MAX_NAMED = 5
_MAY_HAVE_CHANGED = (Outcome.UNKNOWN, Outcome.FAILED, Outcome.DONE)
_PLAN = "Plan what to delete"
# Keys of other principals are not of the type Root, and root sessions have temporary keys.
KEY_QUERY = (
    'fields eventTime | filter userIdentity.type = "Root" and userIdentity.accessKeyId like /^AKIA/'
    " | stats count(*) as calls, min(eventTime) as earliest, max(eventTime) as latest"
    " by userIdentity.accessKeyId, recipientAccountId, eventSource, eventName, sourceIPAddress, userAgent"
    " | sort calls desc"
)


def next_steps(report: Report, *, stored: bool = True) -> tuple[NextStep, ...]:
    """Return what to do after a run. Commands lack the options for the profile, the Region and the stack.

    Args:
        report: The report of the run.
        stored: Whether another command can read it, and take its accounts.
    """
    if report.task is Task.AUDIT:
        steps = _after_audit(report, stored=stored)
    elif is_plan(report) and Outcome.PLANNED in report.totals:
        steps = _after_plan(report)
    elif report.task is Task.RECOVER:
        steps = _after_recovery(report)
    elif is_plan(report):
        steps = _after_plan_of_nothing(report)
    elif report.task is Task.DELETE:
        steps = _to_look_again(report, *_MAY_HAVE_CHANGED)
    else:
        steps = _after_policies(report)
    return tuple(steps)


def approval_step(report: Report, *, report_sha256: str) -> NextStep | None:
    """Return how a second person approves a plan that can be executed; None for another report.

    Args:
        report: The report.
        report_sha256: The SHA-256 of its report.json, which cannot have it.
    """
    command = _command("execute", report.run_id, "--approved-report", report_sha256)
    is_executable = is_plan(report) and Outcome.PLANNED in report.totals and report.plan_expires_at
    if not is_executable:
        return None
    return NextStep(
        what="If a second person approves it, execute what that person has read", command=command
    )


def _after_audit(report: Report, *, stored: bool) -> Iterator[NextStep]:
    having = [result for result in report.results if result.outcome is Outcome.HAS_CREDENTIALS]
    # A plan skips what is protected.
    accounts = [result for result in having if not result.protected]
    yield from _to_find_users(report)
    in_use = sum(is_all_in_use(result, at=report.finished_at) for result in accounts)
    everything = bool(accounts) and in_use == len(accounts)
    what = _PLAN
    if everything:
        what = f"Once no one uses them, plan to delete them: all were used in the last {RECENT.days} days"
    elif in_use:
        what = f"{_PLAN}, except for what was used in the last {RECENT.days} days"
    options = ("--include-in-use",) if everything else ()
    everyone = ("--account", "all")
    yield from _of_accounts(
        report, what, ("plan", "delete", *options), accounts, stored=stored, everyone=everyone
    )
    denied = [result for result in report.results if result.outcome is Outcome.INACCESSIBLE]
    again = ("audit",) if stored else ("audit", "--from-here")
    yield from _of_accounts(
        report,
        "When the cause is fixed, audit the inaccessible accounts again",
        again,
        denied,
        outcomes=(Outcome.INACCESSIBLE,),
        stored=stored,
    )
    if any(result.email_outside for result in report.results):
        yield NextStep(
            what="Change the e-mail addresses of root users that are outside of the domains, or list their "
            "domains in root_email_domains."
        )
    if Outcome.UNPROTECTED in report.totals:
        yield NextStep(what=PROTECT_OWN)


def _after_plan(report: Report) -> Iterator[NextStep]:
    yield from _to_find_users(report)
    # Its run has no plan if it ended without a report.
    if report.plan_expires_at is not None:
        if report.totals[Outcome.PLANNED] > 1:
            see = "See what policies deny of this plan"
            yield NextStep(what=see, command=_command("preflight", "--from-report", report.run_id))
        what = f"Execute exactly this plan, until {minute(report.plan_expires_at)}"
        yield NextStep(what=what, command=_command("execute", report.run_id))


def _after_plan_of_nothing(report: Report) -> Iterator[NextStep]:
    yield from _to_find_users(report)
    if Outcome.IN_USE in report.totals:
        yield NextStep(
            what="Find out who uses what was left out. Then plan it with --include-in-use, or plan again "
            "when it is no longer in use."
        )


def _after_recovery(report: Report) -> Iterator[NextStep]:
    ended = (Outcome.DONE, Outcome.NOTHING_TO_DO)
    accounts = [result for result in report.results if result.outcome in ended]
    if accounts:
        where = (
            "the e-mail address in the account's row"
            if len(accounts) == 1
            else "the address in each row"
        )
        yield NextStep(what=f"On AWS's sign-in page, choose Forgot password for {where}.")
    yield from _of_accounts(
        report,
        "When the work is done, plan to delete the credentials again",
        ("plan", "delete", "--include-in-use"),
        accounts,
        outcomes=ended,
    )
    yield from _to_look_again(report, Outcome.UNKNOWN)


def _after_policies(report: Report) -> Iterator[NextStep]:
    for result in report.results:
        for item in result.items:
            # A policy can be backed up and stay.
            may_be_changed = item.outcome in (Outcome.DONE, Outcome.UNKNOWN)
            if item.backup is not None and may_be_changed:
                yield _to_give_back(result.account_id, item)
    if any(map(_may_be_planned_again, report.results)):
        # An audit reads no policies.
        yield NextStep(what="Plan the same again, to see what is left to do.")


def _may_be_planned_again(result: AccountResult) -> bool:
    """Return whether another plan could do what is not done in an account."""
    is_left = result.outcome in (Outcome.UNKNOWN, Outcome.FAILED, Outcome.SKIPPED)
    return is_left and result.reason not in (NO_SUCH_BUCKET, NO_SUCH_QUEUE)


def _to_give_back(account_id: str, item: Item) -> NextStep:
    """Return how a bucket or a queue gets the policy back that a run removed or replaced."""
    name, backup = item.id or "", item.backup or ""
    words = ["plan", Task.UNLOCK_QUEUE, "--queue", name]
    if item.type is ItemType.BUCKET_POLICY:
        words = ["plan", Task.UNLOCK_BUCKET, "--bucket", f"{account_id}:{name}"]
    return NextStep(
        what=f"If {name} needs its earlier policy again, plan to give it back",
        command=_command(*words, "--policy", backup),
    )


def _to_find_users(report: Report) -> Iterator[NextStep]:
    """Yield the query for who uses access keys, if some are in use."""
    if any(_has_key_in_use(result, at=report.finished_at) for result in report.results):
        where = "in CloudWatch Logs Insights, on the log group of the organization's trail"
        yield NextStep(what=f"Find out who uses the access keys, {where}", command=KEY_QUERY)


def _has_key_in_use(result: AccountResult, *, at: datetime) -> bool:
    has = all_credentials(result)
    keys = (has and has.access_keys) or ()
    return any(is_recent(key.last_used_at, at) for key in keys) or any(
        item.type is ItemType.ACCESS_KEY and item.outcome is Outcome.IN_USE for item in result.items
    )


def _to_look_again(report: Report, *outcomes: Outcome) -> Iterator[NextStep]:
    """Yield the audit of the accounts with certain outcomes, if there are any."""
    accounts = [result for result in report.results if result.outcome in outcomes]
    yield from _of_accounts(report, "Audit again", ("audit",), accounts, outcomes=outcomes)


def _of_accounts(
    report: Report,
    what: str,
    command: Sequence[str],
    accounts: Sequence[AccountResult],
    *,
    outcomes: Sequence[Outcome] = (),
    stored: bool = True,
    everyone: Sequence[str] = (),
) -> Iterator[NextStep]:
    """Yield a command about accounts, if there are any: a few by their IDs, many by their outcomes.

    Many of a full audit that is not stored are not named: the command is about every account.
    """
    if not accounts:
        return
    named = ["--account", ",".join(result.account_id for result in accounts)]
    if stored and len(accounts) > MAX_NAMED:
        run = report.run_id if report.executed_plan is None else f"executions/{report.run_id}"
        options = (word for outcome in outcomes for word in ("--outcome", outcome.option))
        named = ["--from-report", run, *options]
    elif report.full and len(accounts) > MAX_NAMED:
        named = [*everyone]
    yield NextStep(what=what, command=_command(*command, *named))


def _command(*words: str) -> str:
    return shlex.join(["centralized-root-access", *words])
