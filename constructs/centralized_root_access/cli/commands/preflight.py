"""The preflight command: which root tasks the organization's policies deny, and how to fix it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scp.task import Task

from ..errors import ExitCode, failures_as
from ..options import CSV, JSON, TABLE, account_options, caller_options, format_option, repeatable_option
from ..terminal import print_note, waiting_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.table import Table
    from rich.text import Text

    from root_tasks.policies.fixes import StatementFix
    from root_tasks.policies.verdicts import AccountVerdict, DenialCause
    from scp.evaluate import Cause

    from ..policy_survey import Survey
    from ..target import TargetOptions

_MAX_ROWS = 200
# A line that stands for many accounts names so many of their units.
_MAX_UNITS = 3
_STYLES = {"denied": "bold red", "partly": "red", "unknown": "yellow"}
_COLUMNS = (
    "accountId", "name", "organizationalUnit", "task", "result", "session", "policyType", "policyId",
    "policyName", "statement", "attachedToId", "attachedToName", "calls", "undecided",
)  # fmt: skip


def _role_arn(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and re.fullmatch(r"arn:[a-z-]+:iam::\d{12}:role/.+", value) is None:
        raise click.BadParameter("write the ARN of a role, with its path.", context, parameter)
    return value


@click.command(short_help="Show which root tasks policies deny, and what would allow them.")
@click.option(
    "--task",
    "tasks",
    multiple=True,
    type=click.Choice([task.command for task in Task]),
    help="Check this task. Repeatable. Default: every task.",
)
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Show what this policy, which is not there yet, would deny that is not denied today.",
)
@repeatable_option(
    "target",
    metavar="TARGET",
    help="With --policy: the root, unit (ID or name) or account to attach it to. Repeatable.",
)
@click.option(
    "--replaces", metavar="POLICY", help="With --policy: the policy of which it is the new document."
)
@click.option(
    "--session-role",
    metavar="ARN",
    callback=_role_arn,
    help="The role that opens root sessions, if policies name such roles.",
)
@account_options(all_accounts=False)
@format_option(TABLE, JSON, CSV)
@caller_options
def preflight(
    *,
    tasks: tuple[str, ...],
    policy_file: Path | None,
    targets: tuple[str, ...],
    replaces: str | None,
    session_role: str | None,
    accounts: tuple[str, ...],
    organizational_units: tuple[str, ...],
    format_: str,
    target: TargetOptions,
) -> ExitCode:
    """Show which root tasks service control policies and resource control policies deny.

    It needs no deployment, opens no root session, and changes nothing. The credentials must be of the
    management account, or of a delegated administrator. Use --region
    for the Region that RootTasks is in, or will be: policies may name it.

    Exit code: 0 nothing is denied; 1 a task is denied, or a part of one; 2 nothing is, but a policy could not
    be read, an account that was named was skipped, or none was checked.
    """
    if policy_file is None:
        if targets or replaces:
            raise click.UsageError("--target and --replaces need --policy.")
    elif bool(targets) is bool(replaces):
        raise click.UsageError("--policy needs --target or --replaces: where it would be.")
    with failures_as("Unable to check the policies", as_json=format_ == JSON):
        with waiting_line("Reading the credentials ..."):
            from root_tasks.policies.verdicts import TaskResult
            from root_tasks.run.accounts import Selection

            from ..aws import find_caller
            from ..policy_change import read_change
            from ..policy_survey import survey
            from ..screen import progress_bar

            change = (
                None
                if policy_file is None
                else read_change(policy_file, target_ids=targets, replaced_id=replaces)
            )
            caller = find_caller(target)
        with progress_bar("preflight") as update:
            found = survey(
                caller,
                tasks=tuple(task for task in Task if not tasks or task.command in tasks),
                selection=Selection(
                    all_accounts=not accounts and not organizational_units,
                    organizational_units=organizational_units,
                    account_ids=frozenset(accounts),
                ),
                change=change,
                session_role=session_role,
                show=update,
            )
        if format_ == JSON:
            click.echo(_to_json(found))
        elif format_ == CSV:
            click.echo(_to_csv(found), nl=False)
        else:
            _show(found)
        print_note(*(f"Account {id_} was skipped. {reason}" for id_, reason in found.skipped.items()))
        if found.count(TaskResult.DENIED) or found.count(TaskResult.PARTLY):
            return ExitCode.NOT_AS_WANTED
        looked = found.accounts or found.change
        complete = looked and not found.skipped and not found.has_unread_policies
        return ExitCode.AS_WANTED if complete else ExitCode.NO_RESULT


# As a table


def _show(found: Survey) -> None:
    from .. import screen

    lines: list[Table | Text] = []
    for rows in _rows(found):
        lines += [rows, screen.safe_text()]
    for fix in found.fixes:
        lines += [*map(screen.whole_line, _fix_lines(fix)), screen.safe_text()]
    for sentence in _root_user_sentences(found):
        lines += [screen.safe_text(sentence, "yellow"), screen.safe_text()]
    screen.show_lines([*lines, screen.safe_text(_summary(found), "bold")])


def _rows(found: Survey) -> Iterator[Table | Text]:
    from .. import screen

    table = screen.new_table("result", "account", "name", "tasks", "policy", "attached to")
    rows = list(_group_rows(found) if sys.stdout.isatty() else _account_rows(found))
    for result, *cells in rows[:_MAX_ROWS]:
        table.add_row(screen.safe_text(result, _STYLES.get(result, "")), *map(screen.safe_text, cells))
    if table.row_count:
        yield table
    if len(rows) > _MAX_ROWS:
        left = len(rows) - _MAX_ROWS
        yield screen.safe_text(f"{left:,} more rows: --format csv and --format json have all of them.")


def _account_rows(found: Survey) -> Iterator[tuple[str, ...]]:
    """Yield a row for each account and each reason, the worst first."""
    for account in sorted(found.accounts, key=_severity):
        of_account = (account.account.account_id, account.account.name or "")
        for row in _reasons(account, found):
            yield (row[0], *of_account, *row[1:])


def _group_rows(found: Survey) -> Iterator[tuple[str, ...]]:
    """Yield the rows of accounts once for all accounts that have the same."""
    from root_tasks.messages import quantity

    groups: dict[tuple[tuple[str, ...], ...], list[AccountVerdict]] = {}
    for account in sorted(found.accounts, key=_severity):
        groups.setdefault(tuple(_reasons(account, found)), []).append(account)
    for rows, accounts in groups.items():
        first = accounts[0].account
        of_accounts = (first.account_id, first.name or "")
        if len(accounts) > 1:
            units = sorted({account.account.organizational_unit or "" for account in accounts})
            left = len(units) - _MAX_UNITS
            more = [f"{quantity(left, 'more unit')}"] if left > 0 else []
            of_accounts = (quantity(len(accounts), "account"), ", ".join([*units[:_MAX_UNITS], *more]))
        for place, row in enumerate(rows):
            yield (row[0], *(of_accounts if place == 0 else ("", "")), *row[1:])


def _severity(account: AccountVerdict) -> int:
    from root_tasks.policies.verdicts import TaskResult

    return [*TaskResult].index(account.result)


def _reasons(account: AccountVerdict, found: Survey) -> Iterator[tuple[str, ...]]:
    """Yield the result, the tasks, the policy and its place for each reason."""
    from root_tasks.policies.verdicts import TaskResult, worst
    from scp.calls import ASSUME_ROOT

    results = {task.task: task.result for task in account.tasks}
    for reason in account.causes:
        result = worst(results[task] for task in reason.tasks)
        names_calls = result is TaskResult.PARTLY or ASSUME_ROOT in reason.calls
        yield (
            result,
            _tasks(reason.tasks, of=found.tasks),
            _policy(reason.cause)
            + _condition(reason.cause)
            + (f": {', '.join(reason.calls)}" if names_calls else ""),
            _place(reason.cause),
        )


def _tasks(tasks: Sequence[Task], *, of: Sequence[Task]) -> str:
    if len(tasks) == len(of) > 1:
        return "all"
    return ", ".join(task.command for task in tasks)


def _policy(cause: Cause) -> str:
    if cause.policy is None:
        return f"no {_type(cause)} allows it"
    if cause.statement is None:
        return cause.policy.problem
    statement = cause.statement.sid or f"statement {cause.statement.number}"
    return f"{cause.policy.name} ({cause.policy.policy_id}), {statement}"


def _type(cause: Cause) -> str:
    return cause.policy_type.lower().replace("_", " ")


def _condition(cause: Cause) -> str:
    from scp.evaluate import Reason

    if cause.reason is Reason.UNCONFIRMED:
        return f": {cause.reason}"
    return f": depends on {'; '.join(_open_conditions(cause))}" if cause.undecided else ""


def _open_conditions(cause: Cause) -> list[str]:
    """Return the parts of a statement that could not be decided."""
    return [f"{undecided.part} {', '.join(undecided.values[:3])}" for undecided in cause.undecided]


def _place(cause: Cause) -> str:
    level = cause.level
    return f"{level.name} ({level.target_id})" if level.name else level.target_id


def _fix_lines(fix: StatementFix) -> Iterator[str]:
    from root_tasks.messages import quantity

    cause = fix.denial.cause
    accounts = quantity(len(fix.account_ids), "account")
    if fix.statement is None:
        where = f"a {_type(cause)} attached to {_place(cause)}"
        yield f"To allow root sessions in {accounts}, add this statement to {where}:"
        yield from _json_lines(fix.suggested)
        return
    yield f"{_policy(cause)}, denies root sessions in {accounts}:"
    yield from _json_lines(fix.statement)
    if fix.suggested is None:
        yield "It denies root sessions on purpose. Detach the policy from these accounts, or exempt them."
        return
    yield "To exempt root sessions, change it to:"
    yield from _json_lines(fix.suggested)


def _root_user_sentences(found: Survey) -> Iterator[str]:
    """Yield where a recovered root user could do nothing, and by which policy; once for each place."""
    from root_tasks.messages import quantity
    from root_tasks.policies.sentences import denial_cause

    by_place: dict[object, list[Cause]] = {}
    for account in found.accounts:
        for cause in account.root_user_denials:
            by_place.setdefault(cause.place, []).append(cause)
    for causes in by_place.values():
        denied = denial_cause(causes[0], action="every action of the root user itself")
        yield (
            f"In {quantity(len(causes), 'account')} recovery is not denied, but the recovered root user "
            f"could do nothing. {denied}"
        )


def _json_lines(statement: object) -> list[str]:
    import json

    return [f"  {line}" for line in json.dumps(statement, indent=2, ensure_ascii=False).splitlines()]


def _summary(found: Survey) -> str:
    from root_tasks.messages import quantity
    from root_tasks.policies.verdicts import TaskResult

    counts = {result: count for result in TaskResult if (count := found.count(result))}
    text = ""
    if found.change is not None:
        denied = [counts.pop(result, 0) for result in (TaskResult.DENIED, TaskResult.PARTLY)]
        becoming = [
            f"{quantity(count, 'account')} would become {words}"
            for count, words in zip(denied, ("denied", "partly denied"), strict=True)
            if count
        ]
        text = f"With {found.change.policy.name}, {', '.join(becoming) or 'nothing more is denied'}."
    listed = ", ".join(f"{result}: {quantity(count, 'account')}" for result, count in counts.items())
    if listed or not text:
        listed = listed or "no account to check"
        text += f" {listed[0].upper()}{listed[1:]}."
    if not found.enabled_types:
        text += " Service control policies and resource control policies are disabled."
    if found.has_unread_policies:
        text += " Not every policy could be read."
    return text.strip()


# For programs


def _to_json(found: Survey) -> str:
    import json

    return json.dumps(
        {
            "organizationId": found.organization_id,
            "tasks": found.tasks,
            "enabledPolicyTypes": found.enabled_types,
            "change": found.change
            and {
                "policyType": found.change.policy_type,
                "targetIds": found.change.target_ids,
                "replacedPolicyId": found.change.replaced_id,
            },
            "accounts": [
                {
                    "accountId": checked.account.account_id,
                    "name": checked.account.name,
                    "organizationalUnit": checked.account.organizational_unit,
                    "result": checked.result,
                    "session": checked.session,
                    "tasks": {task.task: task.result for task in checked.tasks},
                    "findings": [_finding(cause) for cause in checked.causes],
                    "rootUserDenials": [_cause(cause) for cause in checked.root_user_denials],
                }
                for checked in found.accounts
            ],
            "changes": [
                {
                    **_cause(fix.denial.cause),
                    "accountIds": fix.account_ids,
                    "current": fix.statement,
                    "suggested": fix.suggested,
                }
                for fix in found.fixes
            ],
        }
    )


def _finding(denial: DenialCause) -> dict[str, Any]:
    return {
        "result": denial.decision,
        **_cause(denial.cause),
        "tasks": denial.tasks,
        "calls": denial.calls,
        "undecided": _open_conditions(denial.cause),
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "reason": cause.reason,
        "policyType": cause.policy_type,
        "policyId": cause.policy.policy_id if cause.policy else None,
        "policyName": cause.policy.name if cause.policy else None,
        "statement": cause.statement.number if cause.statement else None,
        "sid": cause.statement.sid or None if cause.statement else None,
        "attachedToId": cause.level.target_id,
        "attachedToName": cause.level.name,
    }


def _to_csv(found: Survey) -> str:
    from root_tasks.report.render import csv_table

    return csv_table(_COLUMNS, (row for account in found.accounts for row in _csv_rows(account)))


def _csv_rows(account: AccountVerdict) -> Iterator[tuple[object, ...]]:
    """Yield a row for each task and each statement that denies or may deny it."""
    of_account = (account.account.account_id, account.account.name, account.account.organizational_unit)
    for task in account.tasks:
        row = (*of_account, task.task, task.result, task.session)
        denials = [denial for denial in account.causes if task.task in denial.tasks]
        if not denials:
            yield (*row, *([None] * (len(_COLUMNS) - len(row))))
        for denial in denials:
            about = _finding(denial)
            about["statement"] = about["sid"] or about["statement"]
            about["calls"] = " ".join(denial.calls)
            about["undecided"] = "; ".join(about["undecided"])
            yield (*row, *(about[name] for name in _COLUMNS[len(row) :]))
