"""The next steps after a run, for its report, its page, the terminal and the notice. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime

from common.next_step import NextStep

from ..messages import HOW_TO_DEPLOY, NO_SUCH_BUCKET, NO_SUCH_QUEUE, quantity
from ..model.report_schema import AccountResult, Item, ItemType, Outcome, Report, Task
from .management_root_user import PROTECT_OWN
from .risk import all_credentials, is_recent
from .summary import executable_until, has_outcome, is_plan, minute

# More accounts are named by their run.
MAX_NAMED = 5
# After an audit from a person's machine.
DEPLOY = (
    "To delete root credentials, deploy RootTasks with RootTask.DELETE, if it is not deployed yet. "
    f"{HOW_TO_DEPLOY}"
)
# Keys of other principals are not of the type Root, and root sessions have temporary keys.
KEY_QUERY = (
    'fields eventTime | filter userIdentity.type = "Root" and userIdentity.accessKeyId like /^AKIA/'
    " | stats count(*) as calls, min(eventTime) as earliest, max(eventTime) as latest by "
    "userIdentity.accessKeyId, recipientAccountId, eventSource, eventName, sourceIPAddress, "
    "userAgent | sort calls desc"
)


def next_steps(report: Report, *, stored: bool = True) -> tuple[NextStep, ...]:
    """Return what to do after a run.

    Commands lack the options for the profile, the Region and the stack.

    For example, an audit that found a password leads to `plan delete --account 222222222222`.

    Args:
        report: The report of the run.
        stored: Whether another command can read it, and take its accounts. That of an audit from a
            person's machine is not.
    """
    if report.task is Task.AUDIT:
        return tuple(_after_audit(report, stored=stored))
    until = executable_until(report)
    if until is not None:
        return tuple(_after_plan(report, until=until))
    if report.task is Task.RECOVER:
        return tuple(_after_recovery(report))
    if is_plan(report):
        return tuple(_after_plan_of_nothing(report))
    if report.task is Task.DELETE:
        return (_after_deletion(report),)
    return tuple(_after_policies(report))


def approval_step(report: Report, *, report_sha256: str) -> NextStep | None:
    """Return how a second person approves a plan that can be executed; None for another report.

    Args:
        report: The report.
        report_sha256: The SHA-256 of its report.json, which cannot have it.
    """
    if executable_until(report) is None:
        return None
    return NextStep(
        what="If a second person approves it, execute what that person has read",
        command=_command("execute", report.run_id, "--approved-report", report_sha256),
    )


def _after_audit(report: Report, *, stored: bool) -> Iterator[NextStep]:
    yield from _to_find_users(report)

    # A plan skips what is protected.
    having = _accounts(report, Outcome.HAS_CREDENTIALS)
    accounts = [result for result in having if not result.protected]
    if accounts:
        if not stored:
            yield NextStep(what=DEPLOY)
        # The plan decides what is in use and leaves that out. Its next step says how to plan it.
        # Without an outcome, the command takes the accounts of a report that have credentials.
        named = _naming(report, accounts)
        if not stored:
            named = _naming_from_here(report, accounts, everyone=["--account", "all"])
        yield NextStep(what="Plan what to delete", command=_command("plan", "delete", *named))
    protected = len(having) - len(accounts)
    if protected:
        protected_accounts = quantity(protected, "protected account")
        yield NextStep(
            what=f"To delete the root credentials of {protected_accounts}, take the accounts out "
            "of protected_accounts and deploy RootTasks. If they are to stay, list them in "
            "accepted_credentials."
        )

    # Then what it could not read, and what is wrong besides credentials.
    inaccessible = _accounts(report, Outcome.INACCESSIBLE)
    if inaccessible:
        named = _naming(report, inaccessible, Outcome.INACCESSIBLE)
        if not stored:
            named = ["--from-here", *_naming_from_here(report, inaccessible, everyone=[])]
        yield NextStep(
            what="When the cause is fixed, audit the inaccessible accounts again",
            command=_command("audit", *named),
        )
    if any(result.email_outside for result in report.results):
        yield NextStep(
            what="Change the e-mail addresses of root users that are outside of the domains, or "
            "list their domains in root_email_domains."
        )
    if Outcome.UNPROTECTED in report.totals:
        yield NextStep(what=PROTECT_OWN)


def _after_plan(report: Report, *, until: datetime) -> Iterator[NextStep]:
    yield from _to_find_users(report)
    # For one account, the execution tells as much.
    if report.totals[Outcome.PLANNED] > 1:
        see = "See what policies deny of this plan"
        yield NextStep(what=see, command=_command("preflight", "--from-report", report.run_id))
    what = f"Execute exactly this plan, until {minute(until)}"
    yield NextStep(what=what, command=_command("execute", report.run_id))


def _after_plan_of_nothing(report: Report) -> Iterator[NextStep]:
    yield from _to_find_users(report)
    in_use = sum(has_outcome(report, result, Outcome.IN_USE) for result in report.results)
    if in_use:
        accounts = quantity(in_use, "account")
        outcome = ["--outcome", Outcome.IN_USE.option, "--include-in-use"]
        yield NextStep(
            what=f"Once no one uses what the plan left out as in use, in {accounts}, plan it, too",
            command=_command("plan", "delete", "--from-report", report.run_id, *outcome),
        )


def _after_deletion(report: Report) -> NextStep:
    """Return the audit of what the plan was about.

    The plan may have left out some of it, as in use, inaccessible or protected. The execution has
    no rows for that, and an audit says what to do about each. It is of every account, unless a
    person named a few.
    """
    selection = report.selection
    options: list[str] = []
    if selection is not None and not selection.organizational_units:
        accounts = selection.named_accounts
        if 0 < len(accounts) <= MAX_NAMED:
            options = ["--account", ",".join(accounts)]
    return NextStep(what="Audit again", command=_command("audit", *options))


def _after_recovery(report: Report) -> Iterator[NextStep]:
    ended = (Outcome.DONE, Outcome.NOTHING_TO_DO)
    accounts = _accounts(report, *ended)
    # AWS sends the message with which a password is set to the root user.
    if accounts:
        where = "the address in each row"
        if len(accounts) == 1:
            where = "the e-mail address in the account's row"
        yield NextStep(what=f"On AWS's sign-in page, choose Forgot password for {where}.")
        when = "When the work is done"
        if report.until is not None:
            when += f", by {minute(report.until)}"
        # The accounts are named: until the recovery ends its password is accepted, and a plan
        # leaves accepted credentials out unless it names the account.
        named = _account_option(accounts)
        yield NextStep(
            what=f"{when}, plan to delete the credentials again",
            command=_command("plan", "delete", "--include-in-use", *named),
        )
    unknown = _accounts(report, Outcome.UNKNOWN)
    if unknown:
        yield NextStep(what="Audit again", command=_command("audit", *_account_option(unknown)))


def _after_policies(report: Report) -> Iterator[NextStep]:
    for result in report.results:
        for item in result.items:
            # A backup alone does not mean that the policy was changed.
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
    if any(
        item.type is ItemType.ACCESS_KEY and item.outcome is Outcome.IN_USE for item in result.items
    ):
        return True
    has = all_credentials(result)
    if has is None or has.access_keys is None:
        return False
    return any(is_recent(key.last_used_at, at) for key in has.access_keys)


def _accounts(report: Report, *outcomes: Outcome) -> list[AccountResult]:
    return [result for result in report.results if result.outcome in outcomes]


def _naming(report: Report, accounts: Sequence[AccountResult], *outcomes: Outcome) -> Sequence[str]:
    """Return the options that name accounts: a few by their IDs, many by their outcomes."""
    if len(accounts) <= MAX_NAMED:
        return _account_option(accounts)
    options = ["--from-report", report.run_id]
    for outcome in outcomes:
        options += ["--outcome", outcome.option]
    return options


def _naming_from_here(
    report: Report, accounts: Sequence[AccountResult], *, everyone: Sequence[str]
) -> Sequence[str]:
    """Return the options that name accounts of a report that no command can read.

    Many of a full audit are not named: the command is then about every account.
    """
    if report.full and len(accounts) > MAX_NAMED:
        return everyone
    return _account_option(accounts)


def _account_option(accounts: Sequence[AccountResult]) -> Sequence[str]:
    return ["--account", ",".join(result.account_id for result in accounts)]


def _command(*words: str) -> str:
    return shlex.join(["centralized-root-access", *words])
