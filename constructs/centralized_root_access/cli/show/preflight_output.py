"""The output of the pre-flight: a table for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from root_tasks.messages import quantity
from root_tasks.model.task import ASSUME_ROOT

from ...preflight.evaluate import Cause, Reason
from ...preflight.fixes import StatementFix
from ...preflight.organization_verdict import OrganizationVerdict
from ...preflight.verdicts import WORST_FIRST, AccountVerdict, DenialCause, TaskResult
from ..base.terminal import console
from . import screen

if TYPE_CHECKING:
    from rich.text import Text

# Blanks between two columns.
_GAP = 2
# A line that stands for many accounts names so many of their units.
_MAX_UNITS = 3
_STYLES = {
    TaskResult.DENIED: "bold red",
    TaskResult.PARTLY: "red",
    TaskResult.UNKNOWN: "yellow",
}
_NEWLY = {TaskResult.DENIED: "denied", TaskResult.PARTLY: "partly denied"}


# As a table


@dataclass(frozen=True, kw_only=True)
class _Reason:
    """The cells of a row that say why: accounts with the same reasons share their rows."""

    result: TaskResult
    tasks: str
    policy: str
    place: str


def show_table(verdict: OrganizationVerdict) -> None:
    """Show a table of the denials, what would fix them, and the numbers."""
    lines: list[Table | Text] = []
    table = _table(verdict)
    if table.row_count:
        lines.append(table)
        lines.append(screen.safe_text())
    for fix in verdict.fixes:
        lines += [screen.safe_text(line) for line in _fix_lines(fix)]
        lines.append(screen.safe_text())
    lines.append(screen.wrapped(_summary(verdict), width=console().width, style="bold"))
    screen.show_lines(lines)


def _table(verdict: OrganizationVerdict) -> Table:
    """Return a table in which accounts with the same reasons share their rows, the worst first."""
    groups: dict[tuple[_Reason, ...], list[AccountVerdict]] = {}
    worst_first = sorted(verdict.accounts, key=lambda account: WORST_FIRST.index(account.result))
    for account in worst_first:
        reasons = tuple(_reason(cause, verdict) for cause in account.causes)
        groups.setdefault(reasons, []).append(account)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for name in ("result", "account", "name", "OU", "tasks", "policy, statement", "attached to"):
        table.add_column(name, overflow="fold", no_wrap=name in ("result", "account"))
    # Accounts in which nothing is denied have no reasons, and so no row.
    for reasons, accounts in groups.items():
        account_cells = [screen.safe_text(text) for text in _account_cells(accounts)]
        for reason in reasons:
            table.add_row(
                screen.safe_text(reason.result.words, _STYLES[reason.result]),
                *account_cells,
                screen.safe_text(reason.tasks),
                screen.safe_text(reason.policy),
                screen.safe_text(reason.place),
            )
    return table


def _account_cells(accounts: Sequence[AccountVerdict]) -> tuple[str, str, str]:
    """Return an account, its name and its unit; of several their number and their units."""
    units = sorted({account.account.organizational_unit or "" for account in accounts})
    named = units[:_MAX_UNITS]
    if len(units) > _MAX_UNITS:
        named.append("...")
    in_units = ", ".join(named)
    if len(accounts) > 1:
        return quantity(len(accounts), "account"), "", in_units
    account = accounts[0].account
    return account.account_id, account.name or "", in_units


def _reason(denial: DenialCause, verdict: OrganizationVerdict) -> _Reason:
    """Return the cells that say what denies which tasks, and where it is attached."""
    policy = _policy_and_statement(denial.cause) + _why_undecided(denial.cause)
    if denial.result is TaskResult.PARTLY or ASSUME_ROOT in denial.calls:
        # Name the calls if only some of a task's calls are denied, or AssumeRoot, which opens the
        # session for every task. Otherwise the names of the tasks say enough.
        policy += f": {', '.join(denial.calls)}"
    tasks = ", ".join(denial.tasks)
    if len(denial.tasks) == len(verdict.tasks) > 1:
        tasks = "all"
    return _Reason(
        result=denial.result, tasks=tasks, policy=policy, place=_name_and_id_of_level(denial.cause)
    )


def _policy_and_statement(cause: Cause) -> str:
    """Return which statement of which policy it is, or that no policy allows it."""
    if cause.policy is None:
        return f"no {cause.policy_type.words} allows it"
    # The policy could not be read.
    if cause.statement is None:
        return cause.policy.problem
    statement = cause.statement.sid or f"statement {cause.statement.number}"
    return f"{cause.policy.name} ({cause.policy.policy_id}), {statement}"


def _why_undecided(cause: Cause) -> str:
    """Return what a denial depends on, such as ": depends on aws:PrincipalArn"; mostly nothing."""
    if cause.reason in (Reason.UNCONFIRMED, Reason.NO_RESOURCE):
        return f": {cause.reason.words}"
    if cause.undecided:
        return f": depends on {'; '.join(cause.undecided)}"
    return ""


def _name_and_id_of_level(cause: Cause) -> str:
    """Return what a policy is attached to: the root, a unit or an account."""
    level = cause.level
    if not level.name:
        return level.target_id
    return f"{level.name} ({level.target_id})"


def _fix_lines(fix: StatementFix) -> Iterator[str]:
    """Yield a statement that denies root sessions, and what would allow them."""
    cause = fix.cause
    accounts = quantity(len(fix.account_ids), "account")
    policy, statement = cause.policy, cause.statement
    # An Allow is missing.
    if policy is None or statement is None:
        where = f"a {cause.policy_type.words} attached to {_name_and_id_of_level(cause)}"
        yield f"To allow root sessions in {accounts}, add this statement to {where}:"
        yield from _indented_json(fix.suggested)
        return
    yield (
        f"Statement {statement.sid or statement.number} of policy {policy.name} "
        f"({policy.policy_id}) denies root sessions in {accounts}:"
    )
    yield from _indented_json(fix.statement)
    # Such as a statement of a control of Control Tower: not to be edited, but there is another way.
    if fix.keep is not None:
        yield from fix.keep.splitlines()
        return
    yield "To exempt root sessions, change it to:"
    yield from _indented_json(fix.suggested)


def _indented_json(statement: object) -> list[str]:
    """Return a statement of a policy in lines."""
    return [f"  {line}" for line in json.dumps(statement, indent=2).splitlines()]


def _summary(verdict: OrganizationVerdict) -> str:
    """Return how many accounts have each result; after a change only what it would newly deny."""
    counts = {result: verdict.count(result) for result in TaskResult}
    sentences = []
    if verdict.change is not None:
        becoming = []
        for result, words in _NEWLY.items():
            # Removed, so that the list below does not count it a second time.
            count = counts.pop(result)
            if count:
                becoming.append(f"{quantity(count, 'account')} would become {words}")
        changes = ", ".join(becoming) or "nothing more is denied"
        sentences.append(f"With {verdict.change.policy.name}, {changes}.")

    listed = [
        f"{result.words}: {quantity(count, 'account')}" for result, count in counts.items() if count
    ]
    if not listed and not sentences:
        listed = ["no account to check"]
    if listed:
        text = ", ".join(listed)
        sentences.append(f"{text[0].upper()}{text[1:]}.")

    if not verdict.enabled_types:
        sentences.append("Service control policies and resource control policies are disabled.")
    elif verdict.change is not None and verdict.change.policy_type not in verdict.enabled_types:
        kind = verdict.change.policy_type.words
        sentences.append(f"AWS attaches it only when its type, {kind}, is enabled.")
    return " ".join(sentences)


# As JSON


def to_json(verdict: OrganizationVerdict) -> str:
    """Return the whole verdict as one line of JSON."""
    change = None
    if verdict.change is not None:
        change = {
            "policyType": verdict.change.policy_type,
            "targetIds": verdict.change.target_ids,
            "replacedPolicyId": verdict.change.replaced_id,
            "delegatesNotJudged": verdict.unjudged_delegates,
        }
    accounts = [
        {
            "accountId": checked.account.account_id,
            "name": checked.account.name,
            "organizationalUnit": checked.account.organizational_unit,
            "result": checked.result,
            "session": checked.session,
            "tasks": {task.task: task.result for task in checked.tasks},
            "causes": [_json_of_denial(cause) for cause in checked.causes],
        }
        for checked in verdict.accounts
    ]
    fixes = [
        {
            **_json_of_cause(fix.cause),
            "accountIds": fix.account_ids,
            "current": fix.statement,
            "suggested": fix.suggested,
        }
        for fix in verdict.fixes
    ]
    return json.dumps(
        {
            "organizationId": verdict.organization_id,
            "tasks": verdict.tasks,
            "enabledPolicyTypes": verdict.enabled_types,
            "change": change,
            "accounts": accounts,
            "fixes": fixes,
        }
    )


def _json_of_denial(denial: DenialCause) -> dict[str, Any]:
    """Return what denies tasks in an account, as JSON has it."""
    return {
        "result": denial.decision,
        **_json_of_cause(denial.cause),
        "tasks": denial.tasks,
        "calls": denial.calls,
        "undecided": denial.cause.undecided,
    }


def _json_of_cause(cause: Cause) -> dict[str, Any]:
    """Return which statement a cause is, and where its policy is attached, as JSON has it.

    The policy is null if an Allow is missing, and the statement also if a policy cannot be read.
    """
    members: dict[str, Any] = {
        "reason": cause.reason,
        "policyType": cause.policy_type,
        "policyId": None,
        "policyName": None,
        "statement": None,
        "sid": None,
        "attachedToId": cause.level.target_id,
        "attachedToName": cause.level.name,
    }
    if cause.policy is not None:
        members["policyId"] = cause.policy.policy_id
        members["policyName"] = cause.policy.name
    if cause.statement is not None:
        members["statement"] = cause.statement.number
        members["sid"] = cause.statement.sid or None
    return members
