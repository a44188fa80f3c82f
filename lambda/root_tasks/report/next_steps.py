"""The next steps after a run, for its report, its page, the terminal and the notice. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from common.next_step import NextStep

from ..messages import HOW_TO_DEPLOY, NO_SUCH_BUCKET, NO_SUCH_QUEUE, quantity
from ..model.report_schema import (
    DEFAULT_UNUSED_FOR_DAYS,
    AccountResult,
    Item,
    ItemType,
    Outcome,
    Report,
    Task,
)
from .accepted import is_accepted_in_part
from .facts import executable_until, has_outcome, is_plan
from .management_root_user import PROTECT_OWN
from .risk import all_credentials, is_recent
from .words import minute

# A command names no more accounts one by one.
_MAX_NAMED = 5
# After an audit from a person's machine.
_DEPLOY = (
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
        what="If a second person approves the plan, execute what that person has read",
        command=_command("execute", report.run_id, "--approved-report", report_sha256),
    )


def _after_audit(report: Report, *, stored: bool) -> Iterator[NextStep]:
    """Yield what to do about what an audit has found, the riskiest first."""
    # No policy limits this root user.
    if Outcome.UNPROTECTED in report.totals:
        yield NextStep(what=PROTECT_OWN)

    # A plan skips protected accounts. It decides what is in use and leaves that out, too: then its
    # own next step says how to plan that.
    having = _results_with(report, Outcome.HAS_CREDENTIALS)
    to_plan = [result for result in having if not result.protected]
    if to_plan:
        # Without an outcome, the command takes the accounts of a report that have credentials.
        many = ["--from-report", report.run_id]
        if not stored:
            yield NextStep(what=_DEPLOY)
            many = ["--account", "all"]
        options = _account_options(report, to_plan, many=many, stored=stored)
        # A plan that names an account lists what is accepted in it, too.
        if stored and any(map(is_accepted_in_part, to_plan)):
            options = many
        yield NextStep(what="Plan what to delete", command=_command("plan", "delete", *options))
    protected = len(having) - len(to_plan)
    if protected:
        protected_accounts = quantity(protected, "protected account")
        yield NextStep(
            what=f"To delete the root credentials of {protected_accounts}, take the accounts out "
            "of protected_accounts and deploy RootTasks. If they are to stay, list them in "
            "accepted_credentials."
        )

    # Then what it could not read, and what is wrong besides credentials.
    inaccessible = _results_with(report, Outcome.INACCESSIBLE)
    if inaccessible:
        audit = ["audit"]
        many = ["--from-report", report.run_id, "--outcome", Outcome.INACCESSIBLE.option]
        if not stored:
            audit = ["audit", "--from-here"]
            # Without an option, that is an audit of every account.
            many = []
        options = _account_options(report, inaccessible, many=many, stored=stored)
        yield NextStep(
            what="When the cause is fixed, audit the inaccessible accounts again",
            command=_command(*audit, *options),
        )
    yield from _query_for_key_users(report)


def _after_plan(report: Report, *, until: datetime) -> Iterator[NextStep]:
    """Yield how to execute a plan, and what to look at before."""
    # For one account, the execution tells as much.
    if report.totals[Outcome.PLANNED] > 1:
        see = "See what policies deny of this plan"
        yield NextStep(what=see, command=_command("preflight", "--from-report", report.run_id))
    what = f"Execute exactly this plan, until {minute(until)}"
    yield NextStep(what=what, command=_command("execute", report.run_id))
    yield from _query_for_key_users(report)


def _after_plan_of_nothing(report: Report) -> Iterator[NextStep]:
    """Yield how to plan what a plan could not read or left out as in use, if it lists nothing."""
    inaccessible = _results_with(report, Outcome.INACCESSIBLE)
    if inaccessible:
        yield _plan_of_inaccessible(report, inaccessible)
    in_use = sum(has_outcome(report, result, Outcome.IN_USE) for result in report.results)
    if in_use:
        accounts = quantity(in_use, "account")
        options = ["--from-report", report.run_id, "--outcome", Outcome.IN_USE.option]
        options += ["--include-in-use", *_type_options(report)]
        yield NextStep(
            what=f"Once no one uses what the plan left out as in use, in {accounts}, plan it, too",
            command=_command("plan", "delete", *options),
        )
    yield from _query_for_key_users(report)


def _plan_of_inaccessible(report: Report, results: Sequence[AccountResult]) -> NextStep:
    """Return how to plan again for accounts that a plan could not read."""
    when = "When the cause is fixed"
    # The commands of other tasks need more than a report has.
    if report.task is not Task.DELETE:
        return NextStep(what=f"{when}, plan the same again.")
    many = ["--from-report", report.run_id, "--outcome", Outcome.INACCESSIBLE.option]
    accounts = _account_options(report, results, many=many, stored=True)
    selected = _type_options(report) + _use_options(report)
    command = _command("plan", "delete", *accounts, *selected)
    return NextStep(what=f"{when}, plan again", command=command)


def _type_options(report: Report) -> list[str]:
    """Return the options that select the types of credentials that a plan has selected."""
    options = []
    if report.selection is not None:
        for type_ in report.selection.credential_types:
            options += ["--credential-type", type_.option]
    return options


def _use_options(report: Report) -> list[str]:
    """Return the option that takes the same credentials for unused as a plan; none by default."""
    if report.selection is None:
        return []
    days = report.selection.unused_for_days
    if days is None:
        return ["--include-in-use"]
    if days == DEFAULT_UNUSED_FOR_DAYS:
        return []
    return ["--unused-for-days", str(days)]


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
        if 0 < len(accounts) <= _MAX_NAMED:
            options = ["--account", ",".join(accounts)]
    return NextStep(what="Audit again", command=_command("audit", *options))


def _after_recovery(report: Report) -> Iterator[NextStep]:
    """Yield how to set a password where that is allowed now, and how to delete it afterwards."""
    accounts = _results_with(report, Outcome.DONE, Outcome.NOTHING_TO_DO)
    if accounts:
        # AWS then sends a message to this address, by which the password is set.
        address = "the address in each row"
        if len(accounts) == 1:
            address = "the e-mail address in the account's row"
        yield NextStep(what=f"On AWS's sign-in page, choose Forgot password for {address}.")
        when = "When the work is done"
        if report.until is not None:
            when += f", by {minute(report.until)}"
        # The accounts are named: until the recovery ends its password is accepted, and a plan
        # leaves accepted credentials out unless it names the account.
        named_accounts = _ids_option(accounts)
        yield NextStep(
            what=f"{when}, plan to delete the credentials again",
            command=_command("plan", "delete", "--include-in-use", *named_accounts),
        )
    unknown = _results_with(report, Outcome.UNKNOWN)
    if unknown:
        yield NextStep(what="Audit again", command=_command("audit", *_ids_option(unknown)))


def _after_policies(report: Report) -> Iterator[NextStep]:
    """Yield how each changed policy is given back, and how to see what is left to do."""
    for result in report.results:
        for item in result.items:
            # A backup alone does not mean that the policy was changed.
            may_be_changed = item.outcome in (Outcome.DONE, Outcome.UNKNOWN)
            if item.backup is not None and may_be_changed:
                yield _plan_to_give_back(result.account_id, item)
    if any(map(_may_be_planned_again, report.results)):
        # An audit would not tell: it reads no policies of buckets and queues.
        yield NextStep(what="Plan the same again, to see what is left to do.")


def _may_be_planned_again(result: AccountResult) -> bool:
    """Return whether another plan could do what is not done in an account."""
    is_left = result.outcome in (Outcome.UNKNOWN, Outcome.FAILED, Outcome.SKIPPED)
    return is_left and result.reason not in (NO_SUCH_BUCKET, NO_SUCH_QUEUE)


def _plan_to_give_back(account_id: str, item: Item) -> NextStep:
    """Return the plan by which a bucket or a queue gets back the policy that a run took from it."""
    name, backup = item.id or "", item.backup or ""
    words = ["plan", Task.UNLOCK_QUEUE, "--queue", name]
    if item.type is ItemType.BUCKET_POLICY:
        words = ["plan", Task.UNLOCK_BUCKET, "--bucket", f"{account_id}:{name}"]
    return NextStep(
        what=f"If {name} needs its policy from before this run again, plan to give it back",
        command=_command(*words, "--policy", backup),
    )


def _query_for_key_users(report: Report) -> Iterator[NextStep]:
    """Yield the query for who uses access keys, if some are in use."""
    if any(_has_key_in_use(result, at=report.finished_at) for result in report.results):
        where = "in CloudWatch Logs Insights, on the log group of the organization's trail"
        yield NextStep(what=f"Find out who uses the access keys, {where}", command=KEY_QUERY)


def _has_key_in_use(result: AccountResult, *, at: datetime) -> bool:
    """Return whether an access key of an account was used recently, or a plan says it is in use.

    Those that are accepted do not count: who uses them is known.

    Args:
        result: The result of the account.
        at: The end of the run.
    """
    if result.outcome is Outcome.ACCEPTED:
        return False
    items = [
        item for item in result.items if not item.accepted and item.outcome is not Outcome.ACCEPTED
    ]
    if any(item.type is ItemType.ACCESS_KEY and item.outcome is Outcome.IN_USE for item in items):
        return True
    has = all_credentials(replace(result, items=tuple(items)))
    if has is None or has.access_keys is None:
        return False
    return any(is_recent(key.last_used_at, at) for key in has.access_keys)


def _results_with(report: Report, *outcomes: Outcome) -> list[AccountResult]:
    """Return the results of the accounts that have one of some outcomes."""
    return [result for result in report.results if result.outcome in outcomes]


def _account_options(
    report: Report, results: Sequence[AccountResult], *, many: Sequence[str], stored: bool
) -> Sequence[str]:
    """Return the options of a command that is about some accounts of a report.

    Args:
        report: The report.
        results: The accounts.
        many: The options for more of them than are named one by one.
        stored: Whether another command can read the report. If it cannot, only an audit of every
            account has options for many.
    """
    if len(results) > _MAX_NAMED and (stored or report.full):
        return many
    return _ids_option(results)


def _ids_option(results: Iterable[AccountResult]) -> Sequence[str]:
    """Return the option that names accounts by their IDs."""
    return ["--account", ",".join(result.account_id for result in results)]


def _command(*words: str) -> str:
    """Return a command of this library as a shell takes it, quoted where that is needed."""
    return shlex.join(["centralized-root-access", *words])
